// Tensors laid side by side, and borders around them.
#pragma once

#include <utility>
#include <vector>

#include <telaio/autograd/tensor.hpp>

namespace telaio {

/// One behind the other along an existing axis; the other axes, and the types, must agree.
Tensor concat(const std::vector<Tensor>& parts, int axis, const SourceLocation& where = TELAIO_HERE);
/// Side by side along a new axis.
Tensor stack(const std::vector<Tensor>& parts, int axis = 0, const SourceLocation& where = TELAIO_HERE);
/// A border of `value`: for each axis how many elements before and after. Error for negative counts, or when there is
/// not a pair for every axis.
Tensor pad(const Tensor& x, const std::vector<std::pair<int64_t, int64_t>>& borders, double value = 0,
           const SourceLocation& where = TELAIO_HERE);

}  // namespace telaio
