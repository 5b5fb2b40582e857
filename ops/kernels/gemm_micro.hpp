// The innermost part of every matrix multiply: one block of A times a run of packed panels of B, in registers.
#pragma once

#include <cstdint>

namespace telaio::kernels {

/// The largest block of A: its rows, and its columns for each type. Such a block takes 48 KB, lives on the stack of the
/// task that fills it and stays in the second-level cache while the panels of B pass by; a panel of B as deep as the
/// block takes 24 KB on AVX-512, which the first-level cache holds. Half or a third more depth measured the same.
inline constexpr int64_t gemm_block_rows = 64;
template <class T>
inline constexpr int64_t gemm_block_depth = 768 / sizeof(T);

/// How a block of A lies in memory: whichever way its source lies, so that filling it is a copy and not a
/// transposition.
enum class BlockOrder {
  row_major,     ///< element (i, p) at i * gemm_block_depth<T> + p
  column_major,  ///< element (i, p) at p * gemm_block_rows + i
};

/// The register tile of the current SIMD target: C is computed `rows` x `columns` at a time.
struct MicroTile {
  int64_t rows, columns;
};
template <class T>
MicroTile micro_tile();
/// The most columns of any target's tile: two vectors of 64 bytes.
template <class T>
inline constexpr int64_t widest_micro_tile = 128 / sizeof(T);

/// C (+)= A·B for [m,k]·[k,n] with m <= gemm_block_rows, k <= gemm_block_depth<T>. B is a row of panels as wide as the
/// register tile, panel j at b + j * b_panel_step, its k rows b_row_step apart. Columns of the last panel
/// beyond n are read and multiplied but never stored. Row i of C starts at c_rows[i] + c_column.
template <class T>
struct BlockProduct {
  int64_t m, n, k;
  const T* a;
  BlockOrder a_order;
  const T* b;
  int64_t b_panel_step, b_row_step;
  T* const* c_rows;
  int64_t c_column;
  bool accumulate;  ///< add to C instead of overwriting it
};
/// Every element is one chain of multiply-adds in the order of k, wherever in the block it lies.
template <class T>
void multiply_block(const BlockProduct<T>& block);

}  // namespace telaio::kernels
