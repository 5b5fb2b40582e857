// The few ops that reverse mode itself needs: inputs, sums of gradients, cut and delayed identities.
#pragma once

#include <string>
#include <vector>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/op.hpp>

namespace telaio {

/// A leaf of the graph: its name and what it is.
class LeafOp : public Op {
 public:
  LeafOp(std::string name, TensorSpec spec) : name_(std::move(name)), spec_(spec) {}
  std::string_view name() const override { return name_; }
  std::vector<TensorSpec> infer(Specs) const override { return {spec_}; }
  void run(Views, Views, void*) const override {}
  std::vector<Tensor> vjp(Tensors, Tensors, Tensors, Needs) const override { return {}; }

 private:
  std::string name_;
  TensorSpec spec_;
};

/// An input: unbound until a compiled function, or a substitution, gives it a value.
Tensor input(std::string name, const TensorSpec& spec, const SourceLocation& where = TELAIO_HERE);

/// The value of x, through which no gradient flows.
Tensor stop_gradient(const Tensor& x, const SourceLocation& where = TELAIO_HERE);

/// The sum of tensors of one spec, added from the first to the last. Error when there is none or the specs differ.
Tensor add_n(std::vector<Tensor> terms, const SourceLocation& where = TELAIO_HERE);

/// The value of x, available only once every tensor of `after` is. Never merged with x or with another barrier: what is
/// computed from a barrier is computed again.
Tensor barrier(const Tensor& x, Tensors after, const SourceLocation& where = TELAIO_HERE);

/// Base of the ops whose outputs are their first inputs, seen as they are.
class IdentityOp : public Op {
 public:
  std::vector<TensorSpec> infer(Specs x) const override { return {x[0]}; }
  void run(Views x, Views y, void* scratch) const override;
  bool view(const TensorSpec& x, const Strides& x_strides, const TensorSpec& y, Strides& y_strides,
            int64_t& offset) const override;
  double flops(Specs, Specs) const override { return 0; }
};

/// Names the outputs of a graph with some tensors replaced: `replacement[i]` takes the place of `original[i]`
/// everywhere behind `outputs`. Shapes and types must agree. Nodes that depend on no original are shared.
std::vector<Tensor> substitute(Tensors outputs, Tensors original, Tensors replacement);

}  // namespace telaio
