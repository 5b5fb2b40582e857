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

bool is_zero(const Tensor& x) {
  if (const Node* node = node_behind(x, "broadcast_to")) return is_zero(node->inputs()[0]);
  if (x.node()->kind() != Node::Kind::constant) return false;
  const Array& value = x.node()->values()->front();
  for (int axis = 0; axis < value.shape().rank(); ++axis)
    if (value.shape()[axis] != 1 && value.strides()[axis] != 0) return false;
  return with_dtype(value.dtype(), [&]<class T>() { return *value.data<T>() == T(0); });
}

std::optional<Gate> gate_behind(const Tensor& y) {
  const Node* where = node_behind(y, "where");
  if (!where || !is_zero(where->inputs()[2])) return {};
  const Node* greater = node_behind(where->inputs()[0], "greater");
  if (!greater || !is_zero(greater->inputs()[1])) return {};
  return Gate{greater->inputs()[0], where->inputs()[1]};
}

Tensor followed_by_bias(const Node& node, std::span<const Node* const> readers,
                        FunctionRef<OpPtr(bool relu)> with_bias) {
  if (readers.empty() || readers.size() > 2 || readers[0]->op().name() != "add") return {};
  Tensor bias;
  for (const Tensor& x : readers[0]->inputs())
    if (x.node() != &node) bias = bias_behind(x);
  if (!bias.defined() || bias.dtype() != node.outputs()[0].dtype) return {};
  const bool relu = readers.size() == 2;
  if (relu && (readers[1]->op().name() != "relu" || readers[1]->inputs()[0].node() != readers[0])) return {};
  std::vector<Tensor> x = node.inputs();
  x.push_back(std::move(bias));
  return Tensor(NodePtr(new Node(node, with_bias(relu), std::move(x), node.outputs())), 0);
}

}  // namespace telaio
