#include <telaio/ops/kernels/finite.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

#include <algorithm>
#include <bit>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/finite.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// x * 0 is 0 where x is finite, and NaN elsewhere. Four sums hide the latency of the additions.
template <class T>
bool AllFinite(const T* values, int64_t count) {
  const hn::ScalableTag<T> d;
  constexpr int64_t lanes = hn::MaxLanes(d);
  const auto zero = hn::Zero(d);
  auto a = zero, b = zero, c = zero, e = zero;
  int64_t i = 0;
  for (; i + 4 * lanes <= count; i += 4 * lanes) {
    a = hn::MulAdd(hn::LoadU(d, values + i), zero, a);
    b = hn::MulAdd(hn::LoadU(d, values + i + lanes), zero, b);
    c = hn::MulAdd(hn::LoadU(d, values + i + 2 * lanes), zero, c);
    e = hn::MulAdd(hn::LoadU(d, values + i + 3 * lanes), zero, e);
  }
  T rest = 0;
  for (; i < count; ++i) rest += values[i] * T(0);
  return rest == 0 && hn::AllTrue(d, hn::Eq(hn::Add(hn::Add(a, b), hn::Add(c, e)), zero));
}

// Without their sign, numbers are in the order of their bits, and NaN above all.
template <class T>
T LargestMagnitude(const T* values, int64_t count) {
  const hn::ScalableTag<T> d;
  const hn::RebindToSigned<decltype(d)> bits;
  using Bits = hn::TFromD<decltype(bits)>;
  constexpr int64_t lanes = hn::MaxLanes(d);
  auto a = hn::Zero(bits), b = a;
  int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    a = hn::Max(a, hn::BitCast(bits, hn::Abs(hn::LoadU(d, values + i))));
    b = hn::Max(b, hn::BitCast(bits, hn::Abs(hn::LoadU(d, values + i + lanes))));
  }
  HWY_ALIGN Bits largest[lanes];
  hn::Store(hn::Max(a, b), bits, largest);
  Bits most = *std::max_element(largest, largest + lanes);
  for (; i < count; ++i) most = std::max(most, std::bit_cast<Bits>(std::abs(values[i])));
  return std::bit_cast<T>(most);
}

float LargestMagnitudeF32(const float* values, int64_t count) { return LargestMagnitude(values, count); }
double LargestMagnitudeF64(const double* values, int64_t count) { return LargestMagnitude(values, count); }
bool AllFiniteF32(const float* values, int64_t count) { return AllFinite(values, count); }
bool AllFiniteF64(const double* values, int64_t count) { return AllFinite(values, count); }

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(AllFiniteF32);
TELAIO_EXPORT(AllFiniteF64);

bool all_finite(const float* values, int64_t count) { return TELAIO_DISPATCH(AllFiniteF32)(values, count); }
bool all_finite(const double* values, int64_t count) { return TELAIO_DISPATCH(AllFiniteF64)(values, count); }

TELAIO_EXPORT(LargestMagnitudeF32);
TELAIO_EXPORT(LargestMagnitudeF64);

namespace {
template <class T, class Run>
T largest_of_steps(const T* values, int64_t step, int64_t count, Run run) {
  if (step == 1) return run(values, count);
  constexpr int64_t most = 256;
  T some[most], largest = 0;
  for (int64_t begin = 0; begin < count; begin += most) {
    const int64_t n = std::min(most, count - begin);
    for (int64_t i = 0; i < n; ++i) some[i] = values[(begin + i) * step];
    const T here = run(some, n);
    if (!(here <= largest)) largest = here;
    if (std::isnan(here)) break;
  }
  return largest;
}
}  // namespace

float largest_magnitude(const float* values, int64_t step, int64_t count) {
  return largest_of_steps(values, step, count, TELAIO_DISPATCH(LargestMagnitudeF32));
}
double largest_magnitude(const double* values, int64_t step, int64_t count) {
  return largest_of_steps(values, step, count, TELAIO_DISPATCH(LargestMagnitudeF64));
}

}  // namespace telaio::kernels
#endif  // HWY_ONCE
