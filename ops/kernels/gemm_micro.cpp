#include <telaio/ops/kernels/gemm_micro.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

#include <algorithm>
#include <array>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/gemm_micro.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <telaio/ops/kernels/mul_add-inl.hpp>

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

template <class T>
MicroTile TileOf() {
  return {tile_rows, tile_vectors * static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()))};
}

// Into the second-level cache: the first has no room to spare. Always inline: GCC drops calls of a function that does
// nothing else.
HWY_INLINE void prefetch(const void* address) { __builtin_prefetch(address, 0, 2); }

// A panel of B, and the one that is needed next, which is asked for meanwhile.
template <class T>
struct Panel {
  const T* b;
  int64_t row_step;
  T* copy = nullptr;         // where the first tile puts the panel's rows side by side; null where they stay
  const T* ahead = nullptr;  // null for nothing
  bool few_tiles = false;
  const char* const* beside = nullptr;  // lines to ask for, each so many bytes further
  int64_t beside_offset = 0;
};

// What a tile does beside the multiply-adds, which takes units from them: as little as may be. The first one of a panel
// finds its rows b_row_step apart and copies them. As few lines can be on their way at a time, the second one asks for
// half of the next panel, the third for the rest; or the first for all where there are few. A streaming one has its
// rows of A in the first-level cache and asks for what it takes of B next; and, a line a step, which costs nothing, for
// what will be done with the tile.
enum class Task { first, asking, streaming, streaming_beside, other };
// Rows of B from what a streaming tile takes to what it asks for: some hundred cycles.
constexpr int rows_ahead = 16;
// The same for elements of A whose steps along k are lines apart.
constexpr int steps_ahead = 8;

// Goes down the rows of a panel, and does what its task asks for beside.
template <int vectors, Task task, class T>
class PanelReader {
 public:
  HWY_INLINE PanelReader(const Panel<T>& panel, int64_t ahead_step)
      : b_(panel.b),
        row_step_(panel.row_step),
        copy_(panel.copy),
        ahead_(panel.ahead),
        ahead_step_(ahead_step),
        few_tiles_(panel.few_tiles),
        beside_(panel.beside),
        beside_offset_(panel.beside_offset) {}

  template <class V>
  HWY_INLINE void Next(V* row) {
    const hn::ScalableTag<T> d;
    constexpr int64_t lanes = hn::MaxLanes(d);
    HWY_UNROLL(4)
    for (int v = 0; v < vectors; ++v) row[v] = hn::LoadU(d, b_ + v * lanes);
    b_ += row_step_;
    if constexpr (task == Task::first) {
      if (few_tiles_ && ahead_ != nullptr) {
        prefetch(ahead_);
        if (vectors > 1) prefetch(ahead_ + lanes);
        ahead_ += ahead_step_;
      }
      if (copy_ != nullptr) {
        HWY_UNROLL(4)
        for (int v = 0; v < vectors; ++v) hn::StoreU(row[v], d, copy_ + v * lanes);
        copy_ += tile_vectors * lanes;
      }
    }
    if constexpr (task == Task::asking) {
      prefetch(ahead_);
      ahead_ += ahead_step_;
    }
    if constexpr (task == Task::streaming || task == Task::streaming_beside) {  // b_ is a row further already
      const int64_t step = task == Task::streaming ? tile_vectors * lanes : row_step_;
      HWY_UNROLL(4)
      for (int v = 0; v < vectors; ++v) __builtin_prefetch(b_ + (rows_ahead - 1) * step + v * lanes, 0, 3);
    }
    if constexpr (task == Task::streaming_beside) prefetch(*beside_++ + beside_offset_);
  }
  HWY_INLINE void EndRun(int64_t gap) { b_ += gap; }

 private:
  const T* HWY_RESTRICT b_;
  int64_t row_step_;
  T* HWY_RESTRICT copy_;
  const T* ahead_;
  int64_t ahead_step_;
  bool few_tiles_;
  const char* const* beside_;
  int64_t beside_offset_;
};

// Whether each of the next `count` rows is as far from its counterpart among the first.
template <int count, class T>
HWY_INLINE bool AreApart(const T* const* rows, int64_t apart) {
  int64_t differences = 0;
  HWY_UNROLL(8)
  for (int r = 0; r < count; ++r) differences |= (rows[count + r] - rows[r]) ^ apart;
  return differences == 0;
}

// Whether each row begins an element behind the one before.
template <int count, class T>
HWY_INLINE bool AreAdjacent(const T* const* rows) {
  if (rows[1] != rows[0] + 1) return false;
  bool adjacent = true;
  HWY_UNROLL(16)
  for (int r = 2; r < count; ++r) adjacent &= rows[r] == rows[0] + r;
  return adjacent;
}

// One vector of a tile of C, or its first columns.
template <bool whole, class T>
HWY_INLINE void StoreVector(const T* tile, const BlockProduct<T>& block, int64_t column, int64_t columns, T* c) {
  const hn::ScalableTag<T> d;
  const auto zero = hn::Zero(d);
  const auto stored = hn::FirstN(d, static_cast<size_t>(columns));
  const auto load = [&](const T* from)
                        HWY_ATTR { return whole ? hn::LoadU(d, from) : hn::MaskedLoad(stored, d, from); };
  const Epilogue<T>& epilogue = block.epilogue;
  auto x = hn::Load(d, tile);
  if (block.accumulate) x = hn::Add(load(c), x);
  if (epilogue.bias != nullptr) x = hn::Add(x, load(epilogue.bias + column));
  if (epilogue.relu) x = hn::IfThenZeroElse(hn::Lt(x, zero), x);
  if (epilogue.gated) x = hn::IfThenElseZero(hn::Gt(load(epilogue.gate_of(c)), zero), x);
  if (whole) hn::StoreU(x, d, c);
  else hn::BlendedStore(x, stored, d, c);
}

// What is not plainly stored, as the last columns or an epilogue, by way of the stack: every tile would need the code,
// and what was just written to C may be far away, so that reading it again would wait.
template <class T>
HWY_NOINLINE void StoreTile(const T* tile, int64_t rows, int64_t width, const BlockProduct<T>& block, T* const* c_rows,
                            int64_t c_column, int64_t columns) {
  constexpr int64_t lanes = hn::MaxLanes(hn::ScalableTag<T>());
  for (int64_t r = 0; r < rows; ++r) {
    T* c = c_rows[r] + c_column;
    int64_t j = 0;
    for (; j + lanes <= columns; j += lanes) StoreVector<true>(tile + r * width + j, block, c_column + j, lanes, c + j);
    if (j < columns) StoreVector<false>(tile + r * width + j, block, c_column + j, columns - j, c + j);
  }
}

// Three ways to the elements of A; addresses take instructions, too.
enum class Way { adjacent, apart, anywhere };

template <int rows, class T>
HWY_INLINE Way WayTo(const T* const (&row)[rows], const BlockProduct<T>& block) {
  constexpr int half = rows > 1 ? rows / 2 : 1;
  // Few addresses fit in registers, and a short k does not pay for a look at the rows.
  if (rows <= 8 || block.runs * block.run_length < 32) return Way::anywhere;
  if (AreAdjacent<rows>(row)) return Way::adjacent;
  return multiplies_from_memory && AreApart<half>(row, row[rows - half] - row[0]) ? Way::apart : Way::anywhere;
}

// Adds the products of a tile's rows and a panel to its sums.
template <Way way, int rows, int vectors, class T, class Reader, class V>
HWY_INLINE void AddProducts(const BlockProduct<T>& block, const T* const (&row)[rows], Reader& reader,
                            V (&sum)[rows][vectors]) {
  const int64_t runs = block.runs, length = block.run_length, step = block.a_step, run_step = block.a_run_step;
  const int64_t gap = block.b_run_gap;
  V b_row[vectors];
  if constexpr (way == Way::adjacent) {
    for (int64_t run = 0; run < runs; ++run) {
      const T* a = row[0] + run * run_step;
      for (int64_t p = length; p > 0; --p, a += step) {
        reader.Next(b_row);
        __builtin_prefetch(a + steps_ahead * step, 0, 3);
        HWY_UNROLL(16)
        for (int r = 0; r < rows; ++r) {
          if (r % 4 == 1) {
            MulAddFromMemory(a + r, b_row, sum[r]);
          } else {
            MulAddLoaded(a + r, b_row, sum[r]);
          }
        }
      }
      reader.EndRun(gap);
    }
  } else if constexpr (way == Way::apart) {
    constexpr int half = rows > 1 ? rows / 2 : 1;
    const int64_t apart = row[rows - half] - row[0];
    for (int64_t run = 0; run < runs; ++run) {
      const T* upper[half];
      HWY_UNROLL(8)
      for (int r = 0; r < half; ++r) upper[r] = row[r] + run * run_step;
      for (int64_t p = length; p > 0; --p) {
        reader.Next(b_row);
        HWY_UNROLL(8)
        for (int r = 0; r < half; ++r) {
          MulAddFromMemory(upper[r], b_row, sum[r]);
          MulAddLoaded(upper[r] + apart, b_row, sum[rows - half + r]);
          upper[r] += step;
        }
      }
      reader.EndRun(gap);
    }
  } else {
    for (int64_t run = 0; run < runs; ++run) {
      int64_t at = run * run_step;
      for (int64_t p = length; p > 0; --p, at += step) {
        reader.Next(b_row);
        HWY_UNROLL(16)
        for (int r = 0; r < rows; ++r) MulAddLoaded(row[r] + at, b_row, sum[r]);
      }
      reader.EndRun(gap);
    }
  }
}

// A tile's sums, of which `columns` elements are stored.
template <int rows, int vectors, class T, class V>
HWY_INLINE void StoreSums(const BlockProduct<T>& block, V (&sum)[rows][vectors], T* const* c_rows, int64_t c_column,
                          int64_t columns) {
  const hn::ScalableTag<T> d;
  constexpr int64_t lanes = hn::MaxLanes(d);
  if (columns == vectors * lanes && !block.epilogue.any()) {
    const auto each = [&](auto&& body) HWY_ATTR {
      HWY_UNROLL(16)
      for (int r = 0; r < rows; ++r) {
        HWY_UNROLL(4)
        for (int v = 0; v < vectors; ++v) body(sum[r][v], c_rows[r] + c_column + v * lanes);
      }
    };
    if (block.accumulate) each([&](V& x, const T* c) HWY_ATTR { x = hn::Add(hn::LoadU(d, c), x); });
    each([&](V& x, T* c) HWY_ATTR { hn::StoreU(x, d, c); });
    return;
  }
  HWY_ALIGN T tile[rows][vectors * lanes];
  HWY_UNROLL(16)
  for (int r = 0; r < rows; ++r) {
    HWY_UNROLL(4)
    for (int v = 0; v < vectors; ++v) hn::Store(sum[r][v], d, tile[r] + v * lanes);
  }
  StoreTile(tile[0], rows, vectors * lanes, block, c_rows, c_column, columns);
}

template <int rows, int vectors, class T, class V>
HWY_INLINE void Clear(V (&sum)[rows][vectors]) {
  HWY_UNROLL(16)
  for (int r = 0; r < rows; ++r) {
    HWY_UNROLL(4)
    for (int v = 0; v < vectors; ++v) sum[r][v] = hn::Zero(hn::ScalableTag<T>());
  }
}

template <int rows, int vectors, class T, class Reader, class V>
HWY_INLINE void AddProducts(Way way, const BlockProduct<T>& block, const T* const (&row)[rows], Reader& reader,
                            V (&sum)[rows][vectors]) {
  switch (way) {
    case Way::adjacent:
      return AddProducts<Way::adjacent>(block, row, reader, sum);
    case Way::apart:
      return AddProducts<Way::apart>(block, row, reader, sum);
    case Way::anywhere:
      return AddProducts<Way::anywhere>(block, row, reader, sum);
  }
}

// One register tile of C: `rows` rows, `vectors` vectors wide, of which `columns` elements are stored.
template <int rows, int vectors, Task task, class T>
HWY_NOINLINE void MultiplyTile(const BlockProduct<T>& block, const T* const* a_rows, const Panel<T>& panel,
                               T* const* c_rows, int64_t c_column, int64_t columns) {
  constexpr int64_t lanes = hn::MaxLanes(hn::ScalableTag<T>());
  hn::Vec<hn::ScalableTag<T>> sum[rows][vectors];
  const T* row[rows];
  HWY_UNROLL(16)
  for (int r = 0; r < rows; ++r) row[r] = a_rows[r];
  Clear<rows, vectors, T>(sum);
  if (block.accumulate) {  // it may lie far away
    HWY_UNROLL(16)
    for (int r = 0; r < rows; ++r) {
      prefetch(c_rows[r] + c_column);
      if (vectors > 1) prefetch(c_rows[r] + c_column + std::min(lanes, columns - 1));
    }
  }
  PanelReader<vectors, task, T> reader(panel, block.b_row_step);
  AddProducts(WayTo(row, block), block, row, reader, sum);
  StoreSums(block, sum, c_rows, c_column, columns);
}

// Whole register tiles of the same rows, side by side: `panels` of them from panel `first` on. What is known of the
// rows is found once: between one tile's last multiply-add and the next one's first, every instruction counts.
template <Task task, class T>
HWY_NOINLINE void MultiplyPanels(const BlockProduct<T>& block, const T* const* a_rows, T* const* c_rows, int64_t first,
                                 int64_t panels, int64_t beside_offset) {
  constexpr int64_t width = tile_vectors * hn::MaxLanes(hn::ScalableTag<T>());
  const T* row[tile_rows];
  HWY_UNROLL(16)
  for (int r = 0; r < tile_rows; ++r) row[r] = a_rows[r];
  const Way way = WayTo(row, block);
  Panel<T> panel{.b = block.b + first * block.b_panel_step,
                 .row_step = block.b_row_step,
                 .beside = block.beside.lines,
                 .beside_offset = beside_offset};
  int64_t column = block.c_column + first * width;
  for (; panels > 0; --panels, column += width) {
    hn::Vec<hn::ScalableTag<T>> sum[tile_rows][tile_vectors];
    Clear<tile_rows, tile_vectors, T>(sum);
    PanelReader<tile_vectors, task, T> reader(panel, 0);
    AddProducts(way, block, row, reader, sum);
    StoreSums(block, sum, c_rows, column, width);
    panel.b += block.b_panel_step;
    panel.beside_offset += block.beside.tile_step;
  }
}

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

template <class T>
void MultiplyBlock(const BlockProduct<T>& block) {
  constexpr int64_t lanes = hn::MaxLanes(hn::ScalableTag<T>());
  constexpr int64_t width = tile_vectors * lanes;
  static_assert(width <= widest_micro_tile<T> && tile_rows <= tallest_micro_tile);
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

MicroTile TileF32() { return TileOf<float>(); }
MicroTile TileF64() { return TileOf<double>(); }
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
