// Weights against classes of unequal size.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace telaio::nn {

/// A weight for the loss of each class; a class that is not named weighs 1.
struct ClassWeights {
  bool balanced = false;  ///< N/(C·n_c) of the training data: the inverse of how frequent the class is
  std::map<int64_t, double> weights = {};

  bool any() const { return balanced || !weights.empty(); }
};

/// From "balanced", or "0=1,4=2.5" with classes by name or number. "" and "none": no weights. Error that names what is
/// unknown, negative or not finite.
ClassWeights parse_class_weights(std::string_view text, std::span<const std::string> class_names);
std::string to_string(const ClassWeights& weights);

/// The weight of each of `classes` classes, given how often each occurs. Error for a class beyond them.
std::vector<double> resolve(const ClassWeights& weights, int64_t classes, std::span<const int64_t> counts);

}  // namespace telaio::nn
