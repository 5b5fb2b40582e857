#include <cmath>
#include <limits>

#include "op_testing.hpp"

namespace telaio {
namespace {

using testing::AllOf;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_ops::counting;
using testing_ops::expect_derivatives;
using testing_ops::expect_same;
using testing_ops::expect_same_compiled;
using testing_ops::scattered;

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

TEST(Reduce, OverChosenAxes) {
  const Tensor x = counting({2, 3, 2});
  EXPECT_EQ(sum(x).item<double>(), 66);
  EXPECT_EQ(sum(x).shape(), Shape());
  EXPECT_THAT(sum(x, 1).to_vector<int>(), ElementsAre(6, 9, 24, 27));
  EXPECT_THAT(sum(x, {0, -1}).to_vector<int>(), ElementsAre(14, 22, 30));
  EXPECT_EQ(sum(x, {0, -1}, true).shape(), Shape({1, 3, 1}));
  EXPECT_EQ(sum(x, {}, true).shape(), Shape({1, 1, 1}));
  EXPECT_THAT(max(x, {1, 2}).to_vector<int>(), ElementsAre(5, 11));
  EXPECT_THAT(min(x, 0).to_vector<int>(), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(prod(x + 1.0, {1, 2}).to_vector<int>(), ElementsAre(720, 665280));
  EXPECT_THAT(mean(x, {0, 1}).to_vector<double>(), ElementsAre(5, 6));
  EXPECT_THAT(sum(transpose(x, 0, 2), 2).to_vector<int>(), ElementsAre(6, 10, 14, 8, 12, 16));
  EXPECT_THAT(sum(flip(broadcast_to(tensor({1, 2}), {3, 2}), {1}), 0).to_vector<int>(), ElementsAre(6, 3));
}

TEST(Reduce, OfOneElementEachIsAReshape) {
  const Tensor x = counting({3, 1});
  EXPECT_TRUE(testing_ops::shares_memory(x, sum(x, 1)));
  EXPECT_TRUE(max(x, 1, true).same(x));
  EXPECT_TRUE(sum(Tensor(2.0)).shape() == Shape());
  EXPECT_EQ(mean(Tensor(2.0)).item<double>(), 2);
}

TEST(Reduce, PromotesAsDocumented) {
  const Tensor bytes = full({1000}, 200, u8);
  EXPECT_EQ(sum(bytes).dtype(), i64);
  EXPECT_EQ(sum(bytes).item<int64_t>(), 200'000);
  EXPECT_EQ(mean(bytes).dtype(), f32);
  EXPECT_EQ(mean(bytes).item<float>(), 200);
  EXPECT_EQ(sum(tensor({true, true, false})).item<int64_t>(), 2);
  EXPECT_FLOAT_EQ(mean(tensor({true, true, false})).item<float>(), 2.0f / 3);
  EXPECT_EQ(prod(tensor({1 << 20, 1 << 20})).item<int64_t>(), int64_t{1} << 40);
  EXPECT_EQ(max(bytes).dtype(), u8);
  EXPECT_EQ(max(tensor({false, true})).dtype(), boolean);
  EXPECT_TRUE(max(tensor({false, true})).item<bool>());
  EXPECT_FALSE(min(tensor({false, true})).item<bool>());
  EXPECT_EQ(var(bytes).dtype(), f32);
  EXPECT_EQ(logsumexp(bytes).dtype(), f32);
  EXPECT_EQ(cumsum(bytes, 0).dtype(), i64);
}

TEST(Reduce, OverNothing) {
  EXPECT_THAT(sum(zeros({2, 0}), 1).to_vector<float>(), ElementsAre(0, 0));
  EXPECT_THAT(prod(zeros({2, 0}), 1).to_vector<float>(), ElementsAre(1, 1));
  EXPECT_FALSE(any(zeros({0})).item<bool>());
  EXPECT_TRUE(all(zeros({0})).item<bool>());
  EXPECT_EQ(sum(zeros({2, 0}), 0).numel(), 0);
  EXPECT_EQ(max(zeros({2, 0}), 0).numel(), 0);
  const Tensor x = zeros({2, 0}, f64);
  EXPECT_EQ(grad(sum(prod(x, 1)), x).shape(), Shape({2, 0}));
  EXPECT_EQ(grad(sum(x), x).shape(), Shape({2, 0}));
  for (const auto& f : {+[](const Tensor& t) { return max(t, 1); }, +[](const Tensor& t) { return mean(t, 1); },
                        +[](const Tensor& t) { return var(t, 1); }, +[](const Tensor& t) { return logsumexp(t, 1); },
                        +[](const Tensor& t) { return argmin(t, 1); }}) {
    EXPECT_THAT(message_of([&] { f(x); }), HasSubstr("axis 1 has no elements"));
  }
}

TEST(Reduce, RefusesAxesThatAreNot) {
  const Tensor x = counting({2, 3});
  EXPECT_THAT(message_of([&] { sum(x, 2); }), AllOf(HasSubstr("sum: axis 2 is out of range: there are 2 axes"),
                                                    HasSubstr("f64[2,3]"), HasSubstr("reduce_test.cpp:")));
  EXPECT_THAT(message_of([&] { var(x, {0, -2}); }), HasSubstr("var: axis -2 is named twice"));
  EXPECT_THAT(message_of([&] { logsumexp(x, -3); }), HasSubstr("logsumexp: axis -3 is out of range"));
  EXPECT_THAT(message_of([&] { var(x, 1, false, 3); }), HasSubstr("var: 3 elements are too few for a correction of 3"));
  EXPECT_THAT(message_of([&] { mean(Tensor()); }), HasSubstr("mean: the input is undefined"));
  EXPECT_THAT(message_of([&] { argmax(Tensor(1.0)); }), HasSubstr("argmax: axis -1 is out of range: there are 0 axes"));
}

TEST(Reduce, LongOnesAreCutTheSameInAnyLayout) {
  // Larger than a part, with few outputs: partial sums in scratch, whatever the strides.
  const Tensor x = reshape(uniform({4, 3, 500'000}, random_key(1), 0, 1, f64), {4, 3, 500'000}).eval();
  const auto values = x.to_vector<double>();
  for (const Tensor& y : {sum(x, 2), sum(permute(x, {2, 0, 1}), 0), sum(permute(x, {0, 2, 1}), 1)}) {
    const auto sums = y.to_vector<double>();
    ASSERT_EQ(sums.size(), 12u);
    for (size_t i = 0; i < 12; ++i) {
      double expected = 0;
      for (size_t j = 0; j < 500'000; ++j) expected += values[i * 500'000 + j];
      EXPECT_NEAR(sums[i], expected, 1e-7);
    }
  }
  EXPECT_NEAR(sum(flip(x, {0, 2})).item<double>(), sum(x).item<double>(), 1e-6);
  EXPECT_NEAR(sum(broadcast_to(slice(x, 2, 0, 1), x.shape())).item<double>(),
              500'000 * sum(slice(x, 2, 0, 1)).item<double>(), 1e-4);
}

TEST(Mean, IsAccurateInSinglePrecision) { EXPECT_NEAR(mean(full({10'000'000}, 0.1)).item<float>(), 0.1f, 1e-7); }

TEST(Var, DividesAsAsked) {
  const Tensor x = tensor({{1.0, 2.0, 6.0}, {0.0, 0.0, 0.0}});
  EXPECT_THAT(var(x, 1).to_vector<double>(), ElementsAre(DoubleNear(14.0 / 3, 1e-15), 0));
  EXPECT_THAT(var(x, -1, true, 1).to_vector<double>(), ElementsAre(DoubleNear(7, 1e-15), 0));
  EXPECT_EQ(var(x, -1, true).shape(), Shape({2, 1}));
}

TEST(Max, PropagatesNaNAndSharesTies) {
  EXPECT_TRUE(std::isnan(max(tensor({1.0, nan, inf})).item<double>()));
  EXPECT_TRUE(std::isnan(min(tensor({1.0, nan, -inf})).item<double>()));
  const Tensor x = tensor({{1.0, 3.0, 3.0}, {5.0, 2.0, 2.0}});
  EXPECT_THAT(grad(sum(max(x, 1)), x).to_vector<double>(), ElementsAre(0, 0.5, 0.5, 1, 0, 0));
  EXPECT_THAT(grad(sum(min(x, 1) * tensor({1.0, 10.0})), x).to_vector<double>(), ElementsAre(1, 0, 0, 0, 5, 5));
}

TEST(Prod, HasDerivativesAtZeros) {
  const Tensor x = tensor({{2.0, 0.0, 3.0, 4.0, 5.0}, {2.0, 0.0, 3.0, 0.0, 5.0}, {1.0, 2.0, 3.0, 4.0, 5.0}});
  EXPECT_THAT(grad(sum(prod(x, 1)), x).to_vector<double>(),
              ElementsAre(0, 120, 0, 0, 0, 0, 0, 0, 0, 0, 120, 60, 40, 30, 24));
  // Two zeros: only the mixed second derivative by the two is left.
  const Tensor pair = tensor({0.0, 7.0, 0.0});
  const Tensor first = grad(prod(pair), pair);
  EXPECT_THAT(grad(slice(first, 0, 0, 1), pair).to_vector<double>(), ElementsAre(0, 0, 7));
  expect_derivatives([](const Tensor& t) { return prod(t, 1); }, {x});
  for (int64_t n : {2, 3, 7}) expect_derivatives([](const Tensor& t) { return prod(t); }, {scattered({n})});
  expect_derivatives([](const Tensor& t) { return prod(t, {0, 2}); }, {scattered({2, 2, 3})});
}

TEST(LogSumExp, IsRightAtTheEnds) {
  const Tensor x = tensor({{1000.0, 1000.0}, {-inf, -inf}, {inf, 0.0}, {-inf, 3.0}, {nan, 0.0}});
  const auto y = logsumexp(x, 1).to_vector<double>();
  EXPECT_DOUBLE_EQ(y[0], 1000 + std::log(2));
  EXPECT_EQ(y[1], -inf);
  EXPECT_EQ(y[2], inf);
  EXPECT_EQ(y[3], 3);
  EXPECT_TRUE(std::isnan(y[4]));
  EXPECT_EQ(logsumexp(x, {0, 1}, true).shape(), Shape({1, 1}));
  EXPECT_EQ(logsumexp(Tensor(2.0)).item<double>(), 2);
}

TEST(LogSumExp, HasSoftmaxAsGradient) {
  const Tensor x = scattered({3, 4});
  const auto gradient = grad(sum(logsumexp(x, 1)), x).to_vector<double>();
  const auto values = x.to_vector<double>();
  for (size_t row = 0; row < 3; ++row) {
    double total = 0;
    for (size_t i = 0; i < 4; ++i) total += std::exp(values[row * 4 + i]);
    for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(gradient[row * 4 + i], std::exp(values[row * 4 + i]) / total, 1e-15);
  }
}

TEST(AnyAll, TakeEveryType) {
  const Tensor x = tensor({{0, 0, 0}, {0, 2, 0}, {1, 1, 1}});
  EXPECT_THAT(any(x, 1).to_vector<bool>(), ElementsAre(false, true, true));
  EXPECT_THAT(all(x, 1).to_vector<bool>(), ElementsAre(false, false, true));
  EXPECT_TRUE(any(tensor({nan})).item<bool>());
  EXPECT_THAT(all(x > 0, 0, true).shape(), Shape({1, 3}));
}

TEST(ArgMax, GivesTheFirst) {
  const Tensor x = tensor({{1.0, 3.0, 3.0}, {nan, 9.0, nan}, {-inf, -inf, -inf}});
  EXPECT_THAT(argmax(x).to_vector<int>(), ElementsAre(1, 0, 0));
  EXPECT_THAT(argmin(x, 1).to_vector<int>(), ElementsAre(0, 0, 0));
  EXPECT_THAT(argmax(x, 0).to_vector<int>(), ElementsAre(1, 1, 1));
  EXPECT_EQ(argmax(x, 0, true).shape(), Shape({1, 3}));
  EXPECT_EQ(argmax(x).dtype(), i64);
  EXPECT_EQ(argmax(tensor({false, true, true})).item<int64_t>(), 1);
  EXPECT_THAT(argmax(transpose(tensor({{1, 2}, {5, 4}}))).to_vector<int>(), ElementsAre(1, 1));
}

TEST(Cumsum, RunsAlongAnAxis) {
  const Tensor x = tensor({{1, 2, 3}, {4, 5, 6}});
  EXPECT_THAT(cumsum(x, 1).to_vector<int>(), ElementsAre(1, 3, 6, 4, 9, 15));
  EXPECT_THAT(cumsum(x, 0).to_vector<int>(), ElementsAre(1, 2, 3, 5, 7, 9));
  EXPECT_THAT(cumsum(x, -1, {.reverse = true}).to_vector<int>(), ElementsAre(6, 5, 3, 15, 11, 6));
  EXPECT_THAT(cumsum(x, 1, {.exclusive = true}).to_vector<int>(), ElementsAre(0, 1, 3, 0, 4, 9));
  EXPECT_THAT(cumsum(x, 1, {.reverse = true, .exclusive = true}).to_vector<int>(), ElementsAre(5, 3, 0, 11, 6, 0));
  EXPECT_EQ(cumsum(zeros({2, 0}), 1).numel(), 0);
  EXPECT_THAT(message_of([&] { cumsum(x, 2); }), HasSubstr("cumsum: axis 2 is out of range"));
}

TEST(Reduce, Derivatives) {
  const Tensor x = scattered({2, 3, 2});
  for (const Axes& axes : {Axes{}, Axes{1}, Axes{0, 2}}) {
    expect_derivatives([&](const Tensor& t) { return square(sum(t, axes)); }, {x});
    expect_derivatives([&](const Tensor& t) { return square(mean(t, axes, true)); }, {x});
    expect_derivatives([&](const Tensor& t) { return var(t, axes, false, 1); }, {x});
    expect_derivatives([&](const Tensor& t) { return square(max(t, axes)); }, {x});
    expect_derivatives([&](const Tensor& t) { return square(min(t, axes)); }, {x});
    expect_derivatives([&](const Tensor& t) { return logsumexp(t, axes); }, {x});
  }
  for (bool reverse : {false, true})
    for (bool exclusive : {false, true})
      expect_derivatives([&](const Tensor& t) { return square(cumsum(t, 1, {reverse, exclusive})); }, {x});
}

TEST(Reduce, CompiledAsEvaluated) {
  const Tensor x = scattered({5, 7, 6});
  expect_same_compiled([](const Tensor& t) { return sum(transpose(t), {0, 2}) + max(t, {0, 1}); }, x);
  expect_same_compiled([](const Tensor& t) { return grad(sum(var(t, {0, 1}) * logsumexp(t, {0, 1})), t); }, x);
  expect_same_compiled([](const Tensor& t) { return grad(sum(prod(t, 0) + max(cumsum(t, 2), 0)), t); }, x);
  expect_same_compiled([](const Tensor& t) { return argmax(permute(t, {2, 0, 1}), 0); }, x);
}

}  // namespace
}  // namespace telaio
