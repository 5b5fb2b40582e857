// What the options of `telaio train` mean.
#pragma once

#include <optional>
#include <string>

#include <telaio/nn/train/fit.hpp>

#include "command.hpp"

namespace telaio::cli {

struct TrainChoices {
  nn::FitOptions options;
  nn::Optimizer optimizer;
};

/// All that can be said before the data are loaded, which may take long: what depends on classes is not among it.
/// Errors name the option.
TrainChoices choose_training(const po::variables_map& given);

/// The option --output; nothing where it was not given.
std::optional<nn::Ending> ending_of(const po::variables_map& given);

/// Of the classes that the text of --thin names, only the first so many samples.
nn::Samples thinned(const nn::Samples& samples, const std::string& text);

}  // namespace telaio::cli
