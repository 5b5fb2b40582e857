// What an op should compute, said again in the plainest way: tensors as doubles in row-major order, and loops.
#pragma once

#include <cstdint>
#include <vector>

#include <telaio/autograd/shape.hpp>

namespace telaio::samples {

/// A tensor of any type as doubles (bools as 0 and 1).
struct Reference {
  Shape shape;
  std::vector<double> data;

  int rank() const { return shape.rank(); }
  int64_t size(int axis) const { return shape[axis]; }
  double& at(const Dims& index) { return data[offset(index)]; }
  double at(const Dims& index) const { return data[offset(index)]; }
  /// The element that an index of a shape to which this one broadcasts refers to.
  double broadcast_at(const Dims& index) const;

 private:
  size_t offset(const Dims& index) const;
};
using References = std::vector<Reference>;

/// Calls f(index) for every index of the shape, in row-major order.
template <class F>
void each_index(const Shape& shape, F&& f) {
  Dims index = Dims::filled(shape.rank(), 0);
  for (int64_t left = numel(shape); left > 0; --left) {
    f(static_cast<const Dims&>(index));
    for (int axis = shape.rank() - 1; axis >= 0 && ++index[axis] == shape[axis]; --axis) index[axis] = 0;
  }
}

/// Element by element: f(index).
template <class F>
Reference make(const Shape& shape, F&& f) {
  Reference y{shape, {}};
  y.data.reserve(static_cast<size_t>(numel(shape)));
  each_index(shape, [&](const Dims& index) { y.data.push_back(static_cast<double>(f(index))); });
  return y;
}

template <class F>
Reference map(const Reference& x, F&& f) {
  Reference y = x;
  for (double& value : y.data) value = static_cast<double>(f(value));
  return y;
}

/// f(a, b) with broadcasting.
template <class F>
Reference map(const Reference& a, const Reference& b, F&& f) {
  return make(*broadcast(a.shape, b.shape), [&](const Dims& i) { return f(a.broadcast_at(i), b.broadcast_at(i)); });
}

/// For every index of the result the elements of x that fall on it when `axes` (counted from the front; none: all) are
/// removed: fold(elements), elements in row-major order.
template <class F>
Reference reduce(const Reference& x, std::vector<int> axes, bool keepdims, F&& fold) {
  std::vector<bool> gone(static_cast<size_t>(x.rank()), axes.empty());
  for (const int axis : axes) gone[static_cast<size_t>(axis < 0 ? axis + x.rank() : axis)] = true;
  Shape kept, shape;
  for (int axis = 0; axis < x.rank(); ++axis) {
    const bool removed = gone[static_cast<size_t>(axis)];
    kept.push_back(removed ? 1 : x.size(axis));
    if (!removed || keepdims) shape.push_back(removed ? 1 : x.size(axis));
  }
  std::vector<std::vector<double>> groups(static_cast<size_t>(numel(kept)));
  const Strides strides = contiguous_strides(kept);
  size_t next = 0;
  each_index(x.shape, [&](const Dims& index) {
    int64_t group = 0;
    for (int axis = 0; axis < x.rank(); ++axis)
      if (!gone[static_cast<size_t>(axis)]) group += index[axis] * strides[axis];
    groups[static_cast<size_t>(group)].push_back(x.data[next++]);
  });
  Reference y{shape, {}};
  for (const auto& group : groups) y.data.push_back(static_cast<double>(fold(group)));
  return y;
}

/// Sums in long double: what is compared with it is off by its own rounding only.
double total(const std::vector<double>& values);

}  // namespace telaio::samples
