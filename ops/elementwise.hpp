// What elementwise ops share: one pass over equal shapes, any strides, in place where an input dies.
#pragma once

#include <telaio/autograd/op.hpp>
#include <telaio/autograd/runtime/strided.hpp>

namespace telaio {

/// Base of ops whose inputs and output have one shape, and whose kernel works on contiguous chunks.
class ElementwiseOp : public Op {
 public:
  bool takes_strides(size_t) const final { return true; }
  bool in_place(size_t) const final { return true; }  // the planner sees to it that sizes agree
  BatchFlow along_batch(std::span<int> axes, Specs x, Specs y) const final;

 protected:
  /// Cuts the views into chunks of n contiguous elements and calls chunk(in, out, n) on them in parallel. `cycles` is
  /// the cost of an element.
  static void each_chunk(Views x, const View& y, double cycles,
                         FunctionRef<void(const void* const* in, void* out, int64_t n)> chunk);
};

}  // namespace telaio
