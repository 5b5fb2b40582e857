// Graphs far deeper than any stack.
#include <gtest/gtest.h>

#include <telaio/autograd/node.hpp>
#include <telaio/telaio.hpp>

namespace telaio {
namespace {

constexpr int links = 1'000'000;

TEST(LargeGraph, AMillionChainedOpsBuildEvaluateDifferentiateAndDie) {
  const Tensor x(0.5);
  Tensor y = x;
  const Tensor one(1.0);
  for (int i = 0; i < links; ++i) y = i % 2 == 0 ? y + one : y - one;
  EXPECT_EQ(y.item<double>(), 0.5);
  const Tensor g = grad(y, x);
  EXPECT_EQ(g.item<double>(), 1);
}

TEST(LargeGraph, CompilesToo) {
  const auto f = compile([](const Tensor& x) {
    Tensor y = x;
    for (int i = 0; i < 100'000; ++i) y = sin(y);
    return grad(y, x);
  });
  const double g = f(Tensor(0.5)).item<double>();
  EXPECT_GT(g, 0);
  EXPECT_LT(g, 1);
}

TEST(LargeGraph, WithProductsAndUpdatesToo) {
  Variable w("w", full({2, 2}, 0.5)), v("v", full({2, 2}, 1));
  const auto f = compile([&](const Tensor& x) {
    Tensor y = x;
    for (int i = 0; i < 20'000; ++i) y = tanh(matmul(y, w));
    w.assign(w - y);
    v.assign(v - y);
  });
  f(full({2, 2}, 1));
  EXPECT_EQ(w.read().value().data<float>()[0], v.read().value().data<float>()[0] - 0.5f);
}

TEST(LargeGraph, ManyVariablesToo) {
  std::vector<Variable> all;
  for (int i = 0; i < 4000; ++i) all.emplace_back("v" + std::to_string(i), full({5}, i));
  const auto f = compile([&](const Tensor& x) {
    for (Variable& v : all) v.assign(v + x);
  });
  f(Tensor(1.0f));
  f(Tensor(1.0f));
  for (int i = 0; i < 4000; ++i) ASSERT_EQ(all[static_cast<size_t>(i)].read().value().data<float>()[4], i + 2) << i;
}

TEST(LargeGraph, WideGraphsToo) {
  const Tensor x(2.0);
  std::vector<Tensor> leaves;
  for (int i = 0; i < 100'000; ++i) leaves.push_back(x * i);
  while (leaves.size() > 1) {
    std::vector<Tensor> sums;
    for (size_t i = 0; i < leaves.size(); i += 2)
      sums.push_back(i + 1 < leaves.size() ? leaves[i] + leaves[i + 1] : leaves[i]);
    leaves = std::move(sums);
  }
  EXPECT_EQ(grad(leaves[0], x).item<double>(), 100'000.0 * 99'999 / 2);
}

TEST(LargeGraph, ATrainingLoopHasBoundedMemory) {
  Variable w("w", Tensor(0.0));
  for (int i = 0; i < 100'000; ++i) w.assign(w + 1);
  EXPECT_EQ(w.read().item<double>(), 100'000);
  EXPECT_TRUE(w.read().node()->inputs().empty());
  const auto step = compile([&] { w.assign(w - 1); });
  for (int i = 0; i < 100'000; ++i) step();
  EXPECT_EQ(w.read().item<double>(), 0);
  EXPECT_TRUE(w.read().node()->inputs().empty());
}

}  // namespace
}  // namespace telaio
