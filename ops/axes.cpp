#include <telaio/ops/axes.hpp>

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace telaio {

int checked_axis(int64_t axis, int rank) {
  if (const auto normal = normalize_axis(axis, rank)) return *normal;
  throw Error(fmt::format("axis {} is out of range: there {} {} {}", axis, rank == 1 ? "is" : "are", rank,
                          rank == 1 ? "axis" : "axes"));
}

AxisSet checked_axes(std::span<const int> axes, int rank) {
  AxisSet set;
  for (int axis : axes) {
    const auto normal = static_cast<size_t>(checked_axis(axis, rank));
    if (set[normal]) throw Error(fmt::format("axis {} is named twice", axis));
    set[normal] = true;
  }
  return set;
}

AxisSet all_axes(int rank) { return AxisSet((1ull << rank) - 1); }

std::vector<int> list_of(const AxisSet& axes) {
  std::vector<int> list;
  for (int axis = 0; axis < max_rank; ++axis)
    if (axes[static_cast<size_t>(axis)]) list.push_back(axis);
  return list;
}

std::string to_string(const AxisSet& axes) { return fmt::format("axes=[{}]", fmt::join(list_of(axes), ",")); }

Shape without(const Shape& shape, const AxisSet& axes) {
  Shape kept;
  for (int axis = 0; axis < shape.rank(); ++axis)
    if (!axes[static_cast<size_t>(axis)]) kept.push_back(shape[axis]);
  return kept;
}

Shape with_ones(const Shape& shape, const AxisSet& axes) {
  Shape kept = shape;
  for (int axis = 0; axis < shape.rank(); ++axis)
    if (axes[static_cast<size_t>(axis)]) kept[axis] = 1;
  return kept;
}

Lanes lanes_of(const Shape& shape, int axis) {
  Lanes lanes;
  for (int i = 0; i < axis; ++i) lanes.outer *= shape[i];
  lanes.length = shape[axis];
  for (int i = axis + 1; i < shape.rank(); ++i) lanes.inner *= shape[i];
  return lanes;
}

}  // namespace telaio
