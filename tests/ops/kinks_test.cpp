// The derivatives that the headers promise where a function has a kink: the op table keeps away from these.
#include <cmath>
#include <functional>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/autograd/grad.hpp>
#include <telaio/ops/ops.hpp>

namespace telaio {
namespace {

using testing::ElementsAre;

double slope(const std::function<Tensor(const Tensor&)>& f, double at) {
  const Tensor x(at);
  return grad(f(x), x).item<double>();
}

TEST(Kinks, OfFunctionsOfOneTensor) {
  EXPECT_EQ(slope([](const Tensor& x) { return relu(x); }, 0), 0);
  EXPECT_EQ(slope([](const Tensor& x) { return abs(x); }, 0), 0);
  EXPECT_EQ(slope([](const Tensor& x) { return sign(x); }, 0), 0);
  EXPECT_EQ(slope([](const Tensor& x) { return leaky_relu(x, 0.25); }, 0), 0.25);
  EXPECT_EQ(slope([](const Tensor& x) { return elu(x, 0.25); }, 0), 0.25);
  for (const double border : {-1.0, 2.0}) {
    EXPECT_EQ(slope([](const Tensor& x) { return clip(x, -1, 2); }, border), 1);
    EXPECT_EQ(slope([](const Tensor& x) { return hardtanh(x, -1, 2); }, border), 1);
  }
  EXPECT_EQ(slope([](const Tensor& x) { return floor(x); }, 2), 0);
  EXPECT_EQ(slope([](const Tensor& x) { return round(x); }, 2.5), 0);
}

TEST(Kinks, EqualOperandsShareTheGradient) {
  const Tensor a(1.5), b(1.5);
  for (const auto& y : {maximum(a, b), minimum(a, b)}) {
    const auto g = grad(y, {a, b});
    EXPECT_EQ(g[0].item<double>(), 0.5);
    EXPECT_EQ(g[1].item<double>(), 0.5);
  }
}

TEST(Kinks, PowersOfZero) {
  const auto by_both = [](double base, double exponent) {
    const Tensor a(base), b(exponent);
    const auto g = grad(pow(a, b), {a, b});
    return std::vector<double>{g[0].item<double>(), g[1].item<double>()};
  };
  EXPECT_THAT(by_both(0, 2), ElementsAre(0, 0));
  EXPECT_THAT(by_both(0, 1), ElementsAre(1, 0));
  EXPECT_THAT(by_both(0, 0), ElementsAre(0, 0));
  // An integer power of a negative number is smooth in the base.
  EXPECT_EQ(slope([](const Tensor& x) { return pow(x, 3); }, -2), 12);
  const Tensor x(-2.0);
  EXPECT_EQ(grad(grad(pow(x, 3), x), x).item<double>(), -12);
  EXPECT_EQ(slope([](const Tensor& t) { return pow(t, 2); }, 0), 0);
}

TEST(Kinks, TheFirstMaximumOfAWindowWins) {
  const Tensor x = from_data(std::vector<double>{1, 3, 3, 3}, {1, 2, 2, 1});
  EXPECT_THAT(grad(sum(max_pool2d(x, 2)), x).to_vector<double>(), ElementsAre(0, 1, 0, 0));
  EXPECT_THAT(grad(sum(max(x)), x).to_vector<double>(), ElementsAre(0, 1.0 / 3, 1.0 / 3, 1.0 / 3));
}

}  // namespace
}  // namespace telaio
