// An epoch cut into batches, and batches put together.
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <telaio/nn/data/augment.hpp>
#include <telaio/nn/data/dataset.hpp>
#include <telaio/nn/data/standardize.hpp>

namespace telaio::nn {

/// The order in which an epoch visits n samples: a permutation that (seed, epoch) gives.
std::vector<int64_t> shuffled_order(int64_t n, uint64_t seed, int64_t epoch);
/// 0 … n−1.
std::vector<int64_t> plain_order(int64_t n);

/// Pieces of `batch_size`; the last one may be shorter. They point into `order`. Error unless batch_size is positive.
std::vector<std::span<const int64_t>> cut_batches(std::span<const int64_t> order, int64_t batch_size);

/// What goes into a batch. Only `rows` is needed; the rest is for augmentation.
struct BatchRequest {
  std::span<const int64_t> rows;         ///< of the samples, in any order and number
  RandomKey key{};                       ///< say, data_key(seed, RandomPurpose::augment, epoch)
  std::span<const int64_t> ids = {};     ///< what each row draws by; empty: the rows themselves
  std::span<const float> strength = {};  ///< of the augmentation, for each row; empty: 1
};

/// In what form a batch has its inputs.
enum class InputForm {
  prepared,  ///< f32, from u8 or f32, after the steps that BatchMaker lists
  as_given,  ///< the rows as they are, of any type: for a model that begins with an embedding, or rescales bytes itself
};

/// Puts batches together: takes rows, turns bytes into floats in 0…1, makes them upright, augments them, and last
/// subtracts the mean and divides by the deviation. Augmentation comes after centring and deskewing, which would undo
/// it. Targets are copied. A row's result depends on nothing but the row, its id and its strength. May be used from
/// several threads.
class BatchMaker {
 public:
  /// Inputs u8 or f32 [N, …], or of any type where they stay as given; targets [N, …] of any type, or undefined where
  /// there are none (for prediction). Both are evaluated here. Error when they do not suit one another or the steps:
  /// augmentation and geometric standardisation take images, and inputs that stay as given take no steps.
  BatchMaker(const Tensor& inputs, const Tensor& targets, Standardization standardization = {},
             const Augmentation& augmentation = {}, InputForm form = InputForm::prepared);
  /// With the labels as the targets.
  explicit BatchMaker(const Samples& samples, Standardization standardization = {},
                      const Augmentation& augmentation = {}, InputForm form = InputForm::prepared)
      : BatchMaker(samples.inputs, samples.labels, std::move(standardization), augmentation, form) {}

  /// N.
  int64_t size() const { return inputs_.shape()[0]; }
  bool has_targets() const { return targets_.defined(); }
  /// Of a batch with so many rows.
  TensorSpec inputs_spec(int64_t rows) const;
  /// The same; only where there are targets.
  TensorSpec targets_spec(int64_t rows) const;

  /// Whether making so many rows takes longer than waking a thread.
  bool worth_a_task(int64_t rows) const { return rows > grain(); }

  /// Fills memory for inputs_spec(rows) and targets_spec(rows), contiguous, in parallel. Without targets `targets` is
  /// not used. Error when a row is out of range.
  void assemble(const BatchRequest& request, void* inputs, void* targets) const;
  /// The same into new tensors: inputs and targets, or inputs and an undefined tensor.
  std::pair<Tensor, Tensor> assemble(const BatchRequest& request) const;

 private:
  int64_t grain() const;
  void prepare(const BatchRequest& request, size_t at, float* x, std::vector<float>& scratch) const;

  Standardization standardization_;
  Augmentation augmentation_;
  InputForm form_;
  Array inputs_, targets_, mean_, deviation_;
  ImageShape image_shape_;
};

}  // namespace telaio::nn
