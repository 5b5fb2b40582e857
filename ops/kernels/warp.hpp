// Affine resampling of an image with one channel.
#pragma once

#include <cstdint>

namespace telaio::kernels {

/// y[row, column] = the image at (xx·column + xy·row + x0, yx·column + yy·row + y0), bilinear; map = {xx, xy, x0, yx,
/// yy, y0}. `padded` is the image with one row and column before it and two behind it, [height + 3, width + 3]: places
/// further out than that border read the border. (height + 3)·(width + 3) is below 2³¹. The same bits on every SIMD
/// target.
void warp_plane(const double* map, int64_t height, int64_t width, const float* padded, float* y);

}  // namespace telaio::kernels
