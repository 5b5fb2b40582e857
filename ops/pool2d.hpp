// Pooling over windows of images, channels-last: [N,H,W,C] → [N,OH,OW,C].
#pragma once

#include <optional>

#include <telaio/autograd/tensor.hpp>
#include <telaio/ops/window2d.hpp>

namespace telaio {

struct Pool2dOptions {
  std::optional<Size2d> stride = {};  ///< the window's size when not given
  Padding padding = {};
};

/// The first maximum wins a tie and gets the gradient; NaN propagates. Padding never wins; a window that lies in
/// padding alone is an error.
Tensor max_pool2d(const Tensor& x, Size2d window, const Pool2dOptions& options = {},
                  const SourceLocation& where = TELAIO_HERE);
/// The mean of the window's elements; padding counts as zeros only with count_include_pad.
Tensor avg_pool2d(const Tensor& x, Size2d window, const Pool2dOptions& options = {}, bool count_include_pad = false,
                  const SourceLocation& where = TELAIO_HERE);
/// Over all positions: [N,H,W,C] → [N,C].
Tensor global_max_pool2d(const Tensor& x, const SourceLocation& where = TELAIO_HERE);
Tensor global_avg_pool2d(const Tensor& x, const SourceLocation& where = TELAIO_HERE);

}  // namespace telaio
