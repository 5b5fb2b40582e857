// Convolution, bias, relu and max-pool as one op, and its gradients: what the last op of such a pattern offers
// (Op::fused). Nobody builds them by hand.
#pragma once

#include <vector>

#include <telaio/autograd/node.hpp>
#include <telaio/ops/conv2d.hpp>

namespace telaio {

/// For max_pool2d: values of max_pool2d(relu(conv2d(image, filter) + bias)), where the windows tile the image; relu and
/// bias may be missing. Positions are not replaced.
std::vector<Tensor> fused_max_pool2d(const Node& pool);

/// For the gradients of such a convolution by its image and by its filter, and for the sum over all positions that is
/// the bias's: the same from the pooled gradient, which is all that is not zero. Empty where the pattern is another.
std::vector<Tensor> fused_conv2d_input_grad(const Node& gradient, const Conv2dOptions& options);
std::vector<Tensor> fused_conv2d_weight_grad(const Node& gradient, const Conv2dOptions& options);
std::vector<Tensor> fused_conv2d_bias_grad(const Node& sum);

}  // namespace telaio
