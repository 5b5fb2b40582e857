// The innermost part of every matrix multiply: one block of A times a run of packed panels of B, in registers.
#pragma once

#include <cstddef>
#include <cstdint>

namespace telaio::kernels {

/// The largest block of A: its rows, fewer where they are copied, and its columns for each type. A copy takes up to 290
/// KB, lives on the stack of the task that fills it and stays in the second-level cache while the panels of B pass by.
/// As deep as that, a register tile's rows of A take 28 KB of the first-level cache on AVX-512.
inline constexpr int64_t gemm_block_rows = 256, gemm_copied_rows = 128;
template <class T>
inline constexpr int64_t gemm_block_depth = 2048 / sizeof(T);
/// From a column of a copied block to the next: an odd number of lines, so that they lie in all sets of a cache.
template <class T>
inline constexpr int64_t gemm_block_pitch = gemm_copied_rows + 64 / sizeof(T);

/// How a copied block of A lies in memory: whichever way its source lies, so that filling it is a copy and not a
/// transposition.
enum class BlockOrder {
  row_major,     ///< element (i, p) at i * gemm_block_depth<T> + p
  column_major,  ///< element (i, p) at p * gemm_block_pitch<T> + i
};

/// The register tile of the current SIMD target: C is computed `rows` x `columns` at a time.
struct MicroTile {
  int64_t rows, columns;
};
template <class T>
MicroTile micro_tile();
/// Another one, two panels of the former wide, with fewer rows: those of A may be a page apart, which fall into the
/// same few lines of a first-level cache, and need not be copied. No rows where the target has none.
template <class T>
MicroTile wide_micro_tile();
/// The most rows and columns of any target's tile: the latter two vectors of 64 bytes.
inline constexpr int64_t tallest_micro_tile = 14;
template <class T>
inline constexpr int64_t widest_micro_tile = 128 / sizeof(T);

/// What becomes of finished elements of C on their way to memory: c + bias, c < 0 ? 0 : c, gate > 0 ? c : 0, as the ops
/// do it.
template <class T>
struct Epilogue {
  const T* bias = nullptr;  ///< an element for each column of C
  bool relu = false;
  /// Whether there is a matrix like C that opens and shuts it, and how many bytes an element of it is behind C's.
  bool gated = false;
  std::ptrdiff_t gate = 0;

  bool any() const { return bias != nullptr || relu || gated; }
  const T* gate_of(const T* c) const {
    return reinterpret_cast<const T*>(reinterpret_cast<std::uintptr_t>(c) + static_cast<std::uintptr_t>(gate));
  }
};
/// The same for n elements in memory, from column `column` of C on.
template <class T>
void finish(const Epilogue<T>& epilogue, int64_t column, T* c, int64_t n) {
  if (epilogue.bias != nullptr)
    for (int64_t j = 0; j < n; ++j) c[j] += epilogue.bias[column + j];
  if (epilogue.relu)
    for (int64_t j = 0; j < n; ++j) c[j] = c[j] < 0 ? T(0) : c[j];
  if (epilogue.gated)
    for (int64_t j = 0; j < n; ++j) c[j] = epilogue.gate_of(c)[j] > 0 ? c[j] : T(0);
}

/// Memory that a block's whole register tiles ask for, one after the other, a line with each step along k, which costs
/// nothing: tile t of those that ask wants the lines at lines[p] + offset + t * tile_step, p < k.
struct Beside {
  const char* const* lines = nullptr;
  int64_t offset = 0, tile_step = 0;  ///< in bytes
  int64_t tiles = 0;                  ///< the first ones ask
};

/// C (+)= A·B for [m,k]·[k,n].
///
/// A is read where it lies: its k columns are `runs` runs of run_length each, and element (i, run * run_length + j) is
/// a_rows[i][run * a_run_step + j * a_step].
///
/// B is a row of panels as wide as the register tile, panel j at b + j * b_panel_step, its k rows b_row_step apart,
/// with b_run_gap more behind each run. Columns of the last panel beyond n are read and multiplied but never stored.
/// Where rows of a panel do not lie side by side (b_row_step is not the panel's width), b_copy must be room for one
/// panel: the first tile of rows writes it in passing, and the others read that.
///
/// Row i of C starts at c_rows[i] + c_column.
template <class T>
struct BlockProduct {
  int64_t m, n;
  int64_t runs = 1, run_length;
  const T* const* a_rows;
  int64_t a_run_step = 0, a_step;
  const T* b;
  int64_t b_panel_step = 0, b_row_step;
  int64_t b_run_gap = 0;  ///< elements of B that are left out behind each run; only without b_copy
  T* b_copy = nullptr;
  int64_t b_copy_step = 0;
  /// Tile after tile of rows passes by all panels, which lie side by side in the second-level cache, not panel after
  /// panel by all rows: then a tile's rows of A stay in the first-level cache, half the size of a panel.
  bool rows_first = false;
  /// In the target's wide tiles, of which `m` is the rows, one run of columns; `beside` says what each of them wants.
  bool wide = false;
  /// Where rows_first: what is wanted in the second-level cache meanwhile.
  Beside beside = {};
  const T* b_after = nullptr;  ///< a panel that will be needed next, its rows as far apart; null if none is known
  T* const* c_rows;
  int64_t c_column;
  bool accumulate;  ///< add to C instead of overwriting it
  Epilogue<T> epilogue = {};
};
/// A panel of fewer columns than the register tile has: rows of `columns` elements, row_step apart, one behind the
/// other as wide as the tile, with zeros behind them.
template <class T>
void copy_narrow_panel(const T* b, int64_t row_step, int64_t rows, int64_t columns, T* panel);

/// Every element is one chain of multiply-adds in the order of k, wherever in the block it lies.
template <class T>
void multiply_block(const BlockProduct<T>& block);

}  // namespace telaio::kernels
