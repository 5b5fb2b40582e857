// The reductions that are compositions: mean, var, logsumexp.
#include <fmt/format.h>

#include <telaio/autograd/builtin.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/reduce_axes.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio {

namespace {

// What the compositions start from: the axes in full, so that the reductions inside have nothing left to refuse, and
// the number of elements that go into one result.
struct Reduced {
  std::vector<int> axes;
  int64_t count = 1;
};

Reduced reduced(std::string_view name, const Tensor& x, const Axes& axes, const SourceLocation& where) {
  return explained(name, x, where, [&] {
    const AxisSet set = checked_axes(axes, x.rank());
    check_not_empty(x.shape(), set);
    Reduced result{list_of(set)};
    for (int axis : result.axes) result.count *= x.shape()[axis];
    return result;
  });
}

Tensor as_float(const Tensor& x, const SourceLocation& where) { return is_float(x.dtype()) ? x : cast(x, f32, where); }

}  // namespace

Tensor mean(const Tensor& x, const Axes& axes, bool keepdims, const SourceLocation& where) {
  const auto [list, count] = reduced("mean", x, axes, where);
  // Integers are summed as integers: exact, however many there are.
  return div({sum(x, list, keepdims, where), where}, count);
}

Tensor var(const Tensor& x, const Axes& axes, bool keepdims, int correction, const SourceLocation& where) {
  const auto [list, count] = reduced("var", x, axes, where);
  if (count <= correction)
    fail("var", fmt::format("{} elements are too few for a correction of {}", count, correction), {&x, 1}, where);
  const Tensor values = as_float(x, where);
  const Tensor distance = sub({values, where}, mean(values, list, true, where));
  return div({sum(square(distance, where), list, keepdims, where), where}, count - correction);
}

Tensor logsumexp(const Tensor& x, const Axes& axes, bool keepdims, const SourceLocation& where) {
  const std::vector<int> list = reduced("logsumexp", x, axes, where).axes;
  const Tensor values = as_float(x, where);
  // Shifted by the maximum, no exponential overflows. An infinite one shifts nothing: ∞ − ∞ is no number.
  const Tensor largest = stop_gradient(max(values, list, true, where), where);
  const Tensor shift = telaio::where(is_finite(largest, where), {largest, where}, 0, where);
  const Tensor total = sum(exp(sub({values, where}, shift), where), list, true, where);
  const Tensor result = add({log(total, where), where}, shift);
  if (keepdims) return result;
  AxisSet dropped;
  for (int axis : list) dropped[static_cast<size_t>(axis)] = true;
  return reshape(result, without(x.shape(), dropped), where);
}

}  // namespace telaio
