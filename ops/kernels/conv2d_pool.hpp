// A convolution, its bias, maybe a relu, and a max-pool in one pass, channels-last, and the gradients.
//
// The convolution's own output is never stored. Its gradient is zero but for one place in each window, so the gradients
// walk only those places; where this would skip a product of zero and a number that is not finite, they take the road
// of conv2d.hpp instead, which gives the NaN.
#pragma once

#include <telaio/ops/kernels/conv2d.hpp>

#include <cstdint>

namespace telaio::kernels {

/// A convolution (groups == 1) whose output [n, oh, ow, o] goes through bias, maybe relu, and a max-pool whose stride
/// is its window and which has no padding: pooled [n, oh / pool_h, ow / pool_w, o]. Rows and columns of the
/// convolution's output that no window covers are not computed.
struct Conv2dPoolGeometry {
  Conv2dGeometry conv;
  int64_t pool_h, pool_w;  ///< >= 1, and pool_h * pool_w <= 254
  bool relu;
};

/// Which place of its window a pooled value comes from: row * pool_w + column. The first of equal maxima; the first NaN
/// wins over all numbers. no_gradient where relu lets no gradient pass, which is where the pooled value is not > 0.
inline constexpr uint8_t no_gradient = 255;

/// bias[o] may be null, argmax as well (then only the values are computed).
template <class T>
int64_t conv2d_pool_scratch_bytes(const Conv2dPoolGeometry& g);
template <class T>
void conv2d_pool(const Conv2dPoolGeometry& g, const T* image, const T* filter, const T* bias, T* pooled,
                 uint8_t* argmax, void* scratch);

/// gx[n, h, w, c]: what gy, of the shape of pooled, sends back to the image.
template <class T>
int64_t conv2d_pool_input_grad_scratch_bytes(const Conv2dPoolGeometry& g);
template <class T>
void conv2d_pool_input_grad(const Conv2dPoolGeometry& g, const T* gy, const uint8_t* argmax, const T* filter, T* gx,
                            void* scratch);

/// gw[kh, kw, c, o] and gb[o] (may be null): what gy, of the shape of pooled, sends back to filter and bias.
template <class T>
int64_t conv2d_pool_weight_grad_scratch_bytes(const Conv2dPoolGeometry& g);
template <class T>
void conv2d_pool_weight_grad(const Conv2dPoolGeometry& g, const T* image, const T* gy, const uint8_t* argmax, T* gw,
                             T* gb, void* scratch);

}  // namespace telaio::kernels
