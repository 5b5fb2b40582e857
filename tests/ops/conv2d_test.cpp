#include "op_testing.hpp"

#include <numeric>

namespace telaio {
namespace {

using namespace testing_ops;
using testing::ElementsAre;
using testing::HasSubstr;

Tensor counting(const Shape& shape, double first = 0, DType dtype = f32) {
  std::vector<double> values(static_cast<size_t>(numel(shape)));
  std::iota(values.begin(), values.end(), first);
  return cast(from_data(values, shape), dtype);
}

struct Borders {
  int64_t top, bottom, left, right;
};

// By the definition, with the padding as numbers: image [N,H,W,C], filter [KH,KW,C/groups,O].
std::vector<double> plain(const Tensor& image, const Tensor& filter, Size2d stride, Borders p, Size2d dilation,
                          int64_t groups) {
  const auto x = image.to_vector<double>(), w = filter.to_vector<double>();
  const int64_t n = image.dim(0), h = image.dim(1), wd = image.dim(2), c = image.dim(3);
  const int64_t kh = filter.dim(0), kw = filter.dim(1), ci = filter.dim(2), o = filter.dim(3);
  const int64_t oh = (h + p.top + p.bottom - dilation.height * (kh - 1) - 1) / stride.height + 1;
  const int64_t ow = (wd + p.left + p.right - dilation.width * (kw - 1) - 1) / stride.width + 1;
  std::vector<double> y;
  for (int64_t b = 0; b < n; ++b)
    for (int64_t i = 0; i < oh; ++i)
      for (int64_t j = 0; j < ow; ++j)
        for (int64_t q = 0; q < o; ++q) {
          const int64_t group = q / (o / groups);
          double total = 0;
          for (int64_t u = 0; u < kh; ++u)
            for (int64_t v = 0; v < kw; ++v)
              for (int64_t ch = 0; ch < ci; ++ch) {
                const int64_t row = i * stride.height + u * dilation.height - p.top;
                const int64_t column = j * stride.width + v * dilation.width - p.left;
                if (row < 0 || row >= h || column < 0 || column >= wd) continue;
                total += x[static_cast<size_t>(((b * h + row) * wd + column) * c + group * ci + ch)] *
                         w[static_cast<size_t>(((u * kw + v) * ci + ch) * o + q)];
              }
          y.push_back(total);
        }
  return y;
}

// The examples of ONNX's specification of Conv (a window of nine ones over 0, 1, 2…) and ConvTranspose.
TEST(Conv2d, TheExamplesOfOnnx) {
  const Tensor ones_3x3 = ones({3, 3, 1, 1});
  EXPECT_THAT(conv2d(counting({1, 5, 5, 1}), ones_3x3, {.padding = Padding::of(1)}).to_vector<float>(),
              ElementsAre(12, 21, 27, 33, 24, 33, 54, 63, 72, 51, 63, 99, 108, 117, 81, 93, 144, 153, 162, 111, 72, 111,
                          117, 123, 84));
  EXPECT_THAT(conv2d(counting({1, 5, 5, 1}), ones_3x3).to_vector<float>(),
              ElementsAre(54, 63, 72, 99, 108, 117, 144, 153, 162));
  EXPECT_THAT(conv2d(counting({1, 7, 5, 1}), ones_3x3, {.stride = 2, .padding = Padding::of(1)}).to_vector<float>(),
              ElementsAre(12, 27, 24, 63, 108, 81, 123, 198, 141, 112, 177, 124));
  EXPECT_THAT(
      conv2d(counting({1, 7, 5, 1}), ones_3x3, {.stride = 2, .padding = Padding::of(1, 1, 0, 0)}).to_vector<float>(),
      ElementsAre(21, 33, 99, 117, 189, 207, 171, 183));
  EXPECT_THAT(conv2d_transpose(counting({1, 3, 3, 1}), ones_3x3).to_vector<float>(),
              ElementsAre(0, 1, 3, 3, 2, 3, 8, 15, 12, 7, 9, 21, 36, 27, 15, 9, 20, 33, 24, 13, 6, 13, 21, 15, 8));
}

// TensorFlow: the output is ⌈size/stride⌉; where the padding is odd, the bottom and right get the larger half.
TEST(Conv2d, SamePadding) {
  const Tensor two_by_two = from_data(std::vector<float>{1, 10, 100, 1000}, {2, 2, 1, 1});
  const Tensor image = from_data(std::vector<float>{1, 2, 3, 4}, {1, 2, 2, 1});
  EXPECT_THAT(conv2d(image, two_by_two, {.padding = Padding::same()}).to_vector<float>(),
              ElementsAre(4321, 402, 43, 4));
  for (int64_t size = 1; size <= 9; ++size)
    for (int64_t window = 1; window <= 4; ++window)
      for (int64_t stride = 1; stride <= 3; ++stride)
        for (int64_t dilation = 1; dilation <= 2; ++dilation) {
          const Tensor y = conv2d(zeros({1, size, 1, 1}), zeros({window, 1, 1, 1}),
                                  {.stride = stride, .padding = Padding::same(), .dilation = dilation});
          EXPECT_EQ(y.dim(1), (size + stride - 1) / stride);
        }
}

TEST(Conv2d, AgreesWithPlainLoops) {
  std::mt19937_64 random(30);
  const auto draw = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  for (int trial = 0; trial < 60; ++trial) {
    const int64_t groups = draw(1, 3);
    const bool depthwise = trial % 4 == 0;
    const int64_t ci = depthwise ? 1 : draw(1, 4), o = groups * draw(1, 5);
    const Size2d stride(draw(1, 3), draw(1, 3)), dilation(draw(1, 2), draw(1, 2));
    const Borders p{draw(0, 3), draw(0, 3), draw(0, 3), draw(0, 3)};
    const int64_t kh = draw(1, 4), kw = draw(1, 4);
    const int64_t h = std::max<int64_t>(1, dilation.height * (kh - 1) + 1 - p.top - p.bottom) + draw(0, 7);
    const int64_t w = std::max<int64_t>(1, dilation.width * (kw - 1) + 1 - p.left - p.right) + draw(0, 7);
    const DType dtype = trial % 2 == 0 ? f32 : f64;
    const Tensor image = random_tensor({draw(0, 3), h, w, ci * groups}, random, -1, 1, dtype);
    const Tensor filter = random_tensor({kh, kw, ci, o}, random, -1, 1, dtype);
    const Conv2dOptions options{stride, Padding::of(p.top, p.bottom, p.left, p.right), dilation, groups};
    const auto expected = plain(image, filter, stride, p, dilation, groups);
    // At most 4·4·4 products of numbers below 1 in a sum.
    EXPECT_LE(distance(conv2d(image, filter, options).to_vector<double>(), expected), dtype == f32 ? 2e-5 : 1e-13)
        << trial;
  }
}

// ⟨conv2d(x, w), y⟩ = ⟨x, conv2d_transpose(y, w)⟩ for every x and y.
TEST(Conv2d, TransposeIsTheTranspose) {
  std::mt19937_64 random(31);
  const Conv2dOptions all[] = {{},
                               {.stride = 2, .padding = Padding::same()},
                               {.stride = {3, 2}, .padding = Padding::of(1, 0, 2, 1)},
                               {.padding = Padding::of(1), .dilation = 2},
                               {.stride = 2, .groups = 2},
                               {.stride = 3, .padding = Padding::same(), .groups = 4}};
  for (const Conv2dOptions& options : all) {
    const Tensor y = random_tensor({2, 4, 3, 4}, random), w = random_tensor({3, 2, 4 / options.groups, 4}, random);
    const Tensor transposed = conv2d_transpose(y, w, options);
    if (options.padding.kind == Padding::Kind::same) {
      EXPECT_EQ(transposed.dim(1), 4 * options.stride.height);
    }
    const Tensor x = random_tensor(transposed.shape(), random);
    EXPECT_NEAR(sum(conv2d(x, w, options) * y).item<double>(), sum(x * transposed).item<double>(), 1e-11);
  }
}

TEST(Conv2d, OutputPaddingChoosesAmongTheImagesThatGiveThisSize) {
  const Tensor y = zeros({1, 4, 4, 2}), w = zeros({3, 3, 5, 2});
  EXPECT_EQ(conv2d_transpose(y, w, {.stride = 2}).shape(), (Shape{1, 9, 9, 5}));
  EXPECT_EQ(conv2d_transpose(y, w, {.stride = 2}, {1, 0}).shape(), (Shape{1, 10, 9, 5}));
  EXPECT_EQ(conv2d(zeros({1, 10, 9, 5}), w, {.stride = 2}).shape(), y.shape());
}

TEST(Conv2d, Derivatives) {
  std::mt19937_64 random(32);
  struct Case {
    Shape image, filter;
    Conv2dOptions options;
  };
  const Case cases[] = {{{2, 4, 3, 2}, {3, 2, 2, 3}, {}},
                        {{1, 5, 4, 2}, {3, 3, 2, 2}, {.stride = 2, .padding = Padding::same()}},
                        {{1, 4, 4, 1}, {2, 2, 1, 2}, {.stride = {2, 1}, .padding = Padding::of(2, 0, 1, 2)}},
                        {{1, 5, 5, 1}, {2, 2, 1, 2}, {.padding = Padding::of(0, 1, 0, 0), .dilation = {3, 2}}},
                        {{1, 3, 3, 4}, {2, 2, 2, 4}, {.stride = 1, .groups = 2}},
                        {{2, 4, 3, 3}, {2, 2, 1, 3}, {.padding = Padding::same(), .groups = 3}},
                        {{1, 4, 4, 2}, {3, 2, 1, 4}, {.stride = 3, .padding = Padding::of(1), .groups = 2}}};
  for (const Case& one : cases) {
    SCOPED_TRACE(to_string(one.image) + " " + to_string(one.filter));
    const Tensor x = random_tensor(one.image, random), w = random_tensor(one.filter, random);
    const auto f = [&](const std::vector<Tensor>& t) { return conv2d(t[0], t[1], one.options); };
    expect_derivatives(f, {x, w});
    const Tensor y = random_tensor(f({x, w}).shape(), random);
    expect_derivatives([&](const std::vector<Tensor>& t) { return conv2d_transpose(t[0], t[1], one.options); }, {y, w});
  }
}

// The ops are closed under differentiation, so a function of a gradient has second derivatives as well.
TEST(Conv2d, DerivativesOfHigherOrder) {
  std::mt19937_64 random(33);
  const Tensor x = random_tensor({1, 3, 3, 1}, random), w = random_tensor({2, 2, 1, 2}, random);
  const Function slope = [&](const std::vector<Tensor>& t) {
    return sum(square(grad(sum(square(conv2d(t[0], t[1]))), t[1])));
  };
  expect_derivatives(slope, {x, w});
}

TEST(Conv2d, InfinityStaysInItsWindows) {
  std::vector<float> values(25, 1.0f);
  values[0] = INFINITY;
  const auto y =
      conv2d(from_data(values, {1, 5, 5, 1}), ones({3, 3, 1, 1}), {.padding = Padding::same()}).to_vector<float>();
  for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(std::isfinite(y[i]), i / 5 > 1 || i % 5 > 1) << i;
}

// The two-layer convolutional net on 28×28 images of Keras's documentation: its 1,317,824 multiply-adds are these two
// convolutions and a dense layer of 8,000.
TEST(Conv2d, CountsArithmetic) {
  const auto flops = [](const Tensor& y) {
    std::vector<TensorSpec> x;
    for (const Tensor& operand : y.node()->inputs()) x.push_back(operand.spec());
    return y.node()->op().flops(x, y.node()->outputs());
  };
  const Tensor conv1 = conv2d(zeros({1, 28, 28, 1}), zeros({3, 3, 1, 32}));
  const Tensor conv2 = conv2d(zeros({1, 13, 13, 32}), zeros({3, 3, 32, 32}));
  EXPECT_EQ(flops(conv1) + flops(conv2), 2.0 * (1'317'824 - 8'000));
}

TEST(Conv2d, EqualConvolutionsAreMergedAndOthersAreNot) {
  const auto op = [](const Conv2dOptions& options) {
    return conv2d(zeros({1, 8, 8, 4}), zeros({1, 1, 4 / options.groups, 4}), options).node()->op_ptr();
  };
  EXPECT_TRUE(op({})->same_as(*op({})));
  EXPECT_FALSE(op({})->same_as(*op({.stride = 2})));
  EXPECT_FALSE(op({})->same_as(*op({.padding = Padding::of(1)})));
  EXPECT_FALSE(op({})->same_as(*op({.dilation = 2})));
  EXPECT_FALSE(op({})->same_as(*op({.groups = 2})));
}

TEST(Conv2d, Errors) {
  const auto of = [](const Shape& image, const Shape& filter, const Conv2dOptions& options = {}, DType a = f32,
                     DType b = f32) { return message_of([&] { conv2d(zeros(image, a), zeros(filter, b), options); }); };
  const std::string channels = of({128, 28, 28, 1}, {3, 3, 3, 32});
  EXPECT_THAT(channels, HasSubstr("conv2d: the filter expects 3 input channels, the image has 1\n"
                                  "  image f32[128,28,28,1]   filter f32[3,3,3,32]"));
  EXPECT_THAT(channels, HasSubstr("conv2d_test.cpp:"));
  EXPECT_THAT(of({1, 8, 8, 4}, {3, 3, 1, 4}, {.groups = 2}),
              HasSubstr("the filter expects 2 input channels (2 groups of 1), the image has 4"));
  EXPECT_THAT(of({1, 8, 8, 4}, {3, 3, 1, 4}, {.groups = 3}), HasSubstr("3 groups do not divide 4 input channels"));
  EXPECT_THAT(of({1, 8, 8, 4}, {3, 3, 2, 3}, {.groups = 2}), HasSubstr("2 groups do not divide 3 output channels"));
  EXPECT_THAT(of({1, 8, 8, 4}, {3, 3, 2, 3}, {.groups = 0}), HasSubstr("groups must be at least 1, got 0"));
  EXPECT_THAT(of({8, 8, 4}, {3, 3, 2, 3}), HasSubstr("the image must have 4 axes"));
  EXPECT_THAT(of({1, 8, 8, 4}, {3, 2, 3}), HasSubstr("the filter must have 4 axes"));
  EXPECT_THAT(of({1, 8, 8, 4}, {3, 3, 4, 3}, {.stride = 0}), HasSubstr("the height of the stride must be at least 1"));
  EXPECT_THAT(of({1, 8, 8, 4}, {3, 3, 4, 3}, {.stride = {1, -2}}),
              HasSubstr("the width of the stride must be at least 1"));
  EXPECT_THAT(of({1, 8, 8, 4}, {3, 3, 4, 3}, {.dilation = 0}), HasSubstr("the height of the dilation"));
  EXPECT_THAT(of({1, 8, 8, 4}, {3, 3, 4, 3}, {.padding = Padding::of(0, -1, 0, 0)}),
              HasSubstr("padding must be at least 0, got -1"));
  EXPECT_THAT(of({1, 8, 8, 4}, {0, 3, 4, 3}), HasSubstr("the height of the window must be at least 1, got 0"));
  EXPECT_THAT(of({1, 0, 8, 4}, {3, 3, 4, 3}), HasSubstr("the height of the image must be at least 1, got 0"));
  EXPECT_THAT(of({1, 2, 8, 4}, {3, 3, 4, 3}), HasSubstr("the window's height 3 is more than the image's 2"));
  EXPECT_THAT(of({1, 8, 2, 4}, {3, 3, 4, 3}, {.padding = Padding::of(1), .dilation = 4}),
              HasSubstr("the window's width 9 is more than the image's 2 and 2 of padding"));
  EXPECT_THAT(of({1, 8, 8, 4}, {3, 3, 4, 3}, {.stride = int64_t{1} << 40}), HasSubstr("less than 2^31"));
  EXPECT_THAT(of({1, 8, 8, 4}, {3, 3, 4, 3}, {}, i32, i32), HasSubstr("the image must be f32 or f64"));
  EXPECT_THAT(of({1, 8, 8, 4}, {3, 3, 4, 3}, {}, f32, f64), HasSubstr("the image and the filter must be of one type"));
}

TEST(Conv2d, ErrorsOfTheTranspose) {
  const auto of = [](const Shape& image, const Shape& filter, const Conv2dOptions& options = {}, Size2d extra = 0) {
    return message_of([&] { conv2d_transpose(zeros(image), zeros(filter), options, extra); });
  };
  EXPECT_THAT(of({1, 4, 4, 3}, {3, 3, 1, 2}),
              HasSubstr("conv2d_transpose: the filter takes 2 channels back, the image has 3\n"
                        "  image f32[1,4,4,3]   filter f32[3,3,1,2]"));
  EXPECT_THAT(of({1, 4, 4, 2}, {3, 3, 1, 2}, {.stride = 2}, 2), HasSubstr("output padding must be in [0, 2)"));
  EXPECT_THAT(of({1, 4, 4, 2}, {3, 3, 1, 2}, {.stride = 2, .padding = Padding::same()}, 1), HasSubstr("`same`"));
  EXPECT_THAT(of({1, 1, 1, 2}, {3, 3, 1, 2}, {.padding = Padding::of(2)}), HasSubstr("too much padding"));
  EXPECT_THAT(of({4, 4, 2}, {3, 3, 1, 2}), HasSubstr("the image must have 4 axes"));
  EXPECT_THAT(of({1, 4, 4, 2}, {3, 3, 1, 2}, {.stride = 0}), HasSubstr("the stride must be at least 1, got 0"));
  EXPECT_THAT(of({1, 4, 4, 2}, {3, 3, 1, 2}, {.padding = Padding::of(-1)}), HasSubstr("padding must be at least 0"));
}

}  // namespace
}  // namespace telaio
