#include "report_results.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "command.hpp"
#include "report_images.hpp"
#include "results.hpp"

namespace telaio::cli {

namespace {

constexpr size_t most_in_a_cell = 60, most_mistakes = 24, most_likely = 3;
constexpr int64_t most_bytes = 4'000'000;  // of all images, before they are compressed

json::value rounded(double value) { return number(std::round(value * 1e4) / 1e4); }

/// Puts rows with a high loss first; a loss that is no number is the highest.
void worst_first(std::vector<int64_t>& rows, const std::vector<float>& losses) {
  const auto loss = [&](int64_t row) {
    const float one = losses[static_cast<size_t>(row)];
    return std::isnan(one) ? std::numeric_limits<float>::infinity() : one;
  };
  std::stable_sort(rows.begin(), rows.end(), [&](int64_t a, int64_t b) { return loss(a) > loss(b); });
}

/// Images that are shown, each once.
class Shown {
 public:
  explicit Shown(const nn::Samples& samples)
      : images_(samples), place_(static_cast<size_t>(samples.size()), -1), most_(most_bytes / images_.bytes()) {}

  bool full() const { return sheet_.size() >= most_; }
  int64_t place_of(int64_t row) {
    int64_t& place = place_[static_cast<size_t>(row)];
    if (place < 0) place = sheet_.add(images_[row]);
    return place;
  }
  json::value sheet() const { return sheet_.as_json(); }

 private:
  SampleImages images_;
  SpriteSheet sheet_;
  std::vector<int64_t> place_;  // in the sheet, of each sample; -1: not in it
  int64_t most_;
};

struct Cell {
  int64_t truth, predicted;
  std::vector<int64_t> rows;
  json::array images = {};
};

json::array likeliest(const double* probabilities, int64_t classes) {
  std::vector<int64_t> order(static_cast<size_t>(classes));
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto sure = [&](int64_t c) { return std::isnan(probabilities[c]) ? -1 : probabilities[c]; };
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return sure(a) > sure(b); });
  order.resize(std::min(order.size(), most_likely));
  json::array top;
  for (const int64_t c : order) top.push_back(json::object{{"class", c}, {"probability", rounded(probabilities[c])}});
  return top;
}

}  // namespace

void add_results(json::object& report, const nn::Model& model, const nn::Samples& samples,
                 const nn::Evaluation& evaluation) {
  report["evaluation"] = as_json(evaluation, samples.class_names);
  const int64_t classes = nn::class_count(model);
  const std::vector<double> probabilities = class_probabilities(model, evaluation.outputs);
  const std::vector<int64_t> labels = nn::label_values(samples);
  Shown shown(samples);

  std::map<std::pair<int64_t, int64_t>, std::vector<int64_t>> rows_of;  // by truth and answer
  std::vector<int64_t> wrong;
  for (int64_t row = 0; row < samples.size(); ++row) {
    const int64_t truth = labels[static_cast<size_t>(row)], predicted = evaluation.predicted[static_cast<size_t>(row)];
    rows_of[{truth, predicted}].push_back(row);
    if (truth != predicted) wrong.push_back(row);
  }

  worst_first(wrong, evaluation.losses);
  wrong.resize(std::min(wrong.size(), most_mistakes));
  json::array mistakes;
  for (const int64_t row : wrong) {
    const auto i = static_cast<size_t>(row);
    mistakes.push_back(json::object{{"image", shown.place_of(row)},
                                    {"sample", row},
                                    {"truth", labels[i]},
                                    {"predicted", evaluation.predicted[i]},
                                    {"loss", rounded(static_cast<double>(evaluation.losses[i]))},
                                    {"top", likeliest(probabilities.data() + row * classes, classes)}});
  }
  report["mistakes"] = std::move(mistakes);

  // By turns, one image of each cell, mistakes before right answers: where there is no room for all, each has some.
  std::vector<Cell> cells;
  for (auto& [pair, rows] : rows_of) {
    worst_first(rows, evaluation.losses);
    cells.push_back({pair.first, pair.second, std::move(rows)});
  }
  std::stable_partition(cells.begin(), cells.end(), [](const Cell& cell) { return cell.truth != cell.predicted; });
  for (size_t turn = 0; turn < most_in_a_cell; ++turn)
    for (Cell& cell : cells) {
      if (turn >= cell.rows.size() || shown.full()) continue;
      const int64_t row = cell.rows[turn];
      cell.images.push_back(
          json::object{{"image", shown.place_of(row)},
                       {"sample", row},
                       {"probability", rounded(probabilities[static_cast<size_t>(row * classes + cell.predicted)])}});
    }
  json::array all;
  for (Cell& cell : cells)
    all.push_back(
        json::object{{"truth", cell.truth}, {"predicted", cell.predicted}, {"images", std::move(cell.images)}});
  report["cells"] = std::move(all);
  report["images"] = shown.sheet();
}

}  // namespace telaio::cli
