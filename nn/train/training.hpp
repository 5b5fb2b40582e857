// Training: a call of fit() while it runs, as callbacks see it.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include <telaio/nn/data/batch_stream.hpp>
#include <telaio/nn/train/fit.hpp>

namespace telaio::nn {

class Training {
 public:
  Training(Trainer& trainer, const Examples& examples, const FitOptions& options);
  FitResult run();

  Trainer& trainer() const { return trainer_; }
  const FitOptions& options() const { return options_; }
  /// The epoch that runs or has just ended: 1 … options().epochs.
  int64_t epoch() const { return epoch_ + 1; }
  /// Batches of this epoch that are done, and all of them; visits likewise.
  int64_t batch() const { return batch_; }
  int64_t batches() const { return static_cast<int64_t>(batches_.size()); }
  int64_t images() const { return images_; }
  int64_t images_in_epoch() const { return static_cast<int64_t>(plan_.rows.size()); }
  /// Of this epoch so far.
  double loss() const;
  std::optional<double> accuracy() const;
  /// Training alone, of this epoch so far.
  double seconds() const { return train_seconds_; }
  double images_per_second() const;

  /// Epochs that have ended; in on_epoch_end the last one is that epoch.
  const History& history() const { return history_; }
  const Best& best() const { return best_; }
  const Standardization& standardization() const { return standardization_; }
  int64_t training_samples() const { return samples_; }
  int64_t validation_samples() const { return validation_ ? validation_->size() : 0; }
  /// Of the last validation.
  const std::optional<Evaluation>& evaluation() const { return evaluation_; }

  /// What the schedule multiplies. At first the optimizer's learning rate.
  double base_rate() const { return base_rate_; }
  void set_base_rate(double rate) { base_rate_ = rate; }
  /// Ends the training after this batch, or in on_epoch_end after this epoch.
  void stop(std::string reason) { stop_reason_ = std::move(reason); }
  bool stopping() const { return !stop_reason_.empty(); }

  /// To go on from here later, in on_batch_end too.
  TrainingState state() const;

 private:
  void load(const TrainingState& state);
  std::vector<std::pair<std::string, std::string>> settings() const;
  void prepare_samples(const Examples& examples);
  void check_fit(const BatchMaker& maker, const Examples& examples, std::string_view sample) const;
  void prepare_weights();
  void begin_epoch();
  void start_batches();
  void train_batch();
  void train_epochs();
  void validate();
  void end_epoch();
  void call(void (Callback::*event)(Training&));
  /// The end of a batch or an epoch, for the callbacks that have not been told of it. A state that is saved meanwhile
  /// knows how far that has come, and so whom to tell when it is loaded.
  void call_end(void (Callback::*event)(Training&), size_t told = 0);
  std::vector<double> recall() const;

  Trainer& trainer_;
  FitOptions options_;
  Examples train_;
  std::optional<Examples> validation_;
  Standardization standardization_;
  std::vector<int64_t> labels_;  // of classifiers
  std::vector<float> weights_;   // of the samples; empty: all 1
  int64_t samples_ = 0, classes_ = 0;

  int64_t epoch_ = 0, batch_ = 0, images_ = 0;
  bool ended_ = false;  // all batches of the epoch are done, and its record is written: the next one comes
  size_t told_ = 0;     // callbacks that have seen the last end of a batch or an epoch
  EpochPlan plan_;
  std::vector<std::span<const int64_t>> batches_;
  // Sums over the visits that count: of weighted losses, of what they are divided by; right ones and all, by class.
  double loss_sum_ = 0, weight_sum_ = 0;
  std::vector<int64_t> right_, seen_;
  std::vector<float> last_losses_, losses_;  // of each sample, in the last epoch and in this one
  double train_seconds_ = 0, epoch_seconds_ = 0, rate_ = 0, base_rate_ = 0;

  History history_;
  Best best_;
  std::optional<Evaluation> evaluation_;
  std::string stop_reason_;

  std::optional<Evaluator> validator_;
  std::optional<BatchStream> stream_;  // last: it refers to the plan
};

}  // namespace telaio::nn
