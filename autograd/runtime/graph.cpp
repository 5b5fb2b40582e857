#include <telaio/autograd/runtime/graph.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <telaio/autograd/node.hpp>

namespace telaio {

std::vector<Tensor> Graph::roots() const {
  std::vector<Tensor> roots = outputs;
  for (const Trace::Use& use : variables)
    if (use.assigned.defined()) roots.push_back(use.assigned);
  return roots;
}

Graph Graph::with_roots(FunctionRef<Tensor(const Tensor&)> mapped) const {
  Graph result = *this;
  for (Tensor& output : result.outputs) output = mapped(output);
  for (Trace::Use& use : result.variables)
    if (use.assigned.defined()) use.assigned = mapped(use.assigned);
  return result;
}

void validate(const Graph& graph, std::string_view after_pass) {
  const auto broken = [&](const Node& node, std::string_view rule) {
    fail(node.op().name(), fmt::format("after the pass '{}': {}", after_pass, rule), node.inputs(), node.where());
  };
  const auto contains = [](const std::vector<Tensor>& ends, const Node* node) {
    return std::any_of(ends.begin(), ends.end(), [&](const Tensor& end) { return end.node() == node; });
  };
  std::vector<Tensor> reads;
  for (const Trace::Use& use : graph.variables) {
    if (use.read.defined()) reads.push_back(use.read);
    if (use.assigned.defined() && !(use.assigned.spec() == use.state->spec)) {
      broken(*use.assigned.node(), fmt::format("'{}' is assigned another shape or type", use.state->name));
    }
  }
  for (const Node* node : topological_order(graph.roots(), [](const Node* n) { return n->values() != nullptr; })) {
    if (node->values()) continue;
    if (node->kind() == Node::Kind::input && !contains(graph.inputs, node)) {
      broken(*node, "the input is no argument of the function");
    }
    if (node->kind() == Node::Kind::variable && node->inputs().empty() && !contains(reads, node)) {
      broken(*node, "the variable is not read by the function");
    }
    if (node->kind() != Node::Kind::compute) continue;
    if (node->op().infer(specs_of(node->inputs())) != node->outputs())
      broken(*node, "its outputs are not what its op infers");
  }
}

}  // namespace telaio
