#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/autograd/node.hpp>
#include <telaio/telaio.hpp>

#include <cmath>

#include "../message_of.hpp"

namespace telaio {
namespace {

using testing::AllOf;
using testing::DoubleEq;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;

Tensor scalar(double value) { return Tensor(value); }

TEST(Grad, OfAProduct) {
  const Tensor x = scalar(3), y = scalar(5);
  const auto g = grad(x * y + x, {x, y});
  EXPECT_EQ(g[0].item<double>(), 6);
  EXPECT_EQ(g[1].item<double>(), 3);
}

TEST(Grad, AddsUpTheUsesOfATensor) {
  const Tensor x = scalar(2);
  EXPECT_EQ(grad(x * x * x + x, x).item<double>(), 13);
}

TEST(Grad, OfHigherOrders) {
  const Tensor x = scalar(0.7);
  Tensor d = sin(x);
  const double expected[] = {std::cos(0.7), -std::sin(0.7), -std::cos(0.7), std::sin(0.7), std::cos(0.7)};
  for (double value : expected) {
    d = grad(d, x);
    EXPECT_NEAR(d.item<double>(), value, 1e-15);
  }
}

TEST(Grad, BroadcastingSums) {
  const Tensor row = from_data(std::vector<double>{1, 2, 3}, {3});
  const Tensor column = from_data(std::vector<double>{10, 20}, {2, 1});
  const auto g = grad(sum(row * column), {row, column});
  EXPECT_THAT(g[0].to_vector<double>(), ElementsAre(30, 30, 30));
  EXPECT_THAT(g[1].to_vector<double>(), ElementsAre(6, 6));
  EXPECT_EQ(g[1].shape(), (Shape{2, 1}));
}

TEST(Grad, OfAnInteriorTensorAndOfItsSource) {
  const Tensor x = scalar(2);
  const Tensor h = x * 3;
  const auto g = grad(square(h), {x, h});
  EXPECT_EQ(g[0].item<double>(), 36);
  EXPECT_EQ(g[1].item<double>(), 12);
}

TEST(Grad, OfIndependentTensorsIsPartial) {
  const Tensor x = scalar(2);
  const Tensor h = x * 3;
  const auto g = grad(square(h) * x, {x, h}, {.independent = true});
  EXPECT_EQ(g[0].item<double>(), 36);
  EXPECT_EQ(g[1].item<double>(), 24);
}

TEST(Grad, OfTheLossItself) {
  const Tensor x = scalar(2);
  EXPECT_EQ(grad(x, x).item<double>(), 1);
}

TEST(Grad, AMissingPathIsZerosOrAnErrorWhenStrict) {
  const Tensor x = scalar(2), unused = ones({2, 2}, f64);
  const Tensor g = grad(square(x), unused);
  EXPECT_THAT(g.to_vector<double>(), ElementsAre(0, 0, 0, 0));
  EXPECT_EQ(g.dtype(), f64);
  EXPECT_THAT(message_of([&] { grad(square(x), unused, {.strict = true}); }),
              HasSubstr("the outputs do not depend on tensor 0"));
}

TEST(Grad, WantsAFloatScalarLossAndFloatTensors) {
  const Tensor x = ones({2}, f64), i = ones({2}, i64);
  EXPECT_THAT(message_of([&] { grad(square(x), x); }), HasSubstr("must have one element"));
  EXPECT_THAT(message_of([&] { grad(sum(x), i); }), HasSubstr("i64[2]: only f32 and f64 have gradients"));
  EXPECT_THAT(message_of([&] { grad(sum(i), x); }), HasSubstr("the loss must be f32 or f64"));
  EXPECT_THAT(message_of([&] { vjp({x}, {ones({3}, f64)}, {x}); }), HasSubstr("its cotangent f64[3]"));
  EXPECT_THAT(message_of([&] { vjp({x}, {}, {x}); }), HasSubstr("1 outputs need as many cotangents, got 0"));
}

TEST(Grad, IntegersInBetweenStopIt) {
  const Tensor x = scalar(2.5);
  EXPECT_EQ(grad(cast(cast(x, i64), f64) * x, x).item<double>(), 2);
}

TEST(Grad, StopGradientCuts) {
  const Tensor x = scalar(3);
  EXPECT_EQ(grad(x * stop_gradient(x), x).item<double>(), 3);
}

TEST(Grad, JvpIsTheJacobianTimesAVector) {
  const Tensor x = from_data(std::vector<double>{1, 2}, {2});
  const Tensor t = from_data(std::vector<double>{1, -1}, {2});
  EXPECT_THAT(jvp({x * x * x}, {x}, {t})[0].to_vector<double>(), ElementsAre(3, -12));
}

TEST(Grad, ValueAndGrad) {
  const auto [value, g] = value_and_grad([](const std::vector<Tensor>& x) { return sum(square(x[0])); },
                                         {from_data(std::vector<double>{1, 2}, {2})});
  EXPECT_EQ(value.item<double>(), 5);
  EXPECT_THAT(g[0].to_vector<double>(), ElementsAre(2, 4));
}

TEST(Grad, OfAVariableReadInTwoVersionsIsAnError) {
  Variable w("w", scalar(2));
  const Tensor loss = square(w);
  w.assign(scalar(3));
  EXPECT_THAT(message_of([&] { grad(loss, w); }), HasSubstr("variable 'w' was assigned to between"));
  const Tensor old_and_new = loss + square(w);
  EXPECT_THAT(message_of([&] { grad(old_and_new, w); }), HasSubstr("variable 'w' was assigned to between"));
  EXPECT_EQ(grad(square(w), w).item<double>(), 6);
}

TEST(Grad, BackwardNodesCarryTheForwardLineAndScope) {
  const Tensor x = scalar(2);
  Tensor y;
  {
    const Scope scope("layer");
    y = exp(x);
  }
  const Tensor g = grad(y, x);
  EXPECT_TRUE(g.node()->backward());
  EXPECT_EQ(g.node()->scope(), "layer");
  EXPECT_EQ(g.node()->where().line(), y.node()->where().line());
  EXPECT_FALSE(y.node()->backward());
}

TEST(Grad, AnOpWithoutADerivativeSaysSo) {
  class Opaque final : public Op {
   public:
    std::string_view name() const override { return "opaque"; }
    std::vector<TensorSpec> infer(Specs x) const override { return {x[0]}; }
    void run(Views, Views, void*) const override {}
  };
  const Tensor x = scalar(2);
  const Tensor y = apply(OpPtr(new Opaque), {x}, TELAIO_HERE);
  EXPECT_THAT(message_of([&] { grad(y, x); }),
              AllOf(HasSubstr("opaque: the op has no derivative"), HasSubstr("grad_test.cpp:")));
}

TEST(Grad, ADerivativeOfTheWrongShapeIsCaught) {
  class Wrong final : public IdentityOp {
   public:
    std::string_view name() const override { return "wrong"; }
    std::vector<Tensor> vjp(Tensors, Tensors, Tensors, Needs) const override { return {ones({7}, f64)}; }
  };
  const Tensor x = scalar(2);
  const Tensor y = apply(OpPtr(new Wrong), {x}, TELAIO_HERE);
  EXPECT_THAT(message_of([&] { grad(y, x); }), HasSubstr("its derivative by input 0 is f64[7], the input is f64[]"));
}

TEST(Grad, ManyTermsAddUp) {
  const Tensor x = scalar(1.5);
  Tensor y = x;
  for (int i = 0; i < 9; ++i) y = y + x * i;
  EXPECT_EQ(grad(y, x).item<double>(), 37);
}

}  // namespace
}  // namespace telaio
