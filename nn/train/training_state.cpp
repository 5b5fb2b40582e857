// Saving a training and taking it up again.
#include <limits>

#include <fmt/format.h>

#include <telaio/nn/train/preparation.hpp>
#include <telaio/nn/train/training.hpp>

namespace telaio::nn {

namespace {

Tensor number(double value) { return from_data(std::vector<double>{value}, {}); }

template <class T>
Tensor numbers(const std::vector<T>& values) {
  return from_data(values, {static_cast<int64_t>(values.size())});
}

const Tensor& at(const StateMap& state, const std::string& name) {
  const auto found = state.find(name);
  if (found == state.end()) throw Error(fmt::format("resume: the saved training has no '{}'", name));
  return found->second;
}

double number_at(const StateMap& state, const std::string& name) { return at(state, name).item<double>(); }

constexpr int history_columns = 8;

Tensor to_tensor(const History& history) {
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> cells;
  for (const EpochRecord& e : history.epochs)
    cells.insert(cells.end(),
                 {static_cast<double>(e.epoch), e.loss, e.accuracy.value_or(none), e.val_loss.value_or(none),
                  e.val_accuracy.value_or(none), e.learning_rate, e.seconds, e.images_per_second});
  return from_data(cells, {static_cast<int64_t>(history.epochs.size()), history_columns});
}

History to_history(const Tensor& table) {
  if (table.rank() != 2 || table.dim(1) != history_columns)
    throw Error(fmt::format("resume: the saved history is {}", to_string(table.spec())));
  const std::vector<double> cells = table.to_vector<double>();
  const auto optional = [](double x) { return x == x ? std::optional(x) : std::nullopt; };
  History history;
  for (size_t i = 0; i < cells.size(); i += history_columns) {
    const double* e = cells.data() + i;
    history.epochs.push_back(
        {static_cast<int64_t>(e[0]), e[1], optional(e[2]), optional(e[3]), optional(e[4]), e[5], e[6], e[7]});
  }
  return history;
}

/// One number for each of `count`, or for none of them where that may be.
template <class T>
std::vector<T> numbers_at(const StateMap& state, const std::string& name, int64_t count, bool or_none = false) {
  const Tensor& saved = at(state, name);
  if (saved.rank() != 1 || !(saved.dim(0) == count || (or_none && saved.dim(0) == 0)))
    throw Error(fmt::format("resume: the saved '{}' is {}, expected {} numbers", name, to_string(saved.spec()), count));
  return saved.to_vector<T>();
}

/// The value that is saved for a variable.
const Tensor& value_at(const StateMap& state, const std::string& prefix, const Variable& variable) {
  const Tensor& value = at(state, prefix + variable.name());
  if (!(value.spec() == variable.spec()))
    throw Error(fmt::format("resume: the saved '{}{}' is {}, expected {}", prefix, variable.name(),
                            to_string(value.spec()), to_string(variable.spec())));
  return value;
}

std::string callback_prefix(size_t i) { return fmt::format("callback{}.", i); }

}  // namespace

std::vector<std::pair<std::string, std::string>> Training::settings() const {
  const TrainerOptions& trainer = trainer_.options();
  return {
      {"training samples", fmt::format("{}", samples_)},
      {"validation samples", fmt::format("{}", validation_samples())},
      {"parameters", fmt::format("{}", trainer_.model().parameter_count())},
      {"epochs", fmt::format("{}", options_.epochs)},
      {"batch size", fmt::format("{}", options_.batch_size)},
      {"shuffle", options_.shuffle ? "yes" : "no"},
      {"seed", fmt::format("{}", options_.seed)},
      {"seed of dropout", fmt::format("{}", trainer.seed)},
      {"loss", trainer_.loss().text()},
      {"optimizer", to_string(trainer.optimizer)},
      {"schedule", to_string(options_.schedule)},
      {"class weights", to_string(options_.class_weight)},
      {"weights' mean", trainer.weight_mean == MeanBy::count ? "count" : "weights"},
      {"sample weights", options_.sample_weight.empty() ? "no" : "yes"},
      {"standardization", to_string(standardization_)},
      {"augmentation", to_string(options_.augmentation)},
      {"augment where", to_string(options_.augment_where)},
  };
}

TrainingState Training::state() const {
  TrainingState state{{}, settings()};
  StateMap& t = state.tensors;
  t["epoch"] = number(static_cast<double>(ended_ ? epoch_ + 1 : epoch_));
  t["batch"] = number(static_cast<double>(ended_ ? 0 : batch_));
  t["told"] = number(static_cast<double>(told_));
  t["images"] = number(static_cast<double>(images_));
  t["steps"] = number(static_cast<double>(trainer_.steps()));
  t["rate"] = number(rate_);
  t["base_rate"] = number(base_rate_);
  t["loss_sum"] = number(loss_sum_);
  t["weight_sum"] = number(weight_sum_);
  t["train_seconds"] = number(train_seconds_);
  t["right"] = numbers(right_);
  t["seen"] = numbers(seen_);
  t["history"] = to_tensor(history_);
  // Losses of single samples matter to `hard` only, and are the largest part of the state.
  if (options_.augment_where.kind == AugmentWhere::Kind::hard) {
    t["last_losses"] = numbers(last_losses_);
    t["losses"] = numbers(losses_);
  }
  for (const Variable& variable : trainer_.model().variables()) t["model." + variable.name()] = snapshot(variable);
  for (const Variable& slot : trainer_.optimizer().slots()) t["optimizer." + slot.name()] = snapshot(slot);
  t["best.epoch"] = number(static_cast<double>(best_.epoch));
  t["best.loss"] = number(best_.loss);
  if (best_.epoch > 0) {
    const std::vector<Variable> variables = trainer_.model().variables();
    for (size_t i = 0; i < variables.size(); ++i) t["best.model." + variables[i].name()] = best_.values[i];
  }
  for (size_t i = 0; i < options_.callbacks.size(); ++i) {
    StateMap own;
    options_.callbacks[i]->save(own);
    for (auto& [name, value] : own) t[callback_prefix(i) + name] = value;
  }
  return state;
}

void Training::load(const TrainingState& state) {
  const auto now = settings();
  if (now.size() != state.settings.size()) throw Error("resume: the saved training was written by another version");
  for (size_t i = 0; i < now.size(); ++i)
    if (now[i] != state.settings[i])
      throw Error(fmt::format("resume: {} is {}, the saved training had {}", now[i].first, now[i].second,
                              state.settings[i].second));

  const StateMap& t = state.tensors;
  const auto whole = [&](const char* name) {
    const double value = number_at(t, name);
    if (!(value >= 0 && value < 1e15)) throw Error(fmt::format("resume: the saved '{}' is {}", name, value));
    return static_cast<int64_t>(value);
  };
  epoch_ = whole("epoch");
  batch_ = whole("batch");
  ended_ = epoch_ > 0 && batch_ == 0;
  if (ended_) --epoch_;
  told_ = static_cast<size_t>(whole("told"));
  images_ = whole("images");
  rate_ = number_at(t, "rate");
  base_rate_ = number_at(t, "base_rate");
  loss_sum_ = number_at(t, "loss_sum");
  weight_sum_ = number_at(t, "weight_sum");
  train_seconds_ = number_at(t, "train_seconds");
  right_ = numbers_at<int64_t>(t, "right", classes_);
  seen_ = numbers_at<int64_t>(t, "seen", classes_);
  history_ = to_history(at(t, "history"));
  losses_.assign(static_cast<size_t>(samples_), 0);
  if (options_.augment_where.kind == AugmentWhere::Kind::hard) {
    last_losses_ = numbers_at<float>(t, "last_losses", samples_, true);
    losses_ = numbers_at<float>(t, "losses", samples_);
  }
  const std::vector<Variable> variables = trainer_.model().variables();
  std::vector<std::pair<Variable, Tensor>> values;
  for (const Variable& variable : variables) values.emplace_back(variable, value_at(t, "model.", variable));
  for (const Variable& slot : trainer_.optimizer().slots()) values.emplace_back(slot, value_at(t, "optimizer.", slot));
  best_.epoch = whole("best.epoch");
  best_.loss = number_at(t, "best.loss");
  if (best_.epoch > 0)
    for (const Variable& variable : variables) best_.values.push_back(value_at(t, "best.model.", variable));
  const int64_t steps = whole("steps");
  for (size_t i = 0; i < options_.callbacks.size(); ++i) {
    StateMap own;
    const std::string prefix = callback_prefix(i);
    for (auto it = t.lower_bound(prefix); it != t.end() && it->first.starts_with(prefix); ++it)
      own[it->first.substr(prefix.size())] = it->second;
    options_.callbacks[i]->load(own);
  }
  // Last, and all at once, so that nothing has changed where something is wrong.
  assign(values);
  trainer_.set_steps(steps);
}

}  // namespace telaio::nn
