// PNG images as a model takes them.
#pragma once

#include <string>
#include <vector>

#include <telaio/autograd/tensor.hpp>
#include <telaio/nn/model.hpp>

namespace telaio::cli {

/// Error, in the name of `path`, when the model takes no images of 1 or 3 channels.
void check_takes_images(const nn::Model& model, const std::string& path);

/// u8 [N,H,W,C] of the model's sample shape: colour becomes grey, or grey colour, where it wants that; `invert` turns
/// black into white. Error when a file is no PNG, or has another size.
Tensor read_images(const std::vector<std::string>& paths, const nn::Model& model, bool invert);

}  // namespace telaio::cli
