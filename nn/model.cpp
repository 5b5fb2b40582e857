#include <telaio/nn/model.hpp>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include <telaio/autograd/compile.hpp>
#include <telaio/autograd/op.hpp>
#include <telaio/nn/walk.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio::nn {

std::string_view name_of(Ending ending) {
  switch (ending) {
    case Ending::softmax:
      return "softmax";
    case Ending::sigmoid:
      return "sigmoid";
    case Ending::linear:
      break;
  }
  return "linear";
}

namespace {

Shape with_batch(Shape sample, int64_t batch) {
  sample.insert(0, batch);
  return sample;
}

Shape without_batch(Shape shape) {
  if (shape.rank() > 0) shape.erase(0);
  return shape;
}

}  // namespace

struct Model::State {
  Layer network;
  ModelOptions options;
  Shape sample, output;
  Ending ending = Ending::linear;
  ParameterStore store;
  std::vector<LayerInfo> layers;

  // What predict() runs; it lives with the state and so refers to it.
  struct Predict {
    State* state;
    Tensor operator()(const Tensor& x) const { return state->forward(x, {}, false, SourceLocation()).output; }
  };
  Compiled<Predict> predict{Predict{this}};

  DType input_dtype() const { return options.input.value_or(options.dtype); }

  /// x as the network takes it. Error when it is none of its samples.
  Tensor checked(const Tensor& x, const SourceLocation& where) const {
    const auto wrong = [&] {
      fail(fmt::format("model '{}'", options.name),
           fmt::format("expected {}[N{}{}", name_of(input_dtype()), sample.empty() ? "" : ",",
                       to_string(sample).substr(1)),
           {&x, 1}, where);
    };
    if (!x.defined() || x.rank() != sample.rank() + 1 || !(without_batch(x.shape()) == sample)) wrong();
    if (x.dtype() == input_dtype()) return x;
    if (!is_float(x.dtype()) || !is_float(input_dtype())) wrong();
    return cast(x, input_dtype(), where);
  }

  /// What callers rely on, predict() with raw memory.
  void check_output(const Tensor& y, int64_t samples) const {
    if (y.dtype() != options.dtype)
      throw Error(fmt::format("model '{}': the network gives {}, expected {}", options.name, name_of(y.dtype()),
                              name_of(options.dtype)));
    if (y.rank() == 0 || y.dim(0) != samples)
      throw Error(fmt::format("model '{}': of {} sample{} the network gives {}, expected [{},…]", options.name, samples,
                              samples == 1 ? "" : "s", to_string(y.spec()), samples));
  }

  Forward walk(Walk& walk, const Tensor& x) {
    LayerContext context(walk, "");
    Forward forward;
    forward.output = context(network, x, "");
    check_output(forward.output, x.dim(0));
    forward.logits = forward.output;
    forward.updates = std::move(walk.updates);
    forward.layers = std::move(walk.values);
    if (walk.activated.y.defined() && walk.activated.y.same(forward.output)) {
      const std::string& last = walk.activated.function.name();
      forward.ending = last == "softmax" ? Ending::softmax : last == "sigmoid" ? Ending::sigmoid : Ending::linear;
      if (forward.ending != Ending::linear) forward.logits = walk.activated.x;
    }
    return forward;
  }

  Forward forward(const Tensor& x, const Tensor& key, bool training, const SourceLocation& where) {
    const Tensor checked_x = checked(x, where);
    if (key.defined() && !(key.spec() == TensorSpec{i64, {2}}))
      fail(fmt::format("model '{}'", options.name), "the key must be i64[2]: a seed and the number of the step",
           {&key, 1}, where);
    Walk pass{.store = store, .dtype = options.dtype, .making = false, .training = training, .key = key};
    return walk(pass, checked_x);
  }
};

Model::Model(Layer network, const Shape& sample, ModelOptions options) : state_(std::make_shared<State>()) {
  State& s = *state_;
  s.network = std::move(network);
  s.options = std::move(options);
  s.sample = sample;
  if (!is_float(s.options.dtype))
    throw Error(fmt::format("model '{}': parameters are f32 or f64, not {}", s.options.name, name_of(s.options.dtype)));
  if (!s.network.defined()) throw Error(fmt::format("model '{}': the network is undefined", s.options.name));
  if (sample.rank() >= max_rank)
    throw Error(fmt::format("model '{}': a sample of shape {}: expected fewer than {} axes", s.options.name,
                            to_string(sample), max_rank));
  for (const int64_t size : sample)
    if (size < 1)
      throw Error(
          fmt::format("model '{}': a sample of shape {}: sizes are 1 or more", s.options.name, to_string(sample)));

  Walk pass{.store = s.store, .dtype = s.options.dtype, .making = true, .training = false, .seed = s.options.seed};
  const Forward forward = s.walk(pass, zeros(with_batch(sample, 1), s.input_dtype()));
  s.ending = forward.ending;
  s.output = without_batch(forward.output.shape());
  for (LayerInfo& visit : pass.visits) {
    visit.input = without_batch(visit.input);
    visit.output = without_batch(visit.output);
  }
  s.layers = std::move(pass.visits);
}

Forward Model::forward(const Tensor& x, const SourceLocation& where) const {
  return state_->forward(x, {}, false, where);
}
Forward Model::forward_training(const Tensor& x, const Tensor& key, const SourceLocation& where) const {
  return state_->forward(x, key, true, where);
}

Tensor Model::predict(const Tensor& x, int64_t batch_size, const SourceLocation& where) const {
  if (batch_size < 1) throw Error(fmt::format("predict: batch_size: expected at least 1, got {}", batch_size));
  const Tensor inputs = state_->checked(x, where);
  const int64_t n = inputs.dim(0);
  const Array outputs({state_->options.dtype, with_batch(state_->output, n)});
  const auto row_bytes = static_cast<int64_t>(size_of(outputs.dtype())) * numel(state_->output);
  for (int64_t first = 0; first < n; first += batch_size) {
    const int64_t last = std::min(n, first + batch_size);
    const Tensor batch = first == 0 && last == n ? inputs : slice(inputs, 0, first, last);
    const Array some = state_->predict(batch).value().contiguous();
    std::memcpy(outputs.bytes() + first * row_bytes, some.bytes(), static_cast<size_t>((last - first) * row_bytes));
  }
  return constant(outputs);
}

const std::string& Model::name() const { return state_->options.name; }
const Layer& Model::network() const { return state_->network; }
DType Model::dtype() const { return state_->options.dtype; }
DType Model::input_dtype() const { return state_->input_dtype(); }
const Shape& Model::sample_shape() const { return state_->sample; }
const Shape& Model::output_shape() const { return state_->output; }
Ending Model::ending() const { return state_->ending; }
const std::vector<LayerInfo>& Model::layers() const { return state_->layers; }

std::vector<Variable> Model::parameters() const {
  std::vector<Variable> all;
  for (const auto& entry : state_->store.entries())
    if (entry.trainable) all.push_back(entry.variable);
  return all;
}

std::vector<Variable> Model::variables() const {
  std::vector<Variable> all;
  for (const auto& entry : state_->store.entries()) all.push_back(entry.variable);
  return all;
}

int64_t Model::parameter_count() const { return state_->layers.back().parameters; }
int64_t Model::multiply_adds() const { return state_->layers.back().multiply_adds; }

Model Model::clone() const {
  Model copy(state_->network, state_->sample, state_->options);
  copy.set_values(values());
  return copy;
}

Tensor snapshot(const Variable& variable) {
  // A step may write into a variable's memory when nobody else holds it, so the copy is one of its own.
  const Array from = variable.read().value();
  const Array copy(from.spec());
  std::memcpy(copy.bytes(), from.bytes(), static_cast<size_t>(from.spec().bytes()));
  return constant(copy);
}

std::vector<Tensor> Model::values() const {
  std::vector<Tensor> all;
  for (const Variable& variable : variables()) all.push_back(snapshot(variable));
  return all;
}

void Model::set_values(const std::vector<Tensor>& values) const {
  const std::vector<Variable> all = variables();
  if (all.size() != values.size())
    throw Error(fmt::format("model '{}': {} values for {} variables", name(), values.size(), all.size()));
  std::vector<std::pair<Variable, Tensor>> pairs;
  for (size_t i = 0; i < all.size(); ++i) pairs.emplace_back(all[i], values[i]);
  assign(pairs);
}

int64_t class_count(const Model& model) {
  return std::max<int64_t>(model.output_shape().empty() ? 1 : model.output_shape().back(), 2);
}

}  // namespace telaio::nn
