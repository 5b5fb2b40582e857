#include <algorithm>
#include <iterator>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/executable.hpp>

namespace telaio {

void eval(Tensors tensors) {
  // All outputs of a node are kept together, so all are asked for.
  Graph graph;
  std::vector<const Node*> nodes;
  for (const Tensor& tensor : tensors) {
    tensor.spec();  // rejects undefined ones
    const Node* node = tensor.node();
    if (node->values() || std::find(nodes.begin(), nodes.end(), node) != nodes.end()) continue;
    nodes.push_back(node);
    for (size_t i = 0; i < node->outputs().size(); ++i)
      graph.outputs.emplace_back(tensor.node_ptr(), static_cast<int>(i));
  }
  if (nodes.empty()) return;
  std::vector<Array> values = Executable(std::move(graph)).run({});
  auto next = std::make_move_iterator(values.begin());
  for (const Node* node : nodes) {
    const auto count = static_cast<int64_t>(node->outputs().size());
    node->set_values({next, next + count});
    next += count;
  }
}

void eval(std::initializer_list<Tensor> tensors) { eval(Tensors(tensors.begin(), tensors.size())); }

}  // namespace telaio
