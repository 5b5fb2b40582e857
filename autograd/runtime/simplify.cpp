#include <telaio/autograd/runtime/graph.hpp>

#include <algorithm>
#include <cstring>

#include <boost/container_hash/hash.hpp>
#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <telaio/autograd/node.hpp>

namespace telaio {

namespace {

// A single element, repeated or not: the constants that are written as numbers.
bool is_uniform(const Array& value) {
  const Strides& strides = value.strides();
  for (int axis = 0; axis < value.shape().rank(); ++axis)
    if (value.shape()[axis] != 1 && strides[axis] != 0) return false;
  return true;
}

size_t hash_of(const Node& node) {
  size_t seed = std::hash<std::string_view>()(node.op().name());
  for (const Tensor& x : node.inputs()) {
    boost::hash_combine(seed, x.node());
    boost::hash_combine(seed, x.index());
  }
  if (node.kind() == Node::Kind::constant && is_uniform(node.values()->front())) {
    const Array& value = node.values()->front();
    boost::hash_combine(seed, std::string_view(reinterpret_cast<const char*>(value.bytes()), size_of(value.dtype())));
  }
  return seed;
}

bool equal(const Node& a, const Node& b) {
  if (a.kind() != b.kind() || a.outputs() != b.outputs() || a.op().name() != b.op().name()) return false;
  if (a.kind() == Node::Kind::constant) {
    const Array& x = a.values()->front();
    const Array& y = b.values()->front();
    return is_uniform(x) && is_uniform(y) && x.spec().numel() > 0 &&
           std::memcmp(x.bytes(), y.bytes(), size_of(x.dtype())) == 0;
  }
  if (a.kind() != Node::Kind::compute || !a.op().same_as(b.op())) return false;
  if (a.inputs().size() != b.inputs().size()) return false;
  for (size_t i = 0; i < a.inputs().size(); ++i)
    if (!a.inputs()[i].same(b.inputs()[i])) return false;
  return true;
}

// Worth computing now: all inputs are known, the op is pure, and the result takes little memory for good.
bool can_fold(const Node& node) {
  constexpr int64_t small = 1 << 16;  // bytes; larger ones are folded only if they do not grow
  if (node.kind() != Node::Kind::compute || !node.op().same_as(node.op()) || node.op().may_fail()) return false;
  int64_t in = 0;
  for (const Tensor& x : node.inputs()) {
    if (!x.node()->values()) return false;
    in += x.spec().bytes();
  }
  int64_t out = 0;
  for (const TensorSpec& spec : node.outputs()) out += spec.bytes();
  return out <= std::max(small, in);
}

class Simplifier {
 public:
  explicit Simplifier(bool fuse) : fuse_(fuse) {}

  Tensor mapped(const Tensor& tensor) const {
    const auto found = map_.find({tensor.node(), tensor.index()});
    return found == map_.end() ? tensor : found->second;
  }

  void visit(const Node* node) {
    if (node->values() && node->kind() != Node::Kind::constant) return become(node, known(*node));
    NodePtr result(node);
    bool changed = false;
    std::vector<Tensor> x;
    x.reserve(node->inputs().size());
    for (const Tensor& tensor : node->inputs()) {
      x.push_back(mapped(tensor));
      changed |= !x.back().same(tensor);
    }
    if (changed) result = NodePtr(new Node(*node, std::move(x)));

    if (node->kind() == Node::Kind::compute) {
      const Tensor simpler = result->op().simplified(result->inputs());
      if (simpler.defined() && simpler.spec() == node->outputs()[0]) {
        return remember(node, 0, visited(simpler));
      }
    }
    if (can_fold(*result)) return become(node, folded(*result));
    result = shared(result);
    if (result.get() != node) become(node, result);  // what is not in the map stands for itself
    if (fuse_ && node->kind() == Node::Kind::compute) replace(node, *result);
  }

  void run(const std::vector<Tensor>& roots) {
    const auto order = topological_order(roots, [](const Node* n) { return n->values() != nullptr; });
    visited_.reserve(order.size());
    unique_.reserve(order.size());
    for (const Node* node : order)
      if (visited_.insert(node).second) visit(node);
  }

 private:
  // What a rewrite built is new: it is visited like the rest.
  Tensor visited(const Tensor& built) {
    for (const Node* added : topological_order({&built, 1}, [&](const Node* n) { return visited_.contains(n); }))
      if (visited_.insert(added).second) visit(added);
    return mapped(built);
  }

  void replace(const Node* node, const Node& result) {
    const std::vector<Tensor> fused = result.op().fused(result);
    for (size_t i = 0; i < fused.size(); ++i) {
      if (!fused[i].defined()) continue;
      remember(node, static_cast<int>(i), visited(fused[i]));
    }
  }

  void remember(const Node* node, int index, Tensor to) {
    keep_.push_back(NodePtr(node));
    visited_.insert(to.node());
    map_[{node, index}] = std::move(to);
  }

  void become(const Node* node, const std::vector<Tensor>& to) {
    for (size_t i = 0; i < to.size(); ++i) remember(node, static_cast<int>(i), to[i]);
  }
  void become(const Node* node, const NodePtr& to) {
    for (size_t i = 0; i < to->outputs().size(); ++i)
      remember(node, static_cast<int>(i), Tensor(to, static_cast<int>(i)));
  }

  // An evaluated tensor is a constant here, without the graph behind it.
  std::vector<Tensor> known(const Node& node) {
    std::vector<Tensor> values;
    for (const Array& value : *node.values())
      values.push_back(Tensor(shared(constant(value, node.where()).node_ptr()), 0));
    return values;
  }

  std::vector<Tensor> folded(const Node& node) {
    Tensor(NodePtr(&node), 0).eval();
    return known(node);
  }

  NodePtr shared(const NodePtr& node) {
    for (size_t hash = hash_of(*node);; ++hash) {
      const NodePtr& other = unique_.try_emplace(hash, node).first->second;
      if (other == node || equal(*node, *other)) return other;
    }
  }

  bool fuse_;
  boost::unordered_flat_map<std::pair<const Node*, int>, Tensor, boost::hash<std::pair<const Node*, int>>> map_;
  boost::unordered_flat_map<size_t, NodePtr> unique_;  // by hash, or the next that is free: each keeps its node alive
  boost::unordered_flat_set<const Node*> visited_;
  std::vector<NodePtr> keep_;  // the maps' keys stay alive
};

}  // namespace

namespace {

Graph rewritten(const Graph& graph, bool fuse) {
  Simplifier simplifier(fuse);
  simplifier.run(graph.roots());
  return graph.with_roots([&](const Tensor& root) { return simplifier.mapped(root); });
}

}  // namespace

Graph simplify(const Graph& graph) { return rewritten(graph, false); }
Graph fuse(const Graph& graph) { return rewritten(graph, true); }

}  // namespace telaio
