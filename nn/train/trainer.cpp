#include <telaio/nn/train/trainer.hpp>

#include <fmt/format.h>

#include <telaio/autograd/compile.hpp>
#include <telaio/autograd/grad.hpp>
#include <telaio/autograd/op.hpp>
#include <telaio/nn/train/check_finite.hpp>
#include <telaio/nn/train/preparation.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/random.hpp>
#include <telaio/ops/reduce.hpp>
#include <telaio/ops/unary.hpp>

namespace telaio::nn {

struct Trainer::Parts {
  Forward forward;
  Tensor loss, losses;
  std::vector<Tensor> gradients;
};

/// What the compiled function refers to; it outlives moves of the trainer.
struct Trainer::Compiled {
  using Results = std::vector<Tensor>;
  using Function = std::function<Results(const Tensor& x, const Tensor& targets, const std::vector<Tensor>& weights,
                                         const Tensor& key, const Tensor& rate, const Tensor& step)>;
  telaio::Compiled<Function> step;
};

Trainer::Parts Trainer::parts(const Tensor& x, const Tensor& targets, const Tensor& weights, const Tensor& key) const {
  Parts parts;
  parts.forward = model_.forward_training(x, key);
  parts.losses = loss_(parts.forward, targets);
  if (!weights.defined()) {
    parts.loss = mean(parts.losses);
  } else {
    if (!(weights.shape() == parts.losses.shape())) {
      const Tensor both[] = {parts.losses, weights};
      fail("weights", "expected one for each sample (b), the losses are (a)", both, TELAIO_HERE);
    }
    const Tensor w = cast(weights, parts.losses.dtype());
    const Tensor total = sum(parts.losses * w);
    if (options_.weight_mean == MeanBy::count) {
      parts.loss = total / static_cast<double>(parts.losses.numel());
    } else {
      const Tensor weight = sum(w);
      parts.loss = total / where(weight == 0, 1, weight);  // a batch that weighs nothing has the loss 0
    }
  }
  const std::vector<Variable>& parameters = optimizer_->parameters();
  parts.gradients = grad(parts.loss, {parameters.begin(), parameters.end()}, {.strict = true});
  return parts;
}

Trainer::Trainer(Model model, TrainerOptions options)
    : model_(std::move(model)),
      options_(std::move(options)),
      loss_(options_.loss.resolved(model_.ending())),
      optimizer_(std::make_shared<OptimizerState>(options_.optimizer, model_.parameters())) {
  if (optimizer_->parameters().empty())
    throw Error(fmt::format("model '{}': there are no parameters to train", model_.name()));
  // The trainer may be moved, so the function has copies: handles that share the same state.
  const auto run = [self = std::make_shared<Trainer>(*this)](const Tensor& x, const Tensor& targets,
                                                             const std::vector<Tensor>& weights, const Tensor& key,
                                                             const Tensor& rate, const Tensor& step) {
    Parts parts = self->parts(x, targets, weights.empty() ? Tensor() : weights[0], key);
    std::vector<std::string> names;
    for (const Variable& parameter : self->optimizer_->parameters()) names.push_back(parameter.name());
    const Tensor loss = check_finite(parts.loss, parts.gradients, std::move(names));
    self->optimizer_->apply(parts.gradients, rate, step);
    assign(parts.forward.updates);
    Compiled::Results results{loss, parts.losses};
    if (has_classes(self->model_, self->loss_))
      results.push_back(predicted_class(parts.forward) == target_class(targets));
    return results;
  };
  compiled_ = std::make_shared<Compiled>(Compiled{telaio::Compiled<Compiled::Function>(run)});
}

StepResult Trainer::step(const Tensor& x, const Tensor& targets, const Tensor& weights, std::optional<double> rate) {
  const Tensor key = random_key(static_cast<int64_t>(options_.seed), steps_);
  const std::vector<Tensor> given = weights.defined() ? std::vector<Tensor>{weights} : std::vector<Tensor>{};
  Compiled::Results results;
  try {
    results = compiled_->step(x, targets, given, key, rate.value_or(options_.optimizer.learning_rate),
                              static_cast<double>(steps_ + 1));
  } catch (const Error& error) {
    // Nothing was assigned: the same batch again, op by op, shows where it began.
    std::string found;
    const std::pair<std::string_view, const Tensor&> data[] = {
        {"inputs", x}, {"targets", targets}, {"weights", weights}};
    try {
      for (const auto& [name, values] : data)
        if (found.empty() && values.defined() && is_float(values.dtype()))
          if (const std::string what = not_finite(values.value()); !what.empty())
            found = fmt::format("the batch's {} have {}", name, what);
      const Parts again = parts(x, targets, weights, key);
      std::vector<Tensor> all{again.loss};
      all.insert(all.end(), again.gradients.begin(), again.gradients.end());
      if (found.empty()) found = first_not_finite(all);
    } catch (const Error&) {
      throw error;  // it does not even run: what the step said is the reason
    }
    if (found.empty()) throw;
    throw Error(
        fmt::format("step {}: the loss or a gradient is not finite, so nothing was updated: {}", steps_ + 1, found));
  }
  ++steps_;
  return {results[0], results[1], results.size() > 2 ? results[2] : Tensor()};
}

std::pair<Tensor, std::vector<Tensor>> Trainer::graph(const Tensor& x, const Tensor& targets) const {
  Parts drawn = parts(x, targets, {}, random_key(static_cast<int64_t>(options_.seed), steps_));
  return {drawn.loss, drawn.gradients};
}

}  // namespace telaio::nn
