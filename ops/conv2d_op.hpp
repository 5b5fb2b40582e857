// What ops that take the place of convolutions and pools in a pattern have to know of them.
#pragma once

#include <telaio/autograd/tensor.hpp>
#include <telaio/ops/conv2d.hpp>

namespace telaio {

namespace kernels {
struct Conv2dGeometry;
}

/// Of shapes that fit.
kernels::Conv2dGeometry conv2d_geometry(const Shape& image, const Shape& filter, const Conv2dOptions& options);

/// The options of the conv2d whose output y is, or null.
const Conv2dOptions* conv2d_behind(const Tensor& y);

}  // namespace telaio
