#include "layer_testing.hpp"

namespace telaio::nn {
namespace {

const Tensor weight = doubles({1, 2, 3, 4, 5, 6}, {3, 2});
const Tensor bias = doubles({10, 20}, {2});
const Tensor x = doubles({1, 0, 2, -1, 1, 0}, {2, 3});

TEST(DenseLayer, Values) {
  const Model model = model_of(Dense{2}, {3}, {weight, bias});
  // [1 0 2]·W = [1+10, 2+12], [-1 1 0]·W = [2, 2].
  EXPECT_EQ(values_of(model(x)), (Doubles{21, 34, 12, 22}));
  EXPECT_EQ(variables_of(model), "weight [3,2], bias [2]");
  EXPECT_EQ(model.output_shape(), (Shape{2}));
  EXPECT_EQ(model.parameter_count(), 8);
  EXPECT_EQ(model.multiply_adds(), 6);
}

TEST(DenseLayer, WithoutBias) {
  const Model model = model_of(Dense{.units = 2, .use_bias = false}, {3}, {weight});
  EXPECT_EQ(values_of(model(x)), (Doubles{11, 14, 2, 2}));
  EXPECT_EQ(variables_of(model), "weight [3,2]");
  EXPECT_EQ(model.parameter_count(), 6);
}

TEST(DenseLayer, Activation) {
  const Model model = model_of(Dense{2, "relu"}, {3}, {weight, doubles({-12, -30}, {2})});
  EXPECT_EQ(values_of(model(x)), (Doubles{0, 0, 0, 0}));
  const Model other = model_of(Dense{2, "relu"}, {3}, {weight, doubles({-10, 0}, {2})});
  EXPECT_EQ(values_of(other(x)), (Doubles{1, 14, 0, 2}));
}

TEST(DenseLayer, OverTheLastOfSeveralAxes) {
  const Model model = model_of(Dense{2}, {2, 2, 3}, {weight, bias});
  const Tensor samples = counting({2, 2, 2, 3});
  EXPECT_EQ(model.output_shape(), (Shape{2, 2, 2}));
  EXPECT_EQ(model.multiply_adds(), 4 * 6);
  const Model flat = model_of(Dense{2}, {3}, {weight, bias});
  EXPECT_EQ(values_of(model(samples)), values_of(flat(reshape(samples, {8, 3}))));
  EXPECT_EQ(model(samples).shape(), (Shape{2, 2, 2, 2}));
}

TEST(DenseLayer, Initialisers) {
  const Model plain = model_of(Dense{50}, {70});
  for (const double b : values_of(plain.variables()[1])) EXPECT_EQ(b, 0);
  const double limit = std::sqrt(6.0 / (70 + 50));
  double largest = 0;
  for (const double w : values_of(plain.variables()[0])) largest = std::max(largest, std::abs(w));
  EXPECT_LE(largest, limit);
  EXPECT_GT(largest, 0.99 * limit);
  const Model chosen =
      model_of(Dense{.units = 2, .weight_initializer = "constant(0.5)", .bias_initializer = "ones"}, {3});
  EXPECT_EQ(values_of(chosen.variables()[0]), Doubles(6, 0.5));
  EXPECT_EQ(values_of(chosen.variables()[1]), Doubles(2, 1));
  // The bias of PyTorch's rule has the fans of the layer: 1/√in.
  const Model torch = model_of(Dense{.units = 2000, .weight_initializer = "zeros", .bias_initializer = "pytorch"}, {4});
  largest = 0;
  for (const double b : values_of(torch.variables()[1])) largest = std::max(largest, std::abs(b));
  EXPECT_LE(largest, 0.5);
  EXPECT_GT(largest, 0.49);
}

TEST(DenseLayer, OfBytes) {
  Model model(Dense{2}, {3}, {.dtype = f64, .input = u8});
  model.set_values({weight, bias});
  EXPECT_EQ(values_of(model(cast(tensor({{1, 0, 2}}), u8))), (Doubles{21, 34}));
}

TEST(DenseLayer, Errors) {
  EXPECT_THAT(building_error(Dense{}, {3}), HasSubstr("dense: units: expected at least 1, got 0\n  at "));
  EXPECT_THAT(building_error(Dense{-2}, {3}), HasSubstr("expected at least 1, got -2"));
  EXPECT_THAT(building_error(Dense{2}, {}), HasSubstr("dense: expected samples of one axis or more [N,…,in]\n"
                                                      "  input f32[1]\n  at "));
}

TEST(EmbeddingLayer, Values) {
  for (const DType type : {i64, i32, u8}) {
    Model model(Embedding{3, 2}, {2}, {.dtype = f64, .input = type});
    model.set_values({weight});
    EXPECT_EQ(variables_of(model), "weight [3,2]");
    EXPECT_EQ(model.output_shape(), (Shape{2, 2}));
    EXPECT_EQ(model.parameter_count(), 6);
    EXPECT_EQ(model.multiply_adds(), 0);
    EXPECT_EQ(values_of(model(cast(tensor({{2, 0}, {1, 1}}), type))), (Doubles{5, 6, 1, 2, 3, 4, 3, 4}));
  }
}

TEST(EmbeddingLayer, OneIndexASample) {
  Model model(Embedding{3, 2}, {}, {.dtype = f64, .input = i64});
  model.set_values({weight});
  EXPECT_EQ(model.output_shape(), (Shape{2}));
  EXPECT_EQ(values_of(model(cast(tensor({2, 0}), i64))), (Doubles{5, 6, 1, 2}));
}

TEST(EmbeddingLayer, IsInitialisedUniformly) {
  const Model model(Embedding{100, 20}, {1}, {.dtype = f64, .input = i64});
  double largest = 0;
  for (const double w : values_of(model.variables()[0])) largest = std::max(largest, std::abs(w));
  EXPECT_LE(largest, 0.05);
  EXPECT_GT(largest, 0.049);
}

TEST(EmbeddingLayer, Errors) {
  EXPECT_THAT(building_error(Embedding{0, 2}, {2}, {.input = i64}),
              HasSubstr("vocabulary: expected at least 1, got 0"));
  EXPECT_THAT(building_error(Embedding{2}, {2}, {.input = i64}), HasSubstr("dim: expected at least 1, got 0"));
  const std::string floats = building_error(Embedding{3, 2}, {2});
  EXPECT_THAT(floats, HasSubstr("embedding: expected whole numbers, the indices of rows\n  input f32[1,2]\n  at "));
  const Model model(Embedding{3, 2}, {1}, {.input = i64});
  const std::string outside = message_of([&] { model(cast(tensor({{3}}), i64)).eval(); });
  EXPECT_THAT(outside, HasSubstr("3"));
  EXPECT_THAT(outside, HasSubstr("dense_test.cpp:"));
}

}  // namespace
}  // namespace telaio::nn
