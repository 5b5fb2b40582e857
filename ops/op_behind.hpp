// Looking at the op that a tensor comes from: for rewrites of patterns.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/op.hpp>
#include <telaio/autograd/runtime/parallel.hpp>

namespace telaio {

/// The op behind x if it is a T, else null.
template <class T>
const T* op_behind(const Tensor& x) {
  return x.node()->kind() == Node::Kind::compute ? dynamic_cast<const T*>(&x.node()->op()) : nullptr;
}

/// The node behind y if it computes an op of that name, else null.
const Node* node_behind(const Tensor& y, std::string_view op);

/// The [O] that y, [..., O], repeats along all other axes; or undefined.
Tensor bias_behind(const Tensor& y);

/// Whether x is a constant zero, repeated or not.
bool is_zero(const Tensor& x);

/// What a tensor where(by > 0, passes, 0) is made of: the gradient of a relu, by its result.
struct Gate {
  Tensor by, passes;
};
std::optional<Gate> gate_behind(const Tensor& y);

/// For Op::followed_by of products and convolutions: the op that with_bias(relu) gives, of the inputs of `node` and a
/// bias for each of its last axis, where `readers` are a bias and maybe a relu; else undefined.
Tensor followed_by_bias(const Node& node, std::span<const Node* const> readers,
                        FunctionRef<OpPtr(bool relu)> with_bias);

}  // namespace telaio
