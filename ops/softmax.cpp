#include <fmt/format.h>

#include <telaio/autograd/builtin.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/losses.hpp>
#include <telaio/ops/named_operands.hpp>
#include <telaio/ops/reduce.hpp>
#include <telaio/ops/unary.hpp>

namespace telaio {

namespace {

// The input as floats, once the axis is known to exist.
Tensor checked(std::string_view op, const Tensor& x, int axis, const SourceLocation& where) {
  require_defined(op, {{"input", x}}, where);
  if (!normalize_axis(axis, x.rank()))
    fail(op, fmt::format("there is no axis {} in {} axes", axis, x.rank()), {{"input", x}}, where);
  return is_float(x.dtype()) ? x : cast(x, f32, where);
}

// x − max x. Neither function changes when a number is added to a row, so no gradient is lost with that of the maximum.
Tensor shifted(const Tensor& x, int axis, const SourceLocation& where) {
  return Operand(x, where) - stop_gradient(max(x, axis, true, where), where);
}

}  // namespace

Tensor softmax(const Tensor& x, int axis, const SourceLocation& where) {
  const Tensor input = checked("softmax", x, axis, where);
  if (input.numel() == 0) return input;
  const Tensor e = exp(shifted(input, axis, where), where);
  return Operand(e, where) / sum(e, axis, true, where);
}

// The maximum is taken off x before the logarithm is, not added to it: for large x the two would cancel badly.
Tensor log_softmax(const Tensor& x, int axis, const SourceLocation& where) {
  const Tensor input = checked("log_softmax", x, axis, where);
  if (input.numel() == 0) return input;
  const Tensor d = shifted(input, axis, where);
  return Operand(d, where) - log(sum(exp(d, where), axis, true, where), where);
}

}  // namespace telaio
