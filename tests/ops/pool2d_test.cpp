#include "op_testing.hpp"

#include <numeric>

namespace telaio {
namespace {

using namespace testing_ops;
using testing::ElementsAre;
using testing::HasSubstr;

// 1, 2, 3… as ONNX's examples have it.
Tensor counting(const Shape& shape) {
  std::vector<float> values(static_cast<size_t>(numel(shape)));
  std::iota(values.begin(), values.end(), 1.0f);
  return from_data(values, shape);
}

struct Borders {
  int64_t top, bottom, left, right;
};

// By the definition: calls take(first place in the image, its elements in the window, positions in the padded image)
// for each output element.
template <class F>
std::vector<double> plain(const Tensor& image, Size2d window, Size2d stride, Borders p, F take) {
  const auto x = image.to_vector<double>();
  const int64_t n = image.dim(0), h = image.dim(1), w = image.dim(2), c = image.dim(3);
  const int64_t oh = (h + p.top + p.bottom - window.height) / stride.height + 1;
  const int64_t ow = (w + p.left + p.right - window.width) / stride.width + 1;
  std::vector<double> y;
  for (int64_t b = 0; b < n; ++b)
    for (int64_t i = 0; i < oh; ++i)
      for (int64_t j = 0; j < ow; ++j)
        for (int64_t ch = 0; ch < c; ++ch) {
          std::vector<double> elements;
          for (int64_t u = 0; u < window.height; ++u)
            for (int64_t v = 0; v < window.width; ++v) {
              const int64_t row = i * stride.height + u - p.top, column = j * stride.width + v - p.left;
              if (row < 0 || row >= h || column < 0 || column >= w) continue;
              elements.push_back(x[static_cast<size_t>(((b * h + row) * w + column) * c + ch)]);
            }
          y.push_back(take(elements));
        }
  return y;
}

// The examples of ONNX's specification of MaxPool and AveragePool.
TEST(Pool2d, TheExamplesOfOnnx) {
  const Tensor x = counting({1, 5, 5, 1});
  EXPECT_THAT(
      max_pool2d(x, 5, {.stride = 1, .padding = Padding::of(2)}).to_vector<float>(),
      ElementsAre(13, 14, 15, 15, 15, 18, 19, 20, 20, 20, 23, 24, 25, 25, 25, 23, 24, 25, 25, 25, 23, 24, 25, 25, 25));
  EXPECT_THAT(max_pool2d(x, 3, {.stride = 2, .padding = Padding::same()}).to_vector<float>(),
              ElementsAre(7, 9, 10, 17, 19, 20, 22, 24, 25));
  EXPECT_THAT(max_pool2d(x, 2).to_vector<float>(), ElementsAre(7, 9, 17, 19));
  EXPECT_THAT(avg_pool2d(x, 3, {.stride = 2, .padding = Padding::same()}).to_vector<float>(),
              ElementsAre(4, 5.5, 7, 11.5, 13, 14.5, 19, 20.5, 22));
  const auto around = avg_pool2d(x, 5, {.stride = 1, .padding = Padding::of(2)}).to_vector<float>();
  EXPECT_EQ(std::vector<float>(around.begin(), around.begin() + 5), (std::vector<float>{7, 7.5, 8, 8.5, 9}));
  const auto padded = avg_pool2d(x, 5, {.stride = 1, .padding = Padding::of(2)}, true).to_vector<double>();
  EXPECT_LE(distance({padded.begin(), padded.begin() + 5}, {2.5200, 3.6000, 4.8000, 4.0800, 3.2400}), 1e-6);
}

TEST(Pool2d, AgreesWithPlainLoops) {
  std::mt19937_64 random(40);
  const auto draw = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (int trial = 0; trial < 60; ++trial) {
    const Size2d window(draw(1, 4), draw(1, 4)), stride(draw(1, 4), draw(1, 4));
    const int64_t h = window.height + draw(0, 6), w = window.width + draw(0, 6);
    const Borders p{draw(0, window.height - 1), draw(0, window.height - 1), draw(0, window.width - 1),
                    draw(0, window.width - 1)};
    const DType dtype = trial % 2 == 0 ? f32 : f64;
    const Tensor x = random_tensor({draw(0, 3), h, w, draw(0, 19)}, random, -1, 1, dtype);
    const Pool2dOptions options{stride, Padding::of(p.top, p.bottom, p.left, p.right)};
    const auto largest = [](const std::vector<double>& e) { return *std::max_element(e.begin(), e.end()); };
    const auto total = [](const std::vector<double>& e) { return std::accumulate(e.begin(), e.end(), 0.0); };
    EXPECT_EQ(max_pool2d(x, window, options).to_vector<double>(), plain(x, window, stride, p, largest)) << trial;
    const auto mean_of = plain(x, window, stride, p, [&](const auto& e) { return total(e) / double(e.size()); });
    EXPECT_LE(distance(avg_pool2d(x, window, options).to_vector<double>(), mean_of), dtype == f32 ? 1e-6 : 1e-15);
    const double all = double(window.height * window.width);
    const auto with_padding = plain(x, window, stride, p, [&](const auto& e) { return total(e) / all; });
    EXPECT_LE(distance(avg_pool2d(x, window, options, true).to_vector<double>(), with_padding),
              dtype == f32 ? 1e-6 : 1e-15);
  }
}

TEST(Pool2d, TheFirstMaximumWinsAndPaddingNever) {
  const Tensor x = from_data(std::vector<double>{-3, -1, -1, -2}, {1, 2, 2, 1});
  const Tensor y = max_pool2d(x, 2);
  EXPECT_EQ(y.item<double>(), -1);
  EXPECT_THAT(grad(sum(y), x).to_vector<double>(), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(max_pool2d(x, 2, {.stride = 1, .padding = Padding::of(1)}).to_vector<double>(),
              ElementsAre(-3, -1, -1, -1, -1, -1, -1, -1, -2));
}

TEST(Pool2d, NanPropagates) {
  const Tensor x = from_data(std::vector<float>{1, NAN, 5, 2, 3, 4, 7, 8}, {1, 2, 4, 1});
  const auto y = max_pool2d(x, 2).to_vector<float>();
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_EQ(y[1], 8);
}

// Strides smaller than the window (elements add up), larger ones (some get nothing), unequal borders.
TEST(Pool2d, Derivatives) {
  std::mt19937_64 random(41);
  struct Case {
    Shape image;
    Size2d window;
    Pool2dOptions options;
  };
  const Case cases[] = {{{1, 4, 4, 2}, 2, {}},
                        {{2, 5, 4, 1}, {3, 2}, {1, Padding::same()}},
                        {{1, 6, 5, 2}, 2, {3, Padding::valid()}},
                        {{1, 4, 5, 1}, {2, 3}, {Size2d(2, 1), Padding::of(1, 0, 0, 2)}}};
  for (const Case& one : cases) {
    SCOPED_TRACE(to_string(one.image));
    const Tensor x = random_tensor(one.image, random);
    // Squared, so that the second derivative is not zero by itself.
    expect_derivatives(
        [&](const std::vector<Tensor>& t) { return square(max_pool2d(square(t[0]), one.window, one.options)); }, {x});
    for (const bool padded : {false, true}) {
      expect_derivatives(
          [&](const std::vector<Tensor>& t) { return square(avg_pool2d(t[0], one.window, one.options, padded)); }, {x});
    }
  }
  const Tensor x = random_tensor({2, 3, 3, 2}, random);
  expect_derivatives([](const std::vector<Tensor>& t) { return square(global_max_pool2d(t[0])); }, {x});
  expect_derivatives([](const std::vector<Tensor>& t) { return square(global_avg_pool2d(t[0])); }, {x});
}

// A function of a gradient: its second derivatives need the derivatives of the scatter, and of the gather.
TEST(Pool2d, DerivativesOfHigherOrder) {
  std::mt19937_64 random(42);
  const Tensor x = random_tensor({1, 4, 3, 2}, random);
  const Pool2dOptions options{1, Padding::same()};
  const auto slope_of = [](auto pool) {
    return [pool](const std::vector<Tensor>& t) {
      const Tensor y = pool(t[0]);
      return sum(square(grad(sum(y * square(y)), t[0])));
    };
  };
  expect_derivatives(slope_of([&](const Tensor& t) { return max_pool2d(t, 2, options); }), {x});
  expect_derivatives(slope_of([&](const Tensor& t) { return avg_pool2d(t, 2, options); }), {x});
}

TEST(Pool2d, Global) {
  const Tensor x = from_data(std::vector<float>{1, 8, 2, 7, 3, 6, 4, 5}, {1, 2, 2, 2});
  EXPECT_EQ(global_max_pool2d(x).shape(), (Shape{1, 2}));
  EXPECT_THAT(global_max_pool2d(x).to_vector<float>(), ElementsAre(4, 8));
  EXPECT_THAT(global_avg_pool2d(x).to_vector<float>(), ElementsAre(2.5, 6.5));
}

TEST(Pool2d, EqualPoolsAreMergedAndOthersAreNot) {
  const Tensor x = zeros({1, 8, 8, 1});
  const auto largest = [&](Size2d window, const Pool2dOptions& options = {}) {
    return max_pool2d(x, window, options).node()->op_ptr();
  };
  EXPECT_TRUE(largest(2)->same_as(*largest(2, {.stride = 2})));
  EXPECT_FALSE(largest(2)->same_as(*largest(3)));
  EXPECT_FALSE(largest(2)->same_as(*largest(2, {.stride = 1})));
  EXPECT_FALSE(largest(2)->same_as(*largest(2, {.padding = Padding::of(1)})));
  const auto average = [&](bool padded) { return avg_pool2d(x, 2, {}, padded).node()->op_ptr(); };
  EXPECT_TRUE(average(true)->same_as(*average(true)));
  EXPECT_FALSE(average(true)->same_as(*average(false)));
}

TEST(Pool2d, Errors) {
  const auto of = [](const Shape& image, Size2d window, const Pool2dOptions& options = {}, DType dtype = f32) {
    return message_of([&] { max_pool2d(zeros(image, dtype), window, options); });
  };
  const std::string large = of({1, 2, 4, 1}, 3);
  EXPECT_THAT(large, HasSubstr("max_pool2d: the window's height 3 is more than the image's 2\n  image f32[1,2,4,1]"));
  EXPECT_THAT(large, HasSubstr("pool2d_test.cpp:"));
  EXPECT_THAT(of({4, 4, 1}, 2), HasSubstr("the image must have 4 axes"));
  EXPECT_THAT(of({1, 4, 4, 1}, 2, {}, i32), HasSubstr("the image must be f32 or f64"));
  EXPECT_THAT(of({1, 4, 4, 1}, 0), HasSubstr("the height of the window must be at least 1, got 0"));
  EXPECT_THAT(of({1, 4, 4, 1}, 2, {.stride = Size2d(1, 0)}),
              HasSubstr("the width of the stride must be at least 1, got 0"));
  EXPECT_THAT(of({1, 4, 4, 1}, 2, {.padding = Padding::of(-1)}), HasSubstr("padding must be at least 0, got -1"));
  EXPECT_THAT(of({1, 4, 4, 1}, 2, {.padding = Padding::of(2, 0, 0, 0)}),
              HasSubstr("a window of height 2 would lie in padding alone"));
  EXPECT_THAT(of({1, 4, 4, 1}, 2, {.padding = Padding::of(0, 0, 0, 2)}),
              HasSubstr("a window of width 2 would lie in padding alone"));
  EXPECT_THAT(of({1, 50'000, 50'000, 1}, 2), HasSubstr("more than 2^31 - 1 positions"));

  const auto average = [](bool padded) {
    return message_of([&] { avg_pool2d(zeros({1, 4, 4, 1}), 2, {.padding = Padding::of(2)}, padded); });
  };
  EXPECT_THAT(average(false), HasSubstr("avg_pool2d: a window of height 2 would lie in padding alone"));
  EXPECT_EQ(average(true), "no error");
  EXPECT_THAT(message_of([] {
                global_avg_pool2d(zeros({1, 4, 4}));
              }),
              HasSubstr("global_avg_pool2d: the image must have 4 axes"));
  EXPECT_THAT(message_of([] { global_max_pool2d(zeros({1, 0, 4, 1})); }), HasSubstr("the image has no positions"));
}

}  // namespace
}  // namespace telaio
