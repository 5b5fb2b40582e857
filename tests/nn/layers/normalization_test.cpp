#include "layer_testing.hpp"

namespace telaio::nn {
namespace {

// Channel 0: 1 2 3 6, mean 3, variance (4+1+0+9)/4 = 3.5. Channel 1: 0 0 8 8, mean 4, variance 16.
const Tensor x = doubles({1, 0, 2, 0, 3, 8, 6, 8}, {4, 2});

Doubles normalised(double epsilon, Doubles gamma, Doubles beta) {
  const double mean[] = {3, 4}, variance[] = {3.5, 16};
  Doubles y = values_of(x);
  for (size_t i = 0; i < y.size(); ++i) {
    const size_t c = i % 2;
    y[i] = (y[i] - mean[c]) / std::sqrt(variance[c] + epsilon) * gamma[c] + beta[c];
  }
  return y;
}

TEST(BatchNormLayer, TrainingTakesTheStatisticsOfTheBatch) {
  const Model model = model_of(BatchNorm{}, {2});
  EXPECT_EQ(variables_of(model), "gamma [2], beta [2], (moving_mean [2]), (moving_variance [2])");
  EXPECT_EQ(model.parameter_count(), 8);
  EXPECT_EQ(model.layers().back().trainable, 4);
  EXPECT_LE(distance(values_of(model.forward_training(x, {}).output), normalised(1e-3, {1, 1}, {0, 0})), 1e-14);
  model.set_values({doubles({2, 3}, {2}), doubles({10, 20}, {2}), zeros({2}, f64), ones({2}, f64)});
  EXPECT_LE(distance(values_of(model.forward_training(x, {}).output), normalised(1e-3, {2, 3}, {10, 20})), 1e-14);
}

TEST(BatchNormLayer, MovingAverages) {
  const Model model = model_of(BatchNorm{}, {2});
  const Forward forward = model.forward_training(x, {});
  ASSERT_EQ(forward.updates.size(), 2u);
  EXPECT_EQ(forward.updates[0].first.name(), "moving_mean");
  EXPECT_EQ(forward.updates[1].first.name(), "moving_variance");
  // Nothing changes before the updates are assigned.
  EXPECT_EQ(values_of(model.variables()[2]), (Doubles{0, 0}));
  // moving ← 0.99·moving + 0.01·batch, from 0 and 1; the variance is divided by N, as in Keras.
  assign(forward.updates);
  EXPECT_LE(distance(values_of(model.variables()[2]), {0.03, 0.04}), 1e-15);
  EXPECT_LE(distance(values_of(model.variables()[3]), {0.99 + 0.035, 0.99 + 0.16}), 1e-15);
  assign(model.forward_training(x, {}).updates);
  EXPECT_LE(distance(values_of(model.variables()[2]), {0.0597, 0.0796}), 1e-15);
  EXPECT_LE(distance(values_of(model.variables()[3]), {0.99 * 1.025 + 0.035, 0.99 * 1.15 + 0.16}), 1e-15);
}

TEST(BatchNormLayer, Momentum) {
  const Model model = model_of(BatchNorm{.momentum = 0.25}, {2});
  assign(model.forward_training(x, {}).updates);
  EXPECT_LE(distance(values_of(model.variables()[2]), {2.25, 3}), 1e-15);
  EXPECT_LE(distance(values_of(model.variables()[3]), {0.25 + 0.75 * 3.5, 0.25 + 12}), 1e-15);
}

TEST(BatchNormLayer, InferenceTakesTheMovingAverages) {
  const Model model =
      model_of(BatchNorm{.epsilon = 0.75}, {2},
               {doubles({2, 3}, {2}), doubles({10, 20}, {2}), doubles({1, -1}, {2}), doubles({0.25, 3.25}, {2})});
  const Forward forward = model.forward(doubles({1, 3, 4, 5}, {2, 2}));
  EXPECT_LE(distance(values_of(forward.output), {10, 26, 16, 29}), 1e-14);
  EXPECT_TRUE(forward.updates.empty());
  // As it is made: mean 0, variance 1.
  const double scale = 1 / std::sqrt(1.001);
  EXPECT_LE(distance(values_of(model_of(BatchNorm{}, {2})(doubles({2, 3}, {1, 2}))), {2 * scale, 3 * scale}), 1e-15);
}

TEST(BatchNormLayer, WithoutScaleOrCenter) {
  const Model centred = model_of(BatchNorm{.scale = false}, {2});
  EXPECT_EQ(variables_of(centred), "beta [2], (moving_mean [2]), (moving_variance [2])");
  centred.variables()[0].assign(doubles({10, 20}, {2}));
  EXPECT_LE(distance(values_of(centred.forward_training(x, {}).output), normalised(1e-3, {1, 1}, {10, 20})), 1e-14);
  const Model scaled = model_of(BatchNorm{.epsilon = 0, .center = false}, {2});
  EXPECT_EQ(variables_of(scaled), "gamma [2], (moving_mean [2]), (moving_variance [2])");
  scaled.variables()[0].assign(doubles({2, 3}, {2}));
  EXPECT_LE(distance(values_of(scaled.forward_training(x, {}).output), normalised(0, {2, 3}, {0, 0})), 1e-14);
  EXPECT_EQ(variables_of(model_of(BatchNorm{.scale = false, .center = false}, {2})),
            "(moving_mean [2]), (moving_variance [2])");
}

TEST(BatchNormLayer, OfImagesOverAllPositions) {
  const Model images = model_of(BatchNorm{}, {2, 1, 2}), rows = model_of(BatchNorm{}, {2});
  EXPECT_EQ(values_of(images.forward_training(reshape(x, {2, 2, 1, 2}), {}).output),
            values_of(rows.forward_training(x, {}).output));
}

TEST(BatchNormLayer, Errors) {
  EXPECT_THAT(building_error(BatchNorm{.momentum = 1.1}, {2}),
              HasSubstr("batch_norm: momentum: expected 0…1, got 1.1\n  at "));
  EXPECT_THAT(building_error(BatchNorm{.momentum = NAN}, {2}), HasSubstr("momentum: expected 0…1, got nan"));
  EXPECT_THAT(building_error(BatchNorm{.epsilon = -1}, {2}), HasSubstr("epsilon: expected 0 or more, got -1\n  at "));
  EXPECT_THAT(building_error(BatchNorm{}, {2}, {.input = u8}), HasSubstr("normalization_test.cpp:"));
  const Model model = model_of(BatchNorm{}, {2});
  EXPECT_THAT(message_of([&] {
                model.forward_training(zeros({0, 2}, f64), {});
              }),
              HasSubstr("nothing to take statistics of"));
}

TEST(LayerNormLayer, OfEachRow) {
  const Model model = model_of(LayerNorm{}, {4});
  EXPECT_EQ(variables_of(model), "gamma [4], beta [4]");
  EXPECT_EQ(model.layers().back().trainable, 8);
  const Tensor rows = doubles({1, 2, 3, 6, 0, 0, 8, 8}, {2, 4});
  const double a = std::sqrt(3.501), b = std::sqrt(16.001);
  const Doubles plain{-2 / a, -1 / a, 0, 3 / a, -4 / b, -4 / b, 4 / b, 4 / b};
  EXPECT_LE(distance(values_of(model(rows)), plain), 1e-15);
  EXPECT_LE(distance(values_of(model.forward_training(rows, {}).output), plain), 1e-15);
  model.set_values({doubles({1, 2, 3, 4}, {4}), doubles({5, 6, 7, 8}, {4})});
  EXPECT_LE(distance(values_of(model(rows)),
                     {5 - 2 / a, 6 - 2 / a, 7, 8 + 12 / a, 5 - 4 / b, 6 - 8 / b, 7 + 12 / b, 8 + 16 / b}),
            1e-15);
}

TEST(LayerNormLayer, Options) {
  EXPECT_EQ(variables_of(model_of(LayerNorm{.scale = false}, {3, 4})), "beta [4]");
  EXPECT_EQ(variables_of(model_of(LayerNorm{.center = false}, {3, 4})), "gamma [4]");
  const Model bare = model_of(LayerNorm{.epsilon = 0.5, .scale = false, .center = false}, {4});
  EXPECT_EQ(variables_of(bare), "");
  EXPECT_LE(distance(values_of(bare(doubles({1, 2, 3, 6}, {1, 4}))), {-1, -0.5, 0, 1.5}), 1e-15);
  EXPECT_THAT(building_error(LayerNorm{.epsilon = NAN}, {2}),
              HasSubstr("layer_norm: epsilon: expected 0 or more, got nan\n  at "));
}

TEST(NormalisingLayers, DoNotTakeTheBatchForChannels) {
  EXPECT_THAT(building_error(BatchNorm{}, {}),
              HasSubstr("batch_norm: expected samples of one axis or more [N,…,C]\n  input f32[1]\n  at "));
  EXPECT_THAT(building_error(LayerNorm{}, {}),
              HasSubstr("layer_norm: expected samples of one axis or more [N,…,C]\n  input f32[1]\n  at "));
}

}  // namespace
}  // namespace telaio::nn
