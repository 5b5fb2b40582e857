// What tests of layers share: models in f64 with known parameters, their names and shapes as text.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <telaio/nn/layers.hpp>
#include <telaio/nn/model.hpp>

#include "../../ops/op_testing.hpp"

namespace telaio::nn {

using testing::HasSubstr;
using testing_ops::counting;
using testing_ops::distance;
using testing_ops::expect_same;
using testing_ops::scattered;

using Doubles = std::vector<double>;

inline Tensor doubles(Doubles values, const Shape& shape) { return from_data(values, shape); }

/// A model in f64 with the given values, in the order of Model::variables(); without values as it is made.
inline Model model_of(Layer layer, const Shape& sample, const std::vector<Tensor>& values = {}) {
  Model model(std::move(layer), sample, {.name = "m", .dtype = f64});
  if (!values.empty()) model.set_values(values);
  return model;
}

/// "weight [3,2], bias [2]": all variables; states in brackets.
inline std::string variables_of(const Model& model) {
  std::string text;
  const std::vector<Variable> trained = model.parameters();
  for (const Variable& one : model.variables()) {
    const bool is_trained = std::any_of(trained.begin(), trained.end(),
                                        [&](const Variable& other) { return other.state() == one.state(); });
    const std::string name = one.name() + " " + to_string(one.shape());
    text += (text.empty() ? "" : ", ") + (is_trained ? name : "(" + name + ")");
  }
  return text;
}

inline Doubles values_of(const Tensor& y) { return y.to_vector<double>(); }

/// How building a model of the layer fails.
inline std::string building_error(const Layer& layer, const Shape& sample, ModelOptions options = {}) {
  return message_of([&] { Model(layer, sample, options); });
}

}  // namespace telaio::nn
