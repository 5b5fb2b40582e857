// The functions of indexing.hpp that make or place values instead of looking them up.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/kernels/elem_size.hpp>
#include <telaio/ops/kernels/extents.hpp>
#include <telaio/ops/kernels/indexing.hpp>
#include <telaio/ops/kernels/indices.hpp>

namespace telaio::kernels {
namespace {

/// y [rows, width]: zeros, and a one in the column that `column(row)` says (none if it is outside).
template <class T, class Column>
void ones_at(int64_t rows, int64_t width, T* y, const Column& column) {
  const double cycles = 5 + static_cast<double>(width) * sizeof(T) / 16;
  parallel_for(rows, grain_for(cycles), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      std::fill_n(y + r * width, width, T{0});
      if (const int64_t c = column(r); c < width) y[r * width + c] = T{1};
    }
  });
}

}  // namespace

template <class T, class Index>
int64_t one_hot(int64_t n, int64_t classes, const Index* idx, T* y) {
  if (const int64_t bad = first_bad_index(idx, n, classes); bad >= 0) return bad;
  ones_at(n, classes, y, [&](int64_t j) { return resolve_index(idx[j], classes); });
  return -1;
}

template <class T>
void eye(int64_t rows, int64_t cols, T* y) {
  ones_at(rows, cols, y, [](int64_t r) { return r; });
}

template <class T>
void arange(ArangeStep<T> start, ArangeStep<T> step, int64_t n, T* y) {
  parallel_for(n, grain_for(1), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      if constexpr (std::is_integral_v<T>)
        y[i] = static_cast<T>(static_cast<uint64_t>(start) + static_cast<uint64_t>(i) * static_cast<uint64_t>(step));
      else y[i] = static_cast<T>(start + static_cast<double>(i) * step);
    }
  });
}

void pad_constant(int elem_size, int rank, const int64_t* in_shape, const int64_t* before, const int64_t* out_shape,
                  const void* value, const void* x, void* y) {
  // Trailing axes without padding are one run with the last padded axis: y is [lines…, line], x lands in [left, right).
  int64_t run = 1;
  while (rank > 0 && in_shape[rank - 1] == out_shape[rank - 1]) run *= in_shape[--rank];
  const int last = std::max(rank - 1, 0);
  const int64_t line = rank > 0 ? out_shape[last] * run : run;
  const int64_t left = rank > 0 ? before[last] * run : 0, width = rank > 0 ? in_shape[last] * run : run;
  int64_t lines = 1;
  for (int a = 0; a < last; ++a) lines *= out_shape[a];

  by_elem_size(elem_size, [&]<class U>(U fill) {
    std::memcpy(&fill, value, sizeof(U));
    const U* from = static_cast<const U*>(x);
    U* to = static_cast<U*>(y);
    const double cycles = 10.0 * (last + 1) + static_cast<double>(line) * sizeof(U) / 8;
    parallel_for(lines, grain_for(cycles), [&](int64_t begin, int64_t end) {
      for (int64_t l = begin; l < end; ++l) {
        U* out = to + l * line;
        bool inside = true;
        int64_t source = 0, step = 1, rest = l;
        for (int a = last; a-- > 0;) {
          const int64_t i = rest % out_shape[a] - before[a];
          rest /= out_shape[a];
          inside = inside && i >= 0 && i < in_shape[a];
          source += i * step;
          step *= in_shape[a];
        }
        if (!inside) {
          std::fill_n(out, line, fill);
          continue;
        }
        std::fill_n(out, left, fill);
        std::copy_n(from + source * width, width, out + left);
        std::fill_n(out + left + width, line - left - width, fill);
      }
    });
  });
}

void copy_block(int64_t rows, int64_t row_bytes, const void* src, int64_t src_pitch, void* dst, int64_t dst_pitch) {
  constexpr int64_t piece = int64_t{1} << 18;  // long rows are cut, so that two of them keep many cores busy
  const int64_t pieces = (row_bytes + piece - 1) / piece;
  const double cycles = 10 + static_cast<double>(std::min(row_bytes, piece)) / 8;
  parallel_for(rows * pieces, grain_for(cycles), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t r = t / pieces, at = t % pieces * piece;
      std::memcpy(static_cast<char*>(dst) + r * dst_pitch + at, static_cast<const char*>(src) + r * src_pitch + at,
                  static_cast<size_t>(std::min(piece, row_bytes - at)));
    }
  });
}

#define TELAIO_ONES(T)                                            \
  template int64_t one_hot(int64_t, int64_t, const int32_t*, T*); \
  template int64_t one_hot(int64_t, int64_t, const int64_t*, T*); \
  template void eye(int64_t, int64_t, T*)
TELAIO_ONES(float);
TELAIO_ONES(double);
TELAIO_ONES(int32_t);
TELAIO_ONES(int64_t);
TELAIO_ONES(uint8_t);
TELAIO_ONES(bool);
#undef TELAIO_ONES

template void arange<float>(double, double, int64_t, float*);
template void arange<double>(double, double, int64_t, double*);
template void arange<int32_t>(int32_t, int32_t, int64_t, int32_t*);
template void arange<int64_t>(int64_t, int64_t, int64_t, int64_t*);
template void arange<uint8_t>(uint8_t, uint8_t, int64_t, uint8_t*);

}  // namespace telaio::kernels
