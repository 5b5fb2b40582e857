// Random tensors from a counter-based generator (Philox4x32-10, Salmon et al. 2011): a draw is a function of seed,
// stream and index, so it is the same on any number of threads, and can be repeated.
#pragma once

#include <string>

#include <telaio/autograd/tensor.hpp>
#include <telaio/autograd/variable.hpp>

namespace telaio {

/// A key is an i64[2] tensor: seed and stream. One key gives the same numbers wherever it is used; use each once.
Tensor random_key(int64_t seed, int64_t stream = 0, const SourceLocation& where = TELAIO_HERE);

/// A sequence of keys, held in a Variable (the seed and the next stream), so that compiled functions draw anew at each
/// call and a saved generator continues where it stopped. One host thread at a time may take keys from it.
class Rng {
 public:
  explicit Rng(int64_t seed, std::string name = "rng");
  /// A key that was not given out before.
  Tensor next();
  const Variable& state() const { return state_; }

 private:
  Variable state_;
};

/// Uniform in [low, high); f32 or f64. low where both are the same; error when low is above high.
Tensor uniform(const Shape& shape, const Tensor& key, double low = 0, double high = 1, DType dtype = f32,
               const SourceLocation& where = TELAIO_HERE);
Tensor normal(const Shape& shape, const Tensor& key, double mean = 0, double deviation = 1, DType dtype = f32,
              const SourceLocation& where = TELAIO_HERE);
/// True with probability p (0…1).
Tensor bernoulli(const Shape& shape, const Tensor& key, double p = 0.5, const SourceLocation& where = TELAIO_HERE);
/// 0…n−1 in random order, i64.
Tensor permutation(int64_t n, const Tensor& key, const SourceLocation& where = TELAIO_HERE);

/// Each element becomes 0 with probability `rate` (0 ≤ rate < 1), the others are divided by 1 − rate.
Tensor dropout(const Tensor& x, double rate, const Tensor& key, const SourceLocation& where = TELAIO_HERE);

}  // namespace telaio
