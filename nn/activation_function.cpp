#include <telaio/nn/activation_function.hpp>

#include <array>

#include <telaio/nn/named_number.hpp>
#include <telaio/ops/losses.hpp>
#include <telaio/ops/unary.hpp>

namespace telaio::nn {

namespace {

struct Known {
  KnownName name;
  Tensor (*apply)(const Tensor& x, double value, const SourceLocation& where);
};

using W = const SourceLocation&;
using T = const Tensor&;
constexpr Known table[] = {
    {{"linear"}, [](T x, double, W) { return x; }},
    {{"relu"}, [](T x, double, W w) { return relu(x, w); }},
    {{"relu6"}, [](T x, double, W w) { return clip(x, 0, 6, w); }},
    {{"leaky_relu", true, 0.01}, [](T x, double slope, W w) { return leaky_relu(x, slope, w); }},
    {{"elu", true, 1}, [](T x, double alpha, W w) { return elu(x, alpha, w); }},
    {{"selu"}, [](T x, double, W w) { return selu(x, w); }},
    {{"gelu"}, [](T x, double, W w) { return gelu(x, false, w); }},
    {{"gelu_tanh"}, [](T x, double, W w) { return gelu(x, true, w); }},
    {{"silu"}, [](T x, double, W w) { return silu(x, w); }},
    {{"swish"}, [](T x, double, W w) { return silu(x, w); }},
    {{"sigmoid"}, [](T x, double, W w) { return sigmoid(x, w); }},
    {{"tanh"}, [](T x, double, W w) { return tanh(x, w); }},
    {{"softplus", true, 1}, [](T x, double beta, W w) { return softplus(x, beta, w); }},
    {{"hardtanh"}, [](T x, double, W w) { return hardtanh(x, -1, 1, w); }},
    {{"exp"}, [](T x, double, W w) { return exp(x, w); }},
    {{"softmax"}, [](T x, double, W w) { return softmax(x, -1, w); }},
    {{"log_softmax"}, [](T x, double, W w) { return log_softmax(x, -1, w); }},
};

constexpr auto names = [] {
  std::array<KnownName, std::size(table)> all;
  for (size_t i = 0; i < all.size(); ++i) all[i] = table[i].name;
  return all;
}();

}  // namespace

ActivationFunction::ActivationFunction(std::string_view text) {
  NamedNumber parsed = parse_named_number("activation", text, names);
  name_ = std::move(parsed.name);
  value_ = parsed.number;
}

Tensor ActivationFunction::operator()(const Tensor& x, const SourceLocation& where) const {
  for (const Known& known : table)
    if (known.name.name == name_) return known.apply(x, value_, where);
  return x;  // the constructor takes known names only
}

std::string ActivationFunction::text() const { return to_string(NamedNumber{name_, value_}, names); }

}  // namespace telaio::nn
