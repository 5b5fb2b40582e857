#include <algorithm>
#include <span>
#include <utility>

#include <boost/container_hash/hash.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/graph.hpp>
#include <telaio/autograd/runtime/parts.hpp>
#include <telaio/autograd/runtime/together.hpp>
#include <telaio/autograd/runtime/views.hpp>

namespace telaio {

namespace {

// A loop over more elements is worth starting.
constexpr int64_t most_elements = 128 << 10;
// Of one op, so that what looks for something among its operands is soon done.
constexpr size_t most_members = 256;

bool may_join(const Node& node) {
  return node.kind() == Node::Kind::compute && !node.values() && !node.op().may_fail() &&
         node.outputs()[0].numel() <= most_elements && has_parts(node);
}

// What a variable is assigned: behind the nodes that stand for new values of variables.
Tensor assigned_value(Tensor assigned) {
  while (assigned.node()->kind() == Node::Kind::variable && assigned.node()->inputs().size() == 1)
    assigned = Tensor(assigned.node()->inputs()[0]);
  return assigned;
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
  boost::unordered_flat_map<const Node*, const Node*> writers;  // of what reads give
  for (const Trace::Use& use : graph.variables)
    if (use.read.defined() && use.assigned.defined()) writers[use.read.node()] = assigned_value(use.assigned).node();
  std::vector<const Node*> first;
  for (const auto& [node, joined] : joins) {
    for (const Tensor& x : node->inputs()) {
      const auto writer = joined ? writers.find(base_of(x).node()) : writers.end();
      if (writer != writers.end() && writer->second != node && joins[writer->second]) first.push_back(node);
    }
  }
  for (const Node* node : first) joins[node] = false;
  std::vector<const Node*> found;
  for (const Node* node : order)
    if (const auto joined = joins.find(node); joined != joins.end() && joined->second) found.push_back(node);
  return found;
}

}  // namespace

Graph run_together(const Graph& graph) {
  const std::vector<const Node*> nodes = updates(graph);
  boost::unordered_flat_map<const Node*, std::pair<NodePtr, int>> becomes;  // the op, and the first of its outputs
  for (size_t begin = 0; begin < nodes.size(); begin += most_members) {
    const std::span part(nodes.data() + begin, std::min(most_members, nodes.size() - begin));
    if (part.size() < 2) break;
    std::vector<Tensor> x;
    std::vector<TensorSpec> y;
    std::vector<Together::Member> members;
    std::vector<int> first_outputs;
    boost::unordered_flat_map<std::pair<const Node*, int>, size_t, boost::hash<std::pair<const Node*, int>>> place;
    for (const Node* node : part) {
      std::vector<size_t> reads;
      for (const Tensor& input : node->inputs()) {
        const auto [known, added] = place.insert({{input.node(), input.index()}, x.size()});
        if (added) x.push_back(input);
        reads.push_back(known->second);
      }
      first_outputs.push_back(static_cast<int>(y.size()));
      y.insert(y.end(), node->outputs().begin(), node->outputs().end());
      members.push_back({node->op_ptr(), std::move(reads)});
    }
    OpPtr op(new Together(std::move(members), specs_of(x)));
    const NodePtr built(new Node(*part[0], std::move(op), std::move(x), std::move(y)));
    for (size_t i = 0; i < part.size(); ++i) becomes[part[i]] = {built, first_outputs[i]};
  }
  if (becomes.empty()) return graph;
  return graph.with_roots([&](const Tensor& root) {
    const Tensor value = assigned_value(root);
    const auto found = becomes.find(value.node());
    if (found == becomes.end()) return root;
    const Tensor now(found->second.first, found->second.second + value.index());
    return value.same(root) ? now : rebuild(root, {now});
  });
}

}  // namespace telaio
