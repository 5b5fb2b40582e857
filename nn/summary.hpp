// What a model is made of: Keras's table, with the arithmetic beside the parameters.
#pragma once

#include <string>

#include <telaio/nn/model.hpp>

namespace telaio::nn {

/// How many parameters a dense layer between the same two shapes would have: inputs × outputs, and a bias.
int64_t dense_equivalent(const LayerInfo& layer);

/// A line a layer with its output shape (None is the batch), parameters, multiply-adds of one sample and, for layers
/// with parameters, the dense equivalent; then the totals and their memory.
std::string summary(const Model& model);

/// "1,361,664".
std::string with_commas(int64_t number);

}  // namespace telaio::nn
