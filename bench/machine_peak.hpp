// What this machine could do at most: the measure that shares of a benchmark are taken of.
#pragma once

#include <chrono>
#include <cstdint>

namespace telaio::bench {

/// Multiplications and additions a second, in f32, of `threads` threads that do nothing but fused multiply-adds on
/// registers, with the instruction set that the kernels use (TELAIO_SIMD). The best of several short measurements,
/// taken once a process for each number of threads: what disturbs can only make it smaller.
double peak_flops(int threads);

/// Takes the time of a benchmark's loop: a share is a plain number, which Google Benchmark has no counter for.
class PeakShare {
 public:
  /// Of peak_flops(threads), when each of the iterations since the object was made did `flops`.
  double operator()(double flops, int64_t iterations, int threads) const {
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin_;
    return flops * static_cast<double>(iterations) / (seconds.count() * peak_flops(threads));
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

}  // namespace telaio::bench
