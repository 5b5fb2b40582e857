#include "layer_testing.hpp"

namespace telaio::nn {
namespace {

/// How conv2d is defined, in plain loops. `top` and `left` are the borders; the output's size is given.
Doubles plain_conv(const Tensor& image, const Tensor& filter, Size2d out, Size2d stride, int64_t top, int64_t left,
                   Size2d dilation, int64_t groups) {
  const Doubles x = values_of(image), w = values_of(filter);
  const int64_t n = image.dim(0), h = image.dim(1), wide = image.dim(2), c = image.dim(3);
  const int64_t kh = filter.dim(0), kw = filter.dim(1), inner = filter.dim(2), o = filter.dim(3);
  Doubles y;
  for (int64_t b = 0; b < n; ++b)
    for (int64_t i = 0; i < out.height; ++i)
      for (int64_t j = 0; j < out.width; ++j)
        for (int64_t k = 0; k < o; ++k) {
          const int64_t first = k / (o / groups) * inner;
          double sum = 0;
          for (int64_t p = 0; p < kh; ++p)
            for (int64_t q = 0; q < kw; ++q)
              for (int64_t m = 0; m < inner; ++m) {
                const int64_t row = i * stride.height - top + p * dilation.height;
                const int64_t column = j * stride.width - left + q * dilation.width;
                if (row < 0 || row >= h || column < 0 || column >= wide) continue;
                sum += x[static_cast<size_t>(((b * h + row) * wide + column) * c + first + m)] *
                       w[static_cast<size_t>(((p * kw + q) * inner + m) * o + k)];
              }
          y.push_back(sum);
        }
  return y;
}

TEST(Conv2DLayer, ByHand) {
  // 1 2 3      rows of the filter 1 10, 100 1000
  // 4 5 6
  const Model model = model_of(Conv2D{.filters = 1, .kernel = 2}, {2, 3, 1},
                               {doubles({1, 10, 100, 1000}, {2, 2, 1, 1}), doubles({0.5}, {1})});
  EXPECT_EQ(values_of(model(doubles({1, 2, 3, 4, 5, 6}, {1, 2, 3, 1}))), (Doubles{5421.5, 6532.5}));
  EXPECT_EQ(model.output_shape(), (Shape{1, 2, 1}));
  EXPECT_EQ(variables_of(model), "weight [2,2,1,1], bias [1]");
  EXPECT_EQ(model.parameter_count(), 5);
  EXPECT_EQ(model.multiply_adds(), 8);
}

TEST(Conv2DLayer, SamePaddingPutsTheOddColumnAtTheEnd) {
  const Model model = model_of(Conv2D{.filters = 1, .kernel = {1, 2}, .padding = Padding::same(), .use_bias = false},
                               {1, 3, 1}, {doubles({1, 10}, {1, 2, 1, 1})});
  EXPECT_EQ(values_of(model(doubles({1, 2, 3}, {1, 1, 3, 1}))), (Doubles{21, 32, 3}));
  EXPECT_EQ(variables_of(model), "weight [1,2,1,1]");
}

struct ConvCase {
  const char* name;
  Conv2D layer;
  Size2d output;
  int64_t top, left;
};

TEST(Conv2DLayer, EveryOptionAgainstPlainLoops) {
  const ConvCase cases[] = {
      {"valid", {.filters = 4, .kernel = {3, 2}}, {5, 5}, 0, 0},
      {"same", {.filters = 4, .kernel = {3, 2}, .padding = Padding::same()}, {7, 6}, 1, 0},
      {"given", {.filters = 4, .kernel = {3, 2}, .padding = Padding::of(2, 0, 1, 3)}, {7, 9}, 2, 1},
      {"strides", {.filters = 4, .kernel = 3, .strides = {2, 3}}, {3, 2}, 0, 0},
      // ⌈7/2⌉ = 4, ⌈6/2⌉ = 3: a border of (4−1)·2+3−7 = 2 rows and (3−1)·2+3−6 = 1 column.
      {"same strides", {.filters = 4, .kernel = 3, .strides = 2, .padding = Padding::same()}, {4, 3}, 1, 0},
      {"dilation", {.filters = 4, .kernel = {3, 2}, .dilation = {2, 3}}, {3, 3}, 0, 0},
      {"groups", {.filters = 4, .kernel = {3, 2}, .groups = 2}, {5, 5}, 0, 0},
  };
  for (const ConvCase& one : cases) {
    SCOPED_TRACE(one.name);
    const Conv2D& layer = one.layer;
    const Tensor x = scattered({2, 7, 6, 2});
    const Shape shape{layer.kernel.height, layer.kernel.width, 2 / layer.groups, 4};
    const Tensor w = scattered(shape, 3), b = doubles({0.5, -1, 2, 3}, {4});
    const Model model = model_of(layer, {7, 6, 2}, {w, b});
    Doubles expected = plain_conv(x, w, one.output, layer.strides, one.top, one.left, layer.dilation, layer.groups);
    for (size_t i = 0; i < expected.size(); ++i) expected[i] += values_of(b)[i % 4];
    EXPECT_EQ(model.output_shape(), (Shape{one.output.height, one.output.width, 4}));
    EXPECT_LE(distance(values_of(model(x)), expected), 1e-13);
    EXPECT_EQ(model.parameter_count(), numel(shape) + 4);
    EXPECT_EQ(model.multiply_adds(), one.output.height * one.output.width * numel(shape));
  }
}

TEST(Conv2DLayer, Activation) {
  const Model model = model_of(Conv2D{.filters = 1, .kernel = 1, .activation = "relu"}, {1, 2, 1},
                               {doubles({1}, {1, 1, 1, 1}), doubles({-3}, {1})});
  EXPECT_EQ(values_of(model(doubles({5, 2}, {1, 1, 2, 1}))), (Doubles{2, 0}));
}

double largest_weight(const Model& model, size_t variable) {
  double largest = 0;
  for (const double w : values_of(model.variables()[variable])) largest = std::max(largest, std::abs(w));
  return largest;
}

TEST(Conv2DLayer, FansAreWindowTimesChannels) {
  // glorot_uniform: ±√(6/(in+out)); pytorch: ±1/√in.
  const double glorot = largest_weight(model_of(Conv2D{.filters = 64, .kernel = {3, 5}}, {9, 9, 16}), 0);
  const double limit = std::sqrt(6.0 / (15 * 16 + 15 * 64));
  EXPECT_LE(glorot, limit);
  EXPECT_GT(glorot, 0.99 * limit);
  const Conv2D grouped{.filters = 64, .groups = 4, .weight_initializer = "pytorch", .bias_initializer = "pytorch"};
  const Model torch = model_of(grouped, {9, 9, 16});
  for (const size_t variable : {0u, 1u}) {
    EXPECT_LE(largest_weight(torch, variable), 1 / std::sqrt(9.0 * 4));
    EXPECT_GT(largest_weight(torch, variable), 0.9 / std::sqrt(9.0 * 4));
  }
}

TEST(Conv2DLayer, Errors) {
  EXPECT_THAT(building_error(Conv2D{}, {5, 5, 1}), HasSubstr("conv2d: filters: expected at least 1, got 0\n  at "));
  EXPECT_THAT(building_error(Conv2D{.filters = 2, .kernel = {0, 3}}, {5, 5, 1}),
              HasSubstr("kernel height: expected at least 1, got 0"));
  EXPECT_THAT(building_error(Conv2D{.filters = 2, .kernel = {3, -1}}, {5, 5, 1}),
              HasSubstr("kernel width: expected at least 1, got -1"));
  EXPECT_THAT(building_error(Conv2D{.filters = 2, .groups = 0}, {5, 5, 1}),
              HasSubstr("groups: expected at least 1, got 0"));
  EXPECT_THAT(building_error(Conv2D{.filters = 4, .groups = 2}, {5, 5, 3}),
              HasSubstr("2 groups do not divide 3 channels into 4 filters"));
  EXPECT_THAT(building_error(Conv2D{.filters = 4}, {5, 5}),
              HasSubstr("conv2d: expected images [N,H,W,C]\n  input f32[1,5,5]\n  at "));
  const std::string large = building_error(Conv2D{.filters = 4, .kernel = 6}, {5, 5, 1});
  EXPECT_THAT(large, HasSubstr("image f32[1,5,5,1]"));
  EXPECT_THAT(large, HasSubstr("conv_test.cpp:"));
  EXPECT_THAT(building_error(Conv2D{.filters = 4, .strides = 0}, {5, 5, 1}), HasSubstr("stride"));
  EXPECT_THAT(building_error(Conv2D{.filters = 4, .dilation = 0}, {5, 5, 1}), HasSubstr("dilation"));
}

TEST(DepthwiseConv2DLayer, ByHand) {
  // Two channels, two filters each: output channel 2c + m is channel c by filter 2c + m.
  const Model model = model_of(DepthwiseConv2D{.kernel = {1, 2}, .multiplier = 2}, {1, 2, 2},
                               {doubles({1, 2, 3, 4, 10, 20, 30, 40}, {1, 2, 1, 4}), doubles({0, 0, 0, 1000}, {4})});
  // Channel 0 is 1, 3; channel 1 is 2, 4.
  EXPECT_EQ(values_of(model(doubles({1, 2, 3, 4}, {1, 1, 2, 2}))), (Doubles{31, 62, 126, 1168}));
  EXPECT_EQ(variables_of(model), "weight [1,2,1,4], bias [4]");
  EXPECT_EQ(model.multiply_adds(), 8);
}

TEST(DepthwiseConv2DLayer, EveryOption) {
  const DepthwiseConv2D layer{.kernel = {2, 3},
                              .multiplier = 2,
                              .activation = "tanh",
                              .strides = {2, 1},
                              .padding = Padding::of(1, 0, 0, 2),
                              .dilation = {1, 2},
                              .use_bias = false};
  const Tensor x = scattered({2, 5, 6, 3}), w = scattered({2, 3, 1, 6}, 2);
  const Model model = model_of(layer, {5, 6, 3}, {w});
  Doubles expected = plain_conv(x, w, {3, 4}, layer.strides, 1, 0, layer.dilation, 3);
  for (double& y : expected) y = std::tanh(y);
  EXPECT_EQ(model.output_shape(), (Shape{3, 4, 6}));
  EXPECT_LE(distance(values_of(model(x)), expected), 1e-13);
  EXPECT_EQ(model.parameter_count(), 36);
  EXPECT_EQ(model.multiply_adds(), 3 * 4 * 36);
}

TEST(DepthwiseConv2DLayer, FansAreThoseOfOneFilter) {
  const double largest = largest_weight(model_of(DepthwiseConv2D{.multiplier = 4}, {5, 5, 64}), 0);
  const double limit = std::sqrt(6.0 / (9 + 9 * 4));
  EXPECT_LE(largest, limit);
  EXPECT_GT(largest, 0.99 * limit);
}

TEST(DepthwiseConv2DLayer, Errors) {
  EXPECT_THAT(building_error(DepthwiseConv2D{.multiplier = 0}, {5, 5, 1}),
              HasSubstr("depthwise_conv2d: multiplier: expected at least 1, got 0\n  at "));
  EXPECT_THAT(building_error(DepthwiseConv2D{.kernel = 0}, {5, 5, 1}), HasSubstr("kernel height: expected at least 1"));
  EXPECT_THAT(building_error(DepthwiseConv2D{}, {5, 5}),
              HasSubstr("depthwise_conv2d: expected images [N,H,W,C]\n  input f32[1,5,5]"));
}

}  // namespace
}  // namespace telaio::nn
