#include <telaio/ops/kernels/simd_target.hpp>

#include "machine_peak.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <thread>
#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/bench/machine_peak.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace telaio::bench::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Independent sums: two a cycle with a latency of four or five cycles need ten, and 16 registers hold no more than 12
// beside the factors.
constexpr int sums = 12;

// The result goes where the compiler cannot drop it.
void MultiplyAdd(int64_t rounds, float* result) {
  const hn::ScalableTag<float> d;
  // Read through a volatile, so that nothing is known of them; they keep the sums near 1.
  volatile float factor_value = 0.5f, addend_value = 0.5f;
  const auto factor = hn::Set(d, factor_value), addend = hn::Set(d, addend_value);
  hn::Vec<decltype(d)> sum[sums];
  HWY_UNROLL(12)
  for (int i = 0; i < sums; ++i) sum[i] = hn::Set(d, 1.0f + 0.01f * static_cast<float>(i));
  for (int64_t round = 0; round < rounds; ++round) {
    HWY_UNROLL(12)
    for (int i = 0; i < sums; ++i) sum[i] = hn::MulAdd(sum[i], factor, addend);
  }
  auto all = sum[0];
  for (int i = 1; i < sums; ++i) all = hn::Add(all, sum[i]);
  *result = hn::GetLane(hn::SumOfLanes(d, all));
}

// What so many rounds count.
double Operations(int64_t rounds) {
  return 2.0 * sums * static_cast<double>(hn::Lanes(hn::ScalableTag<float>())) * static_cast<double>(rounds);
}

}  // namespace telaio::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::bench {

namespace {

TELAIO_EXPORT(MultiplyAdd);
TELAIO_EXPORT(Operations);

double operations_of(int64_t rounds) { return TELAIO_DISPATCH(Operations)(rounds); }

using Clock = std::chrono::steady_clock;

// Of less than half a millisecond, so that what else the machine does falls into few of them.
constexpr int64_t rounds = 200'000;

// The rates of so many windows, slowest first. All threads begin a window together, and it lasts until the last of them
// is done.
std::vector<double> measure(int threads, int windows) {
  std::vector<double> rates;
  rates.reserve(static_cast<size_t>(windows));
  std::vector<float> results(static_cast<size_t>(threads));
  Clock::time_point begin;
  bool inside = false;
  const auto turn = [&]() noexcept {
    const Clock::time_point now = Clock::now();
    if (inside) {
      const std::chrono::duration<double> seconds = now - begin;
      rates.push_back(threads * operations_of(rounds) / seconds.count());
    }
    inside = !inside;
    begin = Clock::now();
  };
  // One that sleeps would begin late, so who waits for a window to begin turns in a circle.
  std::atomic<int> arrived{0}, phase{0};
  const auto meet = [&] {
    const int mine = phase.load();
    if (arrived.fetch_add(1) + 1 == threads) {
      arrived.store(0);
      turn();
      phase.store(mine + 1);
    } else {
      while (phase.load() == mine) std::this_thread::yield();
    }
  };
  const auto work = [&](size_t i) {
    for (int window = 0; window < windows; ++window) {
      meet();
      TELAIO_DISPATCH(MultiplyAdd)(rounds, &results[i]);
      meet();
    }
  };
  std::vector<std::thread> others;
  for (size_t i = 1; i < results.size(); ++i) others.emplace_back(work, i);
  work(0);
  for (std::thread& other : others) other.join();
  volatile float kept = results[0];
  static_cast<void>(kept);
  std::sort(rates.begin(), rates.end());
  return rates;
}

// The median of a few windows, the first of which another thread may still be falling asleep in.
double rate_now(int threads) {
  constexpr int windows = 9;
  return measure(threads, windows)[windows / 2];
}

}  // namespace

double peak_flops(int threads) {
  static std::mutex mutex;
  static std::map<int, double> known;
  const std::lock_guard lock(mutex);
  double& best = known[threads];
  if (best == 0) best = measure(threads, 300).back();
  return best;
}

PeakShare::PeakShare(int threads) : threads_(threads), before_(rate_now(threads)), begin_(Clock::now()) {}

double PeakShare::operator()(double flops, int64_t iterations) const {
  const std::chrono::duration<double> seconds = Clock::now() - begin_;
  const double after = rate_now(threads_);
  return flops * static_cast<double>(iterations) / (seconds.count() * (before_ + after) / 2);
}

}  // namespace telaio::bench
#endif  // HWY_ONCE
