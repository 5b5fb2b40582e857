#include <telaio/ops/op_behind.hpp>

namespace telaio {

const Node* node_behind(const Tensor& y, std::string_view op) {
  const Node* node = y.node();
  return node->kind() == Node::Kind::compute && !node->values() && node->op().name() == op ? node : nullptr;
}

Tensor bias_behind(const Tensor& y) {
  const Node* node = node_behind(y, "broadcast_to");
  if (!node) return {};
  const Tensor& x = node->inputs()[0];
  return x.rank() == 1 && x.dim(0) == y.dim(-1) ? x : Tensor();
}

std::optional<BiasRelu> bias_relu(const Node& node, std::span<const Node* const> readers) {
  if (readers.empty() || readers.size() > 2 || readers[0]->op().name() != "add") return {};
  BiasRelu found;
  for (const Tensor& x : readers[0]->inputs())
    if (x.node() != &node) found.bias = bias_behind(x);
  if (!found.bias.defined() || found.bias.dtype() != node.outputs()[0].dtype) return {};
  if (readers.size() == 1) return found;
  found.relu = readers[1]->op().name() == "relu" && readers[1]->inputs()[0].node() == readers[0];
  return found.relu ? std::optional(std::move(found)) : std::nullopt;
}

}  // namespace telaio
