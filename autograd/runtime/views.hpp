// Which tensors are others seen with other strides.
#pragma once

#include <telaio/autograd/op.hpp>

namespace telaio {

/// What an output of a node is a view of, if its op says so of a contiguous one (Op::view); null for none.
const Tensor* viewed(const Node& node, size_t output);

/// Whether a node's only output is a view.
bool is_view(const Node& node);

/// The tensor that x is a view of, by way of others perhaps; x itself if it is none.
Tensor base_of(Tensor x);

/// Those that x will have.
Strides strides_of(const Tensor& x);

}  // namespace telaio
