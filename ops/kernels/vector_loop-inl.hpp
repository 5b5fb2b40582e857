// Loops that apply a function of vectors to contiguous arrays. Included once per SIMD target.
//
// The tail goes through the same vector function as the rest, so a value's result depends on nothing but the value.
#if defined(TELAIO_VECTOR_LOOP_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef TELAIO_VECTOR_LOOP_INL_HPP
#undef TELAIO_VECTOR_LOOP_INL_HPP
#else
#define TELAIO_VECTOR_LOOP_INL_HPP
#endif

#include <cstddef>
#include <cstdint>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// y[i] = f(d, x[i]). f takes and returns vectors of D, whose lanes have 4 or 8 bytes. y may be x.
template <class D, class F>
HWY_INLINE void Map(D d, const hn::TFromD<D>* x, hn::TFromD<D>* y, int64_t n, const F& f) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(f(d, hn::LoadU(d, x + i)), d, y + i);
  if (i == n) return;
  const auto tail = hn::FirstN(d, static_cast<size_t>(n - i));
  hn::BlendedStore(f(d, hn::MaskedLoad(tail, d, x + i)), tail, d, y + i);
}

/// y[i] = f(d, a[i], b[i]). y may be a or b.
template <class D, class F>
HWY_INLINE void Map2(D d, const hn::TFromD<D>* a, const hn::TFromD<D>* b, hn::TFromD<D>* y, int64_t n, const F& f) {
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes) hn::StoreU(f(d, hn::LoadU(d, a + i), hn::LoadU(d, b + i)), d, y + i);
  if (i == n) return;
  const auto tail = hn::FirstN(d, static_cast<size_t>(n - i));
  hn::BlendedStore(f(d, hn::MaskedLoad(tail, d, a + i), hn::MaskedLoad(tail, d, b + i)), tail, d, y + i);
}

}  // namespace HWY_NAMESPACE
}  // namespace telaio::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
