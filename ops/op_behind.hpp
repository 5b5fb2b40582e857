// Looking at the op that a tensor comes from: for rewrites of patterns.
#pragma once

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/op.hpp>

namespace telaio {

/// The op behind x if it is a T, else null.
template <class T>
const T* op_behind(const Tensor& x) {
  return x.node()->kind() == Node::Kind::compute ? dynamic_cast<const T*>(&x.node()->op()) : nullptr;
}

}  // namespace telaio
