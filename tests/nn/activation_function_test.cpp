#include <telaio/nn/activation_function.hpp>

#include <numbers>

#include "layers/layer_testing.hpp"

namespace telaio::nn {
namespace {

const Doubles points{-30, -4, -1.5, -1, -0.3, 0, 0.2, 1, 2.5, 5.5, 7, 30};

double sigma(double x) { return 1 / (1 + std::exp(-x)); }

struct Case {
  const char* text;
  double (*f)(double x);
};

TEST(ActivationFunction, EveryNameAgainstItsFormula) {
  const Case cases[] = {
      {"linear", [](double x) { return x; }},
      {"relu", [](double x) { return std::max(x, 0.0); }},
      {"relu6", [](double x) { return std::min(std::max(x, 0.0), 6.0); }},
      {"leaky_relu", [](double x) { return x > 0 ? x : 0.01 * x; }},
      {"leaky_relu(0.2)", [](double x) { return x > 0 ? x : 0.2 * x; }},
      {"elu", [](double x) { return x > 0 ? x : std::expm1(x); }},
      {"elu(0.5)", [](double x) { return x > 0 ? x : 0.5 * std::expm1(x); }},
      // Klambauer et al. 2017.
      {"selu", [](double x) { return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * std::expm1(x)); }},
      {"gelu", [](double x) { return x / 2 * std::erfc(-x / std::numbers::sqrt2); }},
      {"gelu_tanh",
       [](double x) { return x / 2 * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x))); }},
      {"silu", [](double x) { return x * sigma(x); }},
      {"swish", [](double x) { return x * sigma(x); }},
      {"sigmoid", sigma},
      {"tanh", [](double x) { return std::tanh(x); }},
      {"softplus", [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }},
      {"softplus(2)", [](double x) { return (std::max(2 * x, 0.0) + std::log1p(std::exp(-std::abs(2 * x)))) / 2; }},
      {"hardtanh", [](double x) { return std::min(std::max(x, -1.0), 1.0); }},
      {"exp", [](double x) { return std::exp(x); }},
  };
  const Tensor x = doubles(points, {1, static_cast<int64_t>(points.size())});
  for (const Case& one : cases) {
    Doubles expected;
    for (const double point : points) expected.push_back(one.f(point));
    EXPECT_LE(distance(values_of(ActivationFunction(one.text)(x)), expected), 1e-14) << one.text;
    EXPECT_EQ(ActivationFunction(one.text).text(), one.text);
  }
}

TEST(ActivationFunction, SoftmaxAndItsLogarithm) {
  const Tensor x = doubles({1, 2, 4, 0, 0, 1}, {2, 3});
  Doubles soft, logarithms;
  for (const double sum : {std::exp(1) + std::exp(2) + std::exp(4), 2 + std::exp(1)})
    for (size_t i = 0; i < 3; ++i) {
      soft.push_back(std::exp(values_of(x)[soft.size()]) / sum);
      logarithms.push_back(std::log(soft.back()));
    }
  EXPECT_LE(distance(values_of(ActivationFunction("softmax")(x)), soft), 1e-15);
  EXPECT_LE(distance(values_of(ActivationFunction("log_softmax")(x)), logarithms), 1e-15);
}

TEST(ActivationFunction, Text) {
  EXPECT_EQ(ActivationFunction().text(), "linear");
  EXPECT_TRUE(ActivationFunction().is_linear());
  EXPECT_EQ(ActivationFunction(), ActivationFunction("linear"));
  EXPECT_EQ(ActivationFunction("leaky_relu(0.01)").text(), "leaky_relu");
  EXPECT_EQ(ActivationFunction("leaky_relu(2e-1)").text(), "leaky_relu(0.2)");
  EXPECT_EQ(ActivationFunction("leaky_relu(-1)").text(), "leaky_relu(-1)");
  EXPECT_EQ(ActivationFunction("elu"), ActivationFunction("elu(1)"));
  EXPECT_NE(ActivationFunction("elu"), ActivationFunction("elu(2)"));
  EXPECT_EQ(ActivationFunction("elu(2)").name(), "elu");
  const ActivationFunction odd("elu(0.30000000000000004)");
  EXPECT_EQ(ActivationFunction(odd.text()), odd);
}

TEST(ActivationFunction, Errors) {
  const auto error = [](const char* text) { return message_of([&] { ActivationFunction{text}; }); };
  EXPECT_EQ(error("rleu"),
            "activation: 'rleu' is unknown; expected one of linear, relu, relu6, leaky_relu, elu, selu, gelu, "
            "gelu_tanh, silu, swish, sigmoid, tanh, softplus, hardtanh, exp, softmax, log_softmax");
  EXPECT_THAT(error(""), HasSubstr("activation: '' is unknown"));
  EXPECT_THAT(error("Relu"), HasSubstr("activation: 'Relu' is unknown"));
  EXPECT_EQ(error("relu(1)"), "activation: 'relu(1)': expected no number behind 'relu'");
  EXPECT_EQ(error("elu("), "activation: 'elu(': expected a number in parentheses, as in elu(1)");
  EXPECT_EQ(error("elu(1"), "activation: 'elu(1': expected a number in parentheses, as in elu(1)");
  for (const char* text : {"elu()", "elu(x)", "elu(1 2)", "elu(1))", "elu(nan)", "elu(inf)", "elu(1e999)"})
    EXPECT_EQ(error(text),
              fmt::format("activation: '{}': expected a finite number in parentheses, as in elu(1)", text));
  EXPECT_EQ(error("leaky_relu(0.1)x"),
            "activation: 'leaky_relu(0.1)x': expected a number in parentheses, as in leaky_relu(0.01)");
}

TEST(ActivationFunction, NodesCarryTheLine) {
  EXPECT_THAT(message_of([] { ActivationFunction("softmax")(zeros({})); }), HasSubstr("activation_function_test.cpp:"));
}

}  // namespace
}  // namespace telaio::nn
