// Samples brought into the form that a model takes.
#pragma once

#include <telaio/nn/data/batches.hpp>
#include <telaio/nn/model.hpp>
#include <telaio/nn/train/evaluate.hpp>

namespace telaio::nn {

/// Batches for a model: u8 and f32 inputs as floats for a model of floats, others as they are. Error when the samples
/// have another shape or type than the model's.
BatchMaker batch_maker(const Model& model, const Examples& examples, const Standardization& standardization,
                       const Augmentation& augmentation = {});

/// Whether each sample has a class: the loss takes classes, and the outputs of a sample are a single axis or number.
bool has_classes(const Model& model, const Loss& loss);

}  // namespace telaio::nn
