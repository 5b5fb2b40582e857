// What this machine could do at most: the measure that shares of a benchmark are taken of.
#pragma once

#include <chrono>
#include <cstdint>

namespace telaio::bench {

/// Multiplications and additions a second, in f32, of `threads` threads that do nothing but fused multiply-adds on
/// registers, with the instruction set that the kernels use (TELAIO_SIMD): the best of many short windows, taken once a
/// process for each number of threads.
double peak_flops(int threads);

/// The share that a benchmark's loop has of what `threads` threads do at the same time that only multiply and add: their
/// best rate right before the loop and right after counts. A processor changes its clock by a third
/// from one second to the next. What runs beside the benchmark disturbs a kernel more than such a loop, so of several
/// shares the best says what the kernel is worth. A share is a plain number, which Google Benchmark has no counter for.
class PeakShare {
 public:
  /// Measures for some milliseconds; the loop is to begin at once.
  explicit PeakShare(int threads);

  /// When each of the iterations since the object was made did `flops`. Measures again.
  double operator()(double flops, int64_t iterations) const;

 private:
  int threads_;
  double before_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace telaio::bench
