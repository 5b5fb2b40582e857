// Products with a packed block of B: in the second-level cache, while many rows of A pass by it.
#pragma once

#include <telaio/ops/kernels/gemm.hpp>

namespace telaio::kernels {

/// Multiply-adds that a core with two 512-bit units does in 100k cycles: a task's worth of work.
template <class T>
inline constexpr double gemm_task_products = 100'000.0 * 2 * 64 / sizeof(T);

/// Packs B[k0 .. k0+depth, n0 .. n0+n] into panels as wide as the register tile, one behind the other, of
/// packed_elements(n, depth) in all, with zeros beyond n; fill_b is asked for a panel's width and at most most_depth
/// rows at a time, then for the same rows of the next panel.
template <class T>
int64_t packed_elements(int64_t n, int64_t depth);
template <class T>
void pack_panels(int64_t k0, int64_t depth, int64_t n0, int64_t n, int64_t most_depth, const FillB<T>& fill_b,
                 T* packed);

/// gemm, where that decides for it: k > 0, operands.b is ignored.
template <class T>
int64_t gemm_packed_scratch_bytes(const GemmShape& shape);
template <class T>
void gemm_packed(const GemmShape& shape, const GemmOperands<T>& operands, void* scratch);

/// Whether gemm_in_pieces can: a k of one block, a piece of C that the stack has room for.
template <class T>
bool gemm_fits_in_pieces(const GemmShape& shape);
template <class T>
int64_t gemm_in_pieces_scratch_bytes(const GemmShape& shape);
/// A and B as for gemm.
template <class T>
struct PieceOperands {
  LocateA<T> locate_a;
  FillB<T> fill_b;
  int64_t fill_depth;
  /// B in memory, where its rows are contiguous, whole panels and better not packed; else null.
  const T* b;
  int64_t b_row_stride;
};
/// C is not put into memory: a register tile's rows of it at a time are given to `take` while they are in the nearest
/// cache. `beside` are contiguous matrices of C's shape that `take` will read: asked for meanwhile, a line a step, they
/// arrive while multiply-adds keep the core busy.
template <class T>
void gemm_in_pieces(const GemmShape& shape, const PieceOperands<T>& operands, std::span<const T* const> beside,
                    TakePiece<T> take, void* scratch);

}  // namespace telaio::kernels
