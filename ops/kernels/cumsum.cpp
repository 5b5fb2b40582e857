#include <algorithm>
#include <type_traits>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/kernels/reduce.hpp>

namespace telaio::kernels {
namespace {

// What sums are kept in: double for floats, unsigned for integers (the same bits, and wrapping around is defined).
template <class T>
using Sum = std::conditional_t<std::is_floating_point_v<T>, double, uint64_t>;

/// Running sums of x[0], x[step], … that start from `sum`.
template <class T>
void scan_row(const T* x, T* y, int64_t len, int64_t step, bool exclusive, Sum<T> sum) {
  for (int64_t j = 0; j < len; ++j, x += step, y += step) {
    const Sum<T> before = sum;
    sum += static_cast<Sum<T>>(*x);
    *y = static_cast<T>(exclusive ? before : sum);
  }
}

/// One long row: the totals of its blocks, their running sums, then every block from its own start.
template <class T>
void scan_long_row(int64_t len, const T* x, T* y, bool reverse, bool exclusive) {
  constexpr int64_t max_blocks = 256;
  const int64_t block = std::max<int64_t>(16384, (len - 1) / max_blocks + 1);
  const int64_t blocks = (len - 1) / block + 1;
  Sum<T> sums[max_blocks];
  parallel_for(blocks, grain_for(4.0 * static_cast<double>(block)), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      Sum<T> sum = 0;
      for (int64_t j = b * block; j < std::min(len, (b + 1) * block); ++j) sum += static_cast<Sum<T>>(x[j]);
      sums[b] = sum;
    }
  });
  Sum<T> running = 0;
  for (int64_t b = 0; b < blocks; ++b) {
    Sum<T>& start = sums[reverse ? blocks - 1 - b : b];
    const Sum<T> next = running + start;
    start = running;
    running = next;
  }
  parallel_for(blocks, grain_for(4.0 * static_cast<double>(block)), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t from = b * block, count = std::min(block, len - from);
      const int64_t first = reverse ? from + count - 1 : from;
      scan_row(x + first, y + first, count, reverse ? -1 : 1, exclusive, sums[b]);
    }
  });
}

}  // namespace

template <class T>
void cumsum(int64_t outer, int64_t len, int64_t inner, const T* x, T* y, bool reverse, bool exclusive) {
  if (len == 0) return;
  constexpr int64_t long_row = 65536;
  if (inner == 1 && len >= long_row && outer < 16) {
    for (int64_t o = 0; o < outer; ++o) scan_long_row(len, x + o * len, y + o * len, reverse, exclusive);
    return;
  }
  const int64_t step = reverse ? -inner : inner, first = reverse ? (len - 1) * inner : 0;
  constexpr int64_t tile = 256;  // columns whose sums stay in the first-level cache
  const int64_t tiles = inner == 0 ? 0 : (inner - 1) / tile + 1;
  const double cycles = 4.0 * static_cast<double>(len) * static_cast<double>(std::min(inner, tile));
  parallel_for(outer * tiles, grain_for(cycles), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t column = t % tiles * tile, width = std::min(tile, inner - column);
      const int64_t start = t / tiles * len * inner + first + column;
      if (width == 1) {
        scan_row(x + start, y + start, len, step, exclusive, Sum<T>{0});
        continue;
      }
      Sum<T> sums[tile] = {};
      for (int64_t j = 0; j < len; ++j) {
        for (int64_t i = 0; i < width; ++i) {
          const int64_t at = start + j * step + i;
          const Sum<T> before = sums[i];
          sums[i] += static_cast<Sum<T>>(x[at]);
          y[at] = static_cast<T>(exclusive ? before : sums[i]);
        }
      }
    }
  });
}

template void cumsum(int64_t, int64_t, int64_t, const float*, float*, bool, bool);
template void cumsum(int64_t, int64_t, int64_t, const double*, double*, bool, bool);
template void cumsum(int64_t, int64_t, int64_t, const int32_t*, int32_t*, bool, bool);
template void cumsum(int64_t, int64_t, int64_t, const int64_t*, int64_t*, bool, bool);
template void cumsum(int64_t, int64_t, int64_t, const uint8_t*, uint8_t*, bool, bool);

}  // namespace telaio::kernels
