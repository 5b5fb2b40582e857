#include <telaio/ops/kernels/gemm_packed.hpp>

#include <unistd.h>

#include <algorithm>

namespace telaio::kernels {
namespace {

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }

// What a block of B takes: most of a core's second-level cache, where the system says how large that is. The bits of a
// product do not depend on it.
int64_t block_bytes() {
  static const int64_t bytes = [] {
    int64_t cache = 1 << 20;
#ifdef _SC_LEVEL2_CACHE_SIZE
    if (const long known = sysconf(_SC_LEVEL2_CACHE_SIZE); known > 0) cache = known;
#endif
    return std::clamp<int64_t>(cache, 512 << 10, 4 << 20) * 11 / 16;
  }();
  return bytes;
}
// Register tiles of rows of A that are found at a time: where rows are asked for ahead, the next one alone; where
// columns are copied, whole lines of them.
constexpr int64_t row_tiles_at_a_time = 1, column_tiles_at_a_time = 2;

// Columns of B that may be packed at the same time. Where several threads work, each has blocks of its own, whose lines
// need not pass from core to core, of so many columns at least, since for each block all of A is found anew.
constexpr int64_t most_columns = 4096, own_columns = 512;

// Blocks of B, all as large as may be. Their depth is the order of additions, so it follows from k alone.
template <class T>
struct Blocks {
  int64_t depth, columns;

  Blocks(const GemmShape& s, int64_t widest) : depth(divide_up(s.k, divide_up(s.k, gemm_block_depth<T>))), columns(0) {
    const int64_t width = micro_tile<T>().columns, in_cache = block_bytes() / (depth * int64_t{sizeof(T)});
    const int64_t most = std::max<int64_t>(std::min(in_cache, widest) / width, 1) * width;
    columns = round_up(divide_up(s.n, divide_up(s.n, most)), width);
  }
};

}  // namespace

template <class T>
int64_t packed_elements(int64_t n, int64_t depth) {
  return round_up(n, micro_tile<T>().columns) * depth;
}

template <class T>
void pack_panels(int64_t k0, int64_t depth, int64_t n0, int64_t n, int64_t most_depth, const FillB<T>& fill_b,
                 T* packed) {
  const int64_t width = micro_tile<T>().columns, panels = divide_up(n, width), pieces = divide_up(depth, most_depth);
  const int64_t grain = grain_among_awake(static_cast<double>(most_depth * width));
  parallel_for(panels * pieces, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t j = i % panels * width, p = i / panels * most_depth;
      const int64_t rows = std::min(most_depth, depth - p), columns = std::min(width, n - j);
      T* dst = packed + j * depth + p * width;
      fill_b(k0 + p, rows, n0 + j, columns, dst, width);
      for (int64_t q = 0; columns < width && q < rows; ++q)
        std::fill(dst + q * width + columns, dst + (q + 1) * width, T(0));
    }
  });
}

template <class T>
int64_t gemm_packed_scratch_bytes(const GemmShape& s) {
  return Blocks<T>(s, most_columns).depth * (std::min(s.n, most_columns) + own_columns) *
         static_cast<int64_t>(sizeof(T));
}

template <class T>
void gemm_packed(const GemmShape& s, const GemmOperands<T>& operands, void* scratch) {
  const Blocks<T> blocks(s, std::clamp(s.n / thread_count(), own_columns, most_columns));
  const MicroTile tile = micro_tile<T>();
  const int64_t tiles_at_a_time = operands.a != nullptr ? row_tiles_at_a_time : column_tiles_at_a_time;
  const int64_t at_a_time = most_columns / blocks.columns;
  const auto multiply = [&](int64_t block) {
    const int64_t n0 = block * blocks.columns, columns = std::min(blocks.columns, s.n - n0);
    T* const packed = static_cast<T*>(scratch) + block % at_a_time * blocks.columns * blocks.depth;
    for (int64_t k0 = 0; k0 < s.k; k0 += blocks.depth) {
      const int64_t depth = std::min(blocks.depth, s.k - k0);
      pack_panels<T>(k0, depth, n0, columns, operands.fill_depth, operands.fill_b, packed);
      const double products = static_cast<double>(tile.rows * columns) * static_cast<double>(depth);
      const int64_t tiles = divide_up(s.m, tile.rows),
                    grain = static_cast<int64_t>(gemm_task_products<T> / (4 * products)) + 1;
      parallel_for(tiles, grain, [&](int64_t begin, int64_t end) {
        alignas(64) T a[gemm_block_pitch<T> * gemm_block_depth<T>];
        const T* a_rows[gemm_block_rows];
        T* c_rows[gemm_block_rows];
        for (int64_t i = begin; i < end; i += tiles_at_a_time) {
          const int64_t m0 = i * tile.rows;
          const int64_t rows = std::min(std::min(tiles_at_a_time, end - i) * tile.rows, s.m - m0);
          operands.locate_c(m0, rows, c_rows);
          const int64_t a_step = operands.locate_a(m0, rows, k0, depth, a, a_rows);
          BlockProduct<T> product{.m = rows,
                                  .n = columns,
                                  .run_length = depth,
                                  .a_rows = a_rows,
                                  .a_step = a_step,
                                  .b = packed,
                                  .b_panel_step = depth * tile.columns,
                                  .b_row_step = tile.columns,
                                  .rows_first = true,
                                  .c_rows = c_rows,
                                  .c_column = n0,
                                  .accumulate = k0 > 0};
          if (operands.a != nullptr && m0 + rows + tile.rows <= s.m) {
            product.a_after = operands.a + (m0 + rows) * operands.a_row_stride + k0;
            product.a_after_step = operands.a_row_stride;
          }
          if (k0 + depth == s.k) product.epilogue = operands.epilogue;
          multiply_block(product);
        }
      });
    }
  };
  const int64_t all = divide_up(s.n, blocks.columns);
  for (int64_t first = 0; first < all; first += at_a_time)
    parallel_for(std::min(at_a_time, all - first), 1, [&](int64_t begin, int64_t end) {
      for (int64_t block = first + begin; block < first + end; ++block) multiply(block);
    });
}

#define TELAIO_INSTANTIATE(T)                                                                  \
  template int64_t packed_elements<T>(int64_t, int64_t);                                       \
  template void pack_panels(int64_t, int64_t, int64_t, int64_t, int64_t, const FillB<T>&, T*); \
  template int64_t gemm_packed_scratch_bytes<T>(const GemmShape&);                             \
  template void gemm_packed(const GemmShape&, const GemmOperands<T>&, void*);
TELAIO_INSTANTIATE(float)
TELAIO_INSTANTIATE(double)
#undef TELAIO_INSTANTIATE

}  // namespace telaio::kernels
