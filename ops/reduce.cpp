#include <telaio/ops/reduce.hpp>

#include <array>

#include <fmt/format.h>

#include <telaio/ops/axes.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/conv2d_pool.hpp>
#include <telaio/ops/joining.hpp>
#include <telaio/ops/kernels/reduce.hpp>
#include <telaio/ops/reduce_axes.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio {

namespace {

using Code = kernels::ReduceOp;

constexpr std::string_view names[] = {"sum", "max", "min", "prod", "any", "all"};

// The gradient of a product by its factors: gy times the product of all others, without dividing, so that zeros do no
// harm. x [..., n], gy [...]. Neighbours are multiplied pairwise, level by level, down to one product; on the way back
// each factor of a pair gets the pair's gradient times the other factor.
Tensor factors_gradient(const Tensor& x, const Tensor& gy) {
  std::vector<Tensor> levels;  // [..., 2h] each, but for the last: [..., 1]
  Tensor level = x;
  std::vector<int64_t> sizes;
  while (level.dim(-1) > 1) {
    const int64_t size = level.dim(-1);
    sizes.push_back(size);
    if (size % 2 != 0) {
      std::vector<std::pair<int64_t, int64_t>> one_more(static_cast<size_t>(level.rank()));
      one_more.back() = {0, 1};
      level = pad(level, one_more, 1);
    }
    levels.push_back(level);
    const int64_t half = level.dim(-1) / 2;
    level = slice(level, -1, 0, half) * slice(level, -1, half, 2 * half);
  }
  Tensor gradient = unsqueeze(gy, -1);
  for (size_t i = levels.size(); i-- > 0;) {
    const int64_t half = levels[i].dim(-1) / 2;
    const Tensor swapped = concat({slice(levels[i], -1, half, 2 * half), slice(levels[i], -1, 0, half)}, -1);
    gradient = slice(concat({gradient, gradient}, -1) * swapped, -1, 0, sizes[i]);
  }
  return gradient;
}

// The same over any axes: they are brought to the end, joined, and taken apart again.
Tensor product_gradient(const Tensor& x, const Tensor& gy, const AxisSet& axes) {
  if (x.numel() == 0) return {};
  std::vector<int> order = list_of(~axes & all_axes(x.rank()));
  Shape rows = without(x.shape(), axes);
  rows.push_back(-1);  // what is left is the product's length
  const std::vector<int> last = list_of(axes);
  order.insert(order.end(), last.begin(), last.end());
  std::vector<int> inverse(order.size());
  for (size_t axis = 0; axis < order.size(); ++axis) inverse[static_cast<size_t>(order[axis])] = static_cast<int>(axis);
  const Tensor moved = permute(x, order);
  return permute(reshape(factors_gradient(reshape(moved, rows), gy), moved.shape()), inverse);
}

class Reduce final : public Op {
 public:
  Reduce(Code code, AxisSet axes) : code_(code), axes_(axes) {}
  std::string_view name() const override { return names[static_cast<size_t>(code_)]; }
  std::string attributes() const override { return to_string(axes_); }
  std::vector<Tensor> fused(const Node& node) const override {
    // Over all but the channels of images: perhaps the gradient of a bias.
    const bool over_positions = code_ == Code::sum && node.inputs()[0].rank() == 4 && axes_ == AxisSet(0b111);
    return over_positions ? fused_conv2d_bias_grad(node) : std::vector<Tensor>();
  }
  std::vector<TensorSpec> infer(Specs x) const override {
    if (code_ == Code::max || code_ == Code::min) check_not_empty(x[0].shape, axes_);
    const bool logical = code_ == Code::any || code_ == Code::all;
    if (logical != (x[0].dtype == boolean))
      throw Error(logical ? "the input must be bool" : "bools have no arithmetic; cast them");
    return {{x[0].dtype, without(x[0].shape, axes_)}};
  }
  bool takes_strides(size_t) const override { return true; }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override {
    int kept = 0;
    for (int axis = 0; axis < axes[0]; ++axis) kept += !axes_[static_cast<size_t>(axis)];
    if (!axes_[static_cast<size_t>(axes[0])]) return BatchFlow::mapped(kept);
    return code_ == Code::sum ? BatchFlow::summed() : BatchFlow();
  }
  size_t scratch_bytes(Specs x, Specs y) const override {
    return kernels::reduce_scratch_limit(y[0].numel(), x[0].numel(), size_of(x[0].dtype));
  }
  void run(Views x, Views y, void* scratch) const override {
    std::array<bool, max_rank> reduced{};
    for (size_t axis = 0; axis < reduced.size(); ++axis) reduced[axis] = axes_[axis];
    with_dtype(y[0].dtype(), [&]<class T>() {
      kernels::reduce(code_, x[0].shape().rank(), x[0].shape().data(), x[0].strides->data(), reduced.data(),
                      x[0].data<const T>(), y[0].data<T>(), scratch);
    });
  }
  std::vector<Tensor> vjp(Tensors x, Tensors y, Tensors gy, Needs) const override {
    const Shape& shape = x[0].shape();
    const Shape kept = with_ones(shape, axes_);
    switch (code_) {
      case Code::sum:
        return {broadcast_to(reshape(gy[0], kept), shape)};
      case Code::max:
      case Code::min: {
        const Tensor chosen = cast(x[0] == reshape(y[0], kept), x[0].dtype());
        return {chosen * (reshape(gy[0], kept) / sum(chosen, list_of(axes_), true))};
      }
      case Code::prod:
        return {product_gradient(x[0], gy[0], axes_)};
      case Code::any:
      case Code::all:
        break;
    }
    return {Tensor()};
  }
  bool same_as(const Op& other) const override { return axes_ == static_cast<const Reduce&>(other).axes_; }
  double flops(Specs x, Specs) const override { return static_cast<double>(x[0].numel()); }

 private:
  Code code_;
  AxisSet axes_;
};

Tensor reduce(Code code, const Tensor& x, const Axes& axes, bool keepdims, const SourceLocation& where) {
  const std::string_view name = names[static_cast<size_t>(code)];
  const AxisSet set = explained(name, x, where, [&] { return checked_axes(axes, x.rank()); });
  const Shape to = keepdims ? with_ones(x.shape(), set) : without(x.shape(), set);
  // One element each: nothing to work on. (Not where sizes are 0: what is reduced there may be empty.)
  if (numel(to) == x.numel() && x.numel() > 0) return reshape(x, to, where);
  return reshape(apply(OpPtr(new Reduce(code, set)), {x}, where), to, where);
}

// Sums and products of small integers and bools are i64.
Tensor widened(std::string_view name, const Tensor& x, const SourceLocation& where) {
  const DType dtype = explained(name, x, where, [&] { return x.dtype(); });
  return is_float(dtype) || dtype == i64 ? x : cast(x, i64, where);
}

// As bools, which they are already or x ≠ 0.
Tensor as_bool(std::string_view name, const Tensor& x, const SourceLocation& where) {
  const DType dtype = explained(name, x, where, [&] { return x.dtype(); });
  return dtype == boolean ? x : cast(x, boolean, where);
}

}  // namespace

AxisSet checked_axes(const Axes& axes, int rank) {
  return axes.all() ? all_axes(rank) : checked_axes(std::span<const int>(axes.list()), rank);
}

void check_not_empty(const Shape& shape, const AxisSet& axes) {
  for (int axis : list_of(axes))
    if (shape[axis] == 0) throw Error(fmt::format("axis {} has no elements", axis));
}

Tensor sum(const Tensor& x, const Axes& axes, bool keepdims, const SourceLocation& where) {
  return reduce(Code::sum, widened("sum", x, where), axes, keepdims, where);
}

Tensor prod(const Tensor& x, const Axes& axes, bool keepdims, const SourceLocation& where) {
  return reduce(Code::prod, widened("prod", x, where), axes, keepdims, where);
}

Tensor max(const Tensor& x, const Axes& axes, bool keepdims, const SourceLocation& where) {
  return reduce(x.defined() && x.dtype() == boolean ? Code::any : Code::max, x, axes, keepdims, where);
}

Tensor min(const Tensor& x, const Axes& axes, bool keepdims, const SourceLocation& where) {
  return reduce(x.defined() && x.dtype() == boolean ? Code::all : Code::min, x, axes, keepdims, where);
}

Tensor any(const Tensor& x, const Axes& axes, bool keepdims, const SourceLocation& where) {
  return reduce(Code::any, as_bool("any", x, where), axes, keepdims, where);
}

Tensor all(const Tensor& x, const Axes& axes, bool keepdims, const SourceLocation& where) {
  return reduce(Code::all, as_bool("all", x, where), axes, keepdims, where);
}

}  // namespace telaio
