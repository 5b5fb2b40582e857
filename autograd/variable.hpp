// Named mutable state: parameters, running statistics, random counters.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <telaio/autograd/tensor.hpp>

namespace telaio {

/// The slot behind a Variable.
struct VariableState {
  std::string name;
  TensorSpec spec;
  /// Guards `current`. A compiled call that assigns to the variable holds it until it has finished.
  std::mutex mutex;
  /// The node that reads the present version; its value is contiguous.
  NodePtr current;
};
using VariablePtr = std::shared_ptr<VariableState>;

/// A named slot whose value can be replaced. Copies share the slot. Reading it in a graph gives the node of its present
/// value, the same node until it is assigned to: graphs built before keep the value that they saw. Inside a function
/// that is being compiled, reads and assignments become hidden inputs and outputs of the function.
class Variable {
 public:
  /// `initial` is computed now and copied. A name is a dotted path: "conv1.weight".
  Variable(std::string name, const Tensor& initial);

  const std::string& name() const { return state_->name; }
  const TensorSpec& spec() const { return state_->spec; }
  const Shape& shape() const { return state_->spec.shape; }
  DType dtype() const { return state_->spec.dtype; }

  Tensor read() const;
  operator Tensor() const { return read(); }

  /// Replaces the value. Outside a compiled function `value` is computed now and kept without its graph: a training
  /// loop has bounded memory. Error when shape or type differ.
  void assign(const Tensor& value, const SourceLocation& where = TELAIO_HERE);

  const VariablePtr& state() const { return state_; }

 private:
  VariablePtr state_;
};

/// Replaces several values at once: all are computed, in one go, before the first is replaced.
void assign(const std::vector<std::pair<Variable, Tensor>>& values, const SourceLocation& where = TELAIO_HERE);

/// The slot that a node reads (whose kind is `variable`), or null.
const VariableState* variable_of(const Node& node);

/// A node that stands for `state`'s present value: with a value, or (undefined array) as a hidden input of a trace.
NodePtr variable_node(const VariablePtr& state, Array value);

/// What a function does to variables while it is traced. One is active on a thread at a time.
class Trace {
 public:
  struct Use {
    VariablePtr state;
    Tensor read;      ///< the hidden input; undefined when the function assigns without reading
    Tensor assigned;  ///< the last assigned value; undefined when it only reads
  };

  Trace();
  ~Trace();
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  Tensor read(const VariablePtr& state);
  void assign(const VariablePtr& state, const Tensor& value, const SourceLocation& where);
  const std::vector<Use>& uses() const { return uses_; }

 private:
  Use& use(const VariablePtr& state);

  std::vector<Use> uses_;
  Trace* outer_;
};

}  // namespace telaio
