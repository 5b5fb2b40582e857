// Activations by name.
#pragma once

#include <string>
#include <string_view>

#include <telaio/autograd/tensor.hpp>

namespace telaio::nn {

/// An elementwise function, or softmax over the last axis, as text: "relu", "leaky_relu(0.2)". Known are linear,
/// relu, relu6, leaky_relu (slope, 0.01), elu (alpha, 1), selu, gelu, gelu_tanh, silu (also swish), sigmoid, tanh,
/// softplus (beta, 1), hardtanh, exp, softmax, log_softmax; a number in parentheses sets what stands in them here.
class ActivationFunction {
 public:
  /// linear: x itself.
  ActivationFunction() : name_("linear") {}
  /// Error that lists the names when it is none of them, or when the number is missing, unwanted or not finite.
  ActivationFunction(std::string_view text);
  ActivationFunction(const char* text) : ActivationFunction(std::string_view(text)) {}
  ActivationFunction(const std::string& text) : ActivationFunction(std::string_view(text)) {}

  Tensor operator()(const Tensor& x, const SourceLocation& where = TELAIO_HERE) const;

  /// Without the number.
  const std::string& name() const { return name_; }
  /// What the constructor reads back.
  std::string text() const;
  bool is_linear() const { return name_ == "linear"; }
  friend bool operator==(const ActivationFunction& a, const ActivationFunction& b) = default;

 private:
  std::string name_;
  double value_ = 0;
};

}  // namespace telaio::nn
