#include <telaio/nn/train/evaluate.hpp>

#include <algorithm>
#include <cstring>
#include <functional>

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

}  // namespace

struct Evaluator::State {
  using Results = std::vector<Tensor>;
  using Function = std::function<Results(const Tensor& x, const Tensor& y)>;

  State(const Model& measured, const Examples& examples, const EvaluateOptions& options)
      : model(measured),
        loss(options.loss.resolved(model.ending())),
        classes(has_classes(model, loss)),
        batches(batch_maker(model, examples, options.standardization)),
        order(plain_order(batches.maker().size())),
        cuts(cut_batches(order, options.batch_size)),
        compiled(Function([this](const Tensor& x, const Tensor& y) { return results(x, y); })) {}

  Results results(const Tensor& x, const Tensor& y) const {
    const Forward forward = model.forward(x);
    Results all{forward.output, loss(forward, y)};
    if (classes) all.insert(all.end(), {predicted_class(forward), target_class(y)});
    return all;
  }

  const Model model;
  const Loss loss;
  const bool classes;
  BatchStream batches;
  const std::vector<int64_t> order;
  const std::vector<std::span<const int64_t>> cuts;
  const Compiled<Function> compiled;
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
  const State& state = *state_;
  BatchStream& batches = state_->batches;
  Evaluation evaluation;
  evaluation.samples = batches.maker().size();
  std::vector<int64_t> truth, predicted;
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
    if (!state.classes) continue;
    for (const int64_t c : results[2].to_vector<int64_t>()) predicted.push_back(c);
    for (const int64_t c : results[3].to_vector<int64_t>()) truth.push_back(c);
  }
  evaluation.outputs = constant(outputs);
  evaluation.loss = total / static_cast<double>(evaluation.samples);
  if (!state.classes) return evaluation;

  const int64_t count = class_count(state.model);
  evaluation.confusion.emplace(count);
  evaluation.confusion->add(truth, predicted);
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
