// Results as JSON and as text, the same from every command.
#pragma once

#include <string>
#include <vector>

#include <boost/json.hpp>

#include <telaio/nn/train/evaluate.hpp>

namespace telaio::cli {

/// {"samples", "loss", "accuracy", "classes": [{"name", "precision", "recall", "f1", "images"}], "confusion": [[…]]}
boost::json::object as_json(const nn::Evaluation& evaluation, const std::vector<std::string>& class_names);
/// "28×28×1".
std::string shape_text(const Shape& sample);

}  // namespace telaio::cli
