// Binary arithmetic of float types.
#include <telaio/ops/kernels/simd_target.hpp>

#include <telaio/ops/kernels/elementwise.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/elementwise_binary.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include <telaio/ops/kernels/math-inl.hpp>
#include <telaio/ops/kernels/vector_loop-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels {
namespace HWY_NAMESPACE {

#define TELAIO_BINARY(Name, expression)            \
  struct Name {                                    \
    template <class D, class V>                    \
    HWY_INLINE V operator()(D d, V a, V b) const { \
      (void)d;                                     \
      return expression;                           \
    }                                              \
  }

TELAIO_BINARY(AddOp, hn::Add(a, b));
TELAIO_BINARY(SubOp, hn::Sub(a, b));
TELAIO_BINARY(MulOp, hn::Mul(a, b));
TELAIO_BINARY(DivOp, hn::Div(a, b));
TELAIO_BINARY(PowOp, Pow(d, a, b));
TELAIO_BINARY(MaximumOp, hn::IfThenElse(hn::Or(hn::Ge(a, b), hn::IsNaN(a)), a, b));
TELAIO_BINARY(MinimumOp, hn::IfThenElse(hn::Or(hn::Le(a, b), hn::IsNaN(a)), a, b));

HWY_INLINE void PowAll(const float* a, const float* b, float* y, int64_t n) {
  Map2(HalfFloatTag(), a, b, y, n, PowOp());
}
// A double's power needs the logarithm to more than double's precision; the standard library has that.
HWY_INLINE void PowAll(const double* a, const double* b, double* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = std::pow(a[i], b[i]);
}

template <class T>
HWY_INLINE void BinaryFloat(BinaryOp op, const T* a, const T* b, T* y, int64_t n) {
  const hn::ScalableTag<T> d;
  switch (op) {
    case BinaryOp::add:
      return Map2(d, a, b, y, n, AddOp());
    case BinaryOp::sub:
      return Map2(d, a, b, y, n, SubOp());
    case BinaryOp::mul:
      return Map2(d, a, b, y, n, MulOp());
    case BinaryOp::div:
      return Map2(d, a, b, y, n, DivOp());
    case BinaryOp::pow:
      return PowAll(a, b, y, n);
    case BinaryOp::maximum:
      return Map2(d, a, b, y, n, MaximumOp());
    case BinaryOp::minimum:
      return Map2(d, a, b, y, n, MinimumOp());
  }
}

void BinaryF32(BinaryOp op, const float* a, const float* b, float* y, int64_t n) { BinaryFloat(op, a, b, y, n); }
void BinaryF64(BinaryOp op, const double* a, const double* b, double* y, int64_t n) { BinaryFloat(op, a, b, y, n); }

#undef TELAIO_BINARY

}  // namespace HWY_NAMESPACE
}  // namespace telaio::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(BinaryF32);
TELAIO_EXPORT(BinaryF64);

template <>
void binary(BinaryOp op, const float* a, const float* b, float* y, int64_t n) {
  TELAIO_DISPATCH(BinaryF32)(op, a, b, y, n);
}
template <>
void binary(BinaryOp op, const double* a, const double* b, double* y, int64_t n) {
  TELAIO_DISPATCH(BinaryF64)(op, a, b, y, n);
}

}  // namespace telaio::kernels
#endif
