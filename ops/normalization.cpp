#include <telaio/ops/normalization.hpp>

#include <numeric>
#include <vector>

#include <fmt/format.h>

#include <telaio/ops/binary.hpp>
#include <telaio/ops/named_operands.hpp>
#include <telaio/ops/reduce.hpp>
#include <telaio/ops/unary.hpp>

namespace telaio {

namespace {

// x [...,C] of at least `rank` axes, per-channel tensors [C] of its type.
void check(std::string_view op, const Tensor& x, int rank, std::initializer_list<NamedOperand> channels, double epsilon,
           const SourceLocation& where) {
  require_defined(op, {{"x", x}}, where);
  if (!is_float(x.dtype())) fail(op, "x must be f32 or f64", {{"x", x}}, where);
  if (x.rank() < rank)
    fail(op, fmt::format("x must have {} or more axes, the last for channels", rank), {{"x", x}}, where);
  if (!(epsilon >= 0)) fail(op, fmt::format("epsilon must not be negative, got {}", epsilon), {{"x", x}}, where);
  const TensorSpec expected{x.dtype(), {x.dim(-1)}};
  for (const NamedOperand& operand : channels) {
    if (!operand.tensor.defined() || operand.tensor.spec() == expected) continue;
    fail(op, fmt::format("the {} must be {}", operand.name, to_string(expected)), {{"x", x}, operand}, where);
  }
}

// centred / √(variance + epsilon) · scale + shift. Factors of one channel meet before all of x is touched.
Tensor scaled(const Tensor& centred, const Tensor& variance, const Tensor& scale, const Tensor& shift, double epsilon,
              const SourceLocation& where) {
  Tensor factor = rsqrt(Operand(variance, where) + epsilon, where);
  if (scale.defined()) factor = Operand(factor, where) * scale;
  const Tensor y = Operand(centred, where) * factor;
  return shift.defined() ? Operand(y, where) + shift : y;
}

}  // namespace

BatchNorm batch_norm(const Tensor& x, const Tensor& scale, const Tensor& shift, double epsilon,
                     const SourceLocation& where) {
  check("batch_norm", x, 2, {{"scale", scale}, {"shift", shift}}, epsilon, where);
  std::vector<int> list(static_cast<size_t>(x.rank() - 1));
  std::iota(list.begin(), list.end(), 0);
  for (const int axis : list)
    if (x.dim(axis) == 0) fail("batch_norm", "there is nothing to take statistics of", {{"x", x}}, where);
  const Axes batch(list);
  BatchNorm result;
  result.mean = mean(x, batch, false, where);
  const Tensor centred = Operand(x, where) - result.mean;
  // Of centred values: E[x²] − E[x]² would lose all digits where the mean is large.
  result.variance = mean(square(centred, where), batch, false, where);
  result.y = scaled(centred, result.variance, scale, shift, epsilon, where);
  return result;
}

Tensor batch_norm_inference(const Tensor& x, const Tensor& mean, const Tensor& variance, const Tensor& scale,
                            const Tensor& shift, double epsilon, const SourceLocation& where) {
  require_defined("batch_norm_inference", {{"x", x}, {"mean", mean}, {"variance", variance}}, where);
  check("batch_norm_inference", x, 1, {{"mean", mean}, {"variance", variance}, {"scale", scale}, {"shift", shift}},
        epsilon, where);
  return scaled(Operand(x, where) - mean, variance, scale, shift, epsilon, where);
}

Tensor layer_norm(const Tensor& x, const Tensor& scale, const Tensor& shift, double epsilon,
                  const SourceLocation& where) {
  check("layer_norm", x, 1, {{"scale", scale}, {"shift", shift}}, epsilon, where);
  if (x.dim(-1) == 0) fail("layer_norm", "there is nothing to take statistics of", {{"x", x}}, where);
  const Tensor centred = Operand(x, where) - mean(x, -1, true, where);
  const Tensor variance = mean(square(centred, where), -1, true, where);
  const Tensor y = Operand(centred, where) * rsqrt(Operand(variance, where) + epsilon, where);
  const Tensor scaled_y = scale.defined() ? Operand(y, where) * scale : y;
  return shift.defined() ? Operand(scaled_y, where) + shift : scaled_y;
}

}  // namespace telaio
