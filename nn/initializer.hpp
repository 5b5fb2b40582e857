// Initial weights by name.
#pragma once

#include <string>
#include <string_view>

#include <telaio/autograd/array.hpp>
#include <telaio/nn/data/sample_random.hpp>

namespace telaio::nn {

/// How many numbers meet in an output of a layer, and how many outputs an input goes to: of a dense layer its inputs
/// and outputs, of a convolution window × channels.
struct Fans {
  int64_t in = 1;
  int64_t out = 1;
};

/// A rule for initial weights, as text:
///   zeros, ones, constant (0)
///   uniform (0.05)               in [−value, value)
///   normal (0.05)                of that deviation
///   truncated_normal (0.05)      the same, drawn anew beyond two deviations
///   glorot_uniform, glorot_normal   variance 2/(in + out): Glorot and Bengio 2010
///   he_uniform, he_normal           variance 2/in: He et al. 2015
///   lecun_uniform, lecun_normal     variance 1/in: LeCun et al. 1998
///   orthogonal (1)               orthonormal rows or columns times the value: Saxe et al. 2013
///   pytorch                      U(±1/√in), PyTorch's default of dense and convolutional layers, biases included
/// The scaled normal rules are truncated at two deviations, and widened so that the variance is right, as in Keras.
class Initializer {
 public:
  Initializer(std::string_view text);
  Initializer(const char* text) : Initializer(std::string_view(text)) {}
  Initializer(const std::string& text) : Initializer(std::string_view(text)) {}

  /// New values, f32 or f64 (both of the same draws): a function of rule, key, shape and fans alone.
  Array operator()(const TensorSpec& spec, Fans fans, RandomKey key) const;

  std::string text() const;
  friend bool operator==(const Initializer& a, const Initializer& b) = default;

 private:
  std::string name_;
  double value_ = 0;
};

}  // namespace telaio::nn
