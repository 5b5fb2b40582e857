#include <algorithm>
#include <cmath>
#include <numeric>

#include "op_testing.hpp"

namespace telaio {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing_ops::expect_derivatives;
using testing_ops::expect_same;
using testing_ops::expect_same_compiled;
using testing_ops::scattered;

constexpr int64_t million = 1'000'000;

struct Moments {
  double mean, deviation, smallest, largest;
};

Moments moments_of(const Tensor& x) {
  const auto values = x.to_vector<double>();
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  double squares = 0;
  for (double value : values) squares += (value - mean) * (value - mean);
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {mean, std::sqrt(squares / n), *low, *high};
}

// Five standard errors of the mean, and the same for deviations of this size.
constexpr double five_sigma = 5e-3;

TEST(Uniform, FillsTheRange) {
  for (DType dtype : {f32, f64}) {
    const Moments m = moments_of(uniform({1000, 1000}, random_key(1), -1, 3, dtype));
    EXPECT_NEAR(m.mean, 1, five_sigma * 4 / std::sqrt(12));
    EXPECT_NEAR(m.deviation, 4 / std::sqrt(12), five_sigma);
    EXPECT_GE(m.smallest, -1);
    EXPECT_LT(m.largest, 3);
    EXPECT_LT(m.smallest, -0.999);
    EXPECT_GT(m.largest, 2.999);
  }
}

TEST(Uniform, NeverReachesTheUpperEnd) {
  // 16.7 million possible draws: a million of them would round up to 2 some fifteen times... were it not for the bound.
  EXPECT_LT(moments_of(uniform({16 * million}, random_key(3), 1, 2)).largest, 2);
  EXPECT_EQ(moments_of(uniform({100}, random_key(3), 5, 5)).largest, 5);
}

TEST(Normal, HasItsMoments) {
  for (DType dtype : {f32, f64}) {
    const Moments m = moments_of(normal({million}, random_key(2), 10, 2, dtype));
    EXPECT_NEAR(m.mean, 10, five_sigma * 2);
    EXPECT_NEAR(m.deviation, 2, five_sigma * 2);
    EXPECT_GT(m.largest, 10 + 2 * 4);
    EXPECT_LT(m.largest, 10 + 2 * 9);
  }
}

TEST(Bernoulli, IsTrueWithItsProbability) {
  EXPECT_NEAR(moments_of(bernoulli({million}, random_key(4), 0.3)).mean, 0.3, five_sigma * 0.5);
  EXPECT_EQ(moments_of(bernoulli({1000}, random_key(4), 0)).largest, 0);
  EXPECT_EQ(moments_of(bernoulli({1000}, random_key(4), 1)).smallest, 1);
}

TEST(Permutation, HoldsEachNumberOnce) {
  auto order = permutation(million, random_key(5)).to_vector<int64_t>();
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < million; ++i) ASSERT_EQ(order[static_cast<size_t>(i)], i);
  EXPECT_EQ(permutation(0, random_key(5)).numel(), 0);
}

TEST(Random, IsAFunctionOfTheKey) {
  const auto draw = [](int64_t seed, int64_t stream) { return uniform({100}, random_key(seed, stream)); };
  expect_same(draw(7, 3), draw(7, 3));
  EXPECT_NE(draw(7, 3).to_vector<float>(), draw(7, 4).to_vector<float>());
  EXPECT_NE(draw(7, 3).to_vector<float>(), draw(8, 3).to_vector<float>());
  // A shorter tensor has the longer one's first numbers.
  expect_same(uniform({10}, random_key(7, 3)), slice(draw(7, 3), 0, 0, 10));
  EXPECT_NE(draw(-1, -1).to_vector<float>(), draw(-1, 1).to_vector<float>());
  expect_same_compiled([](const Tensor& key) { return normal({100}, key, 1, 2); }, random_key(1, 2));
}

TEST(Random, RefusesOtherKeysAndRanges) {
  const Tensor key = random_key(1);
  EXPECT_THAT(
      message_of([] { uniform({2}, ones({2})); }),
      AllOf(HasSubstr("uniform: the key must be i64[2] (seed and stream), not f32[2]"), HasSubstr("random_test.cpp:")));
  EXPECT_THAT(message_of([] { permutation(2, tensor<int64_t>({1, 2, 3})); }), HasSubstr("not i64[3]"));
  EXPECT_THAT(message_of([&] { uniform({2}, key, 1, 0); }), HasSubstr("low 1 is above high 0"));
  EXPECT_THAT(message_of([&] { uniform({2}, key, -1e308, 1e308, f64); }), HasSubstr("high - low must be finite"));
  EXPECT_THAT(message_of([&] { uniform({2}, key, 0, 1, i32); }), HasSubstr("can be f32 or f64, not i32"));
  EXPECT_THAT(message_of([&] { normal({2}, key, 0, -1); }), HasSubstr("the deviation -1 is negative"));
  EXPECT_THAT(message_of([&] { bernoulli({2}, key, 1.5); }), HasSubstr("must be in [0,1], got 1.5"));
  EXPECT_THAT(message_of([&] { bernoulli({2}, key, NAN); }), HasSubstr("must be in [0,1]"));
  EXPECT_THAT(message_of([&] { permutation(-1, key); }), HasSubstr("no negative sizes"));
}

TEST(Rng, GivesEachKeyOnce) {
  Rng rng(11);
  const Tensor first = rng.next(), second = rng.next();
  EXPECT_THAT(first.to_vector<int>(), testing::ElementsAre(11, 0));
  EXPECT_THAT(second.to_vector<int>(), testing::ElementsAre(11, 1));
  EXPECT_THAT(rng.state().read().to_vector<int>(), testing::ElementsAre(11, 2));
}

TEST(Rng, DrawsAnewAtEachCompiledCall) {
  Rng rng(11), same(11);
  const auto f = compile([&](const Tensor& x) { return x + uniform({4}, rng.next()) + uniform({4}, rng.next()); });
  const Tensor a = f(zeros({4})).eval(), b = f(zeros({4})).eval();
  EXPECT_NE(a.to_vector<float>(), b.to_vector<float>());
  EXPECT_THAT(rng.state().read().to_vector<int>(), testing::ElementsAre(11, 4));
  // The same keys, in the same order, as without compiling.
  const auto drawn = [&] {
    const Tensor one = uniform({4}, same.next());
    return (zeros({4}) + one + uniform({4}, same.next())).eval();
  };
  expect_same(drawn(), a);
  expect_same(drawn(), b);
}

TEST(Dropout, DropsAndScales) {
  const Tensor x = ones({million});
  const auto values = dropout(x, 0.25, random_key(6)).to_vector<float>();
  int64_t dropped = 0;
  for (float value : values) {
    if (value == 0) ++dropped;
    else ASSERT_EQ(value, 1 / 0.75f);
  }
  EXPECT_NEAR(static_cast<double>(dropped) / million, 0.25, five_sigma * 0.5);
  EXPECT_TRUE(dropout(x, 0, random_key(6)).same(x));
  // What is dropped is gone, whatever it was.
  const auto infinite = dropout(full({100}, INFINITY), 0.5, random_key(6)).to_vector<float>();
  EXPECT_EQ(std::count(infinite.begin(), infinite.end(), 0.0f) + std::count(infinite.begin(), infinite.end(), INFINITY),
            100);
}

TEST(Dropout, RefusesOtherRates) {
  EXPECT_THAT(message_of([] { dropout(ones({2}), 1, random_key(1)); }),
              AllOf(HasSubstr("dropout: the rate must be in [0,1), got 1"), HasSubstr("random_test.cpp:")));
  EXPECT_THAT(message_of([] { dropout(ones({2}), -0.1, random_key(1)); }), HasSubstr("got -0.1"));
  EXPECT_THAT(message_of([] { dropout(tensor({1}), 0.5, random_key(1)); }), HasSubstr("must be f32 or f64"));
}

TEST(Dropout, DerivativesFlowThroughWhatIsKept) {
  expect_derivatives([](const Tensor& x) { return square(dropout(x, 0.4, random_key(9))); }, {scattered({4, 5})});
  const Tensor x = ones({100});
  const Tensor y = dropout(x, 0.4, random_key(9));
  expect_same(grad(sum(y), x), y);
}

}  // namespace
}  // namespace telaio
