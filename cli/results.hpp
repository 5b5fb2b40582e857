// Results as JSON and as text, the same from every command.
#pragma once

#include <string>
#include <vector>

#include <boost/json.hpp>

#include <telaio/nn/insight/invariance.hpp>
#include <telaio/nn/train/evaluate.hpp>

namespace telaio::cli {

/// {"samples", "loss", "accuracy", "classes": [{"name", "precision", "recall", "f1", "images"}], "confusion": [[…]]}
boost::json::object as_json(const nn::Evaluation& evaluation, const std::vector<std::string>& class_names);
/// [{"test", "unit", "points": [{"amount", "accuracy", "classes": […] where per_class}]}]
boost::json::array curves_json(const std::vector<nn::InvarianceCurve>& curves, bool per_class);
/// Of the layers without layers in them [{"name", "type", "output", "parameters", "multiply_adds", "dense_equivalent"
/// where it has arithmetic}].
boost::json::array layers_json(const nn::Model& model);
boost::json::array shape_json(const Shape& shape);
/// A classifier's outputs as probabilities of classes, [N·classes]: a single yes or no is two classes.
std::vector<double> class_probabilities(const nn::Model& model, const Tensor& outputs);
/// "28×28×1".
std::string shape_text(const Shape& sample);

}  // namespace telaio::cli
