// Elements chosen by index. Indices are i32 or i64 (u8 is widened); negative ones count from the end. One out of range
// is an error when the op runs, which names the index and its place. Axes may be negative.
#pragma once

#include <telaio/autograd/tensor.hpp>

namespace telaio {

/// Whole slices of an axis: take([V,D], indices [N,T], 0) is [N,T,D], an embedding look-up. The axis is replaced by the
/// axes of `indices`.
Tensor take(const Tensor& x, const Tensor& indices, int axis = 0, const SourceLocation& where = TELAIO_HERE);
/// One element for each index: y[i,j] = x[i, indices[i,j]] for axis 1 of two. The shapes agree but for the axis.
Tensor gather(const Tensor& x, const Tensor& indices, int axis, const SourceLocation& where = TELAIO_HERE);
/// The transpose of take: zeros with `size` elements along `axis`, and the slices of `updates` (whose axes `axis`… are
/// those of `indices`) added where the indices say, in the order of the indices.
Tensor index_add(const Tensor& updates, const Tensor& indices, int axis, int64_t size,
                 const SourceLocation& where = TELAIO_HERE);
/// The transpose of gather: zeros with `size` elements along `axis`, and each element of `updates` added at its index.
Tensor scatter_add(const Tensor& updates, const Tensor& indices, int axis, int64_t size,
                   const SourceLocation& where = TELAIO_HERE);
/// A new last axis of `classes` elements, 1 at the index and 0 elsewhere.
Tensor one_hot(const Tensor& indices, int64_t classes, DType dtype = f32, const SourceLocation& where = TELAIO_HERE);

}  // namespace telaio
