#include <telaio/ops/kernels/simd_target.hpp>

#include "machine_peak.hpp"

#include <algorithm>
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

// Does `rounds` rounds and gives the number of operations; the result goes where the compiler cannot drop it.
double MultiplyAdd(int64_t rounds, float* result) {
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
  return 2.0 * sums * static_cast<double>(hn::Lanes(d)) * static_cast<double>(rounds);
}

}  // namespace telaio::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::bench {

namespace {

HWY_EXPORT(MultiplyAdd);

double measure(int threads, int64_t rounds) {
  std::vector<float> results(static_cast<size_t>(threads));
  std::vector<double> operations(static_cast<size_t>(threads));
  const auto work = [&](size_t i) { operations[i] = TELAIO_DISPATCH(MultiplyAdd)(rounds, &results[i]); };
  const auto begin = std::chrono::steady_clock::now();
  std::vector<std::thread> others;
  for (size_t i = 1; i < operations.size(); ++i) others.emplace_back(work, i);
  work(0);
  for (std::thread& other : others) other.join();
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
  double all = 0;
  for (const double one : operations) all += one;
  volatile float kept = results[0];
  static_cast<void>(kept);
  return all / seconds.count();
}

}  // namespace

double peak_flops(int threads) {
  static std::mutex mutex;
  static std::map<int, double> known;
  const std::lock_guard lock(mutex);
  double& best = known[threads];
  if (best == 0) {
    // About 10 ms each (some billions of vectors a second), which is shorter than a scheduler's slice.
    for (int i = 0; i < 15; ++i) best = std::max(best, measure(threads, 2'000'000));
  }
  return best;
}

}  // namespace telaio::bench
#endif  // HWY_ONCE
