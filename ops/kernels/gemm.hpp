// Matrix multiply: a blocked driver that convolutions share, and the products of plain matrices.
//
// The driver follows GotoBLAS and BLIS (Van Zee and van de Geijn, "BLIS", ACM TOMS 41:3, 2015), in two ways. Few rows
// of A: panels of B as wide as the register tile pass by a cache-sized block of A; each task owns some rows and columns
// of C. Unlike there, B is not packed beforehand where its rows are contiguous: the first tile of rows packs a panel in
// passing, which costs two stores beside some twenty multiply-adds and saves a pass through memory. Many rows, and a B
// whose rows are pages apart or no rows in memory: a block of B is packed (gemm_packed.hpp), and rows of A pass by it.
// Operands come through callbacks, so they need not exist as matrices.
//
// NaN and infinity propagate: no zero is skipped, and padding never meets an element that is stored.
#pragma once

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/kernels/extents.hpp>
#include <telaio/ops/kernels/gemm_micro.hpp>

#include <cstdint>
#include <span>

namespace telaio::kernels {

struct GemmShape {
  int64_t m, n, k;
};

/// Writes B[k0 .. k0+depth, n0 .. n0+columns] to dst, element (p, j) at p * pitch + j.
template <class T>
using FillB = FunctionRef<void(int64_t k0, int64_t depth, int64_t n0, int64_t columns, T* dst, int64_t pitch)>;

/// Finds A[m0 .. m0+rows, k0 .. k0+depth]: see GemmOperands.
template <class T>
using LocateA = FunctionRef<int64_t(int64_t m0, int64_t rows, int64_t k0, int64_t depth, T* block, const T** a_rows)>;

/// Is given rows m0 .. m0+rows of C, side by side, in the task that computed them.
template <class T>
using TakePiece = FunctionRef<void(int64_t m0, int64_t rows, const T* c)>;

/// Where the driver finds the two factors and puts the product of C = A·B, [m,k]·[k,n] → [m,n].
template <class T>
struct GemmOperands {
  /// Finds A[m0 .. m0+rows, k0 .. k0+depth] (rows <= most_rows, depth <= gemm_block_depth): writes the addresses of its
  /// rows and returns how far apart the elements of a row are. It may copy them to `block`, which has room for
  /// gemm_copied_rows in either BlockOrder.
  LocateA<T> locate_a;
  /// gemm_copied_rows where locate_a copies, else up to gemm_block_rows.
  int64_t most_rows;
  /// The columns of C that pay for finding a block of A: tasks are no narrower, unless C is.
  int64_t narrowest_task;
  /// B in memory where its rows are contiguous, and how far apart they are; else null, and fill_b is called.
  const T* b;
  int64_t b_row_stride;
  FillB<T> fill_b;
  /// Writes the addresses of C's rows m0 .. m0+rows, each n contiguous elements; they need not be evenly spaced.
  FunctionRef<void(int64_t m0, int64_t rows, T** c_rows)> locate_c;
  /// The most rows that fill_b is asked for at a time when a block of B is packed, of one panel after another.
  int64_t fill_depth = gemm_block_depth<T>;
  Epilogue<T> epilogue = {};
  /// A in memory where its rows are contiguous, to be asked for ahead, and how far apart they are; else null.
  const T* a = nullptr;
  int64_t a_row_stride = 0;
  /// B in memory where its rows are contiguous, but it is better packed; else null.
  const T* b_to_pack = nullptr;
  bool accumulate = false;  ///< add to C instead of overwriting it
};

/// What locate_a does after a copy in that order: the addresses of the rows, and the step that it returns.
template <class T>
int64_t rows_of_block(BlockOrder order, int64_t rows, const T* block, const T** a_rows) {
  const int64_t pitch = order == BlockOrder::row_major ? gemm_block_depth<T> : 1;
  for (int64_t i = 0; i < rows; ++i) a_rows[i] = block + i * pitch;
  return order == BlockOrder::row_major ? 1 : gemm_block_pitch<T>;
}

/// Bytes of scratch that gemm needs: a packed block of B where that is not in memory, and, when a long k is split, the
/// partial products.
template <class T>
int64_t gemm_scratch_bytes(const GemmShape& shape, bool b_in_memory = false);

/// Computes C, overwriting it or adding to it; k = 0 gives zeros. Where C is too small to occupy many cores and k is
/// long, k is cut into parts whose number depends on the shape alone, and the partial products are added in order.
template <class T>
void gemm(const GemmShape& shape, const GemmOperands<T>& operands, void* scratch);

/// multiply_block for a B in memory, from product.b on, whose contiguous rows are product.b_row_step apart;
/// b_panel_step and b_copy are ignored. At most gemm_block_depth columns of A.
template <class T>
void multiply_block_in_place(BlockProduct<T> product);

/// A matrix in memory; strides in elements, of any sign, 0 to repeat.
template <class T>
struct MatrixView {
  const T* data;
  int64_t row_stride, column_stride;
};

template <class T>
int64_t matmul_scratch_bytes(const GemmShape& shape);

/// [m,k]·[k,n] → [m,n], c contiguous; with `accumulate` added to what is there.
template <class T>
void matmul(const GemmShape& shape, const MatrixView<T>& a, const MatrixView<T>& b, T* c, void* scratch,
            const Epilogue<T>& epilogue = {}, bool accumulate = false);

/// Whether matmul_in_pieces can: neither k nor n may be too long.
template <class T>
bool matmul_fits_in_pieces(const GemmShape& shape);
template <class T>
int64_t matmul_in_pieces_scratch_bytes(const GemmShape& shape);
/// The product without memory of its own: each piece of it is taken while it is in the cache. `beside` are contiguous
/// matrices of its shape that `take` reads; their rows are asked for meanwhile.
template <class T>
void matmul_in_pieces(const GemmShape& shape, const MatrixView<T>& a, const MatrixView<T>& b,
                      std::span<const T* const> beside, TakePiece<T> take, void* scratch);

/// Batches of matrices: how the first matrix of each batch index lies in a and b. Both have the same shape (the shape
/// of the batch), and stride 0 where one matrix serves many.
template <class T>
int64_t matmul_batched_scratch_bytes(const GemmShape& shape, int64_t batches);

/// [batch..., m,k]·[batch..., k,n] → [batch..., m,n], c contiguous; with `accumulate` added to what is there.
template <class T>
void matmul_batched(const GemmShape& shape, const Extents& a_batch, const MatrixView<T>& a, const Extents& b_batch,
                    const MatrixView<T>& b, T* c, void* scratch, bool accumulate = false);

}  // namespace telaio::kernels
