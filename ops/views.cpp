#include <telaio/ops/op_behind.hpp>
#include <telaio/ops/views.hpp>

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <telaio/ops/axes.hpp>
#include <telaio/ops/reduce.hpp>
#include <telaio/ops/view_op.hpp>

namespace telaio {

namespace {

// The shape with −1 replaced by the size that follows from the number of elements.
Shape resolved(const Shape& from, const Shape& shape) {
  const int64_t count = numel(from);
  int open = -1;
  Shape known = shape;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] != -1) continue;
    if (open >= 0) throw Error(fmt::format("only one size may be -1, the shape is {}", to_string(shape)));
    open = axis;
    known[axis] = 1;
  }
  const int64_t given = numel(known);
  if (open >= 0) {
    if (given == 0 || count % given != 0)
      throw Error(fmt::format("no size in place of -1 makes {} hold {} elements", to_string(shape), count));
    known[open] = count / given;
  } else if (given != count) {
    throw Error(fmt::format("{} holds {} elements, the input has {}", to_string(shape), given, count));
  }
  return known;
}

// The strides that show the same elements, in the same order, in another shape, where there are any. Axes that lie one
// behind the other form a run, within which sizes can be regrouped at will (PyTorch's computeStride).
bool regrouped(const Shape& from, const Strides& strides, const Shape& to, Strides& result) {
  result = contiguous_strides(to);
  if (numel(to) == 0) return true;
  Shape runs;
  Strides steps;  // of the last axis of each run
  for (int axis = 0; axis < from.rank(); ++axis) {
    if (from[axis] == 1) continue;
    const int last = runs.rank() - 1;
    if (last >= 0 && steps[last] == from[axis] * strides[axis]) {
      runs[last] *= from[axis];
      steps[last] = strides[axis];
    } else {
      runs.push_back(from[axis]);
      steps.push_back(strides[axis]);
    }
  }
  int run = runs.rank() - 1;
  int64_t used = 1;  // elements of the run that the axes of `to` so far cover
  for (int axis = to.rank() - 1; axis >= 0; --axis) {
    if (to[axis] == 1) continue;
    if (used == runs[run]) {
      --run;
      used = 1;
    }
    result[axis] = steps[run] * used;
    used *= to[axis];
    if (runs[run] % used != 0) return false;
  }
  return true;
}

class Reshape final : public ViewOp {
 public:
  explicit Reshape(const Shape& shape) : shape_(shape) {}
  std::string_view name() const override { return "reshape"; }
  std::string attributes() const override { return fmt::format("shape={}", to_string(shape_)); }
  std::vector<TensorSpec> infer(Specs x) const override { return {{x[0].dtype, resolved(x[0].shape, shape_)}}; }
  bool view(const TensorSpec& x, const Strides& x_strides, const TensorSpec& y, Strides& y_strides,
            int64_t& offset) const override {
    offset = 0;
    return regrouped(x.shape, x_strides, y.shape, y_strides);
  }
  // The batch stays an axis where the axes before it hold as many elements as before.
  BatchFlow along_batch(std::span<int> axes, Specs x, Specs y) const override {
    const Shape &from = x[0].shape, &to = y[0].shape;
    int64_t before = 1, passed = 1;
    for (int axis = 0; axis < axes[0]; ++axis) before *= from[axis];
    for (int axis = 0; axis < to.rank() && passed <= before; ++axis) {
      if (passed == before && to[axis] == from[axes[0]]) return BatchFlow::mapped(axis);
      passed *= to[axis];
    }
    return {};
  }
  OpPtr for_rows(int axis, int64_t rows) const override {
    Shape shape = shape_;
    shape[axis] = rows;
    return OpPtr(new Reshape(shape));
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs) const override {
    return {reshape(gy[0], x[0].shape())};
  }
  bool same_as(const Op& other) const override { return shape_ == static_cast<const Reshape&>(other).shape_; }
  Tensor simplified(Tensors x) const override {
    if (!op_behind<Reshape>(x[0])) return {};
    return reshape(x[0].node()->inputs()[0], shape_, x[0].node()->where());
  }

 private:
  Shape shape_;
};

using Order = std::vector<int>;

class Permute final : public ViewOp {
 public:
  explicit Permute(Order order) : order_(std::move(order)) {}
  std::string_view name() const override { return "permute"; }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override {
    return BatchFlow::mapped(static_cast<int>(std::find(order_.begin(), order_.end(), axes[0]) - order_.begin()));
  }
  std::string attributes() const override { return fmt::format("order=[{}]", fmt::join(order_, ",")); }
  std::vector<TensorSpec> infer(Specs x) const override {
    TensorSpec y = x[0];
    for (int axis = 0; axis < y.shape.rank(); ++axis) y.shape[axis] = x[0].shape[from(axis)];
    return {y};
  }
  bool view(const TensorSpec&, const Strides& x_strides, const TensorSpec& y, Strides& y_strides,
            int64_t& offset) const override {
    y_strides = x_strides;
    for (int axis = 0; axis < y.shape.rank(); ++axis) y_strides[axis] = x_strides[from(axis)];
    offset = 0;
    return true;
  }
  std::vector<Tensor> vjp(Tensors, Tensors, Tensors gy, Needs) const override {
    Order inverse(order_.size());
    for (size_t axis = 0; axis < order_.size(); ++axis)
      inverse[static_cast<size_t>(order_[axis])] = static_cast<int>(axis);
    return {permute(gy[0], inverse)};
  }
  bool same_as(const Op& other) const override { return order_ == static_cast<const Permute&>(other).order_; }
  Tensor simplified(Tensors x) const override {
    const auto* inner = op_behind<Permute>(x[0]);
    if (!inner) return {};
    Order order = order_;
    for (int& axis : order) axis = inner->from(axis);
    return permute(x[0].node()->inputs()[0], order, x[0].node()->where());
  }

 private:
  int from(int axis) const { return order_[static_cast<size_t>(axis)]; }

  Order order_;
};

class BroadcastTo final : public ViewOp {
 public:
  explicit BroadcastTo(const Shape& shape) : shape_(shape) {}
  std::string_view name() const override { return "broadcast_to"; }
  std::string attributes() const override { return fmt::format("shape={}", to_string(shape_)); }
  std::vector<TensorSpec> infer(Specs x) const override {
    const Shape& from = x[0].shape;
    const int added = shape_.rank() - from.rank();
    if (added < 0) throw Error(fmt::format("{} has fewer axes than the input", to_string(shape_)));
    for (int axis = 0; axis < from.rank(); ++axis) {
      if (from[axis] == 1 || from[axis] == shape_[added + axis]) continue;
      throw Error(fmt::format("an axis of {} elements cannot be repeated to {}: the result would be {}", from[axis],
                              shape_[added + axis], to_string(shape_)));
    }
    return {{x[0].dtype, shape_}};
  }
  bool view(const TensorSpec& x, const Strides& x_strides, const TensorSpec& y, Strides& y_strides,
            int64_t& offset) const override {
    const int added = y.shape.rank() - x.shape.rank();
    y_strides = Strides::filled(y.shape.rank(), 0);
    for (int axis = 0; axis < x.shape.rank(); ++axis)
      if (x.shape[axis] != 1) y_strides[added + axis] = x_strides[axis];
    offset = 0;
    return true;
  }
  BatchFlow along_batch(std::span<int> axes, Specs x, Specs) const override {
    return BatchFlow::mapped(axes[0] + shape_.rank() - x[0].shape.rank());
  }
  OpPtr for_rows(int axis, int64_t rows) const override {
    Shape shape = shape_;
    shape[axis] = rows;
    return OpPtr(new BroadcastTo(shape));
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs) const override {
    const Shape& shape = x[0].shape();
    const int added = shape_.rank() - shape.rank();
    std::vector<int> repeated;  // never empty: broadcasting to the same shape builds no op
    for (int axis = 0; axis < shape_.rank(); ++axis)
      if (axis < added || shape[axis - added] != shape_[axis]) repeated.push_back(axis);
    return {reshape(sum(gy[0], repeated), shape)};
  }
  bool same_as(const Op& other) const override { return shape_ == static_cast<const BroadcastTo&>(other).shape_; }
  Tensor simplified(Tensors x) const override {
    if (!op_behind<BroadcastTo>(x[0])) return {};
    return broadcast_to(x[0].node()->inputs()[0], shape_, x[0].node()->where());
  }

 private:
  Shape shape_;
};

}  // namespace

Tensor reshape(const Tensor& x, const Shape& shape, const SourceLocation& where) {
  const Shape to = explained("reshape", x, where, [&] { return resolved(x.shape(), shape); });
  return to == x.shape() ? x : apply(OpPtr(new Reshape(to)), {x}, where);
}

Tensor flatten(const Tensor& x, int from, const SourceLocation& where) {
  const Shape to = explained("flatten", x, where, [&] {
    // A scalar becomes one element in a row, as in PyTorch.
    const int first = checked_axis(from, std::max(x.rank(), 1));
    Shape shape;
    int64_t joined = 1;
    for (int axis = 0; axis < x.rank(); ++axis) {
      if (axis < first) shape.push_back(x.shape()[axis]);
      else joined *= x.shape()[axis];
    }
    shape.push_back(joined);
    return shape;
  });
  return reshape(x, to, where);
}

Tensor permute(const Tensor& x, const std::vector<int>& order, const SourceLocation& where) {
  const Order normal = explained("permute", x, where, [&] {
    if (static_cast<int>(order.size()) != x.rank())
      throw Error(fmt::format("the order [{}] must name each of the {} axes once", fmt::join(order, ","), x.rank()));
    checked_axes(order, x.rank());
    Order axes;
    for (int axis : order) axes.push_back(checked_axis(axis, x.rank()));
    return axes;
  });
  if (std::is_sorted(normal.begin(), normal.end())) return x;
  return apply(OpPtr(new Permute(normal)), {x}, where);
}

Tensor transpose(const Tensor& x, int a, int b, const SourceLocation& where) {
  const Order order = explained("transpose", x, where, [&] {
    if (x.rank() < 2) throw Error(fmt::format("there must be two axes to swap, the input has {}", x.rank()));
    Order axes = list_of(all_axes(x.rank()));
    std::swap(axes[static_cast<size_t>(checked_axis(a, x.rank()))],
              axes[static_cast<size_t>(checked_axis(b, x.rank()))]);
    return axes;
  });
  return permute(x, order, where);
}

Tensor broadcast_to(const Tensor& x, const Shape& shape, const SourceLocation& where) {
  if (x.defined() && x.shape() == shape) return x;
  return apply(OpPtr(new BroadcastTo(shape)), {x}, where);
}

Tensor expand(const Tensor& x, const Shape& shape, const SourceLocation& where) {
  const Shape to = explained("expand", x, where, [&] {
    Shape result = shape;
    const int added = shape.rank() - x.rank();
    for (int axis = 0; axis < shape.rank(); ++axis) {
      if (shape[axis] != -1) continue;
      if (axis < added) throw Error(fmt::format("axis {} of {} is new, its size cannot be -1", axis, to_string(shape)));
      result[axis] = x.shape()[axis - added];
    }
    BroadcastTo(result).infer({&x.spec(), 1});  // what cannot be broadcast is refused in this function's name
    return result;
  });
  return broadcast_to(x, to, where);
}

Tensor squeeze(const Tensor& x, const std::vector<int>& axes, const SourceLocation& where) {
  const Shape to = explained("squeeze", x, where, [&] {
    AxisSet dropped = checked_axes(axes, x.rank());
    for (int axis : list_of(dropped)) {
      if (x.shape()[axis] != 1)
        throw Error(fmt::format("only axes of size 1 can be dropped, axis {} has {}", axis, x.shape()[axis]));
    }
    if (axes.empty())
      for (int axis = 0; axis < x.rank(); ++axis) dropped[static_cast<size_t>(axis)] = x.shape()[axis] == 1;
    return without(x.shape(), dropped);
  });
  return reshape(x, to, where);
}

Tensor unsqueeze(const Tensor& x, int axis, const SourceLocation& where) {
  const Shape to = explained("unsqueeze", x, where, [&] {
    Shape shape = x.shape();
    shape.insert(checked_axis(axis, x.rank() + 1), 1);
    return shape;
  });
  return reshape(x, to, where);
}

}  // namespace telaio
