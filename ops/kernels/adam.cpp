#include <telaio/ops/kernels/simd_target.hpp>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/kernels/adam.hpp>

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/adam.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Square roots, rounded as always. A divider gives one element a cycle, and a quotient must wait for it, too; AVX-512
// has an estimate of 14 bits, which multiply-adds improve: Markstein, "Computation of elementary functions on the IBM
// RISC System/6000 processor", IBM J. Res. Dev. 34:1, 1990. It is exact where no rest is too small for a normal number.
template <class D, class V>
HWY_INLINE V SquareRoots(D d, V x) {
#if HWY_TARGET == HWY_AVX3
  if constexpr (sizeof(hn::TFromD<D>) == 4) {
    const auto zero = hn::Eq(x, hn::Zero(d));
    const auto fits = hn::And(hn::Ge(x, hn::Set(d, 0x1p-78f)), hn::Le(x, hn::Set(d, 0x1p126f)));
    if (HWY_LIKELY(hn::AllTrue(d, hn::Or(fits, zero)))) {
      const auto half = hn::Set(d, 0.5f), estimate = hn::ApproximateReciprocalSqrt(x);
      auto root = hn::Mul(x, estimate), inverse = hn::Mul(estimate, half);  // of which the latter by 2
      const auto error = hn::NegMulAdd(inverse, root, half);
      root = hn::MulAdd(root, error, root);
      inverse = hn::MulAdd(inverse, error, inverse);
      return hn::IfThenZeroElse(zero, hn::MulAdd(hn::NegMulAdd(root, root, x), inverse, root));
    }
  }
#else
  (void)d;
#endif
  return hn::Sqrt(x);
}

template <class T>
void Adam(const AdamNumbers<T>& numbers, int64_t n, const T* w, const T* g, const T* m, const T* v, T* new_w, T* new_m,
          T* new_v) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const auto beta1 = hn::Set(d, numbers.beta1), rest1 = hn::Set(d, numbers.rest1);
  const auto beta2 = hn::Set(d, numbers.beta2), rest2 = hn::Set(d, numbers.rest2);
  const auto epsilon = hn::Set(d, numbers.epsilon), size = hn::Set(d, numbers.size);
  const auto spread = hn::Set(d, numbers.spread);
  // No multiply-adds: the bits are those of the ops one by one.
  const auto update = [&](auto load, auto store) HWY_ATTR {
    const auto gradient = load(g);
    const auto parameter = load(w);
    const auto first = hn::Add(hn::Mul(load(m), beta1), hn::Mul(gradient, rest1));
    const auto second = hn::Add(hn::Mul(load(v), beta2), hn::Mul(hn::Mul(gradient, gradient), rest2));
    const auto scale = hn::Add(hn::Mul(SquareRoots(d, second), spread), epsilon);
    store(first, new_m);
    store(second, new_v);
    store(hn::Sub(parameter, hn::Div(hn::Mul(first, size), scale)), new_w);
  };
  int64_t i = 0;
  for (; i + lanes <= n; i += lanes)
    update([&](const T* from) HWY_ATTR { return hn::LoadU(d, from + i); },
           [&](auto x, T* to) HWY_ATTR { hn::StoreU(x, d, to + i); });
  if (i == n) return;
  const auto tail = hn::FirstN(d, static_cast<size_t>(n - i));
  update([&](const T* from) HWY_ATTR { return hn::MaskedLoad(tail, d, from + i); },
         [&](auto x, T* to) HWY_ATTR { hn::BlendedStore(x, tail, d, to + i); });
}

void AdamF32(const AdamNumbers<float>& numbers, int64_t n, const float* w, const float* g, const float* m,
             const float* v, float* new_w, float* new_m, float* new_v) {
  Adam(numbers, n, w, g, m, v, new_w, new_m, new_v);
}
void AdamF64(const AdamNumbers<double>& numbers, int64_t n, const double* w, const double* g, const double* m,
             const double* v, double* new_w, double* new_m, double* new_v) {
  Adam(numbers, n, w, g, m, v, new_w, new_m, new_v);
}

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(AdamF32);
TELAIO_EXPORT(AdamF64);

template <class T>
void adam(const AdamNumbers<T>& numbers, int64_t n, const T* w, const T* g, const T* m, const T* v, T* new_w, T* new_m,
          T* new_v) {
  constexpr double cycles = sizeof(T) * 0.5;  // seven streams from and to the third-level cache
  // Chunks of whole lines.
  constexpr int64_t line = 64 / sizeof(T);
  const int64_t grain = (even_grain_among_awake(n, cycles) + line - 1) / line * line;
  parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    const auto run = [&] {
      if constexpr (sizeof(T) == 4) return TELAIO_DISPATCH(AdamF32);
      else return TELAIO_DISPATCH(AdamF64);
    }();
    run(numbers, end - begin, w + begin, g + begin, m + begin, v + begin, new_w + begin, new_m + begin, new_v + begin);
  });
}

template void adam(const AdamNumbers<float>&, int64_t, const float*, const float*, const float*, const float*, float*,
                   float*, float*);
template void adam(const AdamNumbers<double>&, int64_t, const double*, const double*, const double*, const double*,
                   double*, double*, double*);

}  // namespace telaio::kernels
#endif  // HWY_ONCE
