// Comparison, selection, logic and tests: plain loops, which the compiler vectorises for each target.
#include <telaio/ops/kernels/simd_target.hpp>

#include <telaio/ops/kernels/elementwise.hpp>

#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/elementwise_select.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

// Every element type, with the suffix of its functions.
#ifndef TELAIO_FOR_EACH_TYPE
#define TELAIO_FOR_EACH_TYPE(M) M(float, F32) M(double, F64) M(int32_t, I32) M(int64_t, I64) M(uint8_t, U8) M(bool, B)
#endif

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels {
namespace HWY_NAMESPACE {

#define TELAIO_COMPARISON(Name, op)              \
  struct Name {                                  \
    template <class T>                           \
    HWY_INLINE bool operator()(T a, T b) const { \
      return a op b;                             \
    }                                            \
  }
TELAIO_COMPARISON(Eq, ==);
TELAIO_COMPARISON(Ne, !=);
TELAIO_COMPARISON(Lt, <);
TELAIO_COMPARISON(Le, <=);
TELAIO_COMPARISON(Gt, >);
TELAIO_COMPARISON(Ge, >=);
TELAIO_COMPARISON(And, &);
TELAIO_COMPARISON(Or, |);
TELAIO_COMPARISON(Xor, !=);
#undef TELAIO_COMPARISON

template <class T, class F>
HWY_INLINE void Each(const T* a, const T* b, bool* y, int64_t n, F f) {
  for (int64_t i = 0; i < n; ++i) y[i] = f(a[i], b[i]);
}

template <class T>
HWY_INLINE void Compare(CompareOp op, const T* a, const T* b, bool* y, int64_t n) {
  switch (op) {
    case CompareOp::eq:
      return Each(a, b, y, n, Eq());
    case CompareOp::ne:
      return Each(a, b, y, n, Ne());
    case CompareOp::lt:
      return Each(a, b, y, n, Lt());
    case CompareOp::le:
      return Each(a, b, y, n, Le());
    case CompareOp::gt:
      return Each(a, b, y, n, Gt());
    case CompareOp::ge:
      return Each(a, b, y, n, Ge());
  }
}

template <class T>
HWY_INLINE void Where(const bool* c, const T* a, const T* b, T* y, int64_t n) {
  // A bool is a byte of 0 or 1; g++ vectorises the loop over bytes only.
  const unsigned char* byte = reinterpret_cast<const unsigned char*>(c);
  for (int64_t i = 0; i < n; ++i) {
    const T yes = a[i];
    const T no = b[i];
    y[i] = byte[i] != 0 ? yes : no;
  }
}

#define TELAIO_COMPARE_AND_WHERE(T, Suffix)                                                                   \
  void Compare##Suffix(CompareOp op, const T* a, const T* b, bool* y, int64_t n) { Compare(op, a, b, y, n); } \
  void Where##Suffix(const bool* c, const T* a, const T* b, T* y, int64_t n) { Where(c, a, b, y, n); }
TELAIO_FOR_EACH_TYPE(TELAIO_COMPARE_AND_WHERE)
#undef TELAIO_COMPARE_AND_WHERE

#define TELAIO_TESTS_OF(T, Suffix)                                         \
  void IsNan##Suffix(const T* x, bool* y, int64_t n) {                     \
    for (int64_t i = 0; i < n; ++i) y[i] = x[i] != x[i];                   \
  }                                                                        \
  void IsFinite##Suffix(const T* x, bool* y, int64_t n) {                  \
    constexpr T max = std::numeric_limits<T>::max();                       \
    for (int64_t i = 0; i < n; ++i) y[i] = (x[i] >= -max) & (x[i] <= max); \
  }
TELAIO_TESTS_OF(float, F32)
TELAIO_TESTS_OF(double, F64)
#undef TELAIO_TESTS_OF

void Logic(LogicOp op, const bool* a, const bool* b, bool* y, int64_t n) {
  switch (op) {
    case LogicOp::land:
      return Each(a, b, y, n, And());
    case LogicOp::lor:
      return Each(a, b, y, n, Or());
    case LogicOp::lxor:
      return Each(a, b, y, n, Xor());
  }
}

void LogicNot(const bool* x, bool* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = !x[i];
}

}  // namespace HWY_NAMESPACE
}  // namespace telaio::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

#define TELAIO_DISPATCH_COMPARE_AND_WHERE(T, Suffix)                       \
  TELAIO_EXPORT(Compare##Suffix);                                             \
  TELAIO_EXPORT(Where##Suffix);                                               \
  template <>                                                              \
  void compare(CompareOp op, const T* a, const T* b, bool* y, int64_t n) { \
    TELAIO_DISPATCH(Compare##Suffix)(op, a, b, y, n);                      \
  }                                                                        \
  template <>                                                              \
  void where(const bool* c, const T* a, const T* b, T* y, int64_t n) {     \
    TELAIO_DISPATCH(Where##Suffix)(c, a, b, y, n);                         \
  }
TELAIO_FOR_EACH_TYPE(TELAIO_DISPATCH_COMPARE_AND_WHERE)
#undef TELAIO_DISPATCH_COMPARE_AND_WHERE

#define TELAIO_DISPATCH_TESTS_OF(T, Suffix)        \
  TELAIO_EXPORT(IsNan##Suffix);                       \
  TELAIO_EXPORT(IsFinite##Suffix);                    \
  template <>                                      \
  void is_nan(const T* x, bool* y, int64_t n) {    \
    TELAIO_DISPATCH(IsNan##Suffix)(x, y, n);       \
  }                                                \
  template <>                                      \
  void is_finite(const T* x, bool* y, int64_t n) { \
    TELAIO_DISPATCH(IsFinite##Suffix)(x, y, n);    \
  }
TELAIO_DISPATCH_TESTS_OF(float, F32)
TELAIO_DISPATCH_TESTS_OF(double, F64)
#undef TELAIO_DISPATCH_TESTS_OF

TELAIO_EXPORT(Logic);
TELAIO_EXPORT(LogicNot);

void logic(LogicOp op, const bool* a, const bool* b, bool* y, int64_t n) { TELAIO_DISPATCH(Logic)(op, a, b, y, n); }
void logic_not(const bool* x, bool* y, int64_t n) { TELAIO_DISPATCH(LogicNot)(x, y, n); }

}  // namespace telaio::kernels
#endif
