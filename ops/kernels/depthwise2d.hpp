// Convolution whose groups have one input channel each (groups == c): o / c outputs for every channel. There is no
// matrix in it, so it runs directly, vectorised over channels. The contracts are those of conv2d.hpp.
#pragma once

#include <telaio/ops/kernels/conv2d.hpp>

namespace telaio::kernels {

template <class T>
void depthwise2d(const Conv2dGeometry& g, const T* image, const T* filter, T* out);

template <class T>
void depthwise2d_input_grad(const Conv2dGeometry& g, const T* gy, const T* filter, T* gx);

template <class T>
int64_t depthwise2d_weight_grad_scratch_bytes(const Conv2dGeometry& g);
template <class T>
void depthwise2d_weight_grad(const Conv2dGeometry& g, const T* image, const T* gy, T* gw, void* scratch);

}  // namespace telaio::kernels
