// The functions of reduce.hpp that go along one axis: argmax, argmin, cumsum.
#include <fmt/format.h>

#include <telaio/ops/kernels/reduce.hpp>
#include <telaio/ops/reduce_axes.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio {

namespace {

AxisSet only(int axis) { return AxisSet(1ull << axis); }

class ArgReduce final : public Op {
 public:
  ArgReduce(bool largest, int axis) : largest_(largest), axis_(axis) {}
  std::string_view name() const override { return largest_ ? "argmax" : "argmin"; }
  std::string attributes() const override { return fmt::format("axis={}", axis_); }
  std::vector<TensorSpec> infer(Specs x) const override {
    check_not_empty(x[0].shape, only(axis_));
    if (x[0].dtype == boolean) throw Error("bools have no order; cast them");
    return {{i64, without(x[0].shape, only(axis_))}};
  }
  void run(Views x, Views y, void*) const override {
    const Lanes lanes = lanes_of(x[0].shape(), axis_);
    with_dtype(x[0].dtype(), [&]<class T>() {
      if constexpr (!std::is_same_v<T, bool>) {
        kernels::arg_reduce(largest_, lanes.outer, lanes.length, lanes.inner, x[0].data<const T>(),
                            y[0].data<int64_t>());
      }
    });
  }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override {
    if (axes[0] == axis_) return {};
    return BatchFlow::mapped(axes[0] - (axes[0] > axis_ ? 1 : 0));
  }
  bool same_as(const Op& other) const override { return axis_ == static_cast<const ArgReduce&>(other).axis_; }
  double flops(Specs x, Specs) const override { return static_cast<double>(x[0].numel()); }

 private:
  bool largest_;
  int axis_;
};

class Cumsum final : public Op {
 public:
  Cumsum(int axis, CumsumOptions options) : axis_(axis), options_(options) {}
  std::string_view name() const override { return "cumsum"; }
  std::string attributes() const override {
    return fmt::format("axis={}{}{}", axis_, options_.reverse ? " reverse" : "",
                       options_.exclusive ? " exclusive" : "");
  }
  std::vector<TensorSpec> infer(Specs x) const override {
    if (x[0].dtype == boolean) throw Error("bools have no arithmetic; cast them");
    return {x[0]};
  }
  void run(Views x, Views y, void*) const override {
    const Lanes lanes = lanes_of(x[0].shape(), axis_);
    with_dtype(x[0].dtype(), [&]<class T>() {
      if constexpr (!std::is_same_v<T, bool>) {
        kernels::cumsum(lanes.outer, lanes.length, lanes.inner, x[0].data<const T>(), y[0].data<T>(), options_.reverse,
                        options_.exclusive);
      }
    });
  }
  bool in_place(size_t, size_t) const override { return true; }
  std::vector<Tensor> vjp(Tensors, Tensors, Tensors gy, Needs) const override {
    return {cumsum(gy[0], axis_, {!options_.reverse, options_.exclusive})};
  }
  bool same_as(const Op& other) const override {
    const auto& same = static_cast<const Cumsum&>(other);
    return axis_ == same.axis_ && options_.reverse == same.options_.reverse &&
           options_.exclusive == same.options_.exclusive;
  }

 private:
  int axis_;
  CumsumOptions options_;
};

Tensor arg_reduce(bool largest, const Tensor& x, int axis, bool keepdims, const SourceLocation& where) {
  const int normal = explained(largest ? "argmax" : "argmin", x, where, [&] { return checked_axis(axis, x.rank()); });
  const Tensor ordered = x.dtype() == boolean ? cast(x, u8, where) : x;
  const Tensor index = apply(OpPtr(new ArgReduce(largest, normal)), {ordered}, where);
  return keepdims ? unsqueeze(index, normal, where) : index;
}

}  // namespace

Tensor argmax(const Tensor& x, int axis, bool keepdims, const SourceLocation& where) {
  return arg_reduce(true, x, axis, keepdims, where);
}

Tensor argmin(const Tensor& x, int axis, bool keepdims, const SourceLocation& where) {
  return arg_reduce(false, x, axis, keepdims, where);
}

Tensor cumsum(const Tensor& x, int axis, CumsumOptions options, const SourceLocation& where) {
  const int normal = explained("cumsum", x, where, [&] { return checked_axis(axis, x.rank()); });
  const Tensor terms = is_float(x.dtype()) || x.dtype() == i64 ? x : cast(x, i64, where);
  return apply(OpPtr(new Cumsum(normal, options)), {terms}, where);
}

}  // namespace telaio
