#include "op_testing.hpp"

namespace telaio {
namespace {

using namespace testing_ops;
using testing::HasSubstr;

Tensor rows() { return from_data(std::vector<double>{1, 10, 2, 20, 4, 60}, {3, 2}); }
Tensor vec(std::vector<double> values) {
  const auto size = static_cast<int64_t>(values.size());
  return from_data(values, {size});
}

// Expected numbers: computed by the definition in Python, with math.fsum.
TEST(Normalization, BatchNorm) {
  const BatchNorm normed = batch_norm(rows(), vec({2, 0.5}), vec({1, -1}));
  EXPECT_LE(distance(normed.mean.to_vector<double>(), {2.3333333333333335, 30}), 1e-15);
  EXPECT_LE(distance(normed.variance.to_vector<double>(), {1.5555555555555556, 466.6666666666667}), 1e-15);
  EXPECT_LE(distance(normed.y.to_vector<double>(), {-1.1374030232778942, -1.4629095539120194, 0.4656492441805262,
                                                    -1.2314547769560096, 3.6717537790973673, -0.30563566913197093}),
            1e-14);
  // Every axis but the last is the batch.
  const Tensor image = batch_norm(reshape(rows(), {1, 3, 1, 2}), vec({2, 0.5}), vec({1, -1})).y;
  EXPECT_EQ(image.shape(), (Shape{1, 3, 1, 2}));
  EXPECT_LE(distance(image.to_vector<double>(), normed.y.to_vector<double>()), 1e-15);
}

TEST(Normalization, LayerNorm) {
  const Tensor x = from_data(std::vector<double>{1, 2, 4, 10, 20, 60}, {2, 3});
  EXPECT_LE(distance(layer_norm(x, vec({1, 2, 0.5}), vec({0, 1, -1})).to_vector<double>(),
                     {-1.068701511638947, 0.4656492441805262, -0.33206155522565817, -0.9258191078240388,
                      0.07418089217596124, -0.30563566913197093}),
            1e-14);
}

TEST(Normalization, BatchNormInference) {
  EXPECT_LE(
      distance(batch_norm_inference(rows(), vec({1, 2}), vec({4, 0.25})).to_vector<double>(),
               {0, 15.968095681115985, 0.49993751171630907, 35.92821528251096, 1.4998125351489273, 115.76869368809089}),
      1e-14);
}

TEST(Normalization, InferenceWithTheStatisticsOfTheBatchIsTraining) {
  const BatchNorm normed = batch_norm(rows(), vec({2, 0.5}), vec({1, -1}), 1e-5);
  const Tensor y = batch_norm_inference(rows(), normed.mean, normed.variance, vec({2, 0.5}), vec({1, -1}), 1e-5);
  EXPECT_EQ(y.to_vector<double>(), normed.y.to_vector<double>());
}

// E[x²] − E[x]² would have no digit left here.
TEST(Normalization, ALargeMeanCostsNoDigits) {
  const Tensor x = from_data(std::vector<float>{9999, 10000, 10001}, {3, 1});
  const BatchNorm normed = batch_norm(x, {}, {}, 0);
  EXPECT_FLOAT_EQ(normed.variance.item<float>(), 2.0f / 3);
  EXPECT_FLOAT_EQ(normed.y.to_vector<float>()[2], 1.2247449f);
}

TEST(Normalization, Derivatives) {
  std::mt19937_64 random(70);
  const Tensor x = random_tensor({2, 3, 2}, random, -2, 2), scale = random_tensor({2}, random, 0.5, 2),
               shift = random_tensor({2}, random);
  expect_derivatives([](const std::vector<Tensor>& t) { return batch_norm(t[0], t[1], t[2]).y; }, {x, scale, shift});
  expect_derivatives([](const std::vector<Tensor>& t) { return batch_norm(t[0]).variance; }, {x});
  const Tensor wide = random_tensor({2, 4}, random, -2, 2), scale4 = random_tensor({4}, random, 0.5, 2),
               shift4 = random_tensor({4}, random);
  expect_derivatives([](const std::vector<Tensor>& t) { return layer_norm(t[0], t[1], t[2]); }, {wide, scale4, shift4});
  expect_derivatives([](const std::vector<Tensor>& t) { return batch_norm_inference(t[0], t[1], t[2], t[3], t[4]); },
                     {x, random_tensor({2}, random), random_tensor({2}, random, 0.5, 2), scale, shift});
}

// What is added to a whole channel, or multiplies it, does not change y: the gradient has no part along them.
TEST(Normalization, TheGradientFlowsThroughTheStatistics) {
  std::mt19937_64 random(71);
  const Tensor x = random_tensor({5, 3}, random, -2, 2), c = random_tensor({5, 3}, random);
  const Tensor g = grad(sum(batch_norm(x, {}, {}, 0).y * c), x);
  EXPECT_LE(distance(sum(g, 0).to_vector<double>(), {0, 0, 0}), 1e-14);
  EXPECT_LE(distance(sum(g * x, 0).to_vector<double>(), {0, 0, 0}), 1e-14);
}

TEST(Normalization, Errors) {
  const std::string scale = message_of([] { batch_norm(zeros({4, 3}), zeros({2})); });
  EXPECT_THAT(scale, HasSubstr("batch_norm: the scale must be f32[3]\n  x f32[4,3]   scale f32[2]"));
  EXPECT_THAT(scale, HasSubstr("normalization_test.cpp:"));
  EXPECT_THAT(message_of([] {
                layer_norm(zeros({4, 3}), {}, zeros({3}, f64));
              }),
              HasSubstr("layer_norm: the shift must be f32[3]"));
  EXPECT_THAT(message_of([] { batch_norm(zeros({3})); }), HasSubstr("x must have 2 or more axes"));
  EXPECT_THAT(message_of([] { layer_norm(zeros({})); }), HasSubstr("x must have 1 or more axes"));
  EXPECT_THAT(message_of([] { batch_norm(zeros({4, 3}, i32)); }), HasSubstr("x must be f32 or f64"));
  EXPECT_THAT(message_of([] { layer_norm(zeros({4, 3}), {}, {}, -1); }), HasSubstr("epsilon must not be negative"));
  EXPECT_THAT(message_of([] {
                batch_norm_inference(zeros({4, 3}), zeros({3}), {});
              }),
              HasSubstr("batch_norm_inference: the variance tensor is undefined"));
}

}  // namespace
}  // namespace telaio
