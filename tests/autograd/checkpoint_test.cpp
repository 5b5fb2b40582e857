#include <gtest/gtest.h>

#include <telaio/telaio.hpp>

#include <cmath>

namespace telaio {
namespace {

Tensor block(const Tensor& x, const Tensor& w) {
  Tensor h = x;
  for (int i = 0; i < 4; ++i) h = tanh(h * w + 0.1);
  return h;
}

TEST(Checkpoint, GradientsAreThoseOfThePlainFunction) {
  const Tensor x = from_data(std::vector<double>{0.1, -0.4, 0.7}, {3});
  Variable w("w", full({3}, 0.8, f64));
  const auto plain = grad(sum(block(block(x, w), w)), {x, w});
  const auto f = [&](const Tensor& h) { return block(h, w); };
  const auto checked = grad(sum(checkpoint(f, checkpoint(f, x))), {x, w});
  for (size_t i = 0; i < 2; ++i)
    for (size_t j = 0; j < 3; ++j)  // terms are added in another order
      EXPECT_NEAR(plain[i].to_vector<double>()[j], checked[i].to_vector<double>()[j], 1e-14);
}

TEST(Checkpoint, HasSecondDerivatives) {
  const Tensor x(0.3);
  const auto f = [](const Tensor& h) { return sin(h) * h; };
  const Tensor first = grad(checkpoint(f, x), x);
  EXPECT_NEAR(first.item<double>(), std::sin(0.3) + 0.3 * std::cos(0.3), 1e-15);
  EXPECT_NEAR(grad(first, x).item<double>(), 2 * std::cos(0.3) - 0.3 * std::sin(0.3), 1e-15);
}

TEST(Checkpoint, WithSeveralArgumentsAndResults) {
  const Tensor a(2.0), b(3.0);
  const auto f = [](const std::vector<Tensor>& x) {
    return std::vector<Tensor>{x[0] * x[1], x[0] + x[1], square(x[1])};
  };
  const auto y = checkpoint(f, {a, b});
  const auto g = grad(y[0] * y[1] + y[2], {a, b});  // ab(a+b) + b²
  EXPECT_EQ(g[0].item<double>(), 2 * 2 * 3 + 9);
  EXPECT_EQ(g[1].item<double>(), 4 + 2 * 2 * 3 + 6);
}

TEST(Checkpoint, PlansFewerBytes) {
  Variable w("w", full({64, 256}, 0.5));
  const auto deep = [&](bool checked, bool concurrent) {
    const auto f = [&w, checked](const Tensor& x) {
      Tensor h = x;
      for (int i = 0; i < 8; ++i)
        h = checked ? checkpoint([&](const Tensor& t) { return block(t, w); }, h) : block(h, w);
      return grad(sum(h), w);
    };
    return compile(f, {.slice = false, .concurrent = concurrent});
  };
  const Tensor x = ones({64, 256});
  const int64_t one = 64 * 256 * 4;
  // 32 activations are kept for the backward pass; with checkpoints 8, and the 4 of the block that is computed again.
  EXPECT_GE(deep(false, false).planned_bytes(x), 32 * one);
  EXPECT_LE(deep(true, false).planned_bytes(x), (8 + 4 + 4) * one);
  EXPECT_LT(deep(true, true).planned_bytes(x), deep(false, true).planned_bytes(x));
  EXPECT_NEAR(deep(false, true)(x).to_vector<float>()[7], deep(true, true)(x).to_vector<float>()[7], 1e-6);
}

}  // namespace
}  // namespace telaio
