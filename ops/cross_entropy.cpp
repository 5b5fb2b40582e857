#include <fmt/format.h>

#include <telaio/autograd/op.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/indexing.hpp>
#include <telaio/ops/loss_reduction.hpp>
#include <telaio/ops/losses.hpp>
#include <telaio/ops/named_operands.hpp>
#include <telaio/ops/reduce.hpp>
#include <telaio/ops/softmax_op.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio {

namespace {

// Labels as i64, each checked to be a class: an index in general may count from the end, but a label of −1 is a
// mistake.
class Labels final : public Op {
 public:
  Labels(std::string_view loss, int64_t classes) : loss_(loss), classes_(classes) {}
  std::string_view name() const override { return loss_; }  // whose error it is
  std::string attributes() const override { return fmt::format("labels of {} classes", classes_); }
  std::string_view input_name(size_t) const override { return "targets"; }
  std::vector<TensorSpec> infer(Specs x) const override {
    if (!is_integer(x[0].dtype)) throw Error("labels must be i32, i64 or u8");
    return {{i64, x[0].shape}};
  }
  void run(Views x, Views y, void*) const override {
    const int64_t count = y[0].numel();
    auto* labels = y[0].data<int64_t>();
    with_dtype(x[0].dtype(), [&]<class T>() {
      const T* given = x[0].data<T>();
      for (int64_t i = 0; i < count; ++i) {
        labels[i] = static_cast<int64_t>(given[i]);
        if (labels[i] < 0 || labels[i] >= classes_)
          throw Error(fmt::format("label {} at place {} is not one of {} classes", labels[i], i, classes_));
      }
    });
  }
  bool may_fail() const override { return true; }
  bool same_as(const Op& other) const override { return classes_ == static_cast<const Labels&>(other).classes_; }

 private:
  std::string_view loss_;
  int64_t classes_;
};

// What both functions are told, and how they complain.
struct Problem {
  std::string_view op, scores_name;
  const Tensor& scores;
  const Tensor& targets;
  const CrossEntropyOptions& options;
  const SourceLocation& where;

  [[noreturn]] void wrong(const std::string& text) const {
    fail(op, text,
         {{scores_name, scores},
          {"targets", targets},
          {"class_weights", options.class_weights},
          {"sample_weights", options.sample_weights}},
         where);
  }
  int64_t classes() const { return scores.dim(-1); }
  Shape samples() const {
    Shape shape = scores.shape();
    shape.erase(shape.rank() - 1);
    return shape;
  }
  bool labelled() const { return is_integer(targets.dtype()); }

  void check() const {
    require_defined(op, {{scores_name, scores}, {"targets", targets}}, where);
    if (!is_float(scores.dtype())) wrong(fmt::format("the {} must be f32 or f64", scores_name));
    if (scores.rank() < 1 || classes() == 0) wrong(fmt::format("the {} need a last axis of classes", scores_name));
    if (targets.dtype() == boolean) wrong("the targets must be class indices (integers) or distributions (floats)");
    if (labelled() && !(targets.shape() == samples()))
      wrong(fmt::format("class indices must have shape {}; one-hot targets must be floats", to_string(samples())));
    if (!labelled() && !(targets.shape() == scores.shape()))
      wrong(fmt::format("distributions must have shape {}; class indices must be integers", to_string(scores.shape())));
    if (options.class_weights.defined() && !(options.class_weights.shape() == Shape{classes()}))
      wrong(fmt::format("the class weights must have shape [{}]", classes()));
    if (options.sample_weights.defined() && !(options.sample_weights.shape() == samples()))
      wrong(fmt::format("the sample weights must have shape {}", to_string(samples())));
    if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1))
      wrong(fmt::format("label_smoothing must be in [0, 1], got {}", options.label_smoothing));
  }
};

// A loss for each sample, and the weight that its class gives it (undefined: 1).
struct Losses {
  Tensor losses, weights;
};

// −(1−s)·w_y·log p_y − s/C·Σ_c w_c·log p_c, as PyTorch since 1.10.
// log_p is undefined where all that is asked of it is its value at the label: then the logits will do.
Losses of_labels(const Problem& problem, const Tensor& log_p, const Tensor& class_weights) {
  const SourceLocation& where = problem.where;
  const double s = problem.options.label_smoothing;
  const Tensor labels = apply(OpPtr(new Labels(problem.op, problem.classes())), {problem.targets}, where);
  Losses result;
  if (log_p.defined()) {
    const Tensor at_label = gather(log_p, unsqueeze(labels, labels.rank(), where), -1, where);
    result.losses = neg(squeeze(at_label, {-1}, where), where);
  } else {
    result.losses = softmax_cross_entropy(problem.scores, labels, where);
  }
  if (class_weights.defined()) {
    result.weights = take(class_weights, labels, 0, where);
    result.losses = Operand(result.losses, where) * result.weights;
  }
  if (s > 0) {
    const Tensor terms = class_weights.defined() ? Operand(log_p, where) * class_weights : log_p;
    const Operand spread(mean(terms, -1, false, where), where);
    result.losses = Operand(result.losses, where) * (1 - s) - spread * s;
  }
  return result;
}

// −Σ_c w_c·((1−s)·y_c + s/C)·log p_c. The sample's weight is Σ_c w_c·y_c, so that one-hot targets are like labels.
Losses of_distributions(const Problem& problem, const Tensor& log_p, const Tensor& class_weights) {
  const SourceLocation& where = problem.where;
  const double s = problem.options.label_smoothing;
  const Tensor y = cast(problem.targets, log_p.dtype(), where);
  Tensor weighted = s > 0 ? Operand(y, where) * (1 - s) + s / static_cast<double>(problem.classes()) : y;
  Losses result;
  if (class_weights.defined()) {
    result.weights = sum(Operand(y, where) * class_weights, -1, false, where);
    weighted = Operand(weighted, where) * class_weights;
  }
  result.losses = neg(sum(Operand(weighted, where) * log_p, -1, false, where), where);
  return result;
}

Tensor from_log_probabilities(const Problem& problem, const Tensor& log_p) {
  const CrossEntropyOptions& options = problem.options;
  const SourceLocation& where = problem.where;
  const auto as_weights = [&](const Tensor& given) {
    return given.defined() ? cast(given, problem.scores.dtype(), where) : Tensor();
  };
  const Tensor class_weights = as_weights(options.class_weights);
  const Tensor sample_weights = as_weights(options.sample_weights);
  auto [losses, weights] =
      problem.labelled() ? of_labels(problem, log_p, class_weights) : of_distributions(problem, log_p, class_weights);
  if (sample_weights.defined()) {
    losses = Operand(losses, where) * sample_weights;
    weights = weights.defined() ? Operand(weights, where) * sample_weights : sample_weights;
  }
  return reduced(losses, weights, options.reduction, options.mean_by, where);
}

}  // namespace

Tensor cross_entropy(const Tensor& logits, const Tensor& targets, const CrossEntropyOptions& options,
                     const SourceLocation& where) {
  const Problem problem{"cross_entropy", "logits", logits, targets, options, where};
  problem.check();
  const bool labels_alone = problem.labelled() && options.label_smoothing == 0;
  return from_log_probabilities(problem, labels_alone ? Tensor() : log_softmax(logits, -1, where));
}

Tensor cross_entropy_from_probabilities(const Tensor& probabilities, const Tensor& targets,
                                        const CrossEntropyOptions& options, const SourceLocation& where) {
  const Problem problem{"cross_entropy_from_probabilities", "probabilities", probabilities, targets, options, where};
  problem.check();
  constexpr double epsilon = 1e-7;  // Keras's backend.epsilon()
  const Operand p(probabilities, where);
  const Tensor renormalised = p / sum(probabilities, -1, true, where);
  return from_log_probabilities(problem, log(clip(renormalised, epsilon, 1 - epsilon, where), where));
}

}  // namespace telaio
