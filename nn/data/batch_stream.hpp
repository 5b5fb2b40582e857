// Batches one after the other, each made beside what is done with the one before.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <telaio/nn/data/batches.hpp>

namespace telaio::nn {

/// Batches that are made ahead unless said otherwise: with one alone, a step that is done early waits.
inline constexpr int64_t default_batches_ahead = 2;

/// Makes batches ahead in tasks of the caller's arena (Background). What a batch holds does not depend on that. Memory
/// is that of the batches ahead and of the present one, and is used again, except where somebody still holds a batch.
/// For one thread at a time.
class BatchStream {
 public:
  /// With `ahead` 0 each batch is made when it is asked for. Error when it is negative.
  explicit BatchStream(BatchMaker maker, int64_t ahead = default_batches_ahead);
  /// stop().
  ~BatchStream();
  BatchStream(BatchStream&&) noexcept;
  BatchStream& operator=(BatchStream&&) noexcept;

  const BatchMaker& maker() const;

  /// What next() gives from now on; what was left before is dropped. What the requests refer to must stay until all
  /// have been given, or stop() is called.
  void start(std::vector<BatchRequest> requests);
  /// Drops what is left. Afterwards nothing refers to the requests.
  void stop() noexcept;
  /// Batches that next() has still to give.
  int64_t left() const;
  /// Inputs and targets, or inputs and an undefined tensor. Error when none are left, and what making it threw.
  std::pair<Tensor, Tensor> next();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// For pieces of an order that need nothing but their rows.
std::vector<BatchRequest> requests_for(std::span<const std::span<const int64_t>> batches);

}  // namespace telaio::nn
