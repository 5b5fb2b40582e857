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
// need not pass from core to core, if it gets so many columns; and as many blocks as the others, if they stay so wide:
// for each block all of A is found anew.
constexpr int64_t most_columns = 4096, own_columns = 512, even_columns = 192;

// Blocks of B, all as large as may be. Their depth is the order of additions, so it follows from k alone.
template <class T>
struct Blocks {
  int64_t depth, columns;

  Blocks(const GemmShape& s, int64_t widest, int64_t width)
      : depth(divide_up(s.k, divide_up(s.k, gemm_block_depth<T>))), columns(0) {
    const int64_t in_cache = block_bytes() / (depth * int64_t{sizeof(T)});
    const int64_t most = std::max<int64_t>(std::min(in_cache, widest) / width, 1) * width;
    int64_t count = divide_up(s.n, most);
    if (const int64_t even = round_up(count, running_threads()); count > 1 && s.n / even >= even_columns) count = even;
    columns = round_up(divide_up(s.n, count), width);
  }
};

// What a row of register tiles asks for beside its multiply-adds, panel by panel: what it will add to, and the rows of
// A that are next, if they are known.
template <class T>
Beside list_next(const BlockProduct<T>& product, const MicroTile& tile, const T* next, int64_t row_stride,
                 const char** lines) {
  constexpr int64_t line = 64, element = sizeof(T);
  const int64_t width = tile.columns * element, panels = divide_up(product.n, tile.columns), k = product.run_length;
  int64_t count = 0;
  const auto list = [&](const T* row, int64_t bytes) {
    for (int64_t at = 0; at < bytes && count < k; at += line) lines[count++] = reinterpret_cast<const char*>(row) + at;
  };
  for (int64_t i = 0; i < tile.rows && product.accumulate; ++i) list(product.c_rows[i] + product.c_column, width);
  // Each panel asks for as much of a row of A as it is wide; where that is not all, for further pieces as well.
  for (int64_t at = 0; at < k && next != nullptr; at += panels * tile.columns)
    for (int64_t i = 0; i < tile.rows; ++i) list(next + at + i * row_stride, width);
  if (count == 0) return {};
  std::fill(lines + count, lines + k, lines[count - 1]);
  return {.lines = lines, .tile_step = width, .tiles = panels};
}

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
  return Blocks<T>(s, most_columns, widest_micro_tile<T>).depth * (std::min(s.n, most_columns) + own_columns) *
         static_cast<int64_t>(sizeof(T));
}

template <class T>
void gemm_packed(const GemmShape& s, const GemmOperands<T>& operands, void* scratch) {
  const MicroTile tall = micro_tile<T>(), wide = wide_micro_tile<T>();
  // Rows that would be copied for the tall tile are read in place by the wide one.
  const bool uses_wide = operands.a != nullptr && operands.most_rows == gemm_copied_rows && wide.rows > 0;
  const MicroTile tile = uses_wide ? wide : tall;
  const int64_t tiles_at_a_time = operands.a != nullptr ? row_tiles_at_a_time : column_tiles_at_a_time;
  const Blocks<T> blocks(s, std::clamp(s.n / running_threads(), own_columns, most_columns), tile.columns);
  const int64_t all = divide_up(s.n, blocks.columns),
                at_a_time = std::min({all, most_columns / blocks.columns, Places::most});
  Places places(at_a_time);
  const auto multiply = [&](int64_t block) {
    const int64_t n0 = block * blocks.columns, columns = std::min(blocks.columns, s.n - n0);
    const int place = places.take();
    T* const packed = static_cast<T*>(scratch) + place * blocks.columns * blocks.depth;
    // Rows of B that lie side by side are packed in passing by the first register tile.
    const bool in_passing = operands.b_to_pack != nullptr && columns % tall.columns == 0 && s.m > tile.rows;
    for (int64_t k0 = 0; k0 < s.k; k0 += blocks.depth) {
      const int64_t depth = std::min(blocks.depth, s.k - k0);
      const auto multiply_tiles = [&](int64_t begin, int64_t end, bool packs) {
        alignas(64) T a[gemm_block_pitch<T> * gemm_block_depth<T>];
        const T* a_rows[gemm_block_rows];
        T* c_rows[gemm_block_rows];
        const char* lines[gemm_block_depth<T>];
        for (int64_t i = begin; i < end; i += tiles_at_a_time) {
          const int64_t m0 = i * tile.rows;
          const int64_t rows = std::min(std::min(tiles_at_a_time, end - i) * tile.rows, s.m - m0);
          operands.locate_c(m0, rows, c_rows);
          int64_t a_step = 1;
          if (uses_wide) {
            for (int64_t r = 0; r < rows; ++r) a_rows[r] = operands.a + (m0 + r) * operands.a_row_stride + k0;
          } else {
            a_step = operands.locate_a(m0, rows, k0, depth, a, a_rows);
          }
          BlockProduct<T> product{.m = rows,
                                  .n = columns,
                                  .run_length = depth,
                                  .a_rows = a_rows,
                                  .a_step = a_step,
                                  .b = packed,
                                  .b_panel_step = depth * tall.columns,
                                  .b_row_step = tall.columns,
                                  .rows_first = true,
                                  .c_rows = c_rows,
                                  .c_column = n0,
                                  .accumulate = k0 > 0 || operands.accumulate};
          if (packs) {
            product.b = operands.b_to_pack + k0 * operands.b_row_stride + n0;
            product.b_panel_step = tall.columns;
            product.b_row_step = operands.b_row_stride;
            product.b_copy = packed;
            product.b_copy_step = depth * tall.columns;
            product.rows_first = false;
          } else if (rows >= tile.rows) {
            const T* next = operands.a != nullptr && m0 + rows + tile.rows <= s.m
                                ? operands.a + (m0 + rows) * operands.a_row_stride + k0
                                : nullptr;
            product.beside = list_next(product, tile, next, operands.a_row_stride, lines);
            product.wide = uses_wide && product.beside.tiles > 0;
          }
          if (k0 + depth == s.k) product.epilogue = operands.epilogue;
          multiply_block(product);
        }
      };
      if (in_passing) multiply_tiles(0, 1, true);
      else pack_panels<T>(k0, depth, n0, columns, operands.fill_depth, operands.fill_b, packed);
      const double products = static_cast<double>(tile.rows * columns) * static_cast<double>(depth);
      const int64_t tiles = divide_up(s.m, tile.rows), first = in_passing ? 1 : 0,
                    grain = static_cast<int64_t>(gemm_task_products<T> / (4 * products)) + 1;
      parallel_for(tiles - first, grain,
                   [&](int64_t begin, int64_t end) { multiply_tiles(first + begin, first + end, false); });
    }
    places.give(place);
  };
  for (int64_t first = 0; first < all; first += at_a_time)
    parallel_for(std::min(at_a_time, all - first), 1, [&](int64_t begin, int64_t end) {
      for (int64_t block = first + begin; block < first + end; ++block) multiply(block);
    });
}

namespace {

// Of C, on the stack.
template <class T>
constexpr int64_t piece_elements = 128 * 1024 / sizeof(T);

// The lines that hold rows m0.. of matrices of n columns, as far as the first panel of a register tile goes, one for
// each step along k: as many as there are steps, or the last one again.
template <class T>
void list_lines(std::span<const T* const> matrices, int64_t m0, int64_t n, const MicroTile& tile, int64_t k,
                const char** lines) {
  constexpr int64_t line = 64;
  int64_t count = 0;
  for (int64_t i = 0; i < tile.rows; ++i)
    for (const T* matrix : matrices)
      for (int64_t at = 0; at < tile.columns * static_cast<int64_t>(sizeof(T)) && count < k; at += line)
        lines[count++] = reinterpret_cast<const char*>(matrix + (m0 + i) * n) + at;
  for (; count < k; ++count) lines[count] = lines[count - 1];
}

}  // namespace

// Neither depends on the SIMD target, which may be another one when the product runs; all of B stays in a cache.
template <class T>
bool gemm_fits_in_pieces(const GemmShape& s) {
  return s.k > 0 && s.k <= gemm_block_depth<T> && s.n * tallest_micro_tile <= piece_elements<T> &&
         s.n * s.k * static_cast<int64_t>(sizeof(T)) <= block_bytes();
}

template <class T>
int64_t gemm_in_pieces_scratch_bytes(const GemmShape& s) {
  return round_up(s.n, widest_micro_tile<T>) * s.k * static_cast<int64_t>(sizeof(T));
}

template <class T>
void gemm_in_pieces(const GemmShape& s, const PieceOperands<T>& operands, std::span<const T* const> beside,
                    TakePiece<T> take, void* scratch) {
  const MicroTile tile = micro_tile<T>();
  T* const packed = static_cast<T*>(scratch);
  const bool packs = operands.b == nullptr;
  if (packs) pack_panels<T>(0, s.k, 0, s.n, operands.fill_depth, operands.fill_b, packed);
  const double products = static_cast<double>(tile.rows * s.n) * static_cast<double>(s.k);
  const int64_t tiles = divide_up(s.m, tile.rows),
                grain = static_cast<int64_t>(gemm_task_products<T> / (4 * products)) + 1;
  parallel_for(tiles, grain, [&](int64_t begin, int64_t end) {
    alignas(64) T a[gemm_block_pitch<T> * gemm_block_depth<T>];
    alignas(64) T c[piece_elements<T>];
    const char* lines[gemm_block_depth<T>];
    const T* a_rows[gemm_block_rows];
    T* c_rows[gemm_block_rows];
    for (int64_t i = begin; i < end; ++i) {
      const int64_t m0 = i * tile.rows, rows = std::min(tile.rows, s.m - m0);
      const int64_t a_step = operands.locate_a(m0, rows, 0, s.k, a, a_rows);
      for (int64_t r = 0; r < rows; ++r) c_rows[r] = c + r * s.n;
      BlockProduct<T> product{.m = rows,
                              .n = s.n,
                              .run_length = s.k,
                              .a_rows = a_rows,
                              .a_step = a_step,
                              .b = packs ? packed : operands.b,
                              .b_panel_step = packs ? s.k * tile.columns : tile.columns,
                              .b_row_step = packs ? tile.columns : operands.b_row_stride,
                              .rows_first = true,
                              .c_rows = c_rows,
                              .c_column = 0,
                              .accumulate = false};
      if (!beside.empty() && rows == tile.rows) {
        list_lines(beside, m0, s.n, tile, s.k, lines);
        const int64_t width = tile.columns * static_cast<int64_t>(sizeof(T));
        product.beside = {.lines = lines, .tile_step = width, .tiles = divide_up(s.n, tile.columns)};
      }
      multiply_block(product);
      take(m0, rows, c);
    }
  });
}

#define TELAIO_INSTANTIATE(T)                                                                                      \
  template int64_t packed_elements<T>(int64_t, int64_t);                                                           \
  template void pack_panels(int64_t, int64_t, int64_t, int64_t, int64_t, const FillB<T>&, T*);                     \
  template int64_t gemm_packed_scratch_bytes<T>(const GemmShape&);                                                 \
  template void gemm_packed(const GemmShape&, const GemmOperands<T>&, void*);                                      \
  template bool gemm_fits_in_pieces<T>(const GemmShape&);                                                          \
  template int64_t gemm_in_pieces_scratch_bytes<T>(const GemmShape&);                                              \
  template void gemm_in_pieces(const GemmShape&, const PieceOperands<T>&, std::span<const T* const>, TakePiece<T>, \
                               void*);
TELAIO_INSTANTIATE(float)
TELAIO_INSTANTIATE(double)
#undef TELAIO_INSTANTIATE

}  // namespace telaio::kernels
