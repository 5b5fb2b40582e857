#include <telaio/nn/train/training.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include <telaio/nn/train/callbacks.hpp>
#include <telaio/nn/train/preparation.hpp>
#include <telaio/ops/views.hpp>

namespace telaio::nn {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

Examples rows_of(const Examples& examples, int64_t first, int64_t last) {
  return {slice(examples.inputs, 0, first, last), slice(examples.targets, 0, first, last)};
}

void check(const FitOptions& options) {
  const auto least = [](std::string_view name, int64_t value, int64_t lowest) {
    if (value < lowest) throw Error(fmt::format("fit: {}: expected at least {}, got {}", name, lowest, value));
  };
  least("epochs", options.epochs, 1);
  least("batch_size", options.batch_size, 1);
  least("batches_ahead", options.batches_ahead, 0);
  for (size_t i = 0; i < options.callbacks.size(); ++i)
    if (!options.callbacks[i]) throw Error(fmt::format("fit: callback {} is null", i));
  if (!(options.validation_split >= 0 && options.validation_split < 1))
    throw Error(
        fmt::format("fit: validation_split: expected 0 or more and less than 1, got {}", options.validation_split));
}

}  // namespace

Training::Training(Trainer& trainer, const Examples& examples, const FitOptions& options)
    : trainer_(trainer), options_(options), standardization_(options.standardization) {
  check(options_);
  if (!examples.defined() || !examples.targets.defined()) throw Error("fit: there are no samples, or no targets");
  prepare_samples(examples);
  if (options_.schedule.kind == Schedule::Kind::plateau)
    options_.callbacks.insert(
        options_.callbacks.begin(),
        std::make_shared<ReduceLROnPlateau>(ReduceLROnPlateau::Options{.monitor = validation_ ? "val_loss" : "loss",
                                                                       .factor = options_.schedule.factor,
                                                                       .patience = options_.schedule.patience}));
  prepare_weights();
  base_rate_ = trainer_.options().optimizer.learning_rate;
  told_ = options_.callbacks.size();
  if (options_.resume) load(*options_.resume);
}

void Training::prepare_samples(const Examples& examples) {
  const int64_t n = examples.size();
  if (examples.targets.rank() == 0 || examples.targets.dim(0) != n)
    throw Error(fmt::format("fit: {} samples, but targets {}", n, to_string(examples.targets.spec())));
  if (!options_.sample_weight.empty() && static_cast<int64_t>(options_.sample_weight.size()) != n)
    throw Error(fmt::format("fit: sample_weight: {} weights for {} samples", options_.sample_weight.size(), n));
  for (const float weight : options_.sample_weight)
    if (!(weight >= 0) || !std::isfinite(weight))
      throw Error(fmt::format("fit: sample_weight: {} is no finite number of at least 0", weight));

  samples_ = n;
  train_ = examples;
  if (options_.validation.defined()) {
    validation_ = options_.validation;
  } else if (options_.validation_split > 0) {
    samples_ = static_cast<int64_t>(std::floor(static_cast<double>(n) * (1 - options_.validation_split)));
    if (samples_ < 1 || samples_ >= n)
      throw Error(fmt::format("fit: validation_split {} of {} samples leaves {} for training and {} for validation",
                              options_.validation_split, n, samples_, n - samples_));
    train_ = rows_of(examples, 0, samples_);
    validation_ = rows_of(examples, samples_, n);
  }
  if (samples_ == 0) throw Error("fit: there are no samples");
  if (validation_ && !validation_->targets.defined()) throw Error("fit: the validation data have no targets");
  if (validation_ && validation_->size() == 0) throw Error("fit: there are no validation samples");

  if (standardization_.pixels && !standardization_.mean.defined()) {
    Samples fitting;
    fitting.inputs = train_.inputs;
    nn::fit(standardization_, fitting);
  }
  stream_.emplace(batch_maker(trainer_.model(), train_, standardization_, options_.augmentation),
                  options_.batches_ahead);
  check_fit(stream_->maker(), train_, "sample");
  if (!validation_) return;
  check_fit(batch_maker(trainer_.model(), *validation_, standardization_), *validation_, "validation sample");
  validator_.emplace(trainer_.model(), *validation_,
                     EvaluateOptions{.loss = trainer_.loss(), .standardization = standardization_});
}

/// What would otherwise come up in the middle of the training, or not at all: classes without an output, binary targets
/// outside 0…1, and targets that do not suit the loss (which building its graph shows).
void Training::check_fit(const BatchMaker& maker, const Examples& examples, std::string_view sample) const {
  if (has_classes(trainer_.model(), trainer_.loss())) {
    const int64_t classes = class_count(trainer_.model());
    const std::vector<int64_t> labels = target_class(examples.targets).to_vector<int64_t>();
    for (size_t i = 0; i < labels.size(); ++i)
      if (labels[i] < 0 || labels[i] >= classes)
        throw Error(fmt::format("fit: {} {} has class {}, the model has outputs for 0 … {}", sample, i, labels[i],
                                classes - 1));
  }
  const Loss& loss = trainer_.loss();
  const bool indices = is_integer(examples.targets.dtype()) && examples.targets.rank() == 1;  // checked above
  if (loss.classifies() && loss.name() == "binary_crossentropy" && !indices) {
    const std::vector<double> targets = examples.targets.to_vector<double>();
    for (size_t i = 0; i < targets.size(); ++i)
      if (targets[i] < 0 || targets[i] > 1)  // the loss would have no minimum
        throw Error(fmt::format("fit: binary_crossentropy: {} {} has the target {}, expected 0 … 1", sample,
                                static_cast<int64_t>(i) * examples.size() / examples.targets.numel(), targets[i]));
  }
  const std::vector<int64_t> rows = plain_order(std::min(maker.size(), options_.batch_size));
  const auto [x, y] = maker.assemble({.rows = rows});
  loss(trainer_.model().forward(x), y, SourceLocation());
}

void Training::prepare_weights() {
  const bool hard = options_.augment_where.kind != AugmentWhere::Kind::all;
  if (!has_classes(trainer_.model(), trainer_.loss())) {
    const std::string_view why =
        trainer_.loss().classifies() ? "the outputs of a sample are no classes" : "the loss has no classes";
    if (options_.class_weight.any()) throw Error(fmt::format("fit: class_weight is for classifiers: {}", why));
    if (hard) throw Error(fmt::format("fit: augmentation by class or by loss is for classifiers: {}", why));
  } else {
    classes_ = class_count(trainer_.model());
    labels_ = target_class(train_.targets).to_vector<int64_t>();
  }
  if (options_.augment_where.kind == AugmentWhere::Kind::hard && !options_.augmentation.any())
    throw Error("fit: augmenting where the model struggles needs an augmentation");
  weights_ = options_.sample_weight;
  weights_.resize(weights_.empty() ? 0 : static_cast<size_t>(samples_));
  if (!options_.class_weight.any()) return;
  std::vector<int64_t> counts(static_cast<size_t>(classes_));
  for (const int64_t label : labels_) ++counts[static_cast<size_t>(label)];
  const std::vector<double> of_class = resolve(options_.class_weight, classes_, counts);
  if (weights_.empty()) weights_.assign(static_cast<size_t>(samples_), 1.0f);
  for (size_t i = 0; i < weights_.size(); ++i)
    weights_[i] *= static_cast<float>(of_class[static_cast<size_t>(labels_[i])]);
}

void Training::call_end(void (Callback::*event)(Training&), size_t told) {
  for (told_ = told; told_ < options_.callbacks.size();) {
    ++told_;
    (options_.callbacks[told_ - 1].get()->*event)(*this);
  }
}

void Training::call(void (Callback::*event)(Training&)) {
  for (const auto& callback : options_.callbacks) (callback.get()->*event)(*this);
}

FitResult Training::run() {
  if (ended_ && validation_) validate();  // resumed between two epochs
  call(&Callback::on_train_begin);
  if (ended_) call_end(&Callback::on_epoch_end, told_);
  train_epochs();
  call(&Callback::on_train_end);
  FitResult result{history_, best_, standardization_, stop_reason_, recall(), std::nullopt};
  if (evaluation_) result.validation = evaluation_->confusion;
  return result;
}

void Training::train_epochs() {
  // However this ends, nothing is made any more that nobody will take.
  struct Stop {
    ~Stop() { stream.stop(); }
    BatchStream& stream;
  } stop{*stream_};
  while (epoch_ + (ended_ ? 1 : 0) < options_.epochs && !stopping()) {
    begin_epoch();
    while (batch_ < batches() && !stopping()) train_batch();
    if (batch_ < batches()) break;  // stopped inside the epoch
    end_epoch();
  }
}

void Training::begin_epoch() {
  const auto start = Clock::now();
  if (ended_) {
    ++epoch_;
    batch_ = 0;
    ended_ = false;
  }
  stream_->stop();  // it refers to the plan
  plan_ = plan_epoch(samples_, options_.shuffle, options_.seed, epoch_, options_.augment_where, labels_, last_losses_);
  batches_ = cut_batches(plan_.rows, options_.batch_size);
  start_batches();
  if (batch_ == 0) {  // not when it continues inside an epoch
    images_ = 0;
    loss_sum_ = weight_sum_ = train_seconds_ = epoch_seconds_ = 0;
    right_.assign(static_cast<size_t>(classes_), 0);
    seen_.assign(static_cast<size_t>(classes_), 0);
    losses_.assign(static_cast<size_t>(samples_), 0);
  }
  train_seconds_ += seconds_since(start);
  call(&Callback::on_epoch_begin);
  if (batch_ > 0) call_end(&Callback::on_batch_end, told_);
}

/// From batch_ to the end of the epoch: what the next one visits may depend on this one's losses.
void Training::start_batches() {
  std::vector<BatchRequest> requests;
  for (size_t batch = static_cast<size_t>(batch_); batch < batches_.size(); ++batch) {
    const std::span<const int64_t> rows = batches_[batch];
    const auto first = static_cast<size_t>(rows.data() - plan_.rows.data());
    requests.push_back({.rows = rows,
                        .key = data_key(options_.seed, RandomPurpose::augment, static_cast<uint64_t>(epoch_)),
                        .ids = std::span(plan_.ids).subspan(first, rows.size()),
                        .strength = std::span(plan_.strength).subspan(first, rows.size())});
  }
  stream_->start(std::move(requests));
}

void Training::train_batch() {
  const auto start = Clock::now();
  const std::span<const int64_t> rows = batches_[static_cast<size_t>(batch_)];
  const size_t first = static_cast<size_t>(rows.data() - plan_.rows.data()), count = rows.size();
  const auto [x, y] = stream_->next();
  Tensor weights;
  std::vector<float> weight(count, 1.0f);
  if (!weights_.empty()) {
    for (size_t i = 0; i < count; ++i) weight[i] = weights_[static_cast<size_t>(rows[i])];
    weights = from_data(weight, {static_cast<int64_t>(count)});
  }
  const double step = 1 / static_cast<double>(batches());
  const double done = static_cast<double>(epoch_) + static_cast<double>(batch_) / static_cast<double>(batches());
  rate_ = base_rate_ * options_.schedule(done, options_.epochs, step);
  StepResult result;
  try {
    result = trainer_.step(x, y, weights, rate_);
  } catch (const Error& error) {
    throw Error(fmt::format("epoch {}, batch {} of {}: {}", epoch_ + 1, batch_ + 1, batches(), error.what()));
  }

  const std::vector<double> losses = result.losses.to_vector<double>();
  const std::vector<uint8_t> correct =
      result.correct.defined() ? result.correct.to_vector<uint8_t>() : std::vector<uint8_t>();
  const bool by_weights = trainer_.options().weight_mean == MeanBy::weights;
  for (size_t i = 0; i < count; ++i) {
    if (!plan_.counted[first + i]) continue;
    const auto row = static_cast<size_t>(rows[i]);
    losses_[row] = static_cast<float>(losses[i]);
    loss_sum_ += static_cast<double>(weight[i]) * losses[i];
    weight_sum_ += by_weights ? static_cast<double>(weight[i]) : 1.0;
    if (correct.empty()) continue;
    const auto c = static_cast<size_t>(labels_[row]);
    ++seen_[c];
    right_[c] += correct[i];
  }
  ++batch_;
  images_ += static_cast<int64_t>(count);
  train_seconds_ += seconds_since(start);
  call_end(&Callback::on_batch_end);
}

void Training::validate() { evaluation_ = validator_->run(); }

void Training::end_epoch() {
  const auto start = Clock::now();
  EpochRecord record{.epoch = epoch_ + 1, .loss = loss(), .accuracy = accuracy(), .learning_rate = rate_};
  record.images_per_second = images_per_second();
  if (validation_) {
    validate();
    record.val_loss = evaluation_->loss;
    record.val_accuracy = evaluation_->accuracy();
  }
  epoch_seconds_ = train_seconds_ + seconds_since(start);
  record.seconds = epoch_seconds_;
  history_.epochs.push_back(record);
  const double monitored = record.val_loss.value_or(record.loss);
  if (std::isfinite(monitored) && (best_.epoch == 0 || monitored < best_.loss))
    best_ = {epoch_ + 1, monitored, trainer_.model().values()};
  last_losses_ = losses_;
  ended_ = true;
  call_end(&Callback::on_epoch_end);
}

double Training::loss() const { return weight_sum_ > 0 ? loss_sum_ / weight_sum_ : 0; }

std::optional<double> Training::accuracy() const {
  if (classes_ == 0) return std::nullopt;
  int64_t right = 0, seen = 0;
  for (size_t c = 0; c < right_.size(); ++c) {
    right += right_[c];
    seen += seen_[c];
  }
  return seen == 0 ? 0 : static_cast<double>(right) / static_cast<double>(seen);
}

double Training::images_per_second() const {
  return train_seconds_ > 0 ? static_cast<double>(images_) / train_seconds_ : 0;
}

std::vector<double> Training::recall() const {
  std::vector<double> recall;
  for (size_t c = 0; c < right_.size(); ++c)
    recall.push_back(seen_[c] == 0 ? std::numeric_limits<double>::quiet_NaN()
                                   : static_cast<double>(right_[c]) / static_cast<double>(seen_[c]));
  return recall;
}

FitResult fit(Trainer& trainer, const Examples& examples, const FitOptions& options) {
  return Training(trainer, examples, options).run();
}

}  // namespace telaio::nn
