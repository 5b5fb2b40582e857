#include <telaio/nn/train/diagnosis.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

namespace telaio::nn {

namespace {

// Where "far from 100%" and "a gap" begin. Ten classes of digits are learnt to 99% and more by nets that are large
// enough; what noise of single samples can make of an accuracy is below a point for sets of some thousand samples.
constexpr double far_from_all = 0.98;
constexpr double gap_worth_saying = 0.015;
// An epoch that still removes a tenth of the errors has not reached a plateau.
constexpr double still_improving = 0.1;

std::string percent(double share) { return fmt::format("{:.1f}%", 100 * share); }

/// The classes whose recall falls furthest behind that in training, worst first.
std::string worst_classes(const std::vector<double>& train, const ConfusionMatrix& held_out,
                          std::span<const std::string> names) {
  struct Fall {
    double by;
    int64_t index;
  };
  std::vector<Fall> falls;
  for (int64_t c = 0; c < held_out.classes() && c < static_cast<int64_t>(train.size()); ++c) {
    const ClassMetrics metrics = held_out.of(c);
    if (metrics.support == 0 || !std::isfinite(train[static_cast<size_t>(c)])) continue;
    falls.push_back({train[static_cast<size_t>(c)] - metrics.recall, c});
  }
  std::stable_sort(falls.begin(), falls.end(), [](const Fall& a, const Fall& b) { return a.by > b.by; });
  std::string text;
  for (size_t i = 0; i < falls.size() && i < 3 && falls[i].by > gap_worth_saying; ++i) {
    const auto c = static_cast<size_t>(falls[i].index);
    const std::string name = c < names.size() ? names[c] : fmt::format("{}", c);
    text += fmt::format("{}{} ({} against {})", text.empty() ? "" : ", ", name,
                        percent(held_out.of(falls[i].index).recall), percent(train[c]));
  }
  return text;
}

}  // namespace

std::vector<std::string> diagnose(const FitResult& result, const std::optional<ConfusionMatrix>& test,
                                  std::span<const std::string> class_names) {
  std::vector<std::string> lines;
  const std::vector<EpochRecord>& epochs = result.history.epochs;
  if (epochs.empty()) return {"No epoch has ended, so there is nothing to judge yet."};
  const EpochRecord& last = epochs.back();
  const EpochRecord* before = epochs.size() > 1 ? &epochs[epochs.size() - 2] : nullptr;

  if (!last.accuracy) {
    if (!last.val_loss)
      return {
          fmt::format("The training loss is {:.4g}; without validation data there is no telling how it does on others.",
                      last.loss)};
    lines.push_back(fmt::format(
        "The training loss is {:.4g}, the validation loss {:.4g}{}.", last.loss, *last.val_loss,
        *last.val_loss > 1.2 * last.loss ? ": it fits the training samples better than others (overfitting)" : ""));
  } else {
    const double accuracy = *last.accuracy;
    const bool improving = before != nullptr && 1 - accuracy < (1 - *before->accuracy) * (1 - still_improving);
    if (accuracy < far_from_all)
      lines.push_back(fmt::format(
          "The training accuracy is {}, far from 100%: {}.", percent(accuracy),
          before == nullptr ? "after a single epoch there is no telling whether it still rises; more epochs will show"
          : improving
              ? "it was still rising, so more epochs may help; if it stops there, the model is too small for the task"
              : "it no longer rises, so the model is too small for the task (more layers or more units), or the "
                "learning rate does not suit it"));
    const std::optional<ConfusionMatrix>& held_out = result.validation ? result.validation : test;
    const std::string_view part = result.validation ? "validation" : "test";
    if (held_out && held_out->total() > 0) {
      const double other = held_out->accuracy(), gap = accuracy - other;
      if (gap > gap_worth_saying) {
        const std::string where = worst_classes(result.train_recall, *held_out, class_names);
        lines.push_back(
            fmt::format("The {} accuracy is {}, {:.1f} points below that of training: overfitting{}{}. More "
                        "data, augmentation, dropout or fewer parameters narrow the gap.",
                        part, percent(other), 100 * gap, where.empty() ? "" : ", most of all of ", where));
      } else if (accuracy >= far_from_all) {
        lines.push_back(
            fmt::format("Training and {} accuracy agree ({} and {}): the model is large enough and does not "
                        "overfit.",
                        part, percent(accuracy), percent(other)));
      } else {
        lines.push_back(fmt::format("The {} accuracy is {}: no sign of overfitting.", part, percent(other)));
      }
    } else if (accuracy >= far_from_all) {
      lines.push_back(
          fmt::format("The training accuracy is {}: the model is large enough. Without validation or test data "
                      "there is no telling how it does on other samples.",
                      percent(accuracy)));
    }
  }

  if (last.val_loss && result.best.epoch > 0 && *last.val_loss > 1.05 * result.best.loss &&
      result.best.epoch < last.epoch)
    lines.push_back(
        fmt::format("The validation loss was lowest in epoch {} ({:.4f}) and has risen to {:.4f} since: training "
                    "longer only overfits.",
                    result.best.epoch, result.best.loss, *last.val_loss));
  return lines;
}

}  // namespace telaio::nn
