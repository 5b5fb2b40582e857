// Arithmetic of integer types: plain loops, which the compiler vectorises for each target.
#include <telaio/ops/kernels/simd_target.hpp>

#include <telaio/ops/kernels/elementwise.hpp>
#include <telaio/ops/kernels/scalar_cast.hpp>

#include <stdexcept>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/elementwise_integer.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels {
namespace HWY_NAMESPACE {

// Arithmetic is done in the unsigned type, where wrapping around is defined.
template <class T>
using Unsigned = std::make_unsigned_t<T>;

#define TELAIO_UNARY(Name, expression)                              \
  template <class T>                                                \
  struct Name {                                                     \
    using U = Unsigned<T>;                                          \
    HWY_INLINE T operator()(T x) const { return T(U(expression)); } \
  }
#define TELAIO_BINARY(Name, expression)                                  \
  template <class T>                                                     \
  struct Name {                                                          \
    using U = Unsigned<T>;                                               \
    HWY_INLINE T operator()(T a, T b) const { return T(U(expression)); } \
  }

TELAIO_UNARY(Negate, U(0) - U(x));
TELAIO_UNARY(Absolute, x < 0 ? U(0) - U(x) : U(x));
TELAIO_UNARY(Sign, (x > 0) - (x < 0));
TELAIO_UNARY(Square, U(x) * U(x));
TELAIO_UNARY(Relu, x < 0 ? 0 : x);
TELAIO_UNARY(Identity, x);
TELAIO_BINARY(Add, U(a) + U(b));
TELAIO_BINARY(Subtract, U(a) - U(b));
TELAIO_BINARY(Multiply, U(a) * U(b));
TELAIO_BINARY(Maximum, a < b ? b : a);
TELAIO_BINARY(Minimum, b < a ? b : a);

#undef TELAIO_UNARY
#undef TELAIO_BINARY

template <class T>
struct Clip {
  T low, high;
  HWY_INLINE T operator()(T x) const { return x > high ? high : x < low ? low : x; }
};

template <class T>
struct Power {
  HWY_INLINE T operator()(T a, T b) const {
    if (b < 0) {  // 1 / a^|b|, cut towards zero
      const T odd = T(b & 1);
      return a == 1 ? T(1) : a == T(-1) ? T(odd ? -1 : 1) : T(0);
    }
    using U = Unsigned<T>;
    U result = 1;
    U square = U(a);
    for (U e = U(b); e != 0; e = U(e >> 1)) {
      if (e & 1) result = U(result * square);
      square = U(square * square);
    }
    return T(result);
  }
};

template <class T, class F>
HWY_INLINE void Each(const T* x, T* y, int64_t n, F f) {
  for (int64_t i = 0; i < n; ++i) y[i] = f(x[i]);
}
template <class T, class F>
HWY_INLINE void Each2(const T* a, const T* b, T* y, int64_t n, F f) {
  for (int64_t i = 0; i < n; ++i) y[i] = f(a[i], b[i]);
}

template <class T>
HWY_INLINE void UnaryInteger(UnaryOp op, const T* x, T* y, int64_t n, double a, double b) {
  switch (op) {
    case UnaryOp::neg:
      return Each(x, y, n, Negate<T>());
    case UnaryOp::abs:
      return Each(x, y, n, Absolute<T>());
    case UnaryOp::sign:
      return Each(x, y, n, Sign<T>());
    case UnaryOp::square:
      return Each(x, y, n, Square<T>());
    case UnaryOp::relu:
      return Each(x, y, n, Relu<T>());
    case UnaryOp::hardtanh:
      return Each(x, y, n, Clip<T>{scalar_cast<T>(a), scalar_cast<T>(b)});
    default:
      return Each(x, y, n, Identity<T>());  // floor, round, ceil
  }
}

template <class T>
HWY_INLINE void BinaryInteger(BinaryOp op, const T* a, const T* b, T* y, int64_t n) {
  switch (op) {
    case BinaryOp::add:
      return Each2(a, b, y, n, Add<T>());
    case BinaryOp::sub:
      return Each2(a, b, y, n, Subtract<T>());
    case BinaryOp::mul:
      return Each2(a, b, y, n, Multiply<T>());
    case BinaryOp::maximum:
      return Each2(a, b, y, n, Maximum<T>());
    case BinaryOp::minimum:
      return Each2(a, b, y, n, Minimum<T>());
    default:
      return Each2(a, b, y, n, Power<T>());
  }
}

void UnaryI32(UnaryOp op, const int32_t* x, int32_t* y, int64_t n, double a, double b) {
  UnaryInteger(op, x, y, n, a, b);
}
void UnaryI64(UnaryOp op, const int64_t* x, int64_t* y, int64_t n, double a, double b) {
  UnaryInteger(op, x, y, n, a, b);
}
void UnaryU8(UnaryOp op, const uint8_t* x, uint8_t* y, int64_t n, double a, double b) {
  UnaryInteger(op, x, y, n, a, b);
}
void BinaryI32(BinaryOp op, const int32_t* a, const int32_t* b, int32_t* y, int64_t n) {
  BinaryInteger(op, a, b, y, n);
}
void BinaryI64(BinaryOp op, const int64_t* a, const int64_t* b, int64_t* y, int64_t n) {
  BinaryInteger(op, a, b, y, n);
}
void BinaryU8(BinaryOp op, const uint8_t* a, const uint8_t* b, uint8_t* y, int64_t n) { BinaryInteger(op, a, b, y, n); }

}  // namespace HWY_NAMESPACE
}  // namespace telaio::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {
namespace {

template <class T>
void check(UnaryOp op) {
  switch (op) {
    case UnaryOp::neg:
      if constexpr (std::is_unsigned_v<T>) break;
      return;
    case UnaryOp::abs:
    case UnaryOp::sign:
    case UnaryOp::square:
    case UnaryOp::relu:
    case UnaryOp::hardtanh:
    case UnaryOp::floor:
    case UnaryOp::round:
    case UnaryOp::ceil:
      return;
    default:
      break;
  }
  throw std::invalid_argument("unary: the op is not defined for this integer type");
}

void check(BinaryOp op) {
  if (op == BinaryOp::div) throw std::invalid_argument("binary: div is not defined for integers");
}

}  // namespace

TELAIO_EXPORT(UnaryI32);
TELAIO_EXPORT(UnaryI64);
TELAIO_EXPORT(UnaryU8);
TELAIO_EXPORT(BinaryI32);
TELAIO_EXPORT(BinaryI64);
TELAIO_EXPORT(BinaryU8);

#define TELAIO_INTEGER(T, Suffix)                                           \
  template <>                                                               \
  void unary(UnaryOp op, const T* x, T* y, int64_t n, double a, double b) { \
    check<T>(op);                                                           \
    TELAIO_DISPATCH(Unary##Suffix)(op, x, y, n, a, b);                      \
  }                                                                         \
  template <>                                                               \
  void binary(BinaryOp op, const T* a, const T* b, T* y, int64_t n) {       \
    check(op);                                                              \
    TELAIO_DISPATCH(Binary##Suffix)(op, a, b, y, n);                        \
  }
TELAIO_INTEGER(int32_t, I32)
TELAIO_INTEGER(int64_t, I64)
TELAIO_INTEGER(uint8_t, U8)
#undef TELAIO_INTEGER

}  // namespace telaio::kernels
#endif
