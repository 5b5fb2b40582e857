// The functions of views.hpp that choose a part of a tensor, or another direction.
#include <algorithm>

#include <fmt/format.h>

#include <telaio/autograd/runtime/strided.hpp>
#include <telaio/ops/axes.hpp>
#include <telaio/ops/kernels/place.hpp>
#include <telaio/ops/op_behind.hpp>
#include <telaio/ops/view_op.hpp>
#include <telaio/ops/views.hpp>

namespace telaio {

namespace {

// Which elements of each axis are seen: start, start + step, …, `count` of them, all inside the axis.
struct Cut {
  Dims start, count, step;

  bool whole(const Shape& shape) const {
    for (int axis = 0; axis < shape.rank(); ++axis)
      if (count[axis] != shape[axis] || (step[axis] != 1 && count[axis] > 1)) return false;
    return true;
  }
  std::vector<Range> ranges() const {
    std::vector<Range> ranges;
    for (int axis = 0; axis < start.rank(); ++axis) {
      const int64_t stop = start[axis] + (count[axis] - 1) * step[axis] + (step[axis] > 0 ? 1 : -1);
      Range range{start[axis], start[axis], step[axis]};
      if (count[axis] > 0) range.stop = stop >= 0 ? std::optional(stop) : std::nullopt;
      ranges.push_back(range);
    }
    return ranges;
  }
  std::string words() const {
    return fmt::format("start={} count={} step={}", to_string(start), to_string(count), to_string(step));
  }
  friend bool operator==(const Cut& a, const Cut& b) = default;
};

// Python's rule for one axis of `size` elements.
void cut_axis(const Range& range, int64_t size, int64_t& start, int64_t& count, int64_t& step) {
  if (range.step == 0) throw Error("a step of 0 leads nowhere");
  step = std::clamp(range.step, -size - 1, size + 1);  // longer ones leave the axis just the same
  const bool forward = step > 0;
  const int64_t low = forward ? 0 : -1, high = forward ? size : size - 1;
  const auto placed = [&](std::optional<int64_t> position, int64_t missing) {
    if (!position) return missing;
    return std::clamp(*position < 0 ? *position + size : *position, low, high);
  };
  start = placed(range.start, forward ? low : high);
  const int64_t stop = placed(range.stop, forward ? high : low);
  count = std::max<int64_t>(0, forward ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step);
  // One form for what is the same, so that equal slices are found to be equal.
  if (count <= 1) step = 1;
  if (count == 0) start = 0;
}

Cut cut_of(const std::vector<Range>& ranges, const Shape& shape) {
  if (static_cast<int>(ranges.size()) > shape.rank())
    throw Error(fmt::format("{} ranges for {} axes", ranges.size(), shape.rank()));
  const int rank = shape.rank();
  Cut cut{Dims::filled(rank, 0), shape, Dims::filled(rank, 1)};
  for (size_t i = 0; i < ranges.size(); ++i) {
    const int axis = static_cast<int>(i);
    cut_axis(ranges[i], shape[axis], cut.start[axis], cut.count[axis], cut.step[axis]);
  }
  return cut;
}

// Strides and offset of the seen elements in a tensor with the given strides.
void view_of(const Cut& cut, const Strides& strides, Strides& seen, int64_t& offset) {
  seen = strides;
  offset = 0;
  for (int axis = 0; axis < strides.rank(); ++axis) {
    seen[axis] = strides[axis] * cut.step[axis];
    offset += strides[axis] * cut.start[axis];
  }
  if (numel(cut.count) == 0) offset = 0;  // nothing is read, and the address stays inside the memory
}

class Slice final : public ViewOp {
 public:
  explicit Slice(const Cut& cut) : cut_(cut) {}
  std::string_view name() const override { return "slice"; }
  std::string attributes() const override { return cut_.words(); }
  std::vector<TensorSpec> infer(Specs x) const override { return {{x[0].dtype, cut_.count}}; }
  bool view(const TensorSpec&, const Strides& x_strides, const TensorSpec&, Strides& y_strides,
            int64_t& offset) const override {
    view_of(cut_, x_strides, y_strides, offset);
    return true;
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs) const override {
    return {unslice(gy[0], x[0].shape(), cut_.ranges())};
  }
  bool same_as(const Op& other) const override { return cut_ == static_cast<const Slice&>(other).cut_; }
  Tensor simplified(Tensors x) const override {
    const auto* inner = op_behind<Slice>(x[0]);
    if (!inner) return {};
    Cut both = inner->cut_;
    for (int axis = 0; axis < both.start.rank(); ++axis) {
      both.start[axis] += cut_.start[axis] * both.step[axis];
      both.step[axis] *= cut_.step[axis];
      both.count[axis] = cut_.count[axis];
      if (both.count[axis] <= 1) both.step[axis] = 1;
      if (both.count[axis] == 0) both.start[axis] = 0;
    }
    return slice(x[0].node()->inputs()[0], both.ranges(), x[0].node()->where());
  }

 private:
  Cut cut_;
};

class Unslice final : public Op {
 public:
  Unslice(const Cut& cut, const Shape& shape) : cut_(cut), shape_(shape) {}
  std::string_view name() const override { return "unslice"; }
  std::string attributes() const override { return fmt::format("shape={} {}", to_string(shape_), cut_.words()); }
  std::vector<TensorSpec> infer(Specs x) const override {
    if (!(x[0].shape == cut_.count)) {
      throw Error(fmt::format("the ranges see {} of {}, the input is {}", to_string(cut_.count), to_string(shape_),
                              to_string(x[0].shape)));
    }
    return {{x[0].dtype, shape_}};
  }
  bool takes_strides(size_t) const override { return true; }
  void run(Views x, Views y, void*) const override {
    const auto size = static_cast<int>(size_of(y[0].dtype()));
    const int64_t zero = 0;
    fill_elements(size, &zero, y[0].bytes, y[0].numel());
    Strides strides;
    int64_t offset = 0;
    view_of(cut_, *y[0].strides, strides, offset);
    kernels::place(size, x[0].shape().rank(), x[0].shape().data(), x[0].strides->data(), x[0].bytes, strides.data(),
                   y[0].bytes + offset * size);
  }
  std::vector<Tensor> vjp(Tensors, Tensors, Tensors gy, Needs) const override { return {slice(gy[0], cut_.ranges())}; }
  bool same_as(const Op& other) const override {
    const auto& same = static_cast<const Unslice&>(other);
    return cut_ == same.cut_ && shape_ == same.shape_;
  }
  double flops(Specs, Specs) const override { return 0; }

 private:
  Cut cut_;
  Shape shape_;
};

class Flip final : public ViewOp {
 public:
  explicit Flip(AxisSet axes) : axes_(axes) {}
  std::string_view name() const override { return "flip"; }
  std::string attributes() const override { return to_string(axes_); }
  std::vector<TensorSpec> infer(Specs x) const override { return {x[0]}; }
  bool view(const TensorSpec& x, const Strides& x_strides, const TensorSpec&, Strides& y_strides,
            int64_t& offset) const override {
    y_strides = x_strides;
    offset = 0;
    if (x.numel() == 0) return true;
    for (int axis : list_of(axes_)) {
      offset += (x.shape[axis] - 1) * x_strides[axis];
      y_strides[axis] = -x_strides[axis];
    }
    return true;
  }
  std::vector<Tensor> vjp(Tensors, Tensors, Tensors gy, Needs) const override { return {flip(gy[0], list_of(axes_))}; }
  bool same_as(const Op& other) const override { return axes_ == static_cast<const Flip&>(other).axes_; }
  Tensor simplified(Tensors x) const override {
    const auto* inner = op_behind<Flip>(x[0]);
    if (!inner) return {};
    return flip(x[0].node()->inputs()[0], list_of(axes_ ^ inner->axes_), x[0].node()->where());
  }

 private:
  AxisSet axes_;
};

}  // namespace

Tensor slice(const Tensor& x, const std::vector<Range>& ranges, const SourceLocation& where) {
  const Cut cut = explained("slice", x, where, [&] { return cut_of(ranges, x.shape()); });
  return cut.whole(x.shape()) ? x : apply(OpPtr(new Slice(cut)), {x}, where);
}

Tensor slice(const Tensor& x, int axis, int64_t start, int64_t stop, int64_t step, const SourceLocation& where) {
  const int normal = explained("slice", x, where, [&] { return checked_axis(axis, x.rank()); });
  std::vector<Range> ranges(static_cast<size_t>(normal) + 1);
  ranges.back() = {start, stop, step};
  return slice(x, ranges, where);
}

Tensor unslice(const Tensor& x, const Shape& shape, const std::vector<Range>& ranges, const SourceLocation& where) {
  const Cut cut = explained("unslice", x, where, [&] {
    numel(shape);  // rejects what is no shape
    return cut_of(ranges, shape);
  });
  if (cut.whole(shape) && x.shape() == shape) return x;
  return apply(OpPtr(new Unslice(cut, shape)), {x}, where);
}

Tensor flip(const Tensor& x, const std::vector<int>& axes, const SourceLocation& where) {
  AxisSet turned = explained("flip", x, where, [&] { return checked_axes(axes, x.rank()); });
  for (int axis : list_of(turned))
    if (x.shape()[axis] <= 1) turned[static_cast<size_t>(axis)] = false;
  return turned.none() ? x : apply(OpPtr(new Flip(turned)), {x}, where);
}

std::vector<Tensor> split(const Tensor& x, const std::vector<int64_t>& sizes, int axis, const SourceLocation& where) {
  const int normal = explained("split", x, where, [&] {
    const int checked = checked_axis(axis, x.rank());
    int64_t total = 0;
    for (int64_t size : sizes) {
      if (size < 0 || size > x.shape()[checked])
        throw Error(fmt::format("a part of {} elements is not in an axis of {}", size, x.shape()[checked]));
      total += size;
    }
    if (total != x.shape()[checked])
      throw Error(fmt::format("the parts add up to {} elements, axis {} has {}", total, checked, x.shape()[checked]));
    return checked;
  });
  std::vector<Tensor> parts;
  int64_t start = 0;
  for (int64_t size : sizes) {
    parts.push_back(slice(x, normal, start, start + size, 1, where));
    start += size;
  }
  return parts;
}

std::vector<Tensor> split(const Tensor& x, int parts, int axis, const SourceLocation& where) {
  const int64_t size = explained("split", x, where, [&] {
    const int64_t whole = x.shape()[checked_axis(axis, x.rank())];
    if (parts <= 0 || whole % parts != 0)
      throw Error(fmt::format("an axis of {} elements has no {} equal parts", whole, parts));
    return whole / parts;
  });
  return split(x, std::vector<int64_t>(static_cast<size_t>(parts), size), axis, where);
}

}  // namespace telaio
