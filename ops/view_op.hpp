// What ops that only look at their input in another way share.
#pragma once

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/op.hpp>

namespace telaio {

/// Base of ops with one input whose output is the input's elements in some order. The op says which strides do it, in
/// view(); this copies where a value of its own is wanted. Where view() finds no strides, row-major order is kept.
class ViewOp : public Op {
 public:
  bool takes_strides(size_t) const final { return true; }
  void run(Views x, Views y, void* scratch) const final;
  double flops(Specs, Specs) const final { return 0; }

  bool view(const TensorSpec& x, const Strides& x_strides, const TensorSpec& y, Strides& y_strides,
            int64_t& offset) const override = 0;
};

}  // namespace telaio
