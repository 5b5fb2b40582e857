// The derivative of an op that stands for a graph of others.
#pragma once

#include <vector>

#include <telaio/autograd/op.hpp>

namespace telaio {

/// For Op::vjp: the gradients by the inputs x that `needs` marks, of a graph with the outputs y that was built on x. gy
/// are the gradients by y, undefined where none reaches. The x count as independent of one another.
std::vector<Tensor> composed_vjp(Tensors x, Tensors y, Tensors gy, Needs needs);

}  // namespace telaio
