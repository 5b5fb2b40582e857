#include <telaio/ops/kernels/simd_target.hpp>
#include <telaio/ops/kernels/transpose.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/transpose.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Vectors of 16 bytes are transposed with two or one instructions each.
#if HWY_TARGET == HWY_SCALAR
constexpr int64_t tile_bytes = 0;
#else
constexpr int64_t tile_bytes = 16;
#endif

template <class T>
constexpr int64_t side = tile_bytes > 0 ? tile_bytes / sizeof(T) : 1;

HWY_INLINE void TransposeTile(const float* src, [[maybe_unused]] int64_t src_step, float* dst,
                              [[maybe_unused]] int64_t dst_step) {
#if HWY_TARGET == HWY_SCALAR
  *dst = *src;
#else
  const hn::CappedTag<float, side<float> > d;
  const auto a = hn::LoadU(d, src), b = hn::LoadU(d, src + src_step), c = hn::LoadU(d, src + 2 * src_step),
             e = hn::LoadU(d, src + 3 * src_step);
  const auto ab_lower = hn::InterleaveLower(d, a, b), ab_upper = hn::InterleaveUpper(d, a, b);
  const auto ce_lower = hn::InterleaveLower(d, c, e), ce_upper = hn::InterleaveUpper(d, c, e);
  hn::StoreU(hn::ConcatLowerLower(d, ce_lower, ab_lower), d, dst);
  hn::StoreU(hn::ConcatUpperUpper(d, ce_lower, ab_lower), d, dst + dst_step);
  hn::StoreU(hn::ConcatLowerLower(d, ce_upper, ab_upper), d, dst + 2 * dst_step);
  hn::StoreU(hn::ConcatUpperUpper(d, ce_upper, ab_upper), d, dst + 3 * dst_step);
#endif
}

HWY_INLINE void TransposeTile(const double* src, [[maybe_unused]] int64_t src_step, double* dst,
                              [[maybe_unused]] int64_t dst_step) {
#if HWY_TARGET == HWY_SCALAR
  *dst = *src;
#else
  const hn::CappedTag<double, side<double> > d;
  const auto a = hn::LoadU(d, src), b = hn::LoadU(d, src + src_step);
  hn::StoreU(hn::InterleaveLower(d, a, b), d, dst);
  hn::StoreU(hn::InterleaveUpper(d, a, b), d, dst + dst_step);
#endif
}

// A strip of rows at a time, read along its lines in memory.
template <class T>
HWY_NOINLINE void TransposeTiles(const T* src, int64_t src_step, int64_t rows, int64_t columns, T* dst,
                                 int64_t dst_step) {
  int64_t j = 0;
  for (; j + side<T> <= rows; j += side<T>) {
    int64_t p = 0;
    for (; p + side<T> <= columns; p += side<T>)
      TransposeTile(src + j * src_step + p, src_step, dst + p * dst_step + j, dst_step);
    for (; p < columns; ++p) {
      for (int64_t i = 0; i < side<T>; ++i) dst[p * dst_step + j + i] = src[(j + i) * src_step + p];
    }
  }
  for (; j < rows; ++j) {
    for (int64_t p = 0; p < columns; ++p) dst[p * dst_step + j] = src[j * src_step + p];
  }
}

// Squares of whole vectors, each written as a line of memory: in four rows, blocks of four columns are transposed as
// tiles are, and then the blocks of sixteen rows change places.
#if HWY_TARGET == HWY_AVX3
constexpr int64_t square_side = 16;

HWY_INLINE void TransposeSquare(const float* src, int64_t src_step, float* dst, int64_t dst_step) {
  const hn::ScalableTag<float> d;
  const hn::RepartitionToWide<decltype(d)> pairs;
  __m512 columns[4][4];  // [k][i]: of four rows from 4 * i on, columns k, k + 4, k + 8 and k + 12
  HWY_UNROLL(4)
  for (int i = 0; i < 4; ++i, src += 4 * src_step) {
    const auto a = hn::LoadU(d, src), b = hn::LoadU(d, src + src_step), c = hn::LoadU(d, src + 2 * src_step),
               e = hn::LoadU(d, src + 3 * src_step);
    const auto ab_lower = hn::BitCast(pairs, hn::InterleaveLower(d, a, b)),
               ab_upper = hn::BitCast(pairs, hn::InterleaveUpper(d, a, b)),
               ce_lower = hn::BitCast(pairs, hn::InterleaveLower(d, c, e)),
               ce_upper = hn::BitCast(pairs, hn::InterleaveUpper(d, c, e));
    columns[0][i] = hn::BitCast(d, hn::InterleaveLower(pairs, ab_lower, ce_lower)).raw;
    columns[1][i] = hn::BitCast(d, hn::InterleaveUpper(pairs, ab_lower, ce_lower)).raw;
    columns[2][i] = hn::BitCast(d, hn::InterleaveLower(pairs, ab_upper, ce_upper)).raw;
    columns[3][i] = hn::BitCast(d, hn::InterleaveUpper(pairs, ab_upper, ce_upper)).raw;
  }
  constexpr int lower = 0x44, upper = 0xEE, even = 0x88, odd = 0xDD;  // two blocks of each of two vectors
  HWY_UNROLL(4)
  for (int k = 0; k < 4; ++k, dst += dst_step) {
    const __m512* x = columns[k];
    const auto a = _mm512_shuffle_f32x4(x[0], x[1], lower), b = _mm512_shuffle_f32x4(x[2], x[3], lower),
               c = _mm512_shuffle_f32x4(x[0], x[1], upper), e = _mm512_shuffle_f32x4(x[2], x[3], upper);
    _mm512_storeu_ps(dst, _mm512_shuffle_f32x4(a, b, even));
    _mm512_storeu_ps(dst + 4 * dst_step, _mm512_shuffle_f32x4(a, b, odd));
    _mm512_storeu_ps(dst + 8 * dst_step, _mm512_shuffle_f32x4(c, e, even));
    _mm512_storeu_ps(dst + 12 * dst_step, _mm512_shuffle_f32x4(c, e, odd));
  }
}
#endif

template <class T>
void Transpose(const T* src, int64_t src_step, int64_t rows, int64_t columns, T* dst, int64_t dst_step) {
#if HWY_TARGET == HWY_AVX3
  if constexpr (sizeof(T) == 4) {
    if (rows == 0 || columns == 0) return;
    const int64_t whole = rows / square_side * square_side, across = columns / square_side * square_side;
    for (int64_t j = 0; j < whole; j += square_side) {
      for (int64_t p = 0; p < across; p += square_side)
        TransposeSquare(src + j * src_step + p, src_step, dst + p * dst_step + j, dst_step);
    }
    if (across < columns)
      TransposeTiles(src + across, src_step, whole, columns - across, dst + across * dst_step, dst_step);
    rows -= whole, src += whole * src_step, dst += whole;
  }
#endif
  TransposeTiles(src, src_step, rows, columns, dst, dst_step);
}

void TransposeF32(const float* src, int64_t src_step, int64_t rows, int64_t columns, float* dst, int64_t dst_step) {
  Transpose(src, src_step, rows, columns, dst, dst_step);
}
void TransposeF64(const double* src, int64_t src_step, int64_t rows, int64_t columns, double* dst, int64_t dst_step) {
  Transpose(src, src_step, rows, columns, dst, dst_step);
}

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(TransposeF32);
TELAIO_EXPORT(TransposeF64);

void transpose(const float* src, int64_t src_step, int64_t rows, int64_t columns, float* dst, int64_t dst_step) {
  TELAIO_DISPATCH(TransposeF32)(src, src_step, rows, columns, dst, dst_step);
}
void transpose(const double* src, int64_t src_step, int64_t rows, int64_t columns, double* dst, int64_t dst_step) {
  TELAIO_DISPATCH(TransposeF64)(src, src_step, rows, columns, dst, dst_step);
}

}  // namespace telaio::kernels
#endif  // HWY_ONCE
