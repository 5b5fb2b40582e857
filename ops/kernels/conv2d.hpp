// Two-dimensional convolution (cross-correlation, as networks mean it) and its two gradients, channels-last.
//
//   image  [n, h, w, c]    filter [kh, kw, c / groups, o]    output [n, oh, ow, o]        all contiguous
//   output[n, y, x, q] = sum over (i, j, ch) of image[n, y*stride_h + i*dilation_h - pad_top,
//                                                        x*stride_w + j*dilation_w - pad_left, ch] * filter[i, j, ch,
//                                                        q]
//
// where q and ch belong to one of `groups` equal groups of channels. Positions outside the image count as zeros: they
// contribute 0·filter, so an infinite filter value gives NaN there, as with an image that had been padded with zeros.
// An infinity or NaN in the image reaches just the outputs whose window holds it.
//
// Each of the three is a matrix product. Its windows are read in the images where they lie (conv2d_direct.hpp), or
// copied block by block (conv2d_windows.hpp), never as a whole; groups of one channel go to depthwise2d.hpp.
#pragma once

#include <telaio/ops/kernels/gemm_micro.hpp>

#include <cstdint>

namespace telaio::kernels {

/// Sizes are >= 0; kernel sizes, strides, dilations and groups >= 1; pads >= 0. The padding at the bottom and right
/// follows from oh and ow. Both c and o are multiples of groups.
struct Conv2dGeometry {
  int64_t n, h, w, c;
  int64_t kh, kw, o;
  int64_t oh, ow;
  int64_t stride_h = 1, stride_w = 1;
  int64_t pad_top = 0, pad_left = 0;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;
};

/// Floating-point operations of the layer, two for each multiply-add, padding included; the same for all three.
int64_t conv2d_flops(const Conv2dGeometry& g);

/// An epilogue, its bias an element for each output channel, needs groups == 1.
template <class T>
int64_t conv2d_scratch_bytes(const Conv2dGeometry& g);
template <class T>
void conv2d(const Conv2dGeometry& g, const T* image, const T* filter, T* out, void* scratch,
            const Epilogue<T>& epilogue = {});

/// gx[n, h, w, c]: what gy[n, oh, ow, o] sends back to the image. Positions outside gy count as zeros.
template <class T>
int64_t conv2d_input_grad_scratch_bytes(const Conv2dGeometry& g);
template <class T>
void conv2d_input_grad(const Conv2dGeometry& g, const T* gy, const T* filter, T* gx, void* scratch);

/// gw[kh, kw, c / groups, o]: what gy[n, oh, ow, o] sends back to the filter.
template <class T>
int64_t conv2d_weight_grad_scratch_bytes(const Conv2dGeometry& g);
template <class T>
void conv2d_weight_grad(const Conv2dGeometry& g, const T* image, const T* gy, T* gw, void* scratch);

}  // namespace telaio::kernels
