#include <fmt/format.h>

#include <telaio/autograd/op.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/indexing.hpp>
#include <telaio/ops/kernels/softmax.hpp>
#include <telaio/ops/losses.hpp>
#include <telaio/ops/named_operands.hpp>
#include <telaio/ops/reduce.hpp>
#include <telaio/ops/softmax_op.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio {

namespace {

// The input as floats, once the axis is known to exist.
Tensor checked(std::string_view op, const Tensor& x, int axis, const SourceLocation& where) {
  require_defined(op, {{"input", x}}, where);
  if (!normalize_axis(axis, x.rank()))
    fail(op, fmt::format("there is no axis {} in {} axes", axis, x.rank()), {{"input", x}}, where);
  return is_float(x.dtype()) ? x : cast(x, f32, where);
}

int64_t rows_of(const Shape& shape) { return numel(shape) / shape.back(); }

// Along the last axis, which is not empty.
class Softmax final : public Op {
 public:
  explicit Softmax(bool logarithm) : logarithm_(logarithm) {}
  std::string_view name() const override { return logarithm_ ? "log_softmax" : "softmax"; }
  std::vector<TensorSpec> infer(Specs x) const override { return {x[0]}; }
  void run(Views x, Views y, void*) const override {
    const Shape& shape = y[0].shape();
    with_float(y[0].dtype(), [&]<class T>() {
      (logarithm_ ? kernels::log_softmax<T> : kernels::softmax<T>)(rows_of(shape), shape.back(), x[0].data<T>(),
                                                                   y[0].data<T>());
    });
  }
  bool in_place(size_t, size_t) const override { return true; }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs y) const override {
    return axes[0] < y[0].shape.rank() - 1 ? BatchFlow::same_axis(axes) : BatchFlow();
  }
  std::vector<Tensor> vjp(Tensors, Tensors y, Tensors gy, Needs) const override {
    if (logarithm_) return {gy[0] - exp(y[0]) * sum(gy[0], -1, true)};
    return {y[0] * (gy[0] - sum(gy[0] * y[0], -1, true))};
  }
  bool same_as(const Op&) const override { return true; }
  double flops(Specs, Specs y) const override { return 5.0 * static_cast<double>(y[0].numel()); }

 private:
  bool logarithm_;
};

Tensor along_axis(bool logarithm, const Tensor& x, int axis, const SourceLocation& where) {
  if (x.numel() == 0) return x;
  const OpPtr op(new Softmax(logarithm));
  const int place = *normalize_axis(axis, x.rank());
  if (place == x.rank() - 1) return apply(op, {x}, where);
  return transpose(apply(op, {transpose(x, place, -1, where)}, where), place, -1, where);
}

// Of (logits, labels, and for the gradient gy): all are cut along the same axis, which is not that of the classes.
BatchFlow along_samples(std::span<int> axes, Specs x) {
  const BatchFlow flow = BatchFlow::same_axis(axes);
  return flow.axis < x[1].shape.rank() ? flow : BatchFlow();
}

// softmax(logits)·gy, less gy at the label.
class SoftmaxCrossEntropyGrad final : public Op {
 public:
  std::string_view name() const override { return "softmax_cross_entropy_grad"; }
  std::vector<TensorSpec> infer(Specs x) const override { return {x[0]}; }
  void run(Views x, Views y, void*) const override {
    const Shape& shape = y[0].shape();
    with_float(y[0].dtype(), [&]<class T>() {
      kernels::softmax_cross_entropy_grad<T>(rows_of(shape), shape.back(), x[0].data<T>(), x[1].data<int64_t>(),
                                             x[2].data<T>(), y[0].data<T>());
    });
  }
  bool in_place(size_t input, size_t) const override { return input == 0; }
  BatchFlow along_batch(std::span<int> axes, Specs x, Specs) const override { return along_samples(axes, x); }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs needs) const override {
    const Tensor p = softmax(x[0]);
    const Tensor slope = p - one_hot(x[1], x[0].dim(-1), p.dtype());
    std::vector<Tensor> gx(3);
    if (needs[0]) {
      const Tensor g = gy[0] * unsqueeze(x[2], -1);
      gx[0] = p * (g - sum(g * p, -1, true));
    }
    if (needs[2]) gx[2] = sum(gy[0] * slope, -1);
    return gx;
  }
  bool same_as(const Op&) const override { return true; }
  double flops(Specs, Specs y) const override { return 6.0 * static_cast<double>(y[0].numel()); }
};

class SoftmaxCrossEntropy final : public Op {
 public:
  std::string_view name() const override { return "softmax_cross_entropy"; }
  std::string_view input_name(size_t i) const override { return i == 0 ? "logits" : "labels"; }
  std::vector<TensorSpec> infer(Specs x) const override { return {{x[0].dtype, x[1].shape}}; }
  void run(Views x, Views y, void*) const override {
    const Shape& shape = x[0].shape();
    with_float(y[0].dtype(), [&]<class T>() {
      kernels::softmax_cross_entropy<T>(rows_of(shape), shape.back(), x[0].data<T>(), x[1].data<int64_t>(),
                                        y[0].data<T>());
    });
  }
  BatchFlow along_batch(std::span<int> axes, Specs x, Specs) const override { return along_samples(axes, x); }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs needs) const override {
    if (!needs[0]) return std::vector<Tensor>(2);
    return {apply(OpPtr(new SoftmaxCrossEntropyGrad), {x[0], x[1], gy[0]}, TELAIO_HERE), Tensor()};
  }
  bool same_as(const Op&) const override { return true; }
  double flops(Specs x, Specs) const override { return 4.0 * static_cast<double>(x[0].numel()); }
};

}  // namespace

Tensor softmax(const Tensor& x, int axis, const SourceLocation& where) {
  return along_axis(false, checked("softmax", x, axis, where), axis, where);
}

Tensor log_softmax(const Tensor& x, int axis, const SourceLocation& where) {
  return along_axis(true, checked("log_softmax", x, axis, where), axis, where);
}

Tensor softmax_cross_entropy(const Tensor& logits, const Tensor& labels, const SourceLocation& where) {
  return apply(OpPtr(new SoftmaxCrossEntropy), {logits, labels}, where);
}

}  // namespace telaio
