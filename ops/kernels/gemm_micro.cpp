#include <telaio/ops/kernels/gemm_micro.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

#include <algorithm>
#include <array>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/gemm_micro.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <telaio/ops/kernels/gemm_tile-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Rows that are left over by whole tiles are cut into tiles of half the size and below, which take somewhat longer a
// row. So that none is computed in vain, m rows are cut into `whole` whole tiles and the rest in the cheapest way.
constexpr int half_rows = tile_rows > 8 ? 8 : tile_rows > 4 ? 4 : tile_rows / 2;
constexpr int64_t CheapestWhole(int64_t m) {
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
// Of so many rows or more, those tiles that are not whole follow from the remainder.
constexpr int64_t known_rows = (half_rows + 1) * tile_rows;
constexpr auto cheapest_whole = [] {
  std::array<uint8_t, known_rows + tile_rows> whole{};
  for (size_t m = 0; m < whole.size(); ++m) whole[m] = static_cast<uint8_t>(CheapestWhole(static_cast<int64_t>(m)));
  return whole;
}();
int64_t WholeTiles(int64_t m) {
  const int64_t more = std::max<int64_t>(m - known_rows, 0) / tile_rows;
  return more + cheapest_whole[static_cast<size_t>(m - more * tile_rows)];
}

// One panel of B against all rows of the block.
template <int rows, int vectors, class T>
void MultiplyRows(const BlockProduct<T>& block, int64_t end, Panel<T>& panel, int64_t c_column, int64_t columns,
                  int64_t i) {
  for (; i + rows <= end; i += rows) {
    auto tile = MultiplyTile<rows, vectors, Task::other, T>;
    if (i == 0 && (panel.copy != nullptr || (panel.few_tiles && panel.ahead != nullptr)))
      tile = MultiplyTile<rows, vectors, Task::first, T>;
    bool asks = false;
    if constexpr (rows == tile_rows && vectors == tile_vectors) {
      asks = !panel.few_tiles && panel.ahead != nullptr && i > 0 && i <= 2 * rows;
      if (asks) tile = MultiplyTile<rows, vectors, Task::asking, T>;
    }
    tile(block, block.a_rows + i, panel, block.c_rows + i, c_column, columns);
    if (panel.copy != nullptr) {
      panel.b = panel.copy;
      panel.row_step = tile_vectors * hn::MaxLanes(hn::ScalableTag<T>());
      panel.copy = nullptr;
    }
    if (asks) panel.ahead += hn::MaxLanes(hn::ScalableTag<T>());
  }
  if constexpr (rows > 1) {
    constexpr int fewer = rows > half_rows ? half_rows : rows / 2;
    if (i < block.m) MultiplyRows<fewer, vectors>(block, block.m, panel, c_column, columns, i);
  }
}

// Rows i.. of A in tiles of `rows` rows and below, each with all panels.
template <int rows, class T>
void StreamPanels(const BlockProduct<T>& block, int64_t end, int64_t i) {
  constexpr int64_t lanes = hn::MaxLanes(hn::ScalableTag<T>()), width = tile_vectors * lanes;
  int64_t asked = 0;
  for (; i + rows <= end; i += rows) {
    int64_t j = 0;
    if constexpr (rows == tile_rows) {
      const int64_t whole = block.n / width, asking = std::min(whole, block.beside.tiles - asked);
      const int64_t offset = block.beside.offset + asked * block.beside.tile_step;
      if (asking > 0)
        MultiplyPanels<Task::streaming_beside>(block, block.a_rows + i, block.c_rows + i, 0, asking, offset);
      if (asking < whole)
        MultiplyPanels<Task::streaming>(block, block.a_rows + i, block.c_rows + i, asking, whole - asking, 0);
      asked += asking;
      j = whole * width;
    }
    for (; j < block.n; j += width) {
      const Panel<T> panel{.b = block.b + j / width * block.b_panel_step, .row_step = block.b_row_step};
      const int64_t columns = std::min(width, block.n - j);
      const auto tile =
          columns > lanes ? MultiplyTile<rows, tile_vectors, Task::other, T> : MultiplyTile<rows, 1, Task::other, T>;
      tile(block, block.a_rows + i, panel, block.c_rows + i, block.c_column + j, columns);
    }
  }
  if constexpr (rows > 1) {
    constexpr int fewer = rows > half_rows ? half_rows : rows / 2;
    if (i < block.m) StreamPanels<fewer>(block, block.m, i);
  }
}

// As many rows as a wide tile has, in wide tiles; the columns that are left over in the others.
template <class T>
void StreamPairs(const BlockProduct<T>& block) {
  constexpr int64_t width = 2 * tile_vectors * hn::MaxLanes(hn::ScalableTag<T>());
  const int64_t pairs = block.n / width;
  MultiplyPairs<wide_rows>(block, block.a_rows, block.c_rows, pairs);
  if (pairs * width == block.n) return;
  BlockProduct<T> left = block;
  left.n -= pairs * width;
  left.b += 2 * pairs * block.b_panel_step;
  left.c_column += pairs * width;
  left.beside = {};
  StreamPanels<tile_rows>(left, WholeTiles(left.m) * tile_rows, 0);
}

template <class T>
void MultiplyBlock(const BlockProduct<T>& block) {
  constexpr int64_t lanes = hn::MaxLanes(hn::ScalableTag<T>());
  constexpr int64_t width = tile_vectors * lanes;
  static_assert(width <= widest_micro_tile<T> && tile_rows <= tallest_micro_tile);
  if constexpr (wide_rows > 0) {
    if (block.wide) return StreamPairs(block);
  }
  if (block.rows_first) return StreamPanels<tile_rows>(block, WholeTiles(block.m) * tile_rows, 0);
  int64_t j = 0;
  // The sums of a single row would wait for one another: where panels lie side by side, two at a time.
  if (block.m == 1 && block.b_panel_step == width) {
    for (; j + 2 * width <= block.n; j += 2 * width) {
      const Panel<T> panel{.b = block.b + j, .row_step = block.b_row_step, .few_tiles = true};
      MultiplyTile<1, 2 * tile_vectors, Task::first>(block, block.a_rows, panel, block.c_rows, block.c_column + j,
                                                     2 * width);
    }
  }
  const int64_t tiles = WholeTiles(block.m), whole = tiles * tile_rows;
  const bool one_tile = block.m == tile_rows || (block.m <= half_rows && (block.m & (block.m - 1)) == 0);
  T* const copies = one_tile && block.b_copy_step == 0 ? nullptr : block.b_copy;
  for (; j < block.n; j += width) {
    const T* b = block.b + j / width * block.b_panel_step;
    Panel<T> panel{.b = b,
                   .row_step = block.b_row_step,
                   .copy = copies == nullptr ? nullptr : copies + j / width * block.b_copy_step,
                   .ahead = j + width < block.n ? b + block.b_panel_step : block.b_after,
                   .few_tiles = tiles < 3};
    const int64_t columns = std::min(width, block.n - j);
    if (columns > lanes) {
      MultiplyRows<tile_rows, tile_vectors>(block, whole, panel, block.c_column + j, columns, 0);
    } else {
      MultiplyRows<tile_rows, 1>(block, whole, panel, block.c_column + j, columns, 0);
    }
  }
}

template <class T>
void CopyNarrowPanel(const T* b, int64_t row_step, int64_t rows, int64_t columns, T* panel) {
  const hn::ScalableTag<T> d;
  constexpr int64_t lanes = hn::MaxLanes(d);
  for (int64_t j = 0; j < tile_vectors * lanes; j += lanes, panel += lanes) {
    const auto there = hn::FirstN(d, static_cast<size_t>(std::clamp<int64_t>(columns - j, 0, lanes)));
    for (int64_t p = 0; p < rows; ++p) {
      const auto row = j < columns ? hn::MaskedLoad(there, d, b + p * row_step + j) : hn::Zero(d);
      hn::StoreU(row, d, panel + p * tile_vectors * lanes);
    }
  }
}

MicroTile TileF32() { return TileOf<float>(tile_rows, tile_vectors); }
MicroTile TileF64() { return TileOf<double>(tile_rows, tile_vectors); }
MicroTile WideTileF32() { return TileOf<float>(wide_rows, 2 * tile_vectors); }
MicroTile WideTileF64() { return TileOf<double>(wide_rows, 2 * tile_vectors); }
void CopyNarrowPanelF32(const float* b, int64_t row_step, int64_t rows, int64_t columns, float* panel) {
  CopyNarrowPanel(b, row_step, rows, columns, panel);
}
void CopyNarrowPanelF64(const double* b, int64_t row_step, int64_t rows, int64_t columns, double* panel) {
  CopyNarrowPanel(b, row_step, rows, columns, panel);
}
void MultiplyBlockF32(const BlockProduct<float>& block) { MultiplyBlock(block); }
void MultiplyBlockF64(const BlockProduct<double>& block) { MultiplyBlock(block); }

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(TileF32);
TELAIO_EXPORT(TileF64);
TELAIO_EXPORT(WideTileF32);
TELAIO_EXPORT(WideTileF64);
TELAIO_EXPORT(CopyNarrowPanelF32);
TELAIO_EXPORT(CopyNarrowPanelF64);
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
MicroTile wide_micro_tile<float>() {
  return TELAIO_DISPATCH(WideTileF32)();
}
template <>
MicroTile wide_micro_tile<double>() {
  return TELAIO_DISPATCH(WideTileF64)();
}
template <>
void copy_narrow_panel(const float* b, int64_t row_step, int64_t rows, int64_t columns, float* panel) {
  TELAIO_DISPATCH(CopyNarrowPanelF32)(b, row_step, rows, columns, panel);
}
template <>
void copy_narrow_panel(const double* b, int64_t row_step, int64_t rows, int64_t columns, double* panel) {
  TELAIO_DISPATCH(CopyNarrowPanelF64)(b, row_step, rows, columns, panel);
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
