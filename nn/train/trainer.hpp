// Trainer: a model with a loss and an optimizer, and the step that they make together.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <telaio/nn/model.hpp>
#include <telaio/nn/train/loss.hpp>
#include <telaio/nn/train/optimizer.hpp>
#include <telaio/ops/losses.hpp>

namespace telaio::nn {

struct TrainerOptions {
  Loss loss = {};
  Optimizer optimizer = {};
  /// What the weighted sum of the losses of a batch is divided by: Keras takes their number, PyTorch the sum of the
  /// weights.
  MeanBy weight_mean = MeanBy::count;
  uint64_t seed = 1;  ///< of dropout
};

/// What a step found, before its update.
struct StepResult {
  Tensor loss;     ///< the number that was made smaller
  Tensor losses;   ///< of each sample, without weights
  Tensor correct;  ///< of each sample, bool; undefined where there are no classes
};

/// Shares the model's parameters, and changes them. For one host thread at a time.
class Trainer {
 public:
  explicit Trainer(Model model, TrainerOptions options = {});

  /// Forward, backward and update on a batch: x [N, sample…], targets as the loss takes them, weights [N] or undefined.
  /// Without `rate` the optimizer's learning rate. Errors: what does not fit the model or the loss; a parameter that
  /// the loss does not reach; a loss or gradient that is not finite (the message names the first op and layer where it
  /// appears): then nothing has changed.
  StepResult step(const Tensor& x, const Tensor& targets, const Tensor& weights = {}, std::optional<double> rate = {});

  const Model& model() const { return model_; }
  const Loss& loss() const { return loss_; }
  const TrainerOptions& options() const { return options_; }
  const OptimizerState& optimizer() const { return *optimizer_; }
  /// Steps that were taken.
  int64_t steps() const { return steps_; }
  void set_steps(int64_t steps) { steps_ = steps; }

  /// The graph of a step's loss and gradients, for drawing: uncompiled.
  std::pair<Tensor, std::vector<Tensor>> graph(const Tensor& x, const Tensor& targets) const;

 private:
  struct Parts;
  struct Compiled;
  Parts parts(const Tensor& x, const Tensor& targets, const Tensor& weights, const Tensor& key) const;

  Model model_;
  TrainerOptions options_;
  Loss loss_;
  std::shared_ptr<OptimizerState> optimizer_;
  std::shared_ptr<Compiled> compiled_;
  int64_t steps_ = 0;
};

}  // namespace telaio::nn
