// The callbacks that come with the library. Names and defaults are Keras's.
#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include <telaio/nn/train/callback.hpp>
#include <telaio/nn/train/history.hpp>

namespace telaio::nn {

/// How a monitored value is compared: accuracies grow, losses fall, each by more than min_delta to count.
class Improvement {
 public:
  Improvement(std::string monitor, double min_delta);
  /// Whether the record's value is better than all before, and remembers it. Error when the record has no such value.
  bool operator()(const EpochRecord& record);
  void save(StateMap& state) const;
  void load(const StateMap& state);

 private:
  std::string monitor_;
  double min_delta_;
  double best_;
};

/// Stops when the value has not improved for more than `patience` epochs.
class EarlyStopping final : public Callback {
 public:
  struct Options {
    std::string monitor = "val_loss";
    double min_delta = 0;
    int64_t patience = 0;
    /// At the end the model gets the parameters of the best epoch (by this monitor).
    bool restore_best_weights = false;
  };
  EarlyStopping() : EarlyStopping(Options{}) {}
  explicit EarlyStopping(Options options);
  void on_train_begin(Training& training) override;
  void on_epoch_end(Training& training) override;
  void on_train_end(Training& training) override;
  void save(StateMap& state) const override;
  void load(const StateMap& state) override;

 private:
  std::string reason() const;
  Options options_;
  Improvement improved_;
  int64_t waited_ = 0, best_epoch_ = 0;
  bool loaded_ = false;
  std::vector<Tensor> best_values_;
};

/// Multiplies the learning rate by `factor` when the value has not improved for `patience` epochs.
class ReduceLROnPlateau final : public Callback {
 public:
  struct Options {
    std::string monitor = "val_loss";
    double factor = 0.1;
    int64_t patience = 10;
    double min_delta = 1e-4;
    int64_t cooldown = 0;  ///< epochs after a reduction that do not count
    double min_rate = 0;
  };
  ReduceLROnPlateau() : ReduceLROnPlateau(Options{}) {}
  explicit ReduceLROnPlateau(Options options);
  void on_epoch_end(Training& training) override;
  void save(StateMap& state) const override;
  void load(const StateMap& state) override;

 private:
  Options options_;
  Improvement improved_;
  int64_t waited_ = 0, cooling_ = 0;
};

/// Before each epoch: rate = function(epoch from 1, rate so far). It multiplies what the schedule says.
class LearningRateScheduler final : public Callback {
 public:
  explicit LearningRateScheduler(std::function<double(int64_t epoch, double rate)> function);
  void on_epoch_begin(Training& training) override;

 private:
  std::function<double(int64_t, double)> function_;
};

/// Writes the history as a table after each epoch, beside and renamed.
class CSVLogger final : public Callback {
 public:
  explicit CSVLogger(std::string path) : path_(std::move(path)) {}
  void on_epoch_end(Training& training) override;

 private:
  std::string path_;
};

/// Calls a function at the end of an epoch, of a batch, of the training: for what needs no class of its own.
class LambdaCallback final : public Callback {
 public:
  struct Functions {
    std::function<void(Training&)> epoch_end = {};
    std::function<void(Training&)> batch_end = {};
    std::function<void(Training&)> train_end = {};
  };
  explicit LambdaCallback(Functions functions) : functions_(std::move(functions)) {}
  void on_epoch_end(Training& training) override;
  void on_batch_end(Training& training) override;
  void on_train_end(Training& training) override;

 private:
  Functions functions_;
};

/// A line an epoch on `out`; and while an epoch runs, where standard error is a terminal, a bar with the time that is
/// left, loss, accuracy and images a second.
class ProgressBar final : public Callback {
 public:
  explicit ProgressBar(std::FILE* out = stdout);
  ~ProgressBar() override;
  void on_train_begin(Training& training) override;
  void on_batch_end(Training& training) override;
  void on_epoch_end(Training& training) override;
  void on_train_end(Training& training) override;

 private:
  void clear();
  std::FILE* out_;
  bool terminal_;
  double shown_at_ = -1;  // seconds of the epoch
};

}  // namespace telaio::nn
