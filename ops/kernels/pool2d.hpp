// Two-dimensional max and average pooling, channels-last: x [n, h, w, c], y [n, oh, ow, c], all contiguous.
#pragma once

#include <cstdint>

namespace telaio::kernels {

/// Window (y, x) starts at (y * stride_h - pad_top, x * stride_w - pad_left). It may reach beyond the image; what lies
/// beyond the padding at the bottom and right as well (windows rounded up) never counts.
struct Pool2dGeometry {
  int64_t n, h, w, c;
  int64_t oh, ow;
  int64_t window_h, window_w;
  int64_t stride_h = 1, stride_w = 1;
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
};

/// The largest value of each window and its position h * W + w in the image plane. The first of equal values wins, and
/// the first NaN wins over all numbers. Padding never wins. Every window must hold a part of the image, and a plane
/// fewer than 2^31 positions.
template <class T>
void max_pool2d(const Pool2dGeometry& g, const T* x, T* y, int32_t* argmax);

/// The derivative of max_pool2d: gx is zero but for the sums of the gy whose window chose that position, added in the
/// order of the windows.
template <class T>
void max_pool2d_scatter(const Pool2dGeometry& g, const T* gy, const int32_t* argmax, T* gx);

/// The values of x at the chosen positions (the derivative of the scatter): max_pool2d itself, but for its choice.
template <class T>
void max_pool2d_gather(const Pool2dGeometry& g, const T* x, const int32_t* argmax, T* y);

/// The mean of each window, over its part of the image or (count_include_pad) of the padded image, as PyTorch counts.
/// A window wholly outside gives 0.
template <class T>
void avg_pool2d(const Pool2dGeometry& g, const T* x, T* y, bool count_include_pad);
template <class T>
void avg_pool2d_grad(const Pool2dGeometry& g, const T* gy, T* gx, bool count_include_pad);

}  // namespace telaio::kernels
