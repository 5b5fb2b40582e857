#include <telaio/nn/train/callbacks.hpp>

#include <cmath>
#include <limits>

#include <fmt/format.h>

#include <telaio/nn/train/preparation.hpp>
#include <telaio/nn/train/training.hpp>

namespace telaio::nn {

namespace {

Tensor number(double value) { return from_data(std::vector<double>{value}, {}); }

double number_at(const StateMap& state, const std::string& name) {
  const auto found = state.find(name);
  if (found == state.end()) throw Error(fmt::format("resume: a callback finds no saved '{}'", name));
  return found->second.item<double>();
}

int64_t whole_at(const StateMap& state, const std::string& name) {
  return static_cast<int64_t>(number_at(state, name));
}

}  // namespace

Improvement::Improvement(std::string monitor, double min_delta)
    : monitor_(std::move(monitor)), min_delta_(min_delta), best_(std::numeric_limits<double>::quiet_NaN()) {
  value_of({}, monitor_);  // refuses an unknown name now
  if (!(min_delta >= 0)) throw Error(fmt::format("min_delta: expected at least 0, got {}", min_delta));
}

void Improvement::check(const Training& training) const {
  const bool validation = monitor_.starts_with("val");
  if ((validation && training.validation_samples() == 0) ||
      (is_accuracy(monitor_) && !has_classes(training.trainer().model(), training.trainer().loss())))
    throw Error(fmt::format("monitor: there is no {} here: it needs {}", monitor_,
                            validation && training.validation_samples() == 0 ? "validation data" : "a classifier"));
}

bool Improvement::operator()(const EpochRecord& record) {
  const std::optional<double> value = value_of(record, monitor_);
  if (!value) throw Error(fmt::format("monitor: the epoch has no {}", monitor_));
  const bool better = std::isnan(best_)       ? !std::isnan(*value)
                      : is_accuracy(monitor_) ? *value > best_ + min_delta_
                                              : *value < best_ - min_delta_;
  if (better) best_ = *value;
  return better;
}

void Improvement::reset() { best_ = std::numeric_limits<double>::quiet_NaN(); }

void Improvement::save(StateMap& state) const { state["best"] = number(best_); }
void Improvement::load(const StateMap& state) { best_ = number_at(state, "best"); }

EarlyStopping::EarlyStopping(Options options)
    : options_(std::move(options)), improved_(options_.monitor, options_.min_delta) {}

void EarlyStopping::on_train_begin(Training& training) {
  improved_.check(training);
  if (!training.options().resume) {  // it may have been in another training
    improved_.reset();
    waited_ = best_epoch_ = 0;
    best_values_.clear();
  } else if (waited_ > 0 && waited_ >= options_.patience) {
    stop(training);
  }
}

void EarlyStopping::stop(Training& training) const {
  training.stop(fmt::format("{} has not improved since epoch {}", options_.monitor, best_epoch_));
}

void EarlyStopping::on_epoch_end(Training& training) {
  if (improved_(training.history().epochs.back())) {
    waited_ = 0;
    best_epoch_ = training.epoch();
    if (options_.restore_best_weights) best_values_ = training.trainer().model().values();
  } else if (++waited_ >= options_.patience) {
    stop(training);
  }
}

void EarlyStopping::on_train_end(Training& training) {
  if (!best_values_.empty()) training.trainer().model().set_values(best_values_);
}

void EarlyStopping::save(StateMap& state) const {
  improved_.save(state);
  state["waited"] = number(static_cast<double>(waited_));
  state["best_epoch"] = number(static_cast<double>(best_epoch_));
  for (size_t i = 0; i < best_values_.size(); ++i) state[fmt::format("value{}", i)] = best_values_[i];
}

void EarlyStopping::load(const StateMap& state) {
  improved_.load(state);
  waited_ = whole_at(state, "waited");
  best_epoch_ = whole_at(state, "best_epoch");
  best_values_.clear();
  for (auto found = state.find("value0"); found != state.end();
       found = state.find(fmt::format("value{}", best_values_.size())))
    best_values_.push_back(found->second);
}

ReduceLROnPlateau::ReduceLROnPlateau(Options options)
    : options_(std::move(options)), improved_(options_.monitor, options_.min_delta) {
  if (!(options_.factor > 0 && options_.factor < 1))
    throw Error(fmt::format("ReduceLROnPlateau: factor: expected between 0 and 1, got {}", options_.factor));
}

void ReduceLROnPlateau::on_train_begin(Training& training) {
  improved_.check(training);
  if (training.options().resume) return;
  improved_.reset();
  waited_ = cooling_ = 0;
}

void ReduceLROnPlateau::on_epoch_end(Training& training) {
  const bool better = improved_(training.history().epochs.back());
  if (cooling_ > 0) {
    --cooling_;
    waited_ = 0;
  } else if (better) {
    waited_ = 0;
  } else if (++waited_ >= options_.patience) {
    const double least = std::min(options_.min_rate, training.base_rate());
    training.set_base_rate(std::max(least, training.base_rate() * options_.factor));
    cooling_ = options_.cooldown;
    waited_ = 0;
  }
}

void ReduceLROnPlateau::save(StateMap& state) const {
  improved_.save(state);
  state["waited"] = number(static_cast<double>(waited_));
  state["cooling"] = number(static_cast<double>(cooling_));
}

void ReduceLROnPlateau::load(const StateMap& state) {
  improved_.load(state);
  waited_ = whole_at(state, "waited");
  cooling_ = whole_at(state, "cooling");
}

LearningRateScheduler::LearningRateScheduler(std::function<double(int64_t, double)> function)
    : function_(std::move(function)) {}

void LearningRateScheduler::on_epoch_begin(Training& training) {
  if (training.batch() != 0) return;  // it continues inside the epoch
  const double rate = function_(training.epoch(), training.base_rate());
  if (!(rate >= 0) || !std::isfinite(rate))
    throw Error(fmt::format("LearningRateScheduler: epoch {}: {} is no learning rate", training.epoch(), rate));
  training.set_base_rate(rate);
}

void LambdaCallback::on_epoch_end(Training& training) {
  if (functions_.epoch_end) functions_.epoch_end(training);
}
void LambdaCallback::on_batch_end(Training& training) {
  if (functions_.batch_end) functions_.batch_end(training);
}
void LambdaCallback::on_train_end(Training& training) {
  if (functions_.train_end) functions_.train_end(training);
}

}  // namespace telaio::nn
