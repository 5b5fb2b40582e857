// What the curves of a training say, in words.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <telaio/nn/train/fit.hpp>

namespace telaio::nn {

/// A few sentences, each a line:
///   a training accuracy that stays far from 100%: the model is too small for the task, or was trained too briefly
///     (where it was still improving);
///   a gap between training and validation: overfitting, and in which classes;
///   a validation loss that rises again after its best epoch;
///   how good it is where nothing is wrong.
/// `test` are results on samples that were not trained with, where there was no validation. Of models that are no
/// classifiers the losses are compared.
std::vector<std::string> diagnose(const FitResult& result, const std::optional<ConfusionMatrix>& test,
                                  std::span<const std::string> class_names);

}  // namespace telaio::nn
