#include <algorithm>

#include <boost/unordered/unordered_flat_map.hpp>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/graph.hpp>
#include <telaio/autograd/runtime/parts.hpp>

namespace telaio {

namespace {

// A loop over more elements is worth starting.
constexpr int64_t most_elements = 128 << 10;

bool may_join(const Node& node) {
  return node.kind() == Node::Kind::compute && !node.values() && !node.op().may_fail() && has_parts(node) &&
         node.outputs()[0].numel() <= most_elements;
}

// What a variable is assigned: behind the node that stands for its new value.
const Tensor& assigned_value(const Tensor& assigned) {
  const Node& node = *assigned.node();
  return node.kind() == Node::Kind::variable && node.inputs().size() == 1 ? node.inputs()[0] : assigned;
}

// The nodes whose outputs are new values of variables and nothing else, in their order.
std::vector<const Node*> updates(const Graph& graph) {
  boost::unordered_flat_map<const Node*, bool> joins;
  boost::unordered_flat_map<const Node*, const Node*> values;  // of the nodes that stand for new ones
  for (const Trace::Use& use : graph.variables) {
    if (!use.assigned.defined()) continue;
    const Node* value = assigned_value(use.assigned).node();
    joins[value] = may_join(*value);
    if (use.assigned.node() != value) values[use.assigned.node()] = value;
  }
  if (joins.size() < 2) return {};
  const auto is_read = [&](const Tensor& x) {
    const auto known = values.find(x.node());
    if (const auto found = joins.find(known == values.end() ? x.node() : known->second); found != joins.end())
      found->second = false;
  };
  const std::vector<const Node*> order =
      topological_order(graph.roots(), [](const Node* node) { return node->values() != nullptr; });
  for (const Node* node : order)
    if (!node->values() && !values.contains(node)) std::for_each(node->inputs().begin(), node->inputs().end(), is_read);
  std::for_each(graph.outputs.begin(), graph.outputs.end(), is_read);
  // What reads a variable that another one writes would have to be first.
  for (const Trace::Use& use : graph.variables) {
    if (!use.read.defined() || !use.assigned.defined()) continue;
    const Node* writer = assigned_value(use.assigned).node();
    if (!joins[writer]) continue;
    for (auto& [node, joined] : joins)
      joined &= node == writer || std::none_of(node->inputs().begin(), node->inputs().end(),
                                               [&](const Tensor& x) { return x.node() == use.read.node(); });
  }
  std::vector<const Node*> found;
  for (const Node* node : order)
    if (const auto joined = joins.find(node); joined != joins.end() && joined->second) found.push_back(node);
  return found;
}

}  // namespace

Graph run_together(const Graph& graph) {
  const std::vector<const Node*> nodes = updates(graph);
  if (nodes.size() < 2) return graph;
  std::vector<Tensor> x;
  std::vector<TensorSpec> y;
  std::vector<Together::Member> members;
  boost::unordered_flat_map<const Node*, int> first_output;
  for (const Node* node : nodes) {
    std::vector<size_t> reads;
    for (const Tensor& input : node->inputs()) {
      const auto known = std::find_if(x.begin(), x.end(), [&](const Tensor& other) { return other.same(input); });
      reads.push_back(static_cast<size_t>(known - x.begin()));
      if (known == x.end()) x.push_back(input);
    }
    first_output[node] = static_cast<int>(y.size());
    y.insert(y.end(), node->outputs().begin(), node->outputs().end());
    members.push_back({node->op_ptr(), std::move(reads)});
  }
  OpPtr op(new Together(std::move(members), specs_of(x)));
  const NodePtr built(new Node(*nodes[0], std::move(op), std::move(x), std::move(y)));
  return graph.with_roots([&](const Tensor& root) {
    const Tensor& value = assigned_value(root);
    const auto found = first_output.find(value.node());
    if (found == first_output.end()) return root;
    const Tensor now(built, found->second + value.index());
    return value.same(root) ? now : rebuild(root, {now});
  });
}

}  // namespace telaio
