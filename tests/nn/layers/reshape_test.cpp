#include "layer_testing.hpp"

namespace telaio::nn {
namespace {

TEST(FlattenLayer, KeepsTheOrder) {
  const Tensor x = counting({2, 2, 3, 2});
  const Model model = model_of(Flatten{}, {2, 3, 2});
  EXPECT_EQ(model.output_shape(), (Shape{12}));
  EXPECT_EQ(values_of(model(x)), values_of(x));
  EXPECT_EQ(model(zeros({0, 2, 3, 2}, f64)).shape(), (Shape{0, 12}));
  EXPECT_EQ(model.parameter_count(), 0);
}

TEST(FlattenLayer, OfSamplesWithoutAxes) {
  const Model model = model_of(Flatten{}, {});
  EXPECT_EQ(model.output_shape(), (Shape{1}));
  EXPECT_EQ(model(zeros({5}, f64)).shape(), (Shape{5, 1}));
}

TEST(ReshapeLayer, Shapes) {
  const Tensor x = counting({2, 3, 4});
  const Model model = model_of(Reshape{{2, 6}}, {3, 4});
  EXPECT_EQ(model.output_shape(), (Shape{2, 6}));
  EXPECT_EQ(values_of(model(x)), values_of(x));
  EXPECT_EQ(model_of(Reshape{{-1, 2}}, {3, 4}).output_shape(), (Shape{6, 2}));
  EXPECT_EQ(model_of(Reshape{{2, -1, 2}}, {3, 4})(x).shape(), (Shape{2, 2, 3, 2}));
  EXPECT_EQ(model_of(Reshape{{-1}}, {3, 4}).output_shape(), (Shape{12}));
  EXPECT_EQ(model_of(Reshape{}, {1}).output_shape(), Shape{});
}

TEST(ReshapeLayer, MinusOneFollowsFromTheSampleInAnEmptyBatchToo) {
  EXPECT_EQ(model_of(Reshape{{-1, 2}}, {3, 4})(zeros({0, 3, 4}, f64)).shape(), (Shape{0, 6, 2}));
}

TEST(ReshapeLayer, Errors) {
  const std::string count = building_error(Reshape{{5}}, {3, 4});
  EXPECT_THAT(count, HasSubstr("reshape: "));
  EXPECT_THAT(count, HasSubstr("f32[1,3,4]"));
  EXPECT_THAT(count, HasSubstr("reshape_test.cpp:"));
  for (const Shape& shape : {Shape{-1, -1}, Shape{-1, 5}, Shape{-2, 6}, Shape{0, -1}, Shape{-2, -6}, Shape{-3, -1, 4}})
    EXPECT_THAT(building_error(Reshape{shape}, {3, 4}), HasSubstr("reshape_test.cpp:")) << to_string(shape);
  EXPECT_THAT(building_error(Reshape{{1, 1, 1, 1, 1, 1, 1, 12}}, {3, 4}), HasSubstr("reshape_test.cpp:"));
}

TEST(RescalingLayer, BytesBecomeFloats) {
  const Model model(Rescaling{}, {2}, {.input = u8});
  const Tensor y = model(cast(tensor({{0, 255}, {51, 102}}), u8));
  EXPECT_EQ(y.dtype(), f32);
  EXPECT_EQ(y.to_vector<float>(), (std::vector<float>{0, 255 * (1.0f / 255), 51 * (1.0f / 255), 102 * (1.0f / 255)}));
  const Model doubles_out(Rescaling{}, {2}, {.dtype = f64, .input = u8});
  EXPECT_EQ(doubles_out(zeros({1, 2}, u8)).dtype(), f64);
}

TEST(RescalingLayer, Offset) {
  const Model model(Rescaling{1 / 127.5, -1}, {3}, {.dtype = f64, .input = u8});
  EXPECT_LE(distance(values_of(model(cast(tensor({{0, 51, 255}}), u8))), {-1, -0.6, 1}), 1e-15);
  EXPECT_EQ(values_of(model_of(Rescaling{2, 0.5}, {2})(doubles({1, -3}, {1, 2}))), (Doubles{2.5, -5.5}));
}

TEST(ActivationLayer, AppliesItsFunction) {
  EXPECT_EQ(values_of(model_of(Activation{"leaky_relu(0.5)"}, {2})(doubles({-4, 4}, {1, 2}))), (Doubles{-2, 4}));
  EXPECT_EQ(values_of(model_of(Activation{}, {2})(doubles({-4, 4}, {1, 2}))), (Doubles{-4, 4}));
}

TEST(SoftmaxLayer, OverTheLastAxis) {
  const Model model = model_of(Softmax{}, {2, 2});
  const double third = std::log(3.0);
  EXPECT_LE(distance(values_of(model(doubles({0, third, 5, 5}, {1, 2, 2}))), {0.25, 0.75, 0.5, 0.5}), 1e-15);
}

TEST(SoftmaxLayer, DoesNotMixSamples) {
  // Samples without axes: the last axis would be the batch.
  EXPECT_THAT(building_error(Softmax{}, {}), HasSubstr("reshape_test.cpp:"));
  EXPECT_THAT(building_error(Activation{"log_softmax"}, {}), HasSubstr("reshape_test.cpp:"));
}

}  // namespace
}  // namespace telaio::nn
