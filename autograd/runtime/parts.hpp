// Ops that may be given any stretch of their elements (Op::runs_on_parts).
#pragma once

#include <telaio/autograd/op.hpp>

namespace telaio {

/// Inputs and outputs of an op that runs on parts, at most.
inline constexpr size_t most_part_operands = 16;

/// Whether all elements of a tensor with these strides are one.
bool is_repeated(const Strides& strides);

/// Whether stretches of a node's elements are stretches of memory in all of its operands, so that its op, which
/// runs_on_parts, can run on one.
bool has_parts(const Node& node);

/// Runs an op that runs_on_parts on `count` elements from `first` on, in row-major order, on the calling thread. Input
/// `piece`, if there is one, has these elements alone. Allocates nothing.
void run_on_part(const Op& op, Views x, Views y, int64_t first, int64_t count, size_t piece = most_part_operands);

}  // namespace telaio
