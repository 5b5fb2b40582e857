#include <telaio/nn/initializer.hpp>

#include <algorithm>

#include "layers/layer_testing.hpp"

namespace telaio::nn {
namespace {

constexpr RandomKey key{3, 4};
constexpr Fans fans{30, 70};

Doubles draw(const char* text, const Shape& shape, Fans given = fans, RandomKey by = key) {
  return values_of(constant(Initializer(text)({f64, shape}, given, by)));
}

struct Moments {
  double mean = 0, variance = 0, largest = 0;
};
Moments moments(const Doubles& x) {
  Moments m;
  const auto n = static_cast<double>(x.size());
  for (const double one : x) m.mean += one / n;
  for (const double one : x) m.variance += (one - m.mean) * (one - m.mean) / n;
  for (const double one : x) m.largest = std::max(m.largest, std::abs(one));
  return m;
}

TEST(Initializer, Constants) {
  EXPECT_EQ(draw("zeros", {2, 2}), Doubles(4, 0));
  EXPECT_EQ(draw("ones", {2, 2}), Doubles(4, 1));
  EXPECT_EQ(draw("constant", {3}), Doubles(3, 0));
  EXPECT_EQ(draw("constant(-2.5)", {3}), Doubles(3, -2.5));
  EXPECT_EQ(draw("glorot_uniform", {0, 3}), Doubles());
  EXPECT_EQ(draw("constant(7)", {}), Doubles{7});
}

struct Rule {
  const char* text;
  double variance;
  double limit;  // nothing lies beyond, and something near
};

TEST(Initializer, MeansVariancesAndLimits) {
  const double in = 30, out = 70;
  // The variance of a standard normal variable that is kept within ±2: 1 − 2·2φ(2)/(2Φ(2) − 1).
  const double kept = 0.7737413035499232;
  const auto truncated = [&](double variance) { return 2 * std::sqrt(variance / kept); };
  const Rule rules[] = {
      {"uniform", 0.05 * 0.05 / 3, 0.05},
      {"uniform(2)", 4.0 / 3, 2},
      {"normal", 0.0025, INFINITY},
      {"normal(3)", 9, INFINITY},
      {"truncated_normal", 0.0025 * kept, 0.1},
      {"truncated_normal(3)", 9 * kept, 6},
      {"glorot_uniform", 2 / (in + out), std::sqrt(6 / (in + out))},
      {"glorot_normal", 2 / (in + out), truncated(2 / (in + out))},
      {"he_uniform", 2 / in, std::sqrt(6 / in)},
      {"he_normal", 2 / in, truncated(2 / in)},
      {"lecun_uniform", 1 / in, std::sqrt(3 / in)},
      {"lecun_normal", 1 / in, truncated(1 / in)},
      {"pytorch", 1 / in / 3, 1 / std::sqrt(in)},
  };
  const double n = 40000;
  for (const Rule& rule : rules) {
    SCOPED_TRACE(rule.text);
    const Moments m = moments(draw(rule.text, {200, 200}));
    EXPECT_NEAR(m.mean / std::sqrt(rule.variance), 0, 5 / std::sqrt(n));
    EXPECT_NEAR(m.variance / rule.variance, 1, 5 * std::sqrt(2 / n));  // a normal's; the others' vary less
    if (std::isfinite(rule.limit)) {
      EXPECT_LE(m.largest, rule.limit);
      EXPECT_GT(m.largest, 0.99 * rule.limit);
    } else {
      EXPECT_GT(m.largest, 3.5 * std::sqrt(rule.variance));
    }
  }
}

TEST(Initializer, NormalsAreNormal) {
  Doubles x = draw("normal(1)", {20000});
  std::sort(x.begin(), x.end());
  double worst = 0;  // Kolmogorov and Smirnov; 1.95/√n is passed once in a thousand seeds
  for (size_t i = 0; i < x.size(); ++i)
    worst = std::max(worst, std::abs(std::erfc(-x[i] / std::sqrt(2)) / 2 - (static_cast<double>(i) + 0.5) / 20000));
  EXPECT_LT(worst, 1.95 / std::sqrt(20000));
}

const char* const all_rules[] = {
    "zeros",          "ones",          "constant(0.1)", "uniform",   "normal",        "truncated_normal",
    "glorot_uniform", "glorot_normal", "he_uniform",    "he_normal", "lecun_uniform", "lecun_normal",
    "orthogonal",     "orthogonal(2)", "pytorch"};

TEST(Initializer, IsAFunctionOfTheKey) {
  for (const char* text : all_rules) {
    SCOPED_TRACE(text);
    const Doubles first = draw(text, {20, 10});
    EXPECT_EQ(draw(text, {20, 10}), first);
    const std::string_view name = text;
    if (name == "zeros" || name == "ones" || name.starts_with("constant")) continue;
    EXPECT_NE(draw(text, {20, 10}, fans, {3, 5}), first);
    EXPECT_NE(draw(text, {20, 10}, fans, {4, 4}), first);
  }
}

TEST(Initializer, FloatsAreTheDoublesRounded) {
  for (const char* text : all_rules) {
    const Doubles wide = draw(text, {30, 10});
    const Tensor narrow = constant(Initializer(text)({f32, {30, 10}}, fans, key));
    EXPECT_EQ(narrow.dtype(), f32);
    EXPECT_EQ(narrow.to_vector<float>(), std::vector<float>(wide.begin(), wide.end())) << text;
  }
}

TEST(Initializer, Orthogonal) {
  for (const double gain : {1.0, 1.5})
    for (const Shape& shape : {Shape{40, 10}, Shape{10, 40}, Shape{12, 12}, Shape{3, 3, 4, 8}, Shape{2, 1, 3, 16},
                               Shape{1, 5}, Shape{5, 1}}) {
      const auto text = fmt::format("orthogonal({})", gain);
      const int64_t columns = shape.back(), rows = numel(shape) / columns;
      const Tensor q = doubles(draw(text.c_str(), shape), {rows, columns});
      const Tensor product = rows < columns ? matmul(q, transpose(q)) : matmul(transpose(q), q);
      const int64_t n = std::min(rows, columns);
      EXPECT_LE(distance(values_of(product), values_of(eye(n, n, f64) * (gain * gain))), 1e-14) << to_string(shape);
    }
}

TEST(Initializer, OrthogonalMatricesHaveNoPreferredDirection) {
  // A uniformly drawn one (Haar): each element has mean 0 and variance 1/n; signs are not fixed.
  Doubles firsts;
  for (uint64_t i = 0; i < 4000; ++i) firsts.push_back(draw("orthogonal", {3, 3}, fans, {9, i})[i % 9]);
  const Moments m = moments(firsts);
  EXPECT_NEAR(m.mean, 0, 5 / std::sqrt(3.0 * 4000));
  EXPECT_NEAR(m.variance, 1.0 / 3, 0.03);
}

TEST(Initializer, Text) {
  for (const char* text : all_rules) EXPECT_EQ(Initializer(text).text(), text);
  EXPECT_EQ(Initializer("normal(0.05)").text(), "normal");
  EXPECT_EQ(Initializer("normal(5e-2)"), Initializer("normal"));
  EXPECT_NE(Initializer("normal(0.1)"), Initializer("normal"));
}

TEST(Initializer, Errors) {
  const auto error = [](const char* text) { return message_of([&] { Initializer{text}; }); };
  EXPECT_EQ(error("xavier"),
            "initializer: 'xavier' is unknown; expected one of zeros, ones, constant, uniform, normal, "
            "truncated_normal, glorot_uniform, glorot_normal, he_uniform, he_normal, lecun_uniform, lecun_normal, "
            "orthogonal, pytorch");
  EXPECT_EQ(error("he_normal(2)"), "initializer: 'he_normal(2)': expected no number behind 'he_normal'");
  EXPECT_EQ(error("normal(x)"),
            "initializer: 'normal(x)': expected a finite number in parentheses, as in normal(0.05)");
  EXPECT_EQ(message_of([] {
              Initializer("orthogonal")({f32, {5}}, fans, key);
            }),
            "initializer: orthogonal needs two axes or more, the weights have shape [5]");
  EXPECT_EQ(message_of([] {
              Initializer("zeros")({i64, {5}}, fans, key);
            }),
            "initializer: weights are f32 or f64, not i64");
}

TEST(Initializer, ErrorsOfALayerNameItsParameter) {
  EXPECT_EQ(building_error(Sequential{Dense{.units = 5, .bias_initializer = "orthogonal"}}, {3}),
            "dense1.bias: initializer: orthogonal needs two axes or more, the weights have shape [5]");
}

TEST(Initializer, ParametersOfAModelDiffer) {
  const Model model = model_of(Sequential{Dense{3}, Dense{3}, Dense{3}}, {3});
  EXPECT_NE(values_of(model.variables()[0]), values_of(model.variables()[2]));
  EXPECT_NE(values_of(model.variables()[2]), values_of(model.variables()[4]));
}

}  // namespace
}  // namespace telaio::nn
