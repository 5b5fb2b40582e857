#include <telaio/nn/train/loss.hpp>

#include <fmt/format.h>

#include <telaio/autograd/op.hpp>
#include <telaio/nn/named_number.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/indexing.hpp>
#include <telaio/ops/losses.hpp>
#include <telaio/ops/reduce.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio::nn {

namespace {

constexpr KnownName names[] = {
    {"auto"},           {"categorical_crossentropy", true, 0}, {"binary_crossentropy", true, 0}, {"mse"}, {"mae"},
    {"huber", true, 1},
};

/// Means over all axes but the first.
Tensor of_samples(const Tensor& losses, const SourceLocation& where) {
  return losses.rank() <= 1 ? losses : mean(flatten(losses, 1, where), 1, false, where);
}

[[noreturn]] void misfit(std::string_view loss, std::string_view expected, const Tensor& outputs, const Tensor& targets,
                         const SourceLocation& where) {
  const Tensor both[] = {outputs, targets};
  fail(loss, fmt::format("the targets (b) do not fit the outputs (a): expected {}", expected), both, where);
}

/// Targets of the outputs' shape and type: [N] also stands for [N,1].
Tensor like_outputs(std::string_view loss, const Tensor& outputs, const Tensor& targets, const SourceLocation& where) {
  Tensor same = targets;
  if (targets.rank() == 1 && outputs.rank() == 2 && outputs.dim(1) == 1) same = reshape(targets, {-1, 1}, where);
  if (!(same.shape() == outputs.shape())) misfit(loss, "the same shape", outputs, targets, where);
  return cast(same, outputs.dtype(), where);
}

Tensor categorical(const Tensor& logits, const Tensor& targets, double smoothing, const SourceLocation& where) {
  constexpr std::string_view name = "categorical_crossentropy";
  if (logits.rank() < 2 || logits.dim(-1) < 2)
    fail(name, "expected two outputs or more, one a class (a single one suits binary_crossentropy)", {&logits, 1},
         where);
  Shape samples = logits.shape();
  samples.erase(samples.rank() - 1);
  const bool indices = is_integer(targets.dtype());
  if (!(targets.shape() == (indices ? samples : logits.shape())))
    misfit(name, "class indices [N] (whole numbers) or distributions [N,C] (floats)", logits, targets, where);
  return of_samples(cross_entropy(logits, indices ? targets : cast(targets, logits.dtype(), where),
                                  {.label_smoothing = smoothing, .reduction = Reduction::none}, where),
                    where);
}

Tensor binary(const Tensor& logits, const Tensor& targets, double smoothing, const SourceLocation& where) {
  constexpr std::string_view name = "binary_crossentropy";
  const bool indices = is_integer(targets.dtype()) && logits.rank() == 2 && logits.dim(1) > 1 && targets.rank() == 1;
  if (indices && targets.dim(0) != logits.dim(0)) misfit(name, "class indices [N]", logits, targets, where);
  Tensor y =
      indices ? one_hot(targets, logits.dim(1), logits.dtype(), where) : like_outputs(name, logits, targets, where);
  if (smoothing != 0) y = y * (1 - smoothing) + smoothing / 2;
  return of_samples(binary_cross_entropy(logits, y, {.reduction = Reduction::none}, where), where);
}

}  // namespace

Loss::Loss(std::string_view text) {
  NamedNumber parsed = parse_named_number("loss", text, names);
  name_ = std::move(parsed.name);
  value_ = parsed.number;
  if (classifies() && !(value_ >= 0 && value_ < 1))
    throw Error(fmt::format("loss: '{}': label smoothing is 0 or more and less than 1", text));
  if (name_ == "huber" && !(value_ > 0)) throw Error(fmt::format("loss: '{}': delta is more than 0", text));
}

Loss Loss::resolved(Ending ending) const {
  if (name_ != "auto" || function_) return *this;
  return ending == Ending::softmax   ? "categorical_crossentropy"
         : ending == Ending::sigmoid ? "binary_crossentropy"
                                     : "mse";
}

std::string Loss::text() const { return function_ ? name_ : to_string(NamedNumber{name_, value_}, names); }

Tensor Loss::operator()(const Forward& forward, const Tensor& targets, const SourceLocation& where) const {
  if (name_ == "auto" && !function_) return resolved(forward.ending)(forward, targets, where);
  if (function_) {
    const Tensor losses = function_(forward, targets);
    if (!losses.defined() || losses.rank() != 1 || losses.dim(0) != forward.output.dim(0))
      fail(name_, fmt::format("the function must give a loss for each of the {} samples", forward.output.dim(0)),
           {&losses, losses.defined() ? size_t{1} : size_t{0}}, where);
    return losses;
  }
  if (name_ == "categorical_crossentropy") return categorical(forward.logits, targets, value_, where);
  if (name_ == "binary_crossentropy") return binary(forward.logits, targets, value_, where);
  const Tensor y = like_outputs(name_, forward.output, targets, where);
  const LossOptions each{.reduction = Reduction::none};
  if (name_ == "mse") return of_samples(mse(forward.output, y, each, where), where);
  if (name_ == "mae") return of_samples(mae(forward.output, y, each, where), where);
  return of_samples(huber(forward.output, y, value_, each, where), where);
}

Tensor predicted_class(const Forward& forward) {
  const Tensor& logits = forward.logits;
  if (logits.rank() == 2 && logits.dim(1) > 1) return argmax(logits, 1);
  return cast(reshape(logits, {-1}) > 0, i64);
}

Tensor target_class(const Tensor& targets) {
  if (targets.rank() == 2 && targets.dim(1) > 1) return argmax(targets, 1);
  const Tensor one = reshape(targets, {-1});
  return is_float(one.dtype()) ? cast(one > 0.5, i64) : cast(one, i64);
}

}  // namespace telaio::nn
