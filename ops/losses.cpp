#include <telaio/ops/losses.hpp>

#include <fmt/format.h>

#include <telaio/ops/binary.hpp>
#include <telaio/ops/loss_reduction.hpp>
#include <telaio/ops/named_operands.hpp>
#include <telaio/ops/reduce.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio {

Tensor reduced(const Tensor& weighted_losses, const Tensor& weights, Reduction reduction, MeanBy mean_by,
               const SourceLocation& where) {
  if (reduction == Reduction::none) return weighted_losses;
  if (reduction == Reduction::mean && (mean_by == MeanBy::count || !weights.defined()))
    return mean(weighted_losses, {}, false, where);
  const Tensor total = sum(weighted_losses, {}, false, where);
  return reduction == Reduction::sum ? total : Operand(total, where) / sum(weights, {}, false, where);
}

namespace {

// Broadcasting [N] against [N,1] would quietly give N² losses: shapes must agree.
void check(std::string_view op, const Tensor& prediction, const Tensor& target, std::string_view prediction_name,
           std::string_view target_name, const SourceLocation& where) {
  require_defined(op, {{prediction_name, prediction}, {target_name, target}}, where);
  const auto wrong = [&](const std::string& problem) {
    fail(op, problem, {{prediction_name, prediction}, {target_name, target}}, where);
  };
  if (!is_float(prediction.dtype())) wrong(fmt::format("the {} must be f32 or f64", prediction_name));
  if (!(prediction.shape() == target.shape()))
    wrong(fmt::format("the {} and the {} must have the same shape", prediction_name, target_name));
}

Tensor finished(std::string_view op, const Tensor& losses, const LossOptions& options, const SourceLocation& where) {
  if (!options.weights.defined()) return reduced(losses, {}, options.reduction, options.mean_by, where);
  const auto shape = broadcast(options.weights.shape(), losses.shape());
  if (!shape || !(*shape == losses.shape()))
    fail(op, "the weights do not broadcast to the losses", {{"losses", losses}, {"weights", options.weights}}, where);
  const Tensor weights = broadcast_to(cast(options.weights, losses.dtype(), where), losses.shape(), where);
  return reduced(Operand(losses, where) * weights, weights, options.reduction, options.mean_by, where);
}

}  // namespace

// With s(x) = log(1 + eˣ) = max(x,0) + log(1 + e^−|x|), max(x,0) − x·y + log(1 + e^−|x|) is y·s(−x) + (1−y)·s(x): all
// terms have one sign, so nothing cancels, and there is no kink at 0 whose derivatives would have to be patched up.
Tensor binary_cross_entropy(const Tensor& logits, const Tensor& targets, const LossOptions& options,
                            const SourceLocation& where) {
  check("binary_cross_entropy", logits, targets, "logits", "targets", where);
  if (is_integer(targets.dtype())) {
    fail("binary_cross_entropy", "the targets must be floats or bools", {{"logits", logits}, {"targets", targets}},
         where);
  }
  const Operand y(cast(targets, logits.dtype(), where), where);
  const Tensor losses =
      y * softplus(neg(logits, where), 1, where) + (Operand(1, where) - y) * softplus(logits, 1, where);
  return finished("binary_cross_entropy", losses, options, where);
}

Tensor mse(const Tensor& prediction, const Tensor& target, const LossOptions& options, const SourceLocation& where) {
  check("mse", prediction, target, "prediction", "target", where);
  return finished("mse", square(Operand(prediction, where) - target, where), options, where);
}

Tensor mae(const Tensor& prediction, const Tensor& target, const LossOptions& options, const SourceLocation& where) {
  check("mae", prediction, target, "prediction", "target", where);
  return finished("mae", abs(Operand(prediction, where) - target, where), options, where);
}

// With q = min(max(d, −delta), delta) both branches are q·(d − ½q).
Tensor huber(const Tensor& prediction, const Tensor& target, double delta, const LossOptions& options,
             const SourceLocation& where) {
  check("huber", prediction, target, "prediction", "target", where);
  if (!(delta > 0)) {
    fail("huber", fmt::format("delta must be positive, got {}", delta),
         {{"prediction", prediction}, {"target", target}}, where);
  }
  const Operand d(Operand(prediction, where) - target, where);
  const Operand q(clip(d.tensor(), -delta, delta, where), where);
  return finished("huber", q * (d - q * 0.5), options, where);
}

}  // namespace telaio
