// Other shapes for the same elements. Nothing is copied where strides can express the result; where nothing changes, x
// itself comes back. Axes may be negative: they count from the end.
#pragma once

#include <optional>
#include <vector>

#include <telaio/autograd/builtin.hpp>
#include <telaio/autograd/tensor.hpp>

namespace telaio {

/// Row-major order is kept. One size may be −1: it follows from the others. Error when the counts differ.
Tensor reshape(const Tensor& x, const Shape& shape, const SourceLocation& where = TELAIO_HERE);
/// Joins the axes from `from` to the last; flatten(x, 1) keeps the batch. A scalar becomes [1].
Tensor flatten(const Tensor& x, int from = 0, const SourceLocation& where = TELAIO_HERE);
/// Axis i of the result is axis order[i] of x. Error unless the order names each axis once.
Tensor permute(const Tensor& x, const std::vector<int>& order, const SourceLocation& where = TELAIO_HERE);
/// Swaps two axes. Error when x has fewer than two.
Tensor transpose(const Tensor& x, int a = -2, int b = -1, const SourceLocation& where = TELAIO_HERE);
/// Repeats axes of size 1, and adds axes in front. Error where NumPy would not broadcast x to the shape.
Tensor broadcast_to(const Tensor& x, const Shape& shape, const SourceLocation& where = TELAIO_HERE);
/// The same, with PyTorch's −1 for an axis that stays as it is.
Tensor expand(const Tensor& x, const Shape& shape, const SourceLocation& where = TELAIO_HERE);
/// Drops axes of size 1: those named, or all. Error when a named one has another size.
Tensor squeeze(const Tensor& x, const std::vector<int>& axes = {}, const SourceLocation& where = TELAIO_HERE);
/// Inserts an axis of size 1 at `axis` of the result.
Tensor unsqueeze(const Tensor& x, int axis, const SourceLocation& where = TELAIO_HERE);
/// Reverses the order along the axes.
Tensor flip(const Tensor& x, const std::vector<int>& axes, const SourceLocation& where = TELAIO_HERE);

/// A range of an axis, as Python's start:stop:step: negative positions count from the end, missing ones are the ends,
/// positions beyond the ends are cut; a negative step walks backwards.
struct Range {
  std::optional<int64_t> start = {};
  std::optional<int64_t> stop = {};
  int64_t step = 1;
};
/// The ranges are for the first axes; further axes stay whole. Error when a step is 0 or there are too many ranges.
Tensor slice(const Tensor& x, const std::vector<Range>& ranges, const SourceLocation& where = TELAIO_HERE);
/// One range of one axis.
Tensor slice(const Tensor& x, int axis, int64_t start, int64_t stop, int64_t step = 1,
             const SourceLocation& where = TELAIO_HERE);
/// The transpose of slice: zeros of the given shape, with x where slice(zeros, ranges) looks. Error when that is not of
/// x's shape.
Tensor unslice(const Tensor& x, const Shape& shape, const std::vector<Range>& ranges,
               const SourceLocation& where = TELAIO_HERE);
/// Consecutive parts of an axis with the given sizes, which must add up to the axis.
std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& sizes, int axis,
                          const SourceLocation& where = TELAIO_HERE);
/// Equal parts; error when the axis does not divide.
std::vector<Tensor> split(const Tensor& x, int parts, int axis, const SourceLocation& where = TELAIO_HERE);

}  // namespace telaio
