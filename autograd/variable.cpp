#include <telaio/autograd/variable.hpp>

#include <fmt/format.h>

#include <telaio/autograd/builtin.hpp>
#include <telaio/autograd/context.hpp>
#include <telaio/autograd/node.hpp>

namespace telaio {

namespace {

// A version of a variable: a leaf when it is read from the slot, an identity when it was assigned inside a trace (then
// no gradient flows through: assigning detaches).
class VariableOp final : public IdentityOp {
 public:
  explicit VariableOp(const VariablePtr& state) : name_(state->name), spec_(state->spec), state_(state) {}
  std::string_view name() const override { return "variable"; }
  std::string attributes() const override { return name_; }
  std::vector<TensorSpec> infer(Specs) const override { return {spec_}; }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors, Needs) const override { return std::vector<Tensor>(x.size()); }
  const VariableState* state() const { return state_.lock().get(); }

 private:
  std::string name_;
  TensorSpec spec_;
  std::weak_ptr<VariableState> state_;  // the slot owns its current node, which owns this op
};

NodePtr version_node(const VariablePtr& state, std::vector<Tensor> x, const SourceLocation& where) {
  return NodePtr(new Node(Node::Kind::variable, OpPtr(new VariableOp(state)), std::move(x), {state->spec}, where));
}

void check_assignable(const VariableState& state, const Tensor& value, const SourceLocation& where) {
  if (!value.defined()) fail("assign", fmt::format("the value for '{}' is undefined", state.name), {}, where);
  if (value.spec() == state.spec) return;
  fail("assign",
       fmt::format("variable '{}' is {}, the value is {}", state.name, to_string(state.spec), to_string(value.spec())),
       {}, where);
}

void replace(const VariablePtr& state, Array value) {
  const NodePtr next = variable_node(state, value.contiguous());
  const std::lock_guard lock(state->mutex);
  state->current = next;
}

}  // namespace

NodePtr variable_node(const VariablePtr& state, Array value) {
  NodePtr node = version_node(state, {}, SourceLocation());
  if (value.defined()) node->set_values({std::move(value)});
  return node;
}

const VariableState* variable_of(const Node& node) {
  return node.kind() == Node::Kind::variable ? static_cast<const VariableOp&>(node.op()).state() : nullptr;
}

Variable::Variable(std::string name, const Tensor& initial) : state_(std::make_shared<VariableState>()) {
  state_->name = std::move(name);
  state_->spec = initial.spec();
  replace(state_, initial.value());
}

Tensor Variable::read() const {
  if (Trace* trace = BuildContext::current().trace) return trace->read(state_);
  const std::lock_guard lock(state_->mutex);
  return Tensor(state_->current, 0);
}

void Variable::assign(const Tensor& value, const SourceLocation& where) { telaio::assign({{*this, value}}, where); }

void assign(const std::vector<std::pair<Variable, Tensor>>& values, const SourceLocation& where) {
  for (const auto& [variable, value] : values) check_assignable(*variable.state(), value, where);
  if (Trace* trace = BuildContext::current().trace) {
    for (const auto& [variable, value] : values) trace->assign(variable.state(), value, where);
    return;
  }
  std::vector<Tensor> tensors;
  for (const auto& [variable, value] : values) tensors.push_back(value);
  eval(tensors);
  for (const auto& [variable, value] : values) replace(variable.state(), value.value());
}

Trace::Trace() : outer_(std::exchange(BuildContext::current().trace, this)) {}

Trace::~Trace() { BuildContext::current().trace = outer_; }

Trace::Use& Trace::use(const VariablePtr& state) {
  for (Use& use : uses_)
    if (use.state == state) return use;
  return uses_.emplace_back(Use{state, Tensor(), Tensor()});
}

Tensor Trace::read(const VariablePtr& state) {
  Use& entry = use(state);
  if (entry.assigned.defined()) return entry.assigned;
  if (!entry.read.defined()) entry.read = Tensor(variable_node(state, Array()), 0);
  return entry.read;
}

void Trace::assign(const VariablePtr& state, const Tensor& value, const SourceLocation& where) {
  use(state).assigned = Tensor(version_node(state, {value}, where), 0);
}

}  // namespace telaio
