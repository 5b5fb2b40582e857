// What elementwise ops share: one pass over equal shapes, any strides, in place where an input dies.
#pragma once

#include <telaio/autograd/op.hpp>

namespace telaio {

/// Base of ops whose inputs and output have one shape, and whose kernel (`chunk`) works on contiguous elements.
class ElementwiseOp : public Op, public Elementwise {
 public:
  void run(Views x, Views y, void*) const final;
  bool takes_strides(size_t) const final { return true; }
  bool in_place(size_t, size_t) const final { return true; }  // the planner sees to it that sizes agree
  const Elementwise* elementwise() const final { return this; }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const final { return BatchFlow::same_axis(axes); }
};

}  // namespace telaio
