// The node of the graph. Users hold Tensors; passes and drawings look at nodes.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include <telaio/autograd/op.hpp>
#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/autograd/tensor.hpp>

namespace telaio {

/// Immutable but for a cached value, which is set at most once.
class Node {
 public:
  /// What the node stands for. Leaves other than `constant` have a value only inside a compiled function.
  enum class Kind : uint8_t { compute, constant, input, variable };

  Node(Kind kind, OpPtr op, std::vector<Tensor> x, std::vector<TensorSpec> y, const SourceLocation& where);
  /// The same op on other inputs.
  Node(const Node& like, std::vector<Tensor> x);
  /// Another op in its place, with the same line, scope and direction.
  Node(const Node& like, OpPtr op, std::vector<Tensor> x, std::vector<TensorSpec> y);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  Kind kind() const { return kind_; }
  const Op& op() const { return *op_; }
  const OpPtr& op_ptr() const { return op_; }
  const std::vector<Tensor>& inputs() const { return inputs_; }
  const std::vector<TensorSpec>& outputs() const { return outputs_; }
  const SourceLocation& where() const { return where_; }
  /// The dotted name scope in which the node was built ("conv1"), or "".
  const std::string& scope() const;
  const std::shared_ptr<const std::string>& scope_ptr() const;
  /// Whether the node was built while taking a gradient.
  bool backward() const { return backward_; }
  /// Later nodes have larger numbers: greater than those of all inputs, and growing as a thread builds.
  int64_t number() const { return number_; }

  /// The cached values of all outputs, or null. A constant always has them.
  const std::vector<Array>* values() const { return values_.load(std::memory_order_acquire); }
  int64_t use_count() const { return references_.load(std::memory_order_acquire); }
  /// Caches the values unless another thread was first.
  void set_values(std::vector<Array> values) const;

 private:
  friend void intrusive_ptr_add_ref(const Node* node) noexcept;
  friend void intrusive_ptr_release(const Node* node) noexcept;

  mutable std::atomic<int64_t> references_{0};
  mutable std::atomic<const std::vector<Array>*> values_{nullptr};
  OpPtr op_;
  std::vector<Tensor> inputs_;
  std::vector<TensorSpec> outputs_;
  SourceLocation where_;
  std::shared_ptr<const std::string> scope_;
  int64_t number_;
  Kind kind_;
  bool backward_;
};

/// The shape and type of each.
std::vector<TensorSpec> specs_of(Tensors tensors);

/// The same op on other inputs of the same shapes and types: place, scope and direction are kept. For passes.
Tensor rebuild(const Tensor& tensor, std::vector<Tensor> x);

/// All nodes that the roots depend on, each once, in the order in which they were built (so inputs come before users,
/// and a gradient's nodes follow one another as the backward walk made them, which keeps few values alive at a time).
/// Nodes for which `stop` holds are listed but not looked through.
std::vector<const Node*> topological_order(Tensors roots, FunctionRef<bool(const Node*)> stop);
std::vector<const Node*> topological_order(Tensors roots);

}  // namespace telaio
