// The register tile of every product, for each target: what it reads of B, how it finds the elements of A, where its
// sums go. How a block is cut into tiles is gemm_micro.cpp's.

#if defined(TELAIO_GEMM_TILE_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef TELAIO_GEMM_TILE_INL_HPP
#undef TELAIO_GEMM_TILE_INL_HPP
#else
#define TELAIO_GEMM_TILE_INL_HPP
#endif

#include <algorithm>

#include <hwy/highway.h>

#include <telaio/ops/kernels/gemm_micro.hpp>
#include <telaio/ops/kernels/mul_add-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Rows of the register tile, which is two vectors wide. With one register to broadcast A and two for B:
// 32 registers hold 14 x 2 sums, 16 hold 6 x 2. A plain 4 x 2 where vectors are scalars. The wide tile is four vectors
// wide and needs the 32 registers: 6 x 4 sums, four for B.
#if HWY_TARGET == HWY_AVX3
constexpr int tile_rows = 14, wide_rows = 6;
#elif HWY_TARGET == HWY_AVX2
constexpr int tile_rows = 6, wide_rows = 0;
#else
constexpr int tile_rows = 4, wide_rows = 0;
#endif
constexpr int tile_vectors = 2;

template <class T>
MicroTile TileOf(int rows, int vectors) {
  return {rows, vectors * static_cast<int64_t>(hn::Lanes(hn::ScalableTag<T>()))};
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

// Goes down two panels, which lie one behind the other, as a streaming one does that asks for other things beside.
template <class T>
class PairReader {
 public:
  HWY_INLINE PairReader(const T* b, int64_t panel_step, const Beside& beside, int64_t offset)
      : b_(b), panel_step_(panel_step), beside_(beside.lines), beside_offset_(offset) {}

  template <class V>
  HWY_INLINE void Next(V* row) {
    const hn::ScalableTag<T> d;
    constexpr int64_t lanes = hn::MaxLanes(d), width = tile_vectors * lanes, ahead = rows_ahead / 2 * width;
    HWY_UNROLL(4)
    for (int v = 0; v < tile_vectors; ++v) {
      row[v] = hn::LoadU(d, b_ + v * lanes);
      row[tile_vectors + v] = hn::LoadU(d, b_ + panel_step_ + v * lanes);
      __builtin_prefetch(b_ + ahead + v * lanes, 0, 3);
      __builtin_prefetch(b_ + panel_step_ + ahead + v * lanes, 0, 3);
    }
    b_ += width;
    prefetch(*beside_++ + beside_offset_);
  }
  HWY_INLINE void EndRun(int64_t) {}

 private:
  const T* HWY_RESTRICT b_;
  int64_t panel_step_;
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

// The same for the first `pairs` wide tiles.
template <int rows, class T>
HWY_NOINLINE void MultiplyPairs(const BlockProduct<T>& block, const T* const* a_rows, T* const* c_rows, int64_t pairs) {
  constexpr int vectors = 2 * tile_vectors;
  constexpr int64_t width = vectors * hn::MaxLanes(hn::ScalableTag<T>());
  const T* row[rows];
  HWY_UNROLL(16)
  for (int r = 0; r < rows; ++r) row[r] = a_rows[r];
  for (int64_t pair = 0; pair < pairs; ++pair) {
    hn::Vec<hn::ScalableTag<T>> sum[rows][vectors];
    Clear<rows, vectors, T>(sum);
    PairReader<T> reader(block.b + 2 * pair * block.b_panel_step, block.b_panel_step, block.beside,
                         block.beside.offset + pair * block.beside.tile_step);
    AddProducts<Way::anywhere>(block, row, reader, sum);
    StoreSums(block, sum, c_rows, block.c_column + pair * width, width);
  }
}

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
