// The graph that passes work on: ordinary nodes between named ends.
#pragma once

#include <string>
#include <vector>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/autograd/tensor.hpp>
#include <telaio/autograd/variable.hpp>

namespace telaio {

/// A traced function, or (without inputs and variables) tensors to evaluate.
struct Graph {
  std::vector<Tensor> inputs;  ///< nodes of kind `input`, in the order of the function's arguments
  std::vector<Tensor> outputs;
  std::vector<Trace::Use> variables;

  /// Everything that has to be computed: outputs, then assigned values.
  std::vector<Tensor> roots() const;
  /// The same ends, with other tensors in the place of the roots.
  Graph with_roots(FunctionRef<Tensor(const Tensor&)> mapped) const;
};

/// Checks what every pass relies on; throws Error saying which rule is broken and by which node. Run after each pass:
/// every node's outputs are what its op infers from its inputs; every input and variable that is read is an end of the
/// graph; what is assigned has the variable's type and shape.
void validate(const Graph& graph, std::string_view after_pass);

/// Local rewrites that ops offer, constants computed ahead, common subexpressions shared, dead nodes dropped. No value
/// changes, not by a bit: constants are computed by the kernels that would have computed them later.
Graph simplify(const Graph& graph);

/// Patterns of ops replaced by the one that their last op offers (Op::fused). Values agree to rounding.
Graph fuse(const Graph& graph);

/// Elementwise ops of one shape that feed one another run as one (ElementwiseGroup), or on the way of the op whose output
/// they read, where that offers it (Op::followed_by). No value changes, not by a bit.
Graph fuse_elementwise(const Graph& graph);

/// What is only read by an op that takes it piece by piece, and by checks, has no memory of its own (Op::feeding): it
/// is gone before it would leave the cache. Values agree to rounding. After slice_batches, which looks into the ops.
Graph feed_readers(const Graph& graph);

/// Updates of variables that nobody else reads, and which are too small for a loop of their own, run in one (Together).
/// No value changes, not by a bit.
Graph run_together(const Graph& graph);

}  // namespace telaio
