#include <telaio/nn/train/epoch_plan.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <telaio/nn/data/batches.hpp>
#include <telaio/nn/option_list.hpp>

namespace telaio::nn {

AugmentWhere parse_augment_where(std::string_view text, std::span<const std::string> class_names) {
  AugmentWhere where;
  if (text.starts_with("classes=")) {
    where.kind = AugmentWhere::Kind::classes;
    text.remove_prefix(8);
    while (!text.empty()) {
      const std::string_view name = text.substr(0, text.find(','));
      text.remove_prefix(std::min(text.size(), name.size() + 1));
      where.classes.push_back(class_index(class_names, name));
    }
    if (where.classes.empty()) throw Error("augment where: classes= names none");
    return where;
  }
  OptionList options("augment where", text);
  if (options.name({"all", "hard", "classes=…"}) == "hard") {
    where.kind = AugmentWhere::Kind::hard;
    options.number("copies", where.copies, 0, 100);
  }
  options.finish();
  return where;
}

std::string to_string(const AugmentWhere& where) {
  if (where.kind == AugmentWhere::Kind::classes) return fmt::format("classes={}", fmt::join(where.classes, ","));
  return where.kind == AugmentWhere::Kind::hard ? fmt::format("hard,copies={}", where.copies) : "all";
}

namespace {

/// How likely a copy is of each sample, as running sums.
std::vector<double> hardness(std::span<const int64_t> labels, std::span<const float> losses) {
  const auto classes =
      labels.empty() ? size_t{0} : static_cast<size_t>(*std::max_element(labels.begin(), labels.end())) + 1;
  std::vector<double> sum(classes), count(classes);
  double all = 0;
  for (size_t i = 0; i < losses.size(); ++i) {
    const double loss = std::max(0.0, static_cast<double>(losses[i]));
    all += loss;
    sum[static_cast<size_t>(labels[i])] += loss;
    ++count[static_cast<size_t>(labels[i])];
  }
  double means = 0;
  for (size_t c = 0; c < classes; ++c) means += count[c] == 0 ? 0 : sum[c] / count[c];
  std::vector<double> running(losses.size());
  double so_far = 0;
  for (size_t i = 0; i < losses.size(); ++i) {
    const auto c = static_cast<size_t>(labels[i]);
    const double own = all > 0 ? std::max(0.0, static_cast<double>(losses[i])) / all : 0;
    const double of_class = means > 0 ? sum[c] / count[c] / means / count[c] : 0;
    running[i] = so_far += 0.5 * own + 0.5 * of_class;
  }
  return running;
}

}  // namespace

EpochPlan plan_epoch(int64_t samples, bool shuffle, uint64_t seed, int64_t epoch, const AugmentWhere& where,
                     std::span<const int64_t> labels, std::span<const float> losses) {
  EpochPlan visits;
  const auto visit = [&](int64_t row, int64_t id, bool augmented, bool counted) {
    visits.rows.push_back(row);
    visits.ids.push_back(id);
    visits.strength.push_back(augmented ? 1.0f : 0.0f);
    visits.counted.push_back(counted);
  };
  for (int64_t row = 0; row < samples; ++row) {
    bool augmented = where.kind == AugmentWhere::Kind::all;
    if (where.kind == AugmentWhere::Kind::classes)
      augmented = std::find(where.classes.begin(), where.classes.end(), labels[static_cast<size_t>(row)]) !=
                  where.classes.end();
    visit(row, row, augmented, true);
  }
  if (where.kind == AugmentWhere::Kind::hard && !losses.empty()) {
    const std::vector<double> running = hardness(labels, losses);
    const auto copies = static_cast<int64_t>(std::llround(where.copies * static_cast<double>(samples)));
    // Evenly spaced from a random start (systematic sampling): each sample gets its share, up to one copy.
    Draws draws(sample_key(data_key(seed, RandomPurpose::copies, static_cast<uint64_t>(epoch)), 0));
    const double start = draws.unit(), total = running.back();
    size_t at = 0;
    for (int64_t k = 0; k < copies && total > 0; ++k) {
      const double wanted = (static_cast<double>(k) + start) / static_cast<double>(copies) * total;
      while (at + 1 < running.size() && running[at] <= wanted) ++at;
      visit(static_cast<int64_t>(at), samples + k, true, false);
    }
  }
  if (!shuffle) return visits;

  EpochPlan mixed;
  for (const int64_t from : shuffled_order(static_cast<int64_t>(visits.rows.size()), seed, epoch)) {
    const auto i = static_cast<size_t>(from);
    mixed.rows.push_back(visits.rows[i]);
    mixed.ids.push_back(visits.ids[i]);
    mixed.strength.push_back(visits.strength[i]);
    mixed.counted.push_back(visits.counted[i]);
  }
  return mixed;
}

}  // namespace telaio::nn
