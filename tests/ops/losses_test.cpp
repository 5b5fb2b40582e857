#include "op_testing.hpp"

namespace telaio {
namespace {

using namespace testing_ops;
using testing::DoubleEq;
using testing::ElementsAre;
using testing::HasSubstr;

const LossOptions none{.reduction = Reduction::none};

Tensor vec(std::vector<double> values) {
  const auto size = static_cast<int64_t>(values.size());
  return from_data(values, {size});
}

// Computed in Python by the formula of the header.
TEST(Losses, BinaryCrossEntropy) {
  const Tensor x = vec({0.5, -2, 3, 0}), y = vec({1, 0, .25, .5});
  EXPECT_LE(distance(binary_cross_entropy(x, y, none).to_vector<double>(),
                     {0.4740769841801067, 0.1269280110429725, 2.298587351573742, 0.6931471805599453}),
            1e-15);
  EXPECT_NEAR(binary_cross_entropy(x, y).item<double>(), 0.8981848818391917, 1e-15);
  EXPECT_EQ(binary_cross_entropy(x, vec({1, 0, 0, 1}) > 0, none).to_vector<double>(),
            binary_cross_entropy(x, vec({1, 0, 0, 1}), none).to_vector<double>());
}

TEST(Losses, BinaryCrossEntropyOfLargeLogits) {
  const Tensor x = from_data(std::vector<float>{20, -20, 500, -500, -500}, {5});
  const Tensor y = from_data(std::vector<float>{1, 0, 1, 0, 1}, {5});
  const auto loss = binary_cross_entropy(x, y, none).to_vector<float>();
  const float small = 2.0611536e-9f;  // log1p(exp(-20))
  EXPECT_FLOAT_EQ(loss[0], small);
  EXPECT_FLOAT_EQ(loss[1], small);
  EXPECT_FLOAT_EQ(loss[2], 0);
  EXPECT_FLOAT_EQ(loss[3], 0);
  EXPECT_FLOAT_EQ(loss[4], 500);
}

// The formula with max and |x| has kinks at 0 that the loss has not.
TEST(Losses, BinaryCrossEntropyIsSmoothAtZero) {
  const Tensor x = vec({0}), y = vec({1});
  const Tensor g = grad(sum(binary_cross_entropy(x, y)), x);
  EXPECT_THAT(g.to_vector<double>(), ElementsAre(-0.5));
  EXPECT_THAT(grad(sum(g), x).to_vector<double>(), ElementsAre(0.25));
}

TEST(Losses, Distances) {
  const Tensor a = vec({1, -2, 0.5, 4}), b = vec({0, 1, 1, 4});
  EXPECT_THAT(mse(a, b, none).to_vector<double>(), ElementsAre(1, 9, 0.25, 0));
  EXPECT_THAT(mae(a, b, none).to_vector<double>(), ElementsAre(1, 3, 0.5, 0));
  EXPECT_THAT(huber(a, b, 1, none).to_vector<double>(), ElementsAre(0.5, 2.5, 0.125, 0));
  EXPECT_THAT(huber(a, b, 2, none).to_vector<double>(), ElementsAre(0.5, 4, 0.125, 0));
  EXPECT_EQ(mse(a, b).item<double>(), 10.25 / 4);
  EXPECT_EQ(mae(a, b, {.reduction = Reduction::sum}).item<double>(), 4.5);
}

TEST(Losses, Weights) {
  const Tensor a = vec({1, -2, 0.5, 4}), b = vec({0, 1, 1, 4}), w = vec({1, 0.5, 2, 4});
  EXPECT_THAT(mse(a, b, {.weights = w, .reduction = Reduction::none}).to_vector<double>(), ElementsAre(1, 4.5, 0.5, 0));
  EXPECT_EQ(mse(a, b, {.weights = w}).item<double>(), 6.0 / 4);
  EXPECT_EQ(mse(a, b, {.weights = w, .mean_by = MeanBy::weights}).item<double>(), 6.0 / 7.5);
  EXPECT_EQ(mse(a, b, {.weights = w, .reduction = Reduction::sum, .mean_by = MeanBy::weights}).item<double>(), 6);
  // A row's weight counts once for each of its losses.
  const Tensor a2 = reshape(a, {2, 2}), b2 = reshape(b, {2, 2}), w2 = from_data(std::vector<double>{1, 3}, {2, 1});
  EXPECT_EQ(mse(a2, b2, {.weights = w2, .mean_by = MeanBy::weights}).item<double>(), (1 + 9 + 0.75) / 8);
}

TEST(Losses, Derivatives) {
  std::mt19937_64 random(60);
  const Tensor a = random_tensor({3, 4}, random, -2, 2), b = random_tensor({3, 4}, random, 0, 1);
  for (const MeanBy mean_by : {MeanBy::count, MeanBy::weights}) {
    const Tensor w = random_tensor({4}, random, 0.5, 2);
    const auto options = [&](const Tensor& weights) { return LossOptions{weights, Reduction::mean, mean_by}; };
    expect_derivatives([&](const std::vector<Tensor>& t) { return binary_cross_entropy(t[0], t[1], options(t[2])); },
                       {a, b, w});
    expect_derivatives([&](const std::vector<Tensor>& t) { return mse(t[0], t[1], options(t[2])); }, {a, b, w});
    expect_derivatives([&](const std::vector<Tensor>& t) { return mae(t[0], t[1], options(t[2])); }, {a, b, w});
    expect_derivatives([&](const std::vector<Tensor>& t) { return huber(t[0], t[1], 0.7, options(t[2])); }, {a, b, w});
  }
}

TEST(Losses, HuberAtItsBordersAndBeyond) {
  const Tensor d = vec({-1, 1, 1e300, -INFINITY, NAN});
  const Tensor zero = zeros({5}, f64);
  const auto g = grad(sum(huber(d, zero, 1, none)), d).to_vector<double>();
  EXPECT_EQ(g[0], -1);
  EXPECT_EQ(g[1], 1);
  EXPECT_EQ(g[2], 1);
  EXPECT_EQ(huber(d, zero, 1, none).to_vector<double>()[3], INFINITY);
  EXPECT_TRUE(std::isnan(huber(d, zero, 1, none).to_vector<double>()[4]));
}

TEST(Losses, Errors) {
  const auto of = [](const Tensor& a, const Tensor& b, const LossOptions& options = {}) {
    return message_of([&] { mse(a, b, options); });
  };
  const std::string shape = of(zeros({8}), zeros({8, 1}));
  EXPECT_THAT(shape, HasSubstr("mse: the prediction and the target must have the same shape\n"
                               "  prediction f32[8]   target f32[8,1]"));
  EXPECT_THAT(shape, HasSubstr("losses_test.cpp:"));
  EXPECT_THAT(of(zeros({8}, i32), zeros({8}, i32)), HasSubstr("the prediction must be f32 or f64"));
  EXPECT_THAT(of(zeros({8}), zeros({8}), {.weights = zeros({4, 8})}),
              HasSubstr("mse: the weights do not broadcast to the losses\n  losses f32[8]   weights f32[4,8]"));
  EXPECT_THAT(of(zeros({8}), zeros({8}), {.weights = zeros({4})}), HasSubstr("the weights do not broadcast"));
  EXPECT_THAT(of(zeros({8}), Tensor()), HasSubstr("mse: the target tensor is undefined"));
  EXPECT_THAT(message_of([] { mae(zeros({8}), zeros({1})); }), HasSubstr("mae: the prediction and the target"));
  EXPECT_THAT(message_of([] { huber(zeros({8}), zeros({8}), 0); }), HasSubstr("huber: delta must be positive, got 0"));
  EXPECT_THAT(message_of([] { binary_cross_entropy(zeros({8}), zeros({8}, i64)); }),
              HasSubstr("binary_cross_entropy: the targets must be floats or bools"));
  EXPECT_THAT(message_of([] {
                binary_cross_entropy(zeros({8}), zeros({8, 1}));
              }),
              HasSubstr("the logits and the targets must have the same shape"));
}

}  // namespace
}  // namespace telaio
