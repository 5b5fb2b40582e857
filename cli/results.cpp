#include "results.hpp"

#include <fmt/format.h>

#include <telaio/nn/summary.hpp>

#include "command.hpp"

namespace telaio::cli {

json::object as_json(const nn::Evaluation& evaluation, const std::vector<std::string>& class_names) {
  json::object root{{"samples", evaluation.samples}, {"loss", number(evaluation.loss)}};
  if (!evaluation.confusion) return root;
  const nn::ConfusionMatrix& confusion = *evaluation.confusion;
  root["accuracy"] = number(confusion.accuracy());
  json::array classes, rows;
  for (int64_t c = 0; c < confusion.classes(); ++c) {
    const nn::ClassMetrics m = confusion.of(c);
    classes.push_back(json::object{{"name", class_names[static_cast<size_t>(c)]},
                                   {"precision", m.precision},
                                   {"recall", m.recall},
                                   {"f1", m.f1},
                                   {"images", m.support}});
    json::array row;
    for (int64_t p = 0; p < confusion.classes(); ++p) row.push_back(confusion.count(c, p));
    rows.push_back(std::move(row));
  }
  root["classes"] = std::move(classes);
  root["confusion"] = std::move(rows);
  return root;
}

json::array curves_json(const std::vector<nn::InvarianceCurve>& curves, bool per_class) {
  json::array all;
  for (const nn::InvarianceCurve& curve : curves) {
    json::array points;
    for (const nn::InvariancePoint& point : curve.points) {
      json::object one{{"amount", point.amount}, {"accuracy", number(point.accuracy)}};
      if (per_class) one["classes"] = json::array(point.class_accuracy.begin(), point.class_accuracy.end());
      points.push_back(std::move(one));
    }
    all.push_back(json::object{{"test", curve.name}, {"unit", curve.unit}, {"points", std::move(points)}});
  }
  return all;
}

json::array layers_json(const nn::Model& model) {
  json::array layers;
  for (const nn::LayerInfo& layer : model.layers()) {
    if (!layer.leaf) continue;
    json::object one{{"name", layer.path},
                     {"type", layer.type},
                     {"output", shape_json(layer.output)},
                     {"parameters", layer.parameters},
                     {"multiply_adds", layer.multiply_adds}};
    if (layer.multiply_adds > 0) one["dense_equivalent"] = nn::dense_equivalent(layer);
    layers.push_back(std::move(one));
  }
  return layers;
}

json::array shape_json(const Shape& shape) { return json::array(shape.begin(), shape.end()); }

std::vector<double> class_probabilities(const nn::Model& model, const Tensor& outputs) {
  std::vector<double> values = outputs.to_vector<double>();
  if (model.output_shape()[0] > 1) return values;
  std::vector<double> both;
  for (const double yes : values) both.insert(both.end(), {1 - yes, yes});
  return both;
}

std::string shape_text(const Shape& sample) { return fmt::format("{}", fmt::join(sample.begin(), sample.end(), "×")); }

}  // namespace telaio::cli
