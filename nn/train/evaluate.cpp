#include <telaio/nn/train/evaluate.hpp>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include <telaio/autograd/compile.hpp>
#include <telaio/nn/data/batch_stream.hpp>
#include <telaio/nn/train/preparation.hpp>

namespace telaio::nn {

std::optional<double> Evaluation::accuracy() const {
  return confusion ? std::optional(confusion->accuracy()) : std::nullopt;
}

namespace {

/// Copies contiguous rows into their place.
void place_rows(const Tensor& rows, int64_t first, const Array& all) {
  const Array from = rows.value().contiguous();
  const int64_t row = all.spec().bytes() / std::max<int64_t>(all.shape()[0], 1);
  std::memcpy(all.bytes() + first * row, from.bytes(), static_cast<size_t>(from.spec().bytes()));
}

Array rows_like(const Tensor& batch, int64_t n) {
  TensorSpec spec = batch.spec();
  spec.shape[0] = n;
  return Array(spec);
}

/// What is computed of a batch: outputs, losses, and of classifiers the predicted classes and the right ones.
struct Measure {
  Measure(const Model& measured, const Loss& by) : model(measured), loss(by), classes(has_classes(measured, by)) {}

  std::vector<Tensor> operator()(const Tensor& x, const Tensor& y) const {
    const Forward forward = model.forward(x);
    std::vector<Tensor> results{forward.output, loss(forward, y)};
    if (classes) results.insert(results.end(), {predicted_class(forward), target_class(y)});
    return results;
  }

  Model model;
  Loss loss;
  bool classes;
};

}  // namespace

struct Evaluator::State {
  State(const Model& model, const Examples& examples, const EvaluateOptions& options)
      : measure(model, options.loss.resolved(model.ending())),
        batches(batch_maker(model, examples, options.standardization)),
        order(plain_order(batches.maker().size())),
        cuts(cut_batches(order, options.batch_size)),
        compiled(measure) {}

  const Measure measure;
  BatchStream batches;
  const std::vector<int64_t> order;
  const std::vector<std::span<const int64_t>> cuts;
  const Compiled<Measure> compiled;
};

Evaluator::Evaluator(const Model& model, const Examples& examples, const EvaluateOptions& options)
    : state_(std::make_unique<State>(model, examples, options)) {
  if (!state_->batches.maker().has_targets()) throw Error("evaluate: there are no targets");
  if (state_->order.empty()) throw Error("evaluate: there are no samples");
}
Evaluator::~Evaluator() = default;
Evaluator::Evaluator(Evaluator&&) noexcept = default;
Evaluator& Evaluator::operator=(Evaluator&&) noexcept = default;

Evaluation Evaluator::run() {
  State& state = *state_;
  const bool classes = state.measure.classes;
  BatchStream& batches = state.batches;
  Evaluation evaluation;
  evaluation.samples = batches.maker().size();
  std::vector<int64_t> truth;
  Array outputs;
  double total = 0;
  batches.start(requests_for(state.cuts));
  for (const auto rows : state.cuts) {
    const auto [x, y] = batches.next();
    const std::vector<Tensor> results = state.compiled(x, y);
    if (!outputs.defined()) outputs = rows_like(results[0], evaluation.samples);
    place_rows(results[0], rows.front(), outputs);
    for (const double one : results[1].to_vector<double>()) {
      total += one;
      evaluation.losses.push_back(static_cast<float>(one));
    }
    if (!classes) continue;
    for (const int64_t c : results[2].to_vector<int64_t>()) evaluation.predicted.push_back(c);
    for (const int64_t c : results[3].to_vector<int64_t>()) truth.push_back(c);
  }
  evaluation.outputs = constant(outputs);
  evaluation.loss = total / static_cast<double>(evaluation.samples);
  if (!classes) return evaluation;

  const int64_t count = class_count(state.measure.model);
  evaluation.confusion.emplace(count);
  evaluation.confusion->add(truth, evaluation.predicted);
  std::vector<double> sums(static_cast<size_t>(count));
  std::vector<int64_t> counts(static_cast<size_t>(count));
  for (size_t i = 0; i < truth.size(); ++i) {
    sums[static_cast<size_t>(truth[i])] += static_cast<double>(evaluation.losses[i]);
    ++counts[static_cast<size_t>(truth[i])];
  }
  for (size_t c = 0; c < sums.size(); ++c)
    evaluation.class_loss.push_back(counts[c] == 0 ? 0 : sums[c] / static_cast<double>(counts[c]));
  return evaluation;
}

Evaluation evaluate(const Model& model, const Examples& examples, const EvaluateOptions& options) {
  return Evaluator(model, examples, options).run();
}

Tensor predict(const Model& model, const Tensor& inputs, const Standardization& standardization, int64_t batch_size) {
  BatchStream batches(batch_maker(model, {inputs, Tensor()}, standardization));
  const int64_t n = batches.maker().size();
  Shape shape = model.output_shape();
  shape.insert(0, n);
  const Array outputs({model.dtype(), shape});
  const std::vector<int64_t> order = plain_order(n);
  const auto cuts = cut_batches(order, batch_size);
  batches.start(requests_for(cuts));
  for (const auto rows : cuts) place_rows(model.predict(batches.next().first, batch_size), rows.front(), outputs);
  return constant(outputs);
}

}  // namespace telaio::nn
