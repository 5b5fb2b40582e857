// Axes as checks and ops see them.
#pragma once

#include <bitset>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <telaio/autograd/op.hpp>

namespace telaio {

/// One flag an axis.
using AxisSet = std::bitset<max_rank>;

/// The axis counted from the front. Throws Error, one line, when there is none such.
int checked_axis(int64_t axis, int rank);
/// The same for several. Throws also when one is named twice.
AxisSet checked_axes(std::span<const int> axes, int rank);
/// All axes of a tensor of that rank.
AxisSet all_axes(int rank);
/// The axes in a row, from the first.
std::vector<int> list_of(const AxisSet& axes);
/// "axes=[0,2]", for drawings.
std::string to_string(const AxisSet& axes);

/// The shape without the axes, or with size 1 in their place.
Shape without(const Shape& shape, const AxisSet& axes);
Shape with_ones(const Shape& shape, const AxisSet& axes);

/// A contiguous shape around one axis: [outer, length, inner].
struct Lanes {
  int64_t outer = 1;
  int64_t length = 1;
  int64_t inner = 1;
};
Lanes lanes_of(const Shape& shape, int axis);

/// Gives what `check` gives; to an Error that it throws, which has one line, adds the op, the operands and the user's
/// line. Error when an operand is undefined. For what public functions work out before they apply an op.
template <class Check>
auto explained(std::string_view op, Tensors x, const SourceLocation& where, Check&& check) {
  for (const Tensor& operand : x)
    if (!operand.defined()) fail(op, x.size() == 1 ? "the input is undefined" : "an operand is undefined", x, where);
  try {
    return check();
  } catch (const Error& error) {
    fail(op, error.what(), x, where);
  }
}
template <class Check>
auto explained(std::string_view op, const Tensor& x, const SourceLocation& where, Check&& check) {
  return explained(op, Tensors(&x, 1), where, check);
}

}  // namespace telaio
