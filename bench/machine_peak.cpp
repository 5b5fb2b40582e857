#include <telaio/ops/kernels/simd_target.hpp>

#include "interrupts.hpp"
#include "machine_peak.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <vector>

#include <telaio/autograd/runtime/parallel.hpp>

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

using Clock = std::chrono::steady_clock;

// Windows of some twenty microseconds: a program beside comes and goes within milliseconds.
constexpr int64_t chain_rounds = 1'500, empty_rounds = 2'000, multiply_add_rounds = 6'000;
// A core lowers its clock for multiply-adds on wide registers, in steps that take a tenth of a millisecond before it
// has found its rate, and raises it at once when there are none.
constexpr int windows_before = 8, windows_after = 3;

// Products that wait for one another: the core's clock, by a constant.
void chain() {
  uint64_t x = 3;
  for (int64_t round = 0; round < chain_rounds; ++round)
    for (int i = 0; i < 16; ++i) {
      x *= x;
      asm volatile("" : "+r"(x));
    }
}

// Instructions of which each takes nothing but its place in the core: as many a cycle as it begins. A program on its
// other thread takes half of the places, while multiply-adds alone do not need them all.
void empty() {
  for (int64_t round = 0; round < empty_rounds; ++round) asm volatile(".rept 128\n nop\n .endr");
}

// How often a second `f` would run.
template <class F>
double rate(F&& f) {
  const Clock::time_point begin = Clock::now();
  f();
  return 1 / std::chrono::duration<double>(Clock::now() - begin).count();
}

// Empty instructions for a link of the chain.
double empty_rate() {
  const double before = rate(chain), nothing = rate(empty);
  return nothing / std::max(before, rate(chain));
}

// Multiplications and additions on registers, and how many they were.
double multiply_adds(int64_t rounds) {
  float sum = 0;
  TELAIO_DISPATCH(MultiplyAdd)(rounds, &sum);
  volatile float kept = sum;
  static_cast<void>(kept);
  return TELAIO_DISPATCH(Operations)(rounds);
}

double multiply_add_rate(int windows) {
  double best = 0;
  for (int i = 0; i < windows; ++i) best = std::max(best, rate([] { multiply_adds(multiply_add_rounds); }));
  return best * TELAIO_DISPATCH(Operations)(multiply_add_rounds);
}

// What a thread reaches whose core is its own: the most that was ever seen, and what interrupts leave of it.
struct Alone {
  double empty, flops, left;
};
Alone& alone() {
  static Alone known = [] {
    std::vector<double> nothing, windows(20'000);
    for (int i = 0; i < 3'000; ++i) nothing.push_back(empty_rate());
    // But not the very most, which an interrupt makes that falls into the chain.
    std::sort(nothing.begin(), nothing.end());
    double operations = 0;
    for (double& seconds : windows) seconds = 1 / rate([&] { operations = multiply_adds(multiply_add_rounds); });
    return Alone{nothing[nothing.size() * 99 / 100], operations / *std::min_element(windows.begin(), windows.end()),
                 left_by_interrupts(windows)};
  }();
  return known;
}

}  // namespace

double peak_flops(int threads) { return threads * alone().flops * alone().left; }

double multiply_add_only(int threads) {
  std::atomic<double> operations = 0;
  parallel_for(threads, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) operations += multiply_adds(100 * multiply_add_rounds);
  });
  return operations;
}

std::vector<PeakShare::Core> PeakShare::look(int threads, bool before) {
  Alone& known = alone();  // measured first, so that nothing lies between the last window and the loop
  std::vector<Core> cores(static_cast<size_t>(threads));
  std::atomic<int> missing = threads;
  parallel_for(threads, 1, [&](int64_t begin, int64_t) {
    --missing;
    // All at once, but a pool with fewer threads than were asked for never is.
    for (const Clock::time_point start = Clock::now();
         missing > 0 && Clock::now() - start < std::chrono::milliseconds(2);) {
    }
    Core& core = cores[static_cast<size_t>(begin)];
    // The multiply-adds lie next to the loop.
    if (!before) core.flops = multiply_add_rate(windows_after);
    core.empty = std::min(empty_rate(), empty_rate());
    if (before) core.flops = multiply_add_rate(windows_before);
  });
  for (const Core& core : cores) known.flops = std::max(known.flops, core.flops);
  return cores;
}

PeakShare::PeakShare(int threads) : before_(look(threads, true)), begin_(Clock::now()) {}

Share PeakShare::operator()(double flops, int64_t iterations) const {
  const std::chrono::duration<double> seconds = Clock::now() - begin_;
  const std::vector<Core> after = look(static_cast<int>(before_.size()), false);
  double core = 1, peak = 0;
  for (size_t i = 0; i < after.size(); ++i) {
    const double own = std::min(before_[i].empty, after[i].empty) / alone().empty;
    // Beside another program the multiply-adds are slower, too.
    peak += own < shared_core ? alone().flops : std::max(before_[i].flops, after[i].flops);
    core = std::min(core, own);
  }
  return {flops * static_cast<double>(iterations) / (seconds.count() * peak * alone().left), core};
}

}  // namespace telaio::bench
#endif  // HWY_ONCE
