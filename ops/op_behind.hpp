// Looking at the op that a tensor comes from: for rewrites of patterns.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/op.hpp>

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

/// What products and convolutions do on the way.
struct BiasRelu {
  Tensor bias;
  bool relu = false;
};
/// `readers` (as in Op::followed_by) as a bias, maybe followed by a relu, of the output of `node`; or nothing.
std::optional<BiasRelu> bias_relu(const Node& node, std::span<const Node* const> readers);

}  // namespace telaio
