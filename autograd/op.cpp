#include <telaio/autograd/op.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <telaio/autograd/context.hpp>
#include <telaio/autograd/node.hpp>

namespace telaio {

std::vector<Tensor> Op::vjp(Tensors x, Tensors, Tensors, Needs) const {
  fail(name(), "the op has no derivative", x, SourceLocation(), this);  // the place is that of the forward node
}

Tensor Op::followed_by(const Node&, std::span<const Node* const>) const { return {}; }

double Op::flops(Specs, Specs y) const {
  double count = 0;
  for (const TensorSpec& spec : y) count += static_cast<double>(spec.numel());
  return count;
}

void fail(std::string_view op, std::string_view problem, Tensors x, const SourceLocation& where, const Op* names) {
  std::string operands;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!x[i].defined()) continue;
    const std::string_view given = names ? names->input_name(i) : std::string_view();
    const std::string name = !given.empty()  ? std::string(given)
                             : x.size() == 1 ? std::string("input")
                                             : std::string(1, static_cast<char>('a' + i % 26));
    operands += fmt::format("{}{} {}", operands.empty() ? "\n  " : "   ", name, to_string(x[i].spec()));
  }
  const auto& context = BuildContext::current();
  const auto& scope = context.backward ? context.forward_scope : context.scope;
  const std::string prefix = scope && !scope->empty() ? fmt::format("{} ({})", *scope, op) : std::string(op);
  throw Error(
      fmt::format("{}: {}{}{}", prefix, problem, operands, at_line(context.backward ? context.forward_place : where)));
}

namespace {

NodePtr make_node(OpPtr op, std::vector<Tensor> x, const SourceLocation& where) {
  std::vector<TensorSpec> specs;
  specs.reserve(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    if (!x[i].defined()) fail(op->name(), fmt::format("input {} is an undefined tensor", i), {}, where);
    specs.push_back(x[i].spec());
  }
  std::vector<TensorSpec> outputs;
  try {
    outputs = op->infer(specs);
    for (const TensorSpec& spec : outputs) spec.numel();  // rejects sizes that overflow
  } catch (const Error& error) {
    fail(op->name(), error.what(), x, where, op.get());
  }
  return NodePtr(new Node(Node::Kind::compute, std::move(op), std::move(x), std::move(outputs), where));
}

}  // namespace

Tensor apply(OpPtr op, std::vector<Tensor> x, const SourceLocation& where) {
  return Tensor(make_node(std::move(op), std::move(x), where), 0);
}

std::vector<Tensor> apply_all(OpPtr op, std::vector<Tensor> x, const SourceLocation& where) {
  const NodePtr node = make_node(std::move(op), std::move(x), where);
  std::vector<Tensor> outputs;
  for (size_t i = 0; i < node->outputs().size(); ++i) outputs.emplace_back(node, static_cast<int>(i));
  return outputs;
}

}  // namespace telaio
