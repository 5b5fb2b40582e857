#include <telaio/nn/train/class_weights.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include <telaio/nn/data/dataset.hpp>

namespace telaio::nn {

ClassWeights parse_class_weights(std::string_view text, std::span<const std::string> class_names) {
  ClassWeights result;
  if (text.empty() || text == "none") return result;
  if (text == "balanced") {
    result.balanced = true;
    return result;
  }
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    const size_t equals = item.rfind('=');
    double weight = 0;
    const std::string_view number = equals == std::string_view::npos ? std::string_view() : item.substr(equals + 1);
    const auto [stop, error] = std::from_chars(number.data(), number.data() + number.size(), weight);
    if (number.empty() || error != std::errc() || stop != number.data() + number.size() || !std::isfinite(weight) ||
        weight < 0)
      throw Error(
          fmt::format("class weights: '{}': expected balanced, or CLASS=WEIGHT with a weight of at least 0", item));
    const int64_t index = class_index(class_names, item.substr(0, equals));
    if (!result.weights.emplace(index, weight).second)
      throw Error(fmt::format("class weights: class {} is given twice", item.substr(0, equals)));
  }
  return result;
}

std::string to_string(const ClassWeights& weights) {
  if (weights.balanced) return "balanced";
  std::string text;
  for (const auto& [index, weight] : weights.weights)
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", index, weight);
  return text.empty() ? "none" : text;
}

std::vector<double> resolve(const ClassWeights& weights, int64_t classes, std::span<const int64_t> counts) {
  if (weights.balanced) return balanced_weights(counts);
  std::vector<double> all(static_cast<size_t>(classes), 1.0);
  for (const auto& [index, weight] : weights.weights) {
    if (index < 0 || index >= classes) throw Error(fmt::format("class weights: class {} of {}", index, classes));
    all[static_cast<size_t>(index)] = weight;
  }
  return all;
}

}  // namespace telaio::nn
