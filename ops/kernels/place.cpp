#include <telaio/ops/kernels/place.hpp>

#include <algorithm>
#include <array>
#include <cstring>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/kernels/elem_size.hpp>
#include <telaio/ops/kernels/extents.hpp>

namespace telaio::kernels {
namespace {

struct Axis {
  int64_t size, src, dst;
};

// Long rows are cut, so that few of them keep many cores busy.
constexpr int64_t row_piece = 1 << 15;

template <class T>
void copy_run(const T* src, int64_t src_step, T* dst, int64_t dst_step, int64_t n) {
  if (src_step == 1 && dst_step == 1) {
    std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(T));
  } else if (dst_step == 1) {
    for (int64_t i = 0; i < n; ++i) dst[i] = src[i * src_step];
  } else {
    for (int64_t i = 0; i < n; ++i) dst[i * dst_step] = src[i * src_step];
  }
}

}  // namespace

void place(int elem_size, int rank, const int64_t* shape, const int64_t* src_strides, const void* src,
           const int64_t* dst_strides, void* dst) {
  // Axes of size 1 dropped, neighbours that step as one axis merged.
  std::array<Axis, max_rank> axes{};
  int count = 0;
  int64_t elements = 1;
  for (int a = 0; a < rank; ++a) {
    elements *= shape[a];
    if (shape[a] == 1) continue;
    const Axis axis{shape[a], src_strides[a], dst_strides[a]};
    Axis& outer = axes[static_cast<size_t>(std::max(count - 1, 0))];
    if (count > 0 && outer.src == axis.src * axis.size && outer.dst == axis.dst * axis.size) {
      outer = {outer.size * axis.size, axis.src, axis.dst};
    } else {
      axes[static_cast<size_t>(count++)] = axis;
    }
  }
  if (elements == 0) return;
  const Axis inner = count > 0 ? axes[static_cast<size_t>(count - 1)] : Axis{1, 1, 1};
  const int64_t pieces = (inner.size - 1) / row_piece + 1;

  by_elem_size(elem_size, [&]<class T>(T) {
    const double cycles = 10 + static_cast<double>(std::min(inner.size, row_piece));
    parallel_for(elements / inner.size * pieces, grain_for(cycles), [&](int64_t begin, int64_t end) {
      // Decoded once, then counted on like an odometer: rows may be short.
      int64_t at = begin % pieces * row_piece, from = 0, to = 0, rest = begin / pieces;
      std::array<int64_t, max_rank> index{};
      for (int a = count - 2; a >= 0; --a) {
        const Axis& axis = axes[static_cast<size_t>(a)];
        index[static_cast<size_t>(a)] = rest % axis.size;
        rest /= axis.size;
        from += index[static_cast<size_t>(a)] * axis.src;
        to += index[static_cast<size_t>(a)] * axis.dst;
      }
      for (int64_t task = begin; task < end; ++task) {
        copy_run(static_cast<const T*>(src) + from + at * inner.src, inner.src,
                 static_cast<T*>(dst) + to + at * inner.dst, inner.dst, std::min(row_piece, inner.size - at));
        at += row_piece;
        if (at < inner.size) continue;
        at = 0;
        for (int a = count - 2; a >= 0; --a) {
          const Axis& axis = axes[static_cast<size_t>(a)];
          from += axis.src;
          to += axis.dst;
          if (++index[static_cast<size_t>(a)] < axis.size) break;
          index[static_cast<size_t>(a)] = 0;
          from -= axis.size * axis.src;
          to -= axis.size * axis.dst;
        }
      }
    });
  });
}

}  // namespace telaio::kernels
