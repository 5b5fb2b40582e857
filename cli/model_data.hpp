// The samples that a trained model is measured on.
#pragma once

#include <string>

#include <telaio/nn/data/dataset.hpp>
#include <telaio/nn/io/model_file.hpp>

#include "command.hpp"

namespace telaio::cli {

/// The option --part: "test", "train", or "" where it was not given.
std::string part_of(const po::variables_map& given);
/// That part; of "" the test part where there is one, which `part` becomes the name of. Error when it is empty.
const nn::Samples& part_named(const nn::Dataset& data, std::string& part);

/// The samples as the model takes them, their labels counted as it counts its classes. Error when they are not the same
/// classes, or have another shape.
nn::Samples samples_for(const nn::ModelFile& file, const std::string& model_path, nn::Samples samples,
                        const std::string& source);

}  // namespace telaio::cli
