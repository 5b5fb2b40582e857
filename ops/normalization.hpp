// Normalisation of activations.
#pragma once

#include <telaio/autograd/tensor.hpp>

namespace telaio {

struct BatchNorm {
  Tensor y;
  Tensor mean;      ///< of the batch, [C]
  Tensor variance;  ///< of the batch, [C], divided by N
};

/// Training: (x − mean)/√(variance + epsilon)·scale + shift with mean and variance over all axes but the last (Ioffe
/// and Szegedy 2015). x [...,C] of two axes or more; scale and shift [C], of x's type, or undefined (1 and 0).
BatchNorm batch_norm(const Tensor& x, const Tensor& scale = {}, const Tensor& shift = {}, double epsilon = 1e-3,
                     const SourceLocation& where = TELAIO_HERE);
/// Inference: the same with given statistics.
Tensor batch_norm_inference(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& scale = {},
                            const Tensor& shift = {}, double epsilon = 1e-3, const SourceLocation& where = TELAIO_HERE);
/// Over the last axis of each row (Ba et al. 2016). scale and shift [C] or undefined.
Tensor layer_norm(const Tensor& x, const Tensor& scale = {}, const Tensor& shift = {}, double epsilon = 1e-3,
                  const SourceLocation& where = TELAIO_HERE);

}  // namespace telaio
