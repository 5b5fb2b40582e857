#include <telaio/nn/data/sample_random.hpp>

#include <cmath>
#include <set>
#include <tuple>
#include <vector>

#include <gtest/gtest.h>

#include <telaio/ops/kernels/random.hpp>

namespace telaio::nn {
namespace {

TEST(SampleRandom, KeysDiffer) {
  std::set<std::tuple<uint64_t, uint64_t>> keys;
  for (const uint64_t seed : {0, 1, 2})
    for (const RandomPurpose purpose :
         {RandomPurpose::digits_train, RandomPurpose::digits_test, RandomPurpose::shuffle, RandomPurpose::augment})
      for (const uint64_t epoch : {0, 1, 2}) {
        const RandomKey key = data_key(seed, purpose, epoch);
        EXPECT_TRUE(keys.emplace(key.seed, key.stream).second);
        for (int64_t sample = 0; sample < 100; ++sample) {
          const RandomKey own = sample_key(key, sample);
          EXPECT_TRUE(keys.emplace(own.seed, own.stream).second);
        }
      }
}

TEST(SampleRandom, DrawsAreTheStreamInOrder) {
  const RandomKey key{5, 6};
  Draws draws(key);
  std::vector<double> all(200);
  kernels::uniform(key, 0, 200, all.data());
  for (const double expected : all) EXPECT_EQ(draws.unit(), expected);
}

TEST(SampleRandom, Distributions) {
  Draws draws({1, 2});
  const int n = 100'000;
  double sum = 0, squares = 0, most = 0, low = 9, high = -9;
  std::vector<int> counts(10);
  for (int i = 0; i < n; ++i) {
    const double bell = draws.bell();
    sum += bell;
    squares += bell * bell;
    most = std::max(most, std::abs(bell));
    ++counts.at(static_cast<size_t>(draws.below(10)));
    const double between = draws.between(-3, 5);
    low = std::min(low, between);
    high = std::max(high, between);
  }
  // Five standard errors.
  EXPECT_NEAR(sum / n, 0, 5 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 1, 0.02);
  EXPECT_LE(most, 3.465);
  for (const int count : counts) EXPECT_NEAR(count, n / 10, 500);
  EXPECT_GE(low, -3);
  EXPECT_LT(high, 5);
  EXPECT_NEAR(high - low, 8, 0.01);
}

}  // namespace
}  // namespace telaio::nn
