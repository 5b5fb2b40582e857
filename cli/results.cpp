#include "results.hpp"

#include <fmt/format.h>

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

std::string shape_text(const Shape& sample) { return fmt::format("{}", fmt::join(sample.begin(), sample.end(), "×")); }

}  // namespace telaio::cli
