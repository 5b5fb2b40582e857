// Graphs as pictures and as text.
#pragma once

#include <string>
#include <vector>

#include <telaio/autograd/tensor.hpp>

namespace telaio {

/// The graph behind the tensors in Graphviz's language: `dot -Tsvg`. Forward nodes are blue, those that a gradient
/// added orange, inputs, variables and constants outlined; edges carry type and shape; name scopes are boxes. Constants
/// that are single numbers are written into their users.
std::string to_dot(const std::vector<Tensor>& outputs);

/// The same as a listing, a line a node, inputs before users:
///     %3 = conv2d(%1, %2) stride=1 padding=valid -> f32[8,26,26,32]   conv1  model.cpp:41
std::string to_text(const std::vector<Tensor>& outputs);

}  // namespace telaio
