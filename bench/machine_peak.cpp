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

// The rates of `threads` threads that run at the same time, in so many windows each.
std::vector<std::vector<double>> measure(int threads, int windows) {
  std::vector<std::vector<double>> rates(static_cast<size_t>(threads));
  std::vector<float> results(rates.size());
  std::atomic<int> waiting = threads;
  const auto work = [&](size_t i) {
    rates[i].reserve(static_cast<size_t>(windows));
    --waiting;
    while (waiting.load() > 0) std::this_thread::yield();
    for (int window = 0; window < windows; ++window) {
      const Clock::time_point begin = Clock::now();
      TELAIO_DISPATCH(MultiplyAdd)(rounds, &results[i]);
      const std::chrono::duration<double> seconds = Clock::now() - begin;
      rates[i].push_back(operations_of(rounds) / seconds.count());
    }
  };
  std::vector<std::thread> others;
  for (size_t i = 1; i < rates.size(); ++i) others.emplace_back(work, i);
  work(0);
  for (std::thread& other : others) other.join();
  volatile float kept = results[0];
  static_cast<void>(kept);
  return rates;
}

// The sum of each thread's best window. A peak that is found too small would make every share look good.
double best_rate(int threads, int windows) {
  double sum = 0;
  for (const std::vector<double>& rates : measure(threads, windows))
    sum += *std::max_element(rates.begin(), rates.end());
  return sum;
}
// Enough for a thread of the loop before to fall asleep, which a new one may share its core with until then.
constexpr int windows_beside = 13;

}  // namespace

double peak_flops(int threads) {
  static std::mutex mutex;
  static std::map<int, double> known;
  const std::lock_guard lock(mutex);
  double& best = known[threads];
  if (best == 0) best = best_rate(threads, 300);
  return best;
}

PeakShare::PeakShare(int threads)
    : threads_(threads), before_(best_rate(threads, windows_beside)), begin_(Clock::now()) {}

double PeakShare::operator()(double flops, int64_t iterations) const {
  const std::chrono::duration<double> seconds = Clock::now() - begin_;
  const double peak = std::max(before_, best_rate(threads_, windows_beside));
  return flops * static_cast<double>(iterations) / (seconds.count() * peak);
}

}  // namespace telaio::bench
#endif  // HWY_ONCE
