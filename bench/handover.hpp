// What threads need at least to tell each other anything.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include <telaio/autograd/runtime/parallel.hpp>

namespace telaio::bench {

/// Seconds from a write by one thread of the pool until another sees it: the time of a line of memory from core to
/// core. Cores that share a last-level cache need 50 to 100 ns, others two to five times as long; a virtual machine's
/// may be the former now and the latter a second later. 0 where no second thread comes.
inline double handover_seconds() {
  using Clock = std::chrono::steady_clock;
  constexpr int rounds = 500;
  constexpr std::chrono::milliseconds patience(2);
  enum : int { nobody, one, both, given_up };
  std::atomic<int> there = nobody;
  alignas(64) std::atomic<int> turn = 0;
  double seconds = 0;
  parallel_for(2, 1, [&](int64_t, int64_t) {
    int seen = nobody;
    const bool first = there.compare_exchange_strong(seen, one);
    if (first) {
      const Clock::time_point since = Clock::now();
      while (there == one) {
        seen = one;
        if (Clock::now() - since > patience && there.compare_exchange_strong(seen, given_up)) return;
      }
    } else if (seen != one || !there.compare_exchange_strong(seen, both)) {
      return;
    }
    const int own = first ? 0 : 1;
    const Clock::time_point begin = Clock::now();
    for (int round = 0; round < rounds; ++round) {
      while (turn.load(std::memory_order_acquire) != 2 * round + own) {
      }
      turn.store(2 * round + own + 1, std::memory_order_release);
    }
    if (first) seconds = std::chrono::duration<double>(Clock::now() - begin).count() / (2 * rounds);
  });
  return seconds;
}

}  // namespace telaio::bench
