// fit: training a model on samples, epoch by epoch, with Keras's meaning of its options.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <telaio/nn/data/augment.hpp>
#include <telaio/nn/data/batch_stream.hpp>
#include <telaio/nn/data/standardize.hpp>
#include <telaio/nn/train/callback.hpp>
#include <telaio/nn/train/class_weights.hpp>
#include <telaio/nn/train/epoch_plan.hpp>
#include <telaio/nn/train/evaluate.hpp>
#include <telaio/nn/train/history.hpp>
#include <telaio/nn/train/schedule.hpp>
#include <telaio/nn/train/trainer.hpp>
#include <telaio/nn/training_state.hpp>

namespace telaio::nn {

struct FitOptions {
  int64_t epochs = 1;
  int64_t batch_size = 32;  ///< the last batch of an epoch may be smaller
  bool shuffle = true;
  /// The last part of the samples, before shuffling, is for validation: training takes the first ⌊N·(1 − f)⌋.
  double validation_split = 0;
  Examples validation = {};  ///< overrides the split
  /// Weights of the training loss; validation is unweighted.
  ClassWeights class_weight = {};
  std::vector<float> sample_weight = {};  ///< one a sample (those of the split as well), or empty
  Schedule schedule = {};
  Augmentation augmentation = {};
  AugmentWhere augment_where = {};
  /// `pixels` is fitted to the training part where it has not been.
  Standardization standardization = {};
  uint64_t seed = 1;  ///< of shuffling and augmentation
  /// Batches that are made beside the steps; no result depends on it.
  int64_t batches_ahead = default_batches_ahead;
  std::vector<std::shared_ptr<Callback>> callbacks = {};
  std::optional<TrainingState> resume = {};
};

/// The parameters at the end of the epoch with the lowest validation loss, or without validation training loss.
struct Best {
  int64_t epoch = 0;  ///< 1, 2, …; 0 where no epoch has ended
  double loss = 0;
  std::vector<Tensor> values;  ///< as Model::values()
};

struct FitResult {
  History history;
  Best best;
  Standardization standardization;  ///< fitted
  std::string stopped;              ///< why it ended before the last epoch; "" when it did not
  /// Of classifiers, in the last epoch: the share of right answers in each class of the training samples while
  /// training, and what the model takes the validation samples for.
  std::vector<double> train_recall;
  std::optional<ConfusionMatrix> validation;
};

/// Trains. Errors: options that do not fit the samples or the model, all before anything is changed; a label that the
/// model has no output for; a loss or gradient that is not finite (see Trainer::step, with the epoch and the batch):
/// the model keeps the parameters from before that step.
FitResult fit(Trainer& trainer, const Examples& examples, const FitOptions& options = {});

}  // namespace telaio::nn
