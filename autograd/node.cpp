#include <telaio/autograd/node.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <boost/unordered/unordered_flat_set.hpp>

#include <telaio/autograd/context.hpp>

namespace telaio {

namespace {

// No counter is shared between threads: a number only has to exceed those of the inputs.
int64_t next_number(const std::vector<Tensor>& x) {
  thread_local int64_t last = 0;
  for (const Tensor& tensor : x) last = std::max(last, tensor.node()->number());
  return ++last;
}

}  // namespace

Node::Node(Kind kind, OpPtr op, std::vector<Tensor> x, std::vector<TensorSpec> y, const SourceLocation& where)
    : op_(std::move(op)),
      inputs_(std::move(x)),
      outputs_(std::move(y)),
      where_(where),
      number_(next_number(inputs_)),
      kind_(kind) {
  const auto& context = BuildContext::current();
  backward_ = context.backward;
  scope_ = backward_ ? context.forward_scope : context.scope;
  if (backward_) where_ = context.forward_place;
}

Node::~Node() { delete values_.load(std::memory_order_relaxed); }

const std::string& Node::scope() const {
  static const std::string none;
  return scope_ ? *scope_ : none;
}

const std::shared_ptr<const std::string>& Node::scope_ptr() const { return scope_; }

void Node::set_values(std::vector<Array> values) const {
  auto mine = std::make_unique<const std::vector<Array>>(std::move(values));
  const std::vector<Array>* expected = nullptr;
  if (values_.compare_exchange_strong(expected, mine.get(), std::memory_order_acq_rel)) mine.release();
}

void intrusive_ptr_add_ref(const Node* node) noexcept { node->references_.fetch_add(1, std::memory_order_relaxed); }

// A chain of a million nodes must not recurse: while one node dies on this thread, those that die with it queue up.
void intrusive_ptr_release(const Node* node) noexcept {
  if (node->references_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  thread_local std::vector<const Node*>* queue = nullptr;
  if (queue) {
    queue->push_back(node);
    return;
  }
  std::vector<const Node*> dying{node};
  queue = &dying;
  while (!dying.empty()) {
    const Node* next = dying.back();
    dying.pop_back();
    delete next;
  }
  queue = nullptr;
}

std::vector<TensorSpec> specs_of(Tensors tensors) {
  std::vector<TensorSpec> specs;
  specs.reserve(tensors.size());
  for (const Tensor& tensor : tensors) specs.push_back(tensor.spec());
  return specs;
}

Tensor rebuild(const Tensor& tensor, std::vector<Tensor> x) {
  const Node& old = *tensor.node();
  return Tensor(NodePtr(new Node(old, std::move(x))), tensor.index());
}

Node::Node(const Node& like, std::vector<Tensor> x) : Node(like, like.op_, std::move(x), like.outputs_) {}

Node::Node(const Node& like, OpPtr op, std::vector<Tensor> x, std::vector<TensorSpec> y)
    : op_(std::move(op)),
      inputs_(std::move(x)),
      outputs_(std::move(y)),
      where_(like.where_),
      scope_(like.scope_),
      number_(next_number(inputs_)),
      kind_(like.kind_),
      backward_(like.backward_) {}

std::vector<const Node*> topological_order(Tensors roots) {
  return topological_order(roots, [](const Node*) { return false; });
}

std::vector<const Node*> topological_order(Tensors roots, FunctionRef<bool(const Node*)> stop) {
  std::vector<const Node*> order;
  boost::unordered_flat_set<const Node*> seen;
  seen.reserve(8 * roots.size());  // a step of training has some twelve nodes for each variable that it assigns
  struct Visit {
    const Node* node;
    size_t next_input;
  };
  std::vector<Visit> stack;
  const auto enter = [&](const Node* node) {
    if (seen.insert(node).second) stack.push_back({node, stop(node) ? node->inputs().size() : 0});
  };
  for (const Tensor& root : roots) {
    enter(root.node());
    while (!stack.empty()) {
      Visit& visit = stack.back();
      if (visit.next_input < visit.node->inputs().size()) {
        enter(visit.node->inputs()[visit.next_input++].node());
      } else {
        order.push_back(visit.node);
        stack.pop_back();
      }
    }
  }
  const auto earlier = [](const Node* a, const Node* b) { return a->number() < b->number(); };
  if (!std::is_sorted(order.begin(), order.end(), earlier)) std::stable_sort(order.begin(), order.end(), earlier);
  return order;
}

}  // namespace telaio
