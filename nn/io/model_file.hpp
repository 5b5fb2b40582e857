// Models in files: one safetensors file (safetensors.hpp) with description, parameters, classes, preparation of the
// inputs and, of a training that was stopped, all that it needs to go on.
//
// The parameters stand under their names, the rest under preparation/… and training/…. The metadata: "format"
// (telaio-model-1), "network" (describe.hpp), "dtype", "input_dtype", "classes" (a list), "standardization", "training"
// (the settings of a stopped training), and what the program adds.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <telaio/nn/data/standardize.hpp>
#include <telaio/nn/layer.hpp>
#include <telaio/nn/model.hpp>
#include <telaio/nn/training_state.hpp>

namespace telaio::nn {

struct ModelFile {
  Model model;
  std::vector<std::string> class_names = {};
  Standardization standardization = {};
  std::optional<TrainingState> training = {};
  std::map<std::string, std::string> notes = {};  ///< further metadata, by names of one's own
};

/// Writes beside and renames. `values` (as Model::values()) stand for the model's present ones where they are given.
void save_model(const std::string& path, const ModelFile& file, const std::vector<Tensor>* values = nullptr);

/// Error "PATH: …" for what read_safetensors refuses, a file that is no model, a description that does not build,
/// another number of classes (where there are names) than the network tells apart, and a parameter that is missing, of
/// another shape or type, or unknown to the network.
ModelFile load_model(const std::string& path, const LayerTypes& types = LayerTypes::standard());

/// Whether a file exists that begins as a safetensors file does; says nothing of the rest.
bool is_model_file(const std::string& path);

}  // namespace telaio::nn
