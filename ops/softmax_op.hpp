// The cross-entropy of a softmax with labels as one op: the logarithm of each probability is never in memory.
#pragma once

#include <telaio/autograd/tensor.hpp>

namespace telaio {

/// −log softmax(logits) at the label: [...,C] with i64 labels [...], each known to be in 0…C−1, → [...].
Tensor softmax_cross_entropy(const Tensor& logits, const Tensor& labels, const SourceLocation& where);

}  // namespace telaio
