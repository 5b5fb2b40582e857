// Affine warps as ops: with a derivative by the image, and chosen anew at each call of a compiled function.
#pragma once

#include <telaio/autograd/tensor.hpp>
#include <telaio/nn/data/warp.hpp>

namespace telaio::nn {

/// Which pixels each pixel of a warped image is made of: four, bilinear, with zeros outside.
struct Sampling {
  Tensor places;   ///< i64 [4,H·W]: pixels of the image, line by line
  Tensor weights;  ///< f32 [4,H·W]; 0 outside the image
};
Sampling sampling(const Affine& map, const ImageShape& shape);

/// Images [N,H,W,C] warped: what warp() does to each.
Tensor sampled(const Tensor& images, const Sampling& sampling);

}  // namespace telaio::nn
