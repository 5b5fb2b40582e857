#include "layer_testing.hpp"

namespace telaio::nn {
namespace {

// 1 5 2
// 7 3 9
// 4 8 6
const Tensor image = doubles({1, 5, 2, 7, 3, 9, 4, 8, 6}, {1, 3, 3, 1});

Doubles pooled(const Layer& layer) { return values_of(model_of(layer, {3, 3, 1})(image)); }

TEST(MaxPool2DLayer, Values) {
  EXPECT_EQ(pooled(MaxPool2D{}), (Doubles{7}));  // stride 2, what is left over is dropped
  EXPECT_EQ(pooled(MaxPool2D{.strides = 1}), (Doubles{7, 9, 8, 9}));
  EXPECT_EQ(pooled(MaxPool2D{.size = {1, 3}}), (Doubles{5, 9, 8}));
  EXPECT_EQ(pooled(MaxPool2D{.size = {3, 1}, .strides = Size2d(1, 2)}), (Doubles{7, 9}));
  EXPECT_EQ(pooled(MaxPool2D{.padding = Padding::same()}), (Doubles{7, 9, 8, 6}));
  EXPECT_EQ(pooled(MaxPool2D{.padding = Padding::of(1, 0, 1, 0)}), (Doubles{1, 5, 7, 9}));
  const Model negative = model_of(MaxPool2D{.padding = Padding::same()}, {3, 3, 1});
  EXPECT_EQ(values_of(negative(neg(image))), (Doubles{-1, -2, -4, -6}));  // padding never wins
}

TEST(MaxPool2DLayer, Shapes) {
  const Model model = model_of(MaxPool2D{}, {7, 6, 5});
  EXPECT_EQ(model.output_shape(), (Shape{3, 3, 5}));
  EXPECT_EQ(model.parameter_count(), 0);
  EXPECT_EQ(model.multiply_adds(), 0);
}

TEST(AveragePool2DLayer, Values) {
  EXPECT_EQ(pooled(AveragePool2D{}), (Doubles{4}));
  EXPECT_EQ(pooled(AveragePool2D{.strides = 1}), (Doubles{4, 4.75, 5.5, 6.5}));
  EXPECT_LE(distance(pooled(AveragePool2D{.size = {1, 3}}), {8.0 / 3, 19.0 / 3, 6}), 1e-15);
  // Padding does not count.
  EXPECT_EQ(pooled(AveragePool2D{.padding = Padding::same()}), (Doubles{4, 5.5, 6, 6}));
  EXPECT_EQ(pooled(AveragePool2D{.padding = Padding::of(1, 0, 1, 0)}), (Doubles{1, 3.5, 5.5, 6.5}));
}

TEST(GlobalPool2DLayers, Values) {
  const Tensor x = doubles({1, -8, 5, 2, 7, 4, 3, 6}, {1, 2, 2, 2});
  EXPECT_EQ(values_of(model_of(GlobalAveragePool2D{}, {2, 2, 2})(x)), (Doubles{4, 1}));
  EXPECT_EQ(values_of(model_of(GlobalMaxPool2D{}, {2, 2, 2})(x)), (Doubles{7, 6}));
  EXPECT_EQ(model_of(GlobalAveragePool2D{}, {2, 2, 2}).output_shape(), (Shape{2}));
  EXPECT_EQ(model_of(GlobalMaxPool2D{}, {2, 2, 2}).output_shape(), (Shape{2}));
}

TEST(PoolLayers, Errors) {
  EXPECT_THAT(building_error(MaxPool2D{}, {3, 3}),
              HasSubstr("max_pool2d: expected images [N,H,W,C]\n  input f32[1,3,3]\n  at "));
  EXPECT_THAT(building_error(AveragePool2D{}, {3}), HasSubstr("average_pool2d: expected images [N,H,W,C]"));
  EXPECT_THAT(building_error(GlobalAveragePool2D{}, {3, 3}),
              HasSubstr("global_average_pool2d: expected images [N,H,W,C]"));
  EXPECT_THAT(building_error(GlobalMaxPool2D{}, {3, 3}), HasSubstr("global_max_pool2d: expected images [N,H,W,C]"));
  for (const Layer& layer : {Layer(MaxPool2D{.size = 4}), Layer(AveragePool2D{.size = 4}), Layer(MaxPool2D{.size = 0}),
                             Layer(AveragePool2D{.strides = 0})}) {
    const std::string message = building_error(layer, {3, 3, 1});
    EXPECT_THAT(message, HasSubstr("f32[1,3,3,1]"));
    EXPECT_THAT(message, HasSubstr("pool_test.cpp:"));
  }
}

}  // namespace
}  // namespace telaio::nn
