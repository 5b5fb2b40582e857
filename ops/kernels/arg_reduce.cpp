#include <algorithm>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/kernels/reduce.hpp>

namespace telaio::kernels {
namespace {

/// Whether `v` takes the place of `best`: better, or the first NaN.
template <class T>
bool beats(bool max, T v, T best) {
  return (max ? v > best : v < best) || (v != v && best == best);
}

}  // namespace

template <class T>
void arg_reduce(bool max, int64_t outer, int64_t len, int64_t inner, const T* x, int64_t* y) {
  if (inner == 1) {
    parallel_for(outer, grain_for(10 + 1.5 * static_cast<double>(len)), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        const T* row = x + o * len;
        int64_t best = 0;
        for (int64_t j = 1; j < len; ++j)
          if (beats(max, row[j], row[best])) best = j;
        y[o] = best;
      }
    });
    return;
  }
  constexpr int64_t tile = 256;  // columns whose best values stay in the first-level cache
  const int64_t tiles = (inner + tile - 1) / tile;
  const double cycles = 2.0 * static_cast<double>(len) * static_cast<double>(std::min(inner, tile));
  parallel_for(outer * tiles, grain_for(cycles), [&](int64_t begin, int64_t end) {
    T best[tile];
    for (int64_t t = begin; t < end; ++t) {
      const int64_t o = t / tiles, first = t % tiles * tile, width = std::min(tile, inner - first);
      const T* row = x + o * len * inner + first;
      int64_t* index = y + o * inner + first;
      std::copy_n(row, width, best);
      std::fill_n(index, width, 0);
      for (int64_t j = 1; j < len; ++j) {
        row += inner;
        for (int64_t i = 0; i < width; ++i) {
          if (!beats(max, row[i], best[i])) continue;
          best[i] = row[i];
          index[i] = j;
        }
      }
    }
  });
}

template void arg_reduce(bool, int64_t, int64_t, int64_t, const float*, int64_t*);
template void arg_reduce(bool, int64_t, int64_t, int64_t, const double*, int64_t*);
template void arg_reduce(bool, int64_t, int64_t, int64_t, const int32_t*, int64_t*);
template void arg_reduce(bool, int64_t, int64_t, int64_t, const int64_t*, int64_t*);
template void arg_reduce(bool, int64_t, int64_t, int64_t, const uint8_t*, int64_t*);

}  // namespace telaio::kernels
