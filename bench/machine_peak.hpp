// What this machine could do at most: the measure that shares of a benchmark are taken of.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

namespace telaio::bench {

/// Multiplications and additions a second, in f32, of `threads` threads that do nothing but fused multiply-adds on
/// registers, with the instruction set that the kernels use (TELAIO_SIMD), each on a core of its own: the most that was
/// seen so far in some ten microseconds, less what interrupts take of a longer time.
double peak_flops(int threads);

/// Does nothing else on so many threads, for about a millisecond, and returns how many it did: what is measured as a
/// benchmark is must have a share of about 1.
double multiply_add_only(int threads);

/// What a benchmark's loop had of its machine. Plain numbers, which Google Benchmark has no counter for.
struct Share {
  /// Of the operations that its threads do in the same time when they only multiply and add: their best rate right
  /// before the loop and right after, less what interrupts take of a longer time.
  double peak;
  /// Of the instructions that a core can begin, what a thread got right before and right after, the least of all
  /// threads: 1 on cores of its own; about a half where another program runs on the other thread of the same core
  /// (SMT), which is how most virtual machines share one.
  double core;
};

/// Below this, a thread shared its core: `peak` is of peak_flops then, and says more of the neighbour than of the loop.
constexpr double shared_core = 0.9;

/// Measures what a loop had. A processor changes its clock by a third from one second to the next, and a neighbour
/// comes and goes within milliseconds, so that short loops are measured best.
class PeakShare {
 public:
  /// Measures for a third of a millisecond; the loop is to begin at once. The pool's threads are awake then.
  explicit PeakShare(int threads);

  /// When each of the iterations since the object was made did `flops`. Measures again.
  Share operator()(double flops, int64_t iterations) const;

 private:
  struct Core {
    double flops, empty;
  };
  static std::vector<Core> look(int threads, bool before);

  std::vector<Core> before_;
  std::chrono::steady_clock::time_point begin_;
};

}  // namespace telaio::bench
