// Losses: what a training makes small.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <telaio/autograd/tensor.hpp>
#include <telaio/nn/model.hpp>

namespace telaio::nn {

/// A loss by name:
///   categorical_crossentropy (0)  targets are class indices [N] or distributions [N,C] (one-hot); the number is label
///                                 smoothing
///   binary_crossentropy (0)       one sigmoid an output, the mean over the outputs; targets [N,C] in 0…1, or class
///                                 indices [N] (one output: 0 or 1); the number is label smoothing towards ½
///   mse, mae, huber (1)           the mean over the outputs; targets of the output's shape, or [N] for one output
///   auto                          by the model's ending: softmax, sigmoid, linear take the first, second, mse
/// Outputs may have more axes between N and C, as pixels or places in a text: targets then have them too, and the loss
/// of a sample is the mean; accuracies, and whatever else is by class, are only for one class a sample.
/// The crossentropies start from what the final softmax or sigmoid is applied to, and take the outputs of a linear
/// ending for such values.
class Loss {
 public:
  Loss() : Loss("auto") {}
  /// Error that lists the names.
  Loss(std::string_view text);
  Loss(const char* text) : Loss(std::string_view(text)) {}
  Loss(const std::string& text) : Loss(std::string_view(text)) {}
  /// One's own: gives the losses of the samples, [N].
  Loss(std::string name, std::function<Tensor(const Forward&, const Tensor& targets)> function)
      : name_(std::move(name)), function_(std::move(function)) {}

  /// The loss of each sample, [N]. Error when targets and outputs do not fit.
  Tensor operator()(const Forward& forward, const Tensor& targets, const SourceLocation& where = TELAIO_HERE) const;
  /// What `auto` stands for with that ending; otherwise itself.
  Loss resolved(Ending ending) const;
  /// Whether targets are classes, so that there are right and wrong answers.
  bool classifies() const {
    return !function_ && (name_ == "categorical_crossentropy" || name_ == "binary_crossentropy");
  }

  const std::string& name() const { return name_; }
  /// What the constructor reads back.
  std::string text() const;

 private:
  std::string name_;
  double value_ = 0;
  std::function<Tensor(const Forward&, const Tensor&)> function_;
};

/// For models whose outputs are classes: the class of each sample (i64 [N]): the largest output, or, of a single one,
/// whether its probability is above ½.
Tensor predicted_class(const Forward& forward);
/// The class that a target stands for, i64 [N]: itself, the largest of a distribution, or of a single number whether
/// it is above ½.
Tensor target_class(const Tensor& targets);

}  // namespace telaio::nn
