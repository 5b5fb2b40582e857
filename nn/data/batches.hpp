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

/// Puts batches together: takes rows, turns bytes into floats in 0…1, makes them upright, augments them, and last
/// subtracts the mean and divides by the deviation. Augmentation comes after centring and deskewing, which would undo
/// it. A row's result depends on nothing but the row, its id and its strength. May be used from several threads.
class BatchMaker {
 public:
  /// Error when the samples do not suit the steps: augmentation and geometric standardisation take images.
  explicit BatchMaker(Samples samples, Standardization standardization = {}, Augmentation augmentation = {});

  const Samples& samples() const { return samples_; }
  /// Of the inputs of a batch with so many rows; they are f32.
  Shape batch_shape(int64_t rows) const;

  /// Fills inputs (batch_shape(rows), contiguous) and labels (one a row), in parallel. Error when a row is out of
  /// range.
  void assemble(const BatchRequest& request, float* inputs, int64_t* labels) const;
  /// The same into new tensors: inputs f32 [rows, …] and labels i64 [rows].
  std::pair<Tensor, Tensor> assemble(const BatchRequest& request) const;

 private:
  Samples samples_;
  Standardization standardization_;
  Augmentation augmentation_;
  Array inputs_, labels_, mean_, deviation_;
  Shape sample_shape_;
  ImageShape image_shape_;
};

}  // namespace telaio::nn
