// Measuring a model on samples.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <telaio/nn/data/dataset.hpp>
#include <telaio/nn/data/standardize.hpp>
#include <telaio/nn/model.hpp>
#include <telaio/nn/train/loss.hpp>
#include <telaio/nn/train/metrics.hpp>

namespace telaio::nn {

/// Inputs with targets: of a classifier class indices [N] or one-hot [N,C], otherwise numbers [N] or [N,D].
struct Examples {
  Tensor inputs;
  Tensor targets;

  Examples() = default;
  Examples(Tensor x, Tensor y) : inputs(std::move(x)), targets(std::move(y)) {}
  Examples(const Samples& samples) : inputs(samples.inputs), targets(samples.labels) {}

  bool defined() const { return inputs.defined(); }
  int64_t size() const { return inputs.dim(0); }
};

struct EvaluateOptions {
  Loss loss = {};
  int64_t batch_size = 256;
  Standardization standardization = {};
};

struct Evaluation {
  int64_t samples = 0;
  double loss = 0;  ///< mean over the samples
  /// Of classifiers only: what was taken for what, and the mean loss of each class.
  std::optional<ConfusionMatrix> confusion;
  std::vector<double> class_loss;
  std::vector<int64_t> predicted;  ///< of classifiers: what each sample was taken for
  Tensor outputs;                  ///< [N, …]: probabilities, where the model ends so
  std::vector<float> losses;       ///< of each sample

  /// The share of right answers; nothing where there are no classes.
  std::optional<double> accuracy() const;
};

/// Measures a model on the same samples again and again, while it is trained: what is compiled for that is kept.
class Evaluator {
 public:
  /// Errors as of evaluate().
  Evaluator(const Model& model, const Examples& examples, const EvaluateOptions& options = {});
  ~Evaluator();
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;

  /// With the model's present parameters.
  Evaluation run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Computes outputs, losses and metrics of all samples. u8 inputs become floats in [0,1] unless the model takes bytes.
/// Error when inputs or targets do not fit the model, or there are none.
Evaluation evaluate(const Model& model, const Examples& examples, const EvaluateOptions& options = {});

/// The outputs alone: [N, …]. Inputs are prepared as in evaluate().
Tensor predict(const Model& model, const Tensor& inputs, const Standardization& standardization = {},
               int64_t batch_size = 256);

}  // namespace telaio::nn
