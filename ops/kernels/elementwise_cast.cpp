// Conversions between element types: plain loops, which the compiler vectorises for each target.
#include <telaio/ops/kernels/simd_target.hpp>

#include <telaio/ops/kernels/elementwise.hpp>
#include <telaio/ops/kernels/scalar_cast.hpp>

#include <cstring>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/elementwise_cast.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#ifndef TELAIO_FOR_EACH_TYPE
#define TELAIO_FOR_EACH_TYPE(M) M(float, F32) M(double, F64) M(int32_t, I32) M(int64_t, I64) M(uint8_t, U8) M(bool, B)
#endif

// A type's number at run time: 36 pairs go through one dispatch table a source type.
#ifndef TELAIO_ELEMENTWISE_CAST_TYPES
#define TELAIO_ELEMENTWISE_CAST_TYPES
namespace telaio::kernels {
enum class CastType { F32, F64, I32, I64, U8, B };
}
#endif

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels {
namespace HWY_NAMESPACE {

template <class To, class From>
HWY_INLINE void Cast(const From* x, void* out, int64_t n) {
  if constexpr (std::is_same_v<From, To>) {
    if (n > 0) std::memmove(out, x, static_cast<size_t>(n) * sizeof(To));
  } else if constexpr (std::is_same_v<From, bool>) {
    // A bool is a byte of 0 or 1; g++ vectorises the loop over bytes only.
    Cast<To>(reinterpret_cast<const unsigned char*>(x), out, n);
  } else {
    To* y = static_cast<To*>(out);
    for (int64_t i = 0; i < n; ++i) y[i] = scalar_cast<To>(x[i]);
  }
}

#define TELAIO_CASE(To, Suffix) \
  case CastType::Suffix:        \
    return Cast<To>(x, y, n);
#define TELAIO_CAST_FROM(From, Suffix)                                \
  void Cast##Suffix(const From* x, CastType to, void* y, int64_t n) { \
    switch (to) { TELAIO_FOR_EACH_TYPE(TELAIO_CASE) }                 \
  }
TELAIO_CAST_FROM(float, F32)
TELAIO_CAST_FROM(double, F64)
TELAIO_CAST_FROM(int32_t, I32)
TELAIO_CAST_FROM(int64_t, I64)
TELAIO_CAST_FROM(uint8_t, U8)
TELAIO_CAST_FROM(bool, B)
#undef TELAIO_CASE
#undef TELAIO_CAST_FROM

}  // namespace HWY_NAMESPACE
}  // namespace telaio::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {
namespace {

template <class T>
constexpr CastType type_of() {
#define TELAIO_TYPE(U, Suffix) \
  if (std::is_same_v<T, U>) return CastType::Suffix;
  TELAIO_FOR_EACH_TYPE(TELAIO_TYPE)
#undef TELAIO_TYPE
}

#define TELAIO_DISPATCH_FROM(From, Suffix) \
  TELAIO_EXPORT(Cast##Suffix);                \
  void cast_from(const From* x, CastType to, void* y, int64_t n) { TELAIO_DISPATCH(Cast##Suffix)(x, to, y, n); }
TELAIO_FOR_EACH_TYPE(TELAIO_DISPATCH_FROM)
#undef TELAIO_DISPATCH_FROM

}  // namespace

template <class From, class To>
void cast(const From* x, To* y, int64_t n) {
  cast_from(x, type_of<To>(), y, n);
}

#define TELAIO_CAST_TO_ALL(From, Suffix)              \
  template void cast(const From*, float*, int64_t);   \
  template void cast(const From*, double*, int64_t);  \
  template void cast(const From*, int32_t*, int64_t); \
  template void cast(const From*, int64_t*, int64_t); \
  template void cast(const From*, uint8_t*, int64_t); \
  template void cast(const From*, bool*, int64_t);
TELAIO_FOR_EACH_TYPE(TELAIO_CAST_TO_ALL)
#undef TELAIO_CAST_TO_ALL

}  // namespace telaio::kernels
#endif
