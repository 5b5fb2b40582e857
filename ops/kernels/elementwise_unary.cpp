// Unary kernels of float types.
#include <telaio/ops/kernels/simd_target.hpp>

#include <telaio/ops/kernels/elementwise.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/elementwise_unary.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include <telaio/ops/kernels/math-inl.hpp>
#include <telaio/ops/kernels/vector_loop-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels {
namespace HWY_NAMESPACE {

// Every op is a functor (d, x) → y on vectors. Functors, not lambdas: clang does not give a lambda the target's
// instruction set.
#define TELAIO_UNARY(Name, expression)        \
  struct Name {                               \
    template <class D, class V>               \
    HWY_INLINE V operator()(D d, V x) const { \
      using T = hn::TFromD<D>;                \
      (void)d;                                \
      (void)sizeof(T);                        \
      return expression;                      \
    }                                         \
  }

// The same with the parameters a and b of `unary`, as numbers of the element's type.
#define TELAIO_UNARY_WITH(Name, expression)       \
  struct Name {                                   \
    double a_, b_;                                \
    template <class D, class V>                   \
    HWY_INLINE V operator()(D d, V x) const {     \
      using T = hn::TFromD<D>;                    \
      const V a = hn::Set(d, static_cast<T>(a_)); \
      const V b = hn::Set(d, static_cast<T>(b_)); \
      (void)a;                                    \
      (void)b;                                    \
      return expression;                          \
    }                                             \
  }

template <class D, class V>
HWY_INLINE V Relu(D d, V x) {
  return hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x);
}

template <class D, class V>
HWY_INLINE V Sign(D d, V x) {
  const V one = hn::Set(d, hn::TFromD<D>(1));
  // ±0 and NaN are their own signs.
  return hn::IfThenElse(hn::Gt(hn::Abs(x), hn::Zero(d)), hn::CopySignToAbs(one, x), x);
}

/// x < 0 ? scale·alpha·expm1(x) : scale·x
template <class D, class V>
HWY_INLINE V Elu(D d, V x, double alpha, double scale) {
  using T = hn::TFromD<D>;
  const auto negative = hn::Lt(x, hn::Zero(d));
  const V below = hn::Mul(hn::Set(d, static_cast<T>(scale * alpha)), Expm1(d, hn::IfThenElseZero(negative, x)));
  const V above = scale == 1 ? x : hn::Mul(hn::Set(d, static_cast<T>(scale)), x);
  return hn::IfThenElse(negative, below, above);
}

template <class D, class V>
HWY_INLINE V Softplus(D d, V x, V beta) {
  const V z = hn::Mul(beta, x);
  return hn::Div(hn::Add(Log1p(d, Exp(d, hn::Neg(hn::Abs(z)))), Relu(d, z)), beta);
}

/// x·(1 + e)/2
template <class D, class V>
HWY_INLINE V Gate(D d, V x, V e) {
  using T = hn::TFromD<D>;
  return hn::Mul(hn::Mul(hn::Set(d, T(0.5)), x), hn::Add(hn::Set(d, T(1)), e));
}
template <class D, class V>
HWY_INLINE V GeluErf(D d, V x) {
  using T = hn::TFromD<D>;
  return Gate(d, x, Erf(d, hn::Mul(x, hn::Set(d, static_cast<T>(0.70710678118654752440)))));
}
template <class D, class V>
HWY_INLINE V GeluTanh(D d, V x) {  // Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016
  using T = hn::TFromD<D>;
  const V cube = hn::Mul(hn::Mul(x, x), x);
  const V inner = hn::MulAdd(hn::Set(d, static_cast<T>(0.044715)), cube, x);
  return Gate(d, x, Tanh(d, hn::Mul(hn::Set(d, static_cast<T>(0.79788456080286535588)), inner)));
}

TELAIO_UNARY(NegOp, hn::Neg(x));
TELAIO_UNARY(AbsOp, hn::Abs(x));
TELAIO_UNARY(SignOp, Sign(d, x));
TELAIO_UNARY(SquareOp, hn::Mul(x, x));
TELAIO_UNARY(SqrtOp, hn::Sqrt(x));
TELAIO_UNARY(RsqrtOp, hn::Div(hn::Set(d, T(1)), hn::Sqrt(x)));
TELAIO_UNARY(ReciprocalOp, hn::Div(hn::Set(d, T(1)), x));
// The sign is right for every x, and Highway's scalar target loses that of zeros.
TELAIO_UNARY(FloorOp, hn::CopySign(hn::Floor(x), x));
TELAIO_UNARY(CeilOp, hn::CopySign(hn::Ceil(x), x));
TELAIO_UNARY(RoundOp, RoundHalfEven(d, x));
TELAIO_UNARY(ExpOp, Exp(d, x));
TELAIO_UNARY(Expm1Op, Expm1(d, x));
TELAIO_UNARY(LogOp, Log(d, x));
TELAIO_UNARY(Log1pOp, Log1p(d, x));
TELAIO_UNARY(SinOp, Sin(d, x));
TELAIO_UNARY(CosOp, Cos(d, x));
TELAIO_UNARY(TanhOp, Tanh(d, x));
TELAIO_UNARY(ErfOp, Erf(d, x));
TELAIO_UNARY(SigmoidOp, Sigmoid(d, x));
TELAIO_UNARY(SiluOp, hn::Mul(x, Sigmoid(d, x)));
TELAIO_UNARY(ReluOp, Relu(d, x));
TELAIO_UNARY(GeluErfOp, GeluErf(d, x));
TELAIO_UNARY(GeluTanhOp, GeluTanh(d, x));
TELAIO_UNARY(SeluOp, Elu(d, x, 1.6732632423543772848170429916717, 1.0507009873554804934193349852946));
TELAIO_UNARY_WITH(SoftplusOp, Softplus(d, x, a));
TELAIO_UNARY_WITH(LeakyReluOp, hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Mul(a, x), x));
TELAIO_UNARY_WITH(EluOp, Elu(d, x, a_, 1));
TELAIO_UNARY_WITH(HardtanhOp, hn::IfThenElse(hn::Gt(x, b), b, hn::IfThenElse(hn::Lt(x, a), a, x)));

template <class T>
HWY_INLINE void UnaryFloat(UnaryOp op, const T* x, T* y, int64_t n, double a, double b) {
  const hn::ScalableTag<T> d;
  const std::conditional_t<is_f32<T>, HalfFloatTag, hn::ScalableTag<double>> d_wide;  // for what computes in double
  switch (op) {
    case UnaryOp::neg:
      return Map(d, x, y, n, NegOp());
    case UnaryOp::abs:
      return Map(d, x, y, n, AbsOp());
    case UnaryOp::sign:
      return Map(d, x, y, n, SignOp());
    case UnaryOp::square:
      return Map(d, x, y, n, SquareOp());
    case UnaryOp::sqrt:
      return Map(d, x, y, n, SqrtOp());
    case UnaryOp::rsqrt:
      return Map(d, x, y, n, RsqrtOp());
    case UnaryOp::exp:
      return Map(d, x, y, n, ExpOp());
    case UnaryOp::expm1:
      return Map(d, x, y, n, Expm1Op());
    case UnaryOp::log:
      return Map(d, x, y, n, LogOp());
    case UnaryOp::log1p:
      return Map(d, x, y, n, Log1pOp());
    case UnaryOp::sin:
      return Map(d_wide, x, y, n, SinOp());
    case UnaryOp::cos:
      return Map(d_wide, x, y, n, CosOp());
    case UnaryOp::tanh:
      return Map(d, x, y, n, TanhOp());
    case UnaryOp::erf:
      return Map(d, x, y, n, ErfOp());
    case UnaryOp::sigmoid:
      return Map(d, x, y, n, SigmoidOp());
    case UnaryOp::softplus:
      return Map(d, x, y, n, SoftplusOp{a, b});
    case UnaryOp::relu:
      return Map(d, x, y, n, ReluOp());
    case UnaryOp::leaky_relu:
      return Map(d, x, y, n, LeakyReluOp{a, b});
    case UnaryOp::elu:
      return Map(d, x, y, n, EluOp{a, b});
    case UnaryOp::selu:
      return Map(d, x, y, n, SeluOp());
    case UnaryOp::gelu:
      return a == 0 ? Map(d, x, y, n, GeluErfOp()) : Map(d, x, y, n, GeluTanhOp());
    case UnaryOp::silu:
      return Map(d, x, y, n, SiluOp());
    case UnaryOp::hardtanh:
      return Map(d, x, y, n, HardtanhOp{a, b});
    case UnaryOp::floor:
      return Map(d, x, y, n, FloorOp());
    case UnaryOp::round:
      return Map(d, x, y, n, RoundOp());
    case UnaryOp::ceil:
      return Map(d, x, y, n, CeilOp());
    case UnaryOp::reciprocal:
      return Map(d, x, y, n, ReciprocalOp());
  }
}

void UnaryF32(UnaryOp op, const float* x, float* y, int64_t n, double a, double b) { UnaryFloat(op, x, y, n, a, b); }
void UnaryF64(UnaryOp op, const double* x, double* y, int64_t n, double a, double b) { UnaryFloat(op, x, y, n, a, b); }

#undef TELAIO_UNARY
#undef TELAIO_UNARY_WITH

}  // namespace HWY_NAMESPACE
}  // namespace telaio::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(UnaryF32);
TELAIO_EXPORT(UnaryF64);

template <>
void unary(UnaryOp op, const float* x, float* y, int64_t n, double a, double b) {
  TELAIO_DISPATCH(UnaryF32)(op, x, y, n, a, b);
}
template <>
void unary(UnaryOp op, const double* x, double* y, int64_t n, double a, double b) {
  TELAIO_DISPATCH(UnaryF64)(op, x, y, n, a, b);
}

}  // namespace telaio::kernels
#endif
