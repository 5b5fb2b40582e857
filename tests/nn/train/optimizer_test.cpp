#include <telaio/nn/train/optimizer.hpp>

#include <cmath>
#include <functional>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/telaio.hpp>

#include "../../message_of.hpp"

namespace telaio::nn {
namespace {

using testing::HasSubstr;
using Values = std::vector<double>;

constexpr int steps = 5;

/// The rate and the gradients of a step: of w [3] and of v [2,2], whose numbers follow those of w. Made up, of very
/// different sizes.
double rate_of(int step) { return 0.1 / step; }
double gradient(int step, size_t i) {
  return std::sin(1.0 + 7 * step + 3 * static_cast<double>(i)) * (i == 0 ? 20 : i == 1 ? 1e-3 : 1);
}
double initial(size_t i) { return 0.5 - 0.3 * static_cast<double>(i); }

/// What the optimizer makes of seven numbers in two variables, step by step.
std::vector<Values> run(const Optimizer& optimizer, bool compiled, DType dtype = f64) {
  Values w, v;
  for (size_t i = 0; i < 7; ++i) (i < 3 ? w : v).push_back(initial(i));
  const std::vector<Variable> parameters{Variable("w", cast(from_data(w, {3}), dtype)),
                                         Variable("v", cast(from_data(v, {2, 2}), dtype))};
  const OptimizerState state(optimizer, parameters);
  const auto step = [&](const Tensor& gw, const Tensor& gv, const Tensor& rate, const Tensor& number) {
    state.apply({gw, gv}, rate, number);
    return gw;
  };
  const auto fast = compile(step);
  std::vector<Values> results;
  for (int t = 1; t <= steps; ++t) {
    Values gw, gv;
    for (size_t i = 0; i < 7; ++i) (i < 3 ? gw : gv).push_back(gradient(t, i));
    const Tensor a = cast(from_data(gw, {3}), dtype), b = cast(from_data(gv, {2, 2}), dtype);
    if (compiled) fast(a, b, Tensor(rate_of(t)), Tensor(static_cast<double>(t)));
    else step(a, b, Tensor(rate_of(t)), Tensor(static_cast<double>(t)));
    Values all = parameters[0].read().to_vector<double>();
    for (const double one : parameters[1].read().to_vector<double>()) all.push_back(one);
    results.push_back(all);
  }
  return results;
}

/// The change of one number, in plain doubles: (w, g, what is kept of this number, rate, step).
using Plain = std::function<void(double& w, double g, Values& kept, double rate, int step)>;

struct PlainOptions {
  double initial = 0, weight_decay = 0, clip_norm = 0, clip_value = 0;
};

std::vector<Values> plain(const Plain& update, const PlainOptions& options = {}) {
  Values w;
  std::vector<Values> kept(7, Values(3, options.initial)), results;
  for (size_t i = 0; i < 7; ++i) w.push_back(initial(i));
  for (int t = 1; t <= steps; ++t) {
    Values g;
    double squares = 0;
    for (size_t i = 0; i < 7; ++i) {
      g.push_back(gradient(t, i));
      if (options.clip_value > 0) g[i] = std::min(std::max(g[i], -options.clip_value), options.clip_value);
      squares += g[i] * g[i];
    }
    for (size_t i = 0; i < 7; ++i) {
      if (options.clip_norm > 0 && std::sqrt(squares) > options.clip_norm)
        g[i] *= options.clip_norm / std::sqrt(squares);
      w[i] *= 1 - rate_of(t) * options.weight_decay;
      update(w[i], g[i], kept[i], rate_of(t), t);
    }
    results.push_back(w);
  }
  return results;
}

void expect_close(const std::vector<Values>& got, const std::vector<Values>& expected, double tolerance) {
  for (size_t t = 0; t < expected.size(); ++t)
    for (size_t i = 0; i < 7; ++i)
      EXPECT_NEAR(got[t][i], expected[t][i], tolerance * std::max(1.0, std::abs(expected[t][i])))
          << "step " << t + 1 << ", number " << i;
}

void expect_plain(const Optimizer& optimizer, const Plain& update, const PlainOptions& options = {}) {
  SCOPED_TRACE(to_string(optimizer));
  const std::vector<Values> expected = plain(update, options), compiled = run(optimizer, true);
  expect_close(compiled, expected, 1e-12);
  EXPECT_EQ(compiled, run(optimizer, false));
  expect_close(run(optimizer, true, f32), expected, 1e-4);
}

void sgd(double& w, double g, Values&, double rate, int) { w -= rate * g; }

Plain adam(double beta1 = 0.9, double beta2 = 0.999, double epsilon = 1e-7) {
  return [=](double& w, double g, Values& kept, double rate, int t) {
    kept[0] = beta1 * kept[0] + (1 - beta1) * g;
    kept[1] = beta2 * kept[1] + (1 - beta2) * g * g;
    const double m = kept[0] / (1 - std::pow(beta1, t)), v = kept[1] / (1 - std::pow(beta2, t));
    w -= rate * m / (std::sqrt(v) + epsilon);
  };
}

// torch.optim.SGD without dampening: the velocity begins as the first gradient, which is momentum·0 + g.
Plain momentum_sgd(double momentum, bool nesterov) {
  return [=](double& w, double g, Values& kept, double rate, int) {
    kept[0] = momentum * kept[0] + g;
    w -= rate * (nesterov ? g + momentum * kept[0] : kept[0]);
  };
}

Plain rmsprop(double rho, double momentum, double epsilon, bool centered) {
  return [=](double& w, double g, Values& kept, double rate, int) {
    kept[0] = rho * kept[0] + (1 - rho) * g * g;
    double spread = kept[0];
    if (centered) {
      kept[1] = rho * kept[1] + (1 - rho) * g;
      spread -= kept[1] * kept[1];
    }
    const double direction = g / (std::sqrt(spread) + epsilon);
    kept[2] = momentum * kept[2] + direction;
    w -= rate * kept[2];
  };
}

TEST(Optimizer, Sgd) {
  expect_plain({.rule = SGD{}}, sgd);
  expect_plain({.rule = SGD{.momentum = 0.9}}, momentum_sgd(0.9, false));
  expect_plain({.rule = SGD{.momentum = 0.8, .nesterov = true}}, momentum_sgd(0.8, true));
  expect_plain({.rule = SGD{.nesterov = true}}, sgd);
}

TEST(Optimizer, AdamAndAdamW) {
  expect_plain({.rule = Adam{}}, adam());
  expect_plain({.rule = Adam{.beta1 = 0.5, .beta2 = 0.9, .epsilon = 1e-3}}, adam(0.5, 0.9, 1e-3));
  expect_plain({.rule = Adam{.beta1 = 0}}, adam(0));
  expect_plain(adamw(0.001, 0.3), adam(), {.weight_decay = 0.3});
}

TEST(Optimizer, RmsProp) {
  expect_plain({.rule = RMSprop{}}, rmsprop(0.9, 0, 1e-7, false));
  expect_plain({.rule = RMSprop{.rho = 0.99, .epsilon = 1e-3}}, rmsprop(0.99, 0, 1e-3, false));
  expect_plain({.rule = RMSprop{.momentum = 0.7}}, rmsprop(0.9, 0.7, 1e-7, false));
  expect_plain({.rule = RMSprop{.centered = true}}, rmsprop(0.9, 0, 1e-7, true));
  expect_plain({.rule = RMSprop{.momentum = 0.7, .centered = true}}, rmsprop(0.9, 0.7, 1e-7, true));
}

TEST(Optimizer, Adagrad) {
  for (const double start : {0.1, 0.0}) {
    expect_plain({.rule = Adagrad{.initial_accumulator = start}},
                 [](double& w, double g, Values& kept, double rate, int) {
                   kept[0] += g * g;
                   w -= rate * g / (std::sqrt(kept[0]) + 1e-7);
                 },
                 {.initial = start});
  }
}

TEST(Optimizer, DecayAndClipping) {
  expect_plain({.rule = SGD{}, .weight_decay = 0.5}, sgd, {.weight_decay = 0.5});
  expect_plain({.rule = SGD{}, .clip_value = 0.7}, sgd, {.clip_value = 0.7});
  expect_plain({.rule = SGD{}, .clip_norm = 2}, sgd, {.clip_norm = 2});
  expect_plain({.rule = SGD{}, .clip_norm = 1000}, sgd);
  // Cut first, then scaled.
  expect_plain({.rule = SGD{.momentum = 0.9}, .weight_decay = 0.1, .clip_norm = 1, .clip_value = 0.7},
               momentum_sgd(0.9, false), {.weight_decay = 0.1, .clip_norm = 1, .clip_value = 0.7});
}

TEST(Optimizer, ClippingOfNoGradientIsNone) {
  const Variable w("w", zeros({2}, f64));
  const OptimizerState state({.rule = SGD{}, .clip_norm = 1}, {w});
  state.apply({zeros({2}, f64)}, 0.1, 1.0);
  EXPECT_EQ(w.read().to_vector<double>(), (Values{0, 0}));
}

TEST(Optimizer, ClippingOfHugeGradientsKeepsTheirDirection) {
  const Variable w("w", zeros({2}, f32));
  const OptimizerState state({.rule = SGD{}, .clip_norm = 1}, {w});
  state.apply({cast(from_data(Values{3e25, -4e25}, {2}), f32)}, 1.0, 1.0);  // whose squares are infinite in f32
  const Values moved = w.read().to_vector<double>();
  EXPECT_NEAR(moved[0], -0.6, 1e-6);
  EXPECT_NEAR(moved[1], 0.8, 1e-6);
}

TEST(Optimizer, CenteredStaysFiniteWhenTheGradientDoesNotChange) {
  // v − m² is 0 but for rounding then, of either sign.
  const Variable w("w", zeros({64}, f32));
  const OptimizerState state({.rule = RMSprop{.centered = true}}, {w});
  Values g;
  for (int i = 0; i < 64; ++i) g.push_back(0.1 + 0.37 * i);
  const Tensor gradient_of_w = cast(from_data(g, {64}), f32).eval();
  const auto step = compile([&](const Tensor& gw) {
    state.apply({gw}, 1e-3, 1.0);
    return gw;
  });
  for (int t = 0; t < 500; ++t) step(gradient_of_w);
  for (const double x : w.read().to_vector<double>()) ASSERT_TRUE(std::isfinite(x));
}

TEST(Optimizer, SlotsAreNamedByTheirParameter) {
  const std::vector<Variable> parameters{Variable("a.weight", zeros({2, 3})), Variable("a.bias", zeros({3}, f64))};
  const auto names = [&](const Optimizer& optimizer) {
    std::vector<std::string> all;
    const OptimizerState state(optimizer, parameters);
    for (const Variable& slot : state.slots()) all.push_back(fmt::format("{} {}", slot.name(), to_string(slot.spec())));
    return all;
  };
  EXPECT_THAT(names({.rule = SGD{}}), testing::ElementsAre());
  EXPECT_THAT(names({.rule = SGD{.momentum = 0.9}}),
              testing::ElementsAre("a.weight/velocity f32[2,3]", "a.bias/velocity f64[3]"));
  EXPECT_THAT(names({.rule = Adam{}}),
              testing::ElementsAre("a.weight/m f32[2,3]", "a.weight/v f32[2,3]", "a.bias/m f64[3]", "a.bias/v f64[3]"));
  EXPECT_THAT(names({.rule = RMSprop{.momentum = 0.1, .centered = true}}),
              testing::ElementsAre("a.weight/v f32[2,3]", "a.weight/mean f32[2,3]", "a.weight/velocity f32[2,3]",
                                   "a.bias/v f64[3]", "a.bias/mean f64[3]", "a.bias/velocity f64[3]"));
  const OptimizerState adagrad({.rule = Adagrad{}}, parameters);
  EXPECT_EQ(adagrad.slots()[1].read().to_vector<double>(), (Values{0.1, 0.1, 0.1}));
}

TEST(Optimizer, NumbersOutOfRange) {
  const auto error = [](const Optimizer& optimizer) { return message_of([&] { OptimizerState(optimizer, {}); }); };
  EXPECT_EQ(error({.learning_rate = -1}), "optimizer: learning_rate: expected a number of at least 0, got -1");
  EXPECT_THAT(error({.learning_rate = NAN}), HasSubstr("learning_rate: expected a number of at least 0, got nan"));
  EXPECT_THAT(error({.weight_decay = -0.1}), HasSubstr("weight_decay: expected"));
  EXPECT_THAT(error({.clip_norm = INFINITY}), HasSubstr("clip_norm: expected"));
  EXPECT_THAT(error({.clip_value = -1}), HasSubstr("clip_value: expected"));
  EXPECT_EQ(error({.learning_rate = 0}), "no error");
}

TEST(Optimizer, Parse) {
  const Optimizer plain_sgd = parse_optimizer("sgd");
  EXPECT_EQ(plain_sgd.rule.type(), "sgd");
  EXPECT_EQ(plain_sgd.learning_rate, 0.01);
  EXPECT_EQ(plain_sgd.weight_decay, 0);
  for (const char* name : {"adam", "rmsprop", "adagrad"}) {
    EXPECT_EQ(parse_optimizer(name).rule.type(), name);
    EXPECT_EQ(parse_optimizer(name).learning_rate, 0.001);
  }
  const Optimizer decaying = parse_optimizer("adamw");
  EXPECT_EQ(decaying.rule.type(), "adam");
  EXPECT_EQ(decaying.weight_decay, 0.004);
  const Optimizer given = parse_optimizer(
      "rmsprop,rho=0.8,centered,momentum=0.5,learning_rate=0.25,clip_norm=3,"
      "clip_value=0.1,weight_decay=0.01,epsilon=0.001");
  EXPECT_EQ(given.learning_rate, 0.25);
  EXPECT_EQ(given.weight_decay, 0.01);
  EXPECT_EQ(given.clip_norm, 3);
  EXPECT_EQ(given.clip_value, 0.1);
  expect_close(run(given, false),
               plain(rmsprop(0.8, 0.5, 1e-3, true), {.weight_decay = 0.01, .clip_norm = 3, .clip_value = 0.1}), 1e-12);
}

TEST(Optimizer, PrintsWhatItParses) {
  EXPECT_EQ(to_string(parse_optimizer("sgd,momentum=0.9,nesterov")),
            "sgd,momentum=0.9,nesterov=1,learning_rate=0.01,weight_decay=0,clip_norm=0,clip_value=0");
  for (const char* text :
       {"sgd,momentum=0.9,nesterov", "adam,beta1=0.5,beta2=0.25,epsilon=1e-300,learning_rate=0.30000000000000004",
        "adamw,weight_decay=0.01,clip_norm=1", "rmsprop,rho=0.1,momentum=0.2,epsilon=0.3,centered,clip_value=2",
        "adagrad,initial_accumulator=0,epsilon=1"}) {
    const std::string printed = to_string(parse_optimizer(text));
    EXPECT_EQ(to_string(parse_optimizer(printed)), printed);
    EXPECT_EQ(run(parse_optimizer(printed), false), run(parse_optimizer(text), false)) << text;
  }
}

TEST(Optimizer, ParseErrors) {
  const auto error = [](std::string_view text) { return message_of([&] { parse_optimizer(text); }); };
  EXPECT_EQ(error("lion"), "optimizer: 'lion' is unknown; expected sgd, adam, adamw, rmsprop, adagrad");
  EXPECT_EQ(error(""), "optimizer: '' is unknown; expected sgd, adam, adamw, rmsprop, adagrad");
  EXPECT_EQ(error("momentum=0.9,sgd"),
            "optimizer: 'momentum=0.9' is unknown; expected sgd, adam, adamw, rmsprop, adagrad");
  EXPECT_EQ(error("adam,momentum=0.9"),
            "optimizer: unknown option 'momentum', expected beta1, beta2, epsilon, learning_rate, weight_decay, "
            "clip_norm, clip_value");
  EXPECT_EQ(error("sgd,sgd"), "optimizer: sgd is given twice");
  EXPECT_EQ(error("sgd,momentum=1"), "optimizer: momentum is 1, expected 0 … below 1");
  EXPECT_EQ(error("adam,beta1=-0.1"), "optimizer: beta1 is -0.1, expected 0 … below 1");
  EXPECT_EQ(error("adam,beta2=1"), "optimizer: beta2 is 1, expected 0 … below 1");
  EXPECT_EQ(error("rmsprop,rho=1.5"), "optimizer: rho is 1.5, expected 0 … below 1");
  EXPECT_EQ(error("adam,epsilon=-1"), "optimizer: epsilon is -1, expected 0 … 1000000000");
  EXPECT_EQ(error("sgd,learning_rate=fast"),
            "optimizer: learning_rate needs a number, as in learning_rate=0.01, got 'fast'");
  EXPECT_EQ(error("sgd,learning_rate=-1"), "optimizer: learning_rate is -1, expected 0 … 1000000000");
  EXPECT_EQ(error("sgd,nesterov=maybe"), "optimizer: nesterov takes 0, 1 or nothing, got 'maybe'");
  EXPECT_THAT(error("sgd,weight_decay=nan"), HasSubstr("optimizer: weight_decay is nan"));
  EXPECT_THAT(error("sgd,clip_norm=-1"), HasSubstr("optimizer: clip_norm is -1"));
  EXPECT_THAT(error("sgd,clip_value=-1"), HasSubstr("optimizer: clip_value is -1"));
}

/// A rule of one's own: w moves by the rate against the sign of a running mean of the gradients.
struct SignRule {
  static constexpr std::string_view type = "sign";
  double keep = 0.5;
  int64_t extra = 3;

  std::vector<Slot> slots() const { return {{"mean", 0.25}}; }
  Update update(const UpdateInputs& in) const {
    const Tensor mean = in.slots[0] * keep + in.g * (1 - keep);
    return {in.w - sign(mean) * in.rate, {mean}};
  }
  void fields(Fields& f) {
    f("keep", keep);
    f("extra", extra);
  }
};

TEST(Optimizer, RuleOfOnesOwn) {
  expect_plain({.rule = SignRule{.keep = 0.75}},
               [](double& w, double g, Values& kept, double rate, int) {
                 kept[0] = 0.75 * kept[0] + 0.25 * g;
                 w -= kept[0] > 0 ? rate : -rate;
               },
               {.initial = 0.25});
  EXPECT_EQ(to_string(Optimizer{.rule = SignRule{.keep = 0.75}}),
            "sign,keep=0.75,extra=3,learning_rate=0.001,weight_decay=0,clip_norm=0,clip_value=0");
}

}  // namespace
}  // namespace telaio::nn
