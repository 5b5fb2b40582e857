// Softmax and the losses of classification and regression.
#pragma once

#include <telaio/autograd/tensor.hpp>

namespace telaio {

/// eˣ / Σ eˣ along an axis, without overflow.
Tensor softmax(const Tensor& x, int axis = -1, const SourceLocation& where = TELAIO_HERE);
/// x − log Σ eˣ along an axis.
Tensor log_softmax(const Tensor& x, int axis = -1, const SourceLocation& where = TELAIO_HERE);

/// What becomes of the losses of the samples.
enum class Reduction : uint8_t { mean, sum, none };
/// What a mean divides the weighted sum by: the number of samples (Keras) or the sum of their weights (PyTorch). In a
/// cross-entropy the weight of a sample is its own times that of its class (of a distribution y: Σ y·class weight).
enum class MeanBy : uint8_t { count, weights };

struct CrossEntropyOptions {
  Tensor class_weights = {};   ///< [C], undefined: all 1
  Tensor sample_weights = {};  ///< [N] (the shape of the losses before reduction), undefined: all 1
  double label_smoothing = 0;  ///< s: targets become (1−s)·y + s/C
  Reduction reduction = Reduction::mean;
  MeanBy mean_by = MeanBy::count;
};

/// −Σ y·log softmax(logits) over the last axis. logits [...,C] with targets of class indices [...] (i32, i64, u8; an
/// index out of range is an error when the op runs) or of distributions [...,C] (one-hot; floats). A class weight
/// multiplies the loss of its class (of distributions: each class's term).
Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options = {},
                     const SourceLocation& where = TELAIO_HERE);
/// The same from probabilities, as Keras does: renormalised, clipped to [1e-7, 1−1e-7], then the logarithm.
Tensor cross_entropy_from_probabilities(const Tensor& probabilities, const Tensor& targets,
                                        const CrossEntropyOptions& options = {},
                                        const SourceLocation& where = TELAIO_HERE);

struct LossOptions {
  Tensor weights = {};  ///< broadcasts to the losses, undefined: all 1
  Reduction reduction = Reduction::mean;
  MeanBy mean_by = MeanBy::count;
};

/// max(x,0) − x·y + log(1 + e^−|x|), elementwise: the cross-entropy of sigmoid(logits) with targets in [0,1] of the
/// same shape (floats, or bool).
Tensor binary_cross_entropy(const Tensor& logits, const Tensor& targets, const LossOptions& options = {},
                            const SourceLocation& where = TELAIO_HERE);
/// (a−b)², |a−b|, and Huber's: ½d² for |d| ≤ delta, else delta·(|d| − ½delta); elementwise, shapes agree.
Tensor mse(const Tensor& prediction, const Tensor& target, const LossOptions& options = {},
           const SourceLocation& where = TELAIO_HERE);
Tensor mae(const Tensor& prediction, const Tensor& target, const LossOptions& options = {},
           const SourceLocation& where = TELAIO_HERE);
Tensor huber(const Tensor& prediction, const Tensor& target, double delta = 1, const LossOptions& options = {},
             const SourceLocation& where = TELAIO_HERE);

}  // namespace telaio
