// What ops that take the place of convolutions and pools in a pattern have to know of them.
#pragma once

#include <telaio/autograd/tensor.hpp>
#include <telaio/ops/window2d.hpp>

namespace telaio {

struct Pooling {
  Size2d window, stride;
  Padding padding;
  friend bool operator==(const Pooling& a, const Pooling& b) = default;
};

/// The pooling of the max_pool2d of which y is an output (values, positions), or null.
const Pooling* max_pool2d_behind(const Tensor& y);
/// Whether y has the elements of a gradient at the positions of the maxima, and zeros elsewhere: inputs gy, positions.
bool is_max_pool2d_scatter(const Tensor& y);

}  // namespace telaio
