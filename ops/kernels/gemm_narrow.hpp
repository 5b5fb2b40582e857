// Products with a few columns, as dot products: a register tile two vectors wide would compute mostly columns that are
// not there.
#pragma once

#include <telaio/ops/kernels/gemm_micro.hpp>

#include <cstdint>

namespace telaio::kernels {

inline constexpr int64_t most_narrow_columns = 6;

/// Whether a product is better computed so: few columns, and runs along k that fill vectors.
template <class T>
constexpr bool is_narrow(int64_t n, int64_t run_length) {
  return n > 0 && n <= most_narrow_columns && run_length >= 64 / static_cast<int64_t>(sizeof(T));
}

/// C = A·B for [m,k]·[k,n], n at most most_narrow_columns.
///
/// A is read where it lies: its k columns are `runs` runs of run_length each, and element (i, run * run_length + j) is
/// a_rows[i][run * a_run_step + j]. Of B, column j stands at b + j * b_column_step, its k elements side by side. Row i
/// of C starts at c_rows[i] + c_column.
template <class T>
struct NarrowProduct {
  int64_t m, n;
  int64_t runs, run_length;
  const T* const* a_rows;
  int64_t a_run_step;
  const T* b;
  int64_t b_column_step;
  T* const* c_rows;
  int64_t c_column;
  Epilogue<T> epilogue = {};
};
/// An element is the sum of as many chains of multiply-adds as a vector has lanes, wherever it lies.
template <class T>
void multiply_narrow(const NarrowProduct<T>& product);

}  // namespace telaio::kernels
