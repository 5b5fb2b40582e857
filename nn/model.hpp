// Model: a network with its parameters.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <telaio/autograd/tensor.hpp>
#include <telaio/autograd/variable.hpp>
#include <telaio/nn/layer.hpp>

namespace telaio::nn {

/// How a network ends: with a softmax over the last axis, with a sigmoid on each output, or with neither.
enum class Ending : uint8_t { linear, softmax, sigmoid };
std::string_view name_of(Ending ending);

/// What a layer of a network gave, by its path.
struct LayerValue {
  std::string path;
  Tensor output;             ///< with the batch: [N, …]
  Tensor before_activation;  ///< what the activation that gave the output was applied to; else `output`
};

/// A network's results in a graph.
struct Forward {
  Tensor output;
  /// What the final softmax or sigmoid was applied to, where losses are computed without overflow; else `output`.
  Tensor logits;
  Ending ending = Ending::linear;
  /// Values of states after this step (moving averages): to be assigned with the parameters. Only of a training pass.
  std::vector<std::pair<Variable, Tensor>> updates;
  /// Of all layers, in the order of Model::layers().
  std::vector<LayerValue> layers;
};

/// A layer of a network, as found when the model was built.
struct LayerInfo {
  std::string path;           ///< "block1.conv1"
  std::string type;           ///< "conv2d"
  Shape input, output;        ///< of one sample
  int64_t parameters = 0;     ///< of the layer and the layers in it, untrained states included
  int64_t trainable = 0;      ///< those that are trained
  int64_t multiply_adds = 0;  ///< of one sample, in the products and convolutions of the layer and the layers in it
  bool leaf = true;           ///< has no layers in it
};

struct ModelOptions {
  std::string name = "model";
  DType dtype = f32;  ///< of parameters and outputs: f32 or f64
  /// Of the inputs: the parameters' type, or u8 for networks that begin with a Rescaling, or i64, i32 with an
  /// Embedding.
  std::optional<DType> input = {};
  uint64_t seed = 1;  ///< of the initial parameters
};

/// A copy of a variable's present value.
Tensor snapshot(const Variable& variable);

/// Copies share the parameters. Parameters are named by the path of their layer: "conv1.weight".
class Model {
 public:
  /// Builds the network for samples of the given shape (without the batch), which checks every layer, and makes its
  /// parameters. Errors name the layer and the line on which it was written.
  Model(Layer network, const Shape& sample, ModelOptions options = {});

  /// The output for x [N, sample…] as a graph, for inference: differentiable, compilable.
  Tensor operator()(const Tensor& x, const SourceLocation& where = TELAIO_HERE) const {
    return forward(x, where).output;
  }
  Forward forward(const Tensor& x, const SourceLocation& where = TELAIO_HERE) const;
  /// The same for a step of training; `key` is i64[2]: a seed and the number of the step, 0 … 2³²−1.
  Forward forward_training(const Tensor& x, const Tensor& key, const SourceLocation& where = TELAIO_HERE) const;

  /// The outputs for x [N, sample…], computed now in batches, by a compiled function.
  Tensor predict(const Tensor& x, int64_t batch_size = 256, const SourceLocation& where = TELAIO_HERE) const;

  const std::string& name() const;
  const Layer& network() const;
  DType dtype() const;
  DType input_dtype() const;
  const Shape& sample_shape() const;
  /// Of one sample.
  const Shape& output_shape() const;
  Ending ending() const;
  /// In the order of a walk through the network; outer layers after those in them.
  const std::vector<LayerInfo>& layers() const;

  /// The trained parameters, and all variables: those and the states, in the order of the network.
  std::vector<Variable> parameters() const;
  std::vector<Variable> variables() const;
  int64_t parameter_count() const;
  int64_t multiply_adds() const;

  /// A model with parameters of its own, of the same values.
  Model clone() const;

  /// Copies of all variables' values, in the order of variables(), and back.
  std::vector<Tensor> values() const;
  void set_values(const std::vector<Tensor>& values) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

/// How many classes a classifier tells apart: its outputs, or 2 for a single one.
int64_t class_count(const Model& model);

}  // namespace telaio::nn
