#include <telaio/ops/kernels/finite.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

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

}  // namespace telaio::kernels
#endif  // HWY_ONCE
