// Patterns that ops offer to replace, with ops of the test's own, so that what ran can be counted.
#include <gtest/gtest.h>

#include <atomic>

#include <telaio/telaio.hpp>

#include <telaio/autograd/node.hpp>

namespace telaio {
namespace {

std::atomic<int> apart{0}, together{0};

// x → x + 1 and x − 1.
class Fused final : public Op {
 public:
  std::string_view name() const override { return "fused"; }
  std::vector<TensorSpec> infer(Specs x) const override { return {x[0], x[0]}; }
  void run(Views x, Views y, void*) const override {
    ++together;
    for (int64_t i = 0; i < x[0].numel(); ++i) {
      y[0].data<float>()[i] = x[0].data<float>()[i] + 1;
      y[1].data<float>()[i] = x[0].data<float>()[i] - 1;
    }
  }
  bool same_as(const Op&) const override { return true; }
};

// x → x ± 1: offers its output of the pair.
class Shift final : public Op {
 public:
  explicit Shift(bool up, bool pair) : up_(up), pair_(pair) {}
  std::string_view name() const override { return up_ ? "up" : "down"; }
  std::vector<TensorSpec> infer(Specs x) const override {
    return pair_ ? std::vector<TensorSpec>{x[0], x[0]} : std::vector<TensorSpec>{x[0]};
  }
  void run(Views x, Views y, void*) const override {
    ++apart;
    for (const View& out : y)
      for (int64_t i = 0; i < x[0].numel(); ++i) out.data<float>()[i] = x[0].data<float>()[i] + (up_ ? 1.0f : -1.0f);
  }
  bool same_as(const Op& other) const override { return pair_ == static_cast<const Shift&>(other).pair_; }
  std::vector<Tensor> fused(const Node& node) const override {
    const std::vector<Tensor> both = apply_all(OpPtr(new Fused), node.inputs(), TELAIO_HERE);
    std::vector<Tensor> offered(node.outputs().size());
    offered[0] = both[up_ ? 0 : 1];
    return offered;
  }

 private:
  bool up_, pair_;
};

Tensor shift(const Tensor& x, bool up) { return apply(OpPtr(new Shift(up, false)), {x}, TELAIO_HERE); }

// x → x + 2 or x − 2: offers the pair of a pair, all of it new each time.
class Twice final : public Op {
 public:
  explicit Twice(bool up) : up_(up) {}
  std::string_view name() const override { return up_ ? "up twice" : "down twice"; }
  std::vector<TensorSpec> infer(Specs x) const override { return {x[0]}; }
  void run(Views, Views, void*) const override { ++apart; }
  std::vector<Tensor> fused(const Node& node) const override {
    const std::vector<Tensor> once = apply_all(OpPtr(new Fused), node.inputs(), TELAIO_HERE);
    return {apply_all(OpPtr(new Fused), {once[up_ ? 0 : 1]}, TELAIO_HERE)[up_ ? 0 : 1]};
  }

 private:
  bool up_;
};

struct Fuse : testing::Test {
  Fuse() { apart = 0, together = 0; }
  const Tensor x = tensor({1.0f, 2.0f, 3.0f});
};

TEST_F(Fuse, WhatTwoOpsOfferAlikeRunsOnce) {
  const auto f = compile([](const Tensor& t) { return shift(t, true) * shift(t, false); });
  EXPECT_EQ(f(x).to_vector<float>(), (std::vector<float>{0, 3, 8}));
  EXPECT_EQ(apart, 0);
  EXPECT_EQ(together, 1);
}

TEST_F(Fuse, PatternsBuildOnOneAnother) {
  const auto f = compile([](const Tensor& t) { return shift(shift(shift(t, true), true), false); });
  EXPECT_EQ(f(x).to_vector<float>(), (std::vector<float>{2, 3, 4}));
  EXPECT_EQ(apart, 0);
  EXPECT_EQ(together, 3);
}

TEST_F(Fuse, WhatIsOfferedAlikeDeeperDownRunsOnceToo) {
  const auto f = compile([](const Tensor& t) {
    const auto twice = [&](bool up) { return apply(OpPtr(new Twice(up)), {t}, TELAIO_HERE); };
    return twice(true) * twice(false) + twice(true);
  });
  EXPECT_EQ(f(x).to_vector<float>(), (std::vector<float>{0, 4, 10}));
  EXPECT_EQ(apart, 0);
  EXPECT_EQ(together, 3);  // x ± 1 once, x + 2 once, x − 2 once
}

TEST_F(Fuse, AnOutputThatIsNotOfferedStays) {
  const auto f = compile([](const Tensor& t) {
    const std::vector<Tensor> both = apply_all(OpPtr(new Shift(true, true)), {t}, TELAIO_HERE);
    return both[0] * 10 + both[1];
  });
  EXPECT_EQ(f(x).to_vector<float>(), (std::vector<float>{22, 33, 44}));
  EXPECT_EQ(apart, 1);
  EXPECT_EQ(together, 1);
}

TEST_F(Fuse, IsAnOption) {
  const auto f = compile([](const Tensor& t) { return shift(t, true); }, {.fuse = false});
  EXPECT_EQ(f(x).to_vector<float>(), (std::vector<float>{2, 3, 4}));
  EXPECT_EQ(apart, 1);
  EXPECT_EQ(together, 0);
}

}  // namespace
}  // namespace telaio
