// The guard before an update: nothing that is not finite reaches the parameters.
#pragma once

#include <string>
#include <vector>

#include <telaio/autograd/tensor.hpp>

namespace telaio::nn {

/// The loss, as it is. When it runs, Error "the loss is nan" or "the gradient of 'conv1.weight' has an infinity" unless
/// the loss and all gradients are finite; `names` are those of the gradients. A compiled function that throws has
/// assigned nothing. Build it before the updates: then they can still be written in place.
Tensor check_finite(const Tensor& loss, const std::vector<Tensor>& gradients, std::vector<std::string> names);

/// A value of an array that is not finite, as text ("nan", "an infinity"), or "" where there is none. Floats only.
std::string not_finite(const Array& values);

/// The first op, in an order where inputs come before what is made of them, of which a result is not finite: computes
/// the graph behind the tensors without compiling it. In words, "log of layer 'dense1' gives nan" and the line, or the
/// parameter or constant that is not finite; "" where all is.
std::string first_not_finite(const std::vector<Tensor>& tensors);

}  // namespace telaio::nn
