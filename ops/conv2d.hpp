// Two-dimensional convolutions, channels-last, and their transposes.
#pragma once

#include <telaio/autograd/tensor.hpp>
#include <telaio/ops/window2d.hpp>

namespace telaio {

struct Conv2dOptions {
  Size2d stride = 1;
  Padding padding = {};
  Size2d dilation = 1;
  int64_t groups = 1;
  friend bool operator==(const Conv2dOptions& a, const Conv2dOptions& b) = default;
};

/// image [N,H,W,C], filter [KH,KW,C/groups,O] → [N,OH,OW,O], OH = ⌊(H + padding − dilation·(KH−1) − 1)/stride⌋ + 1. As
/// in all networks a cross-correlation: the filter is not turned. groups = C is a depthwise convolution (O a multiple
/// of C). f32 or f64. Errors: ranks, channels that do not fit, groups that do not divide, an empty window.
Tensor conv2d(const Tensor& image, const Tensor& filter, const Conv2dOptions& options = {},
              const SourceLocation& where = TELAIO_HERE);

/// The transpose of conv2d (its gradient by the image, as an op of its own): image [N,H,W,O], filter [KH,KW,C/groups,O]
/// → [N,H',W',C] with H' = (H−1)·stride + dilation·(KH−1) + 1 − padding (`same`: H·stride). output_padding adds rows
/// and columns at the bottom and right, fewer than the stride (none with `same`).
Tensor conv2d_transpose(const Tensor& image, const Tensor& filter, const Conv2dOptions& options = {},
                        Size2d output_padding = 0, const SourceLocation& where = TELAIO_HERE);

}  // namespace telaio
