// Gathers, scatters and what is made of indices. All arrays are contiguous; sizes and counts are in elements.
//
// Index: int32_t or int64_t. An index in [-len, len) is good, a negative one counts from the end. Functions that
// return int64_t check all indices before they write anything: they return -1, or the position in `idx` of the first
// bad one with the output untouched. elem_size is 1, 2, 4 or 8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace telaio::kernels {

/// y[o, j, i] = x[o, idx[j], i] for x [outer, len, inner], idx [count], y [outer, count, inner].
template <class Index>
int64_t take(int elem_size, int64_t outer, int64_t len, int64_t inner, int64_t count, const Index* idx, const void* x,
             void* y);

/// The transpose of take: y [outer, len, inner] is zeroed, then y[o, idx[j], i] += updates[o, j, i] in the order of j
/// (so sums have the same bits on any thread count). T: float, double, int32_t, int64_t, uint8_t; integers wrap.
template <class T, class Index>
int64_t scatter_add(int64_t outer, int64_t len, int64_t inner, int64_t count, const Index* idx, const T* updates, T* y);

/// y[o, j, i] = x[o, idx[o, j, i], i] for x [outer, len, inner], idx and y [outer, count, inner].
template <class Index>
int64_t gather_along(int elem_size, int64_t outer, int64_t len, int64_t inner, int64_t count, const Index* idx,
                     const void* x, void* y);

/// The transpose of gather_along: y [outer, len, inner] is zeroed, then y[o, idx[o, j, i], i] += updates[o, j, i] in
/// the order of j. Types as for scatter_add.
template <class T, class Index>
int64_t scatter_add_along(int64_t outer, int64_t len, int64_t inner, int64_t count, const Index* idx, const T* updates,
                          T* y);

/// y[j, c] = (c == idx[j]) for y [n, classes]. T: float, double, int32_t, int64_t, uint8_t, bool.
template <class T, class Index>
int64_t one_hot(int64_t n, int64_t classes, const Index* idx, T* y);

/// What arange counts in: double for floats.
template <class T>
using ArangeStep = std::conditional_t<std::is_floating_point_v<T>, double, T>;

/// y[i] = start + i·step; floats are computed in double and rounded once, integers wrap.
/// T: float, double, int32_t, int64_t, uint8_t.
template <class T>
void arange(ArangeStep<T> start, ArangeStep<T> step, int64_t n, T* y);

/// y[r, c] = (r == c) for y [rows, cols]. T: as one_hot.
template <class T>
void eye(int64_t rows, int64_t cols, T* y);

/// x of in_shape lands at `before` in y of out_shape (before[a] ≥ 0, before[a] + in_shape[a] ≤ out_shape[a]); `value`
/// points to the element that fills the rest.
void pad_constant(int elem_size, int rank, const int64_t* in_shape, const int64_t* before, const int64_t* out_shape,
                  const void* value, const void* x, void* y);

/// Copies `rows` rows of row_bytes between arrays whose rows start src_pitch and dst_pitch bytes apart: one operand of
/// a concatenation into its result, or one piece of a split out of it.
void copy_block(int64_t rows, int64_t row_bytes, const void* src, int64_t src_pitch, void* dst, int64_t dst_pitch);

}  // namespace telaio::kernels
