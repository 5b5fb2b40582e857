#include <telaio/ops/kernels/gemm_micro.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/gemm_micro.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Rows of the register tile, which is two vectors wide. With one register to broadcast A and two for B:
// 32 registers hold 14 x 2 sums, 16 hold 6 x 2. A plain 4 x 2 where vectors are scalars.
#if HWY_TARGET == HWY_AVX3
constexpr int tile_rows = 14;
#elif HWY_TARGET == HWY_AVX2
constexpr int tile_rows = 6;
#else
constexpr int tile_rows = 4;
#endif
constexpr int tile_vectors = 2;

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

template <class T>
MicroTile TileOf() {
  return {tile_rows, tile_vectors * static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()))};
}

// Into the second-level cache: the first has no room to spare.
void prefetch(const void* address) { __builtin_prefetch(address, 0, 2); }

// A panel of B. Its first tile of rows finds the rows b_row_step apart and puts them side by side in `copy`, unless
// that is null. Meanwhile the panel that is needed next, `ahead`, is asked for. Few lines can be on their way at a
// time: many tiles ask for a row every steps_ahead steps along k, of few tiles the first one for a row each step.
constexpr int64_t steps_ahead = 8;
template <class T>
struct Panel {
  const T* b;
  T* copy;
  const T* ahead;
  bool many_tiles;
};

// The first columns of a tile, one by one: kept apart, since every tile needs it.
template <class T>
HWY_NOINLINE void StoreColumns(const T* tile, int64_t rows, int64_t width, const BlockProduct<T>& block,
                               T* const* c_rows, int64_t c_column, int64_t columns) {
  for (int64_t r = 0; r < rows; ++r, tile += width) {
    T* c = c_rows[r] + c_column;
    for (int64_t j = 0; j < columns; ++j) c[j] = block.accumulate ? c[j] + tile[j] : tile[j];
    finish(block.epilogue, c_column, c, columns);
  }
}

// One register tile of C: `rows` rows, `vectors` vectors wide, of which `columns` elements are stored. The first one of
// a panel of B, or another: what is done beside the multiply-adds takes units from them.
template <int rows, int vectors, bool first, class T>
HWY_NOINLINE void MultiplyTile(const BlockProduct<T>& block, const T* const* a_rows, const Panel<T>& panel,
                               T* const* c_rows, int64_t c_column, int64_t columns) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int64_t lanes = hn::MaxLanes(d);

  const bool accumulate = block.accumulate;
  V sum[rows][vectors];
  const T* row[rows];
  HWY_UNROLL(16)
  for (int r = 0; r < rows; ++r) {
    row[r] = a_rows[r];
    if (accumulate) {  // it may lie far away
      prefetch(c_rows[r] + c_column);
      if (vectors > 1) prefetch(c_rows[r] + c_column + std::min(lanes, columns - 1));
    }
    HWY_UNROLL(4)
    for (int v = 0; v < vectors; ++v) sum[r][v] = hn::Zero(d);
  }
  const int64_t length = block.run_length, step = block.a_step, b_step = block.b_row_step;
  const T* HWY_RESTRICT b = panel.b;
  const T* ahead = panel.ahead;
  T* HWY_RESTRICT copy = panel.copy;
  const auto ask_ahead = [&] {
    prefetch(ahead);
    if (vectors > 1) prefetch(ahead + lanes);
    ahead += b_step;
  };
  for (int64_t run = 0; run < block.runs; ++run) {
    int64_t at = run * block.a_run_step;
    for (int64_t left = length; left > 0; left -= steps_ahead) {
      if (ahead != nullptr && panel.many_tiles) ask_ahead();
      for (int64_t p = std::min(left, steps_ahead); p > 0; --p, at += step) {
        V b_row[vectors];
        HWY_UNROLL(4)
        for (int v = 0; v < vectors; ++v) b_row[v] = hn::LoadU(d, b + v * lanes);
        if constexpr (first) {
          b += b_step;
          if (ahead != nullptr && !panel.many_tiles) ask_ahead();
          if (copy != nullptr) {
            HWY_UNROLL(4)
            for (int v = 0; v < vectors; ++v) hn::StoreU(b_row[v], d, copy + v * lanes);
            copy += tile_vectors * lanes;
          }
        } else {
          b += tile_vectors * lanes;
        }
        HWY_UNROLL(16)
        for (int r = 0; r < rows; ++r) {
          const V a_element = hn::Set(d, row[r][at]);
          HWY_UNROLL(4)
          for (int v = 0; v < vectors; ++v) sum[r][v] = hn::MulAdd(a_element, b_row[v], sum[r][v]);
        }
      }
    }
  }

  if (columns == vectors * lanes) {
    const T* bias = block.epilogue.bias;
    HWY_UNROLL(4)
    for (int v = 0; v < vectors; ++v) {
      const V b_sum = bias != nullptr ? hn::LoadU(d, bias + c_column + v * lanes) : hn::Zero(d);
      HWY_UNROLL(16)
      for (int r = 0; r < rows; ++r) {
        T* c = c_rows[r] + c_column + v * lanes;
        if (accumulate) sum[r][v] = hn::Add(hn::LoadU(d, c), sum[r][v]);
        if (bias != nullptr) sum[r][v] = hn::Add(sum[r][v], b_sum);
        if (block.epilogue.relu) sum[r][v] = hn::IfThenZeroElse(hn::Lt(sum[r][v], hn::Zero(d)), sum[r][v]);
        hn::StoreU(sum[r][v], d, c);
      }
    }
    return;
  }
  HWY_ALIGN T tile[rows][vectors * lanes];
  HWY_UNROLL(16)
  for (int r = 0; r < rows; ++r) {
    HWY_UNROLL(4)
    for (int v = 0; v < vectors; ++v) hn::Store(sum[r][v], d, tile[r] + v * lanes);
  }
  StoreColumns(tile[0], rows, vectors * lanes, block, c_rows, c_column, columns);
}

// Rows that are left over by whole tiles are cut into tiles of half the size and below, which take somewhat longer a
// row. So that none is computed in vain, m rows are cut into `whole` whole tiles and the rest in the cheapest way.
constexpr int half_rows = tile_rows > 8 ? 8 : tile_rows > 4 ? 4 : tile_rows / 2;
int64_t WholeTiles(int64_t m) {
  // About cycles for each step along k; a sum is ready for the next addition after four.
  const auto cost = [](int64_t rows) { return std::max<int64_t>(2 * rows, 8) + 3; };
  int64_t best = 0, least = -1;
  for (int64_t whole = m / tile_rows; whole >= 0 && whole > m / tile_rows - half_rows; --whole) {
    int64_t left = m - whole * tile_rows, sum = whole * cost(tile_rows);
    for (int64_t rows = half_rows; rows > 0; left %= rows, rows /= 2) sum += left / rows * cost(rows);
    if (least < 0 || sum < least) best = whole, least = sum;
  }
  return best;
}

// One panel of B against all rows of the block.
template <int rows, int vectors, class T>
void MultiplyRows(const BlockProduct<T>& block, int64_t end, Panel<T>& panel, int64_t c_column, int64_t columns,
                  int64_t i) {
  for (; i + rows <= end; i += rows) {
    const auto tile = i == 0 ? MultiplyTile<rows, vectors, true, T> : MultiplyTile<rows, vectors, false, T>;
    tile(block, block.a_rows + i, panel, block.c_rows + i, c_column, columns);
    if (panel.copy != nullptr) panel.b = panel.copy, panel.copy = nullptr;
    if (panel.ahead == nullptr || !panel.many_tiles) continue;
    const bool all_asked = i / rows + 1 == steps_ahead;
    panel.ahead =
        all_asked ? nullptr : panel.ahead + block.runs * divide_up(block.run_length, steps_ahead) * block.b_row_step;
  }
  if constexpr (rows > 1) {
    constexpr int fewer = rows > half_rows ? half_rows : rows / 2;
    if (i < block.m) MultiplyRows<fewer, vectors>(block, block.m, panel, c_column, columns, i);
  }
}

template <class T>
void MultiplyBlock(const BlockProduct<T>& block) {
  constexpr int64_t lanes = hn::MaxLanes(hn::ScalableTag<T>());
  constexpr int64_t width = tile_vectors * lanes;
  static_assert(width <= widest_micro_tile<T>);
  int64_t j = 0;
  // The sums of a single row would wait for one another: where panels lie side by side, two at a time.
  if (block.m == 1 && block.b_panel_step == width) {
    for (; j + 2 * width <= block.n; j += 2 * width) {
      const Panel<T> panel{.b = block.b + j, .copy = nullptr, .ahead = nullptr, .many_tiles = false};
      MultiplyTile<1, 2 * tile_vectors, true>(block, block.a_rows, panel, block.c_rows, block.c_column + j, 2 * width);
    }
  }
  const int64_t tiles = WholeTiles(block.m), whole = tiles * tile_rows;
  const bool one_tile = block.m == tile_rows || (block.m <= half_rows && (block.m & (block.m - 1)) == 0);
  for (; j < block.n; j += width) {
    const T* b = block.b + j / width * block.b_panel_step;
    const bool last = j + width >= block.n;
    Panel<T> panel{.b = b,
                   .copy = one_tile ? nullptr : block.b_copy,
                   .ahead = last ? nullptr : b + block.b_panel_step,
                   .many_tiles = tiles >= steps_ahead};
    const int64_t columns = std::min(width, block.n - j);
    if (columns > lanes) {
      MultiplyRows<tile_rows, tile_vectors>(block, whole, panel, block.c_column + j, columns, 0);
    } else {
      MultiplyRows<tile_rows, 1>(block, whole, panel, block.c_column + j, columns, 0);
    }
  }
}

MicroTile TileF32() { return TileOf<float>(); }
MicroTile TileF64() { return TileOf<double>(); }
void MultiplyBlockF32(const BlockProduct<float>& block) { MultiplyBlock(block); }
void MultiplyBlockF64(const BlockProduct<double>& block) { MultiplyBlock(block); }

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(TileF32);
TELAIO_EXPORT(TileF64);
TELAIO_EXPORT(MultiplyBlockF32);
TELAIO_EXPORT(MultiplyBlockF64);

template <>
MicroTile micro_tile<float>() {
  return TELAIO_DISPATCH(TileF32)();
}
template <>
MicroTile micro_tile<double>() {
  return TELAIO_DISPATCH(TileF64)();
}
template <>
void multiply_block(const BlockProduct<float>& block) {
  TELAIO_DISPATCH(MultiplyBlockF32)(block);
}
template <>
void multiply_block(const BlockProduct<double>& block) {
  TELAIO_DISPATCH(MultiplyBlockF64)(block);
}

}  // namespace telaio::kernels
#endif  // HWY_ONCE
