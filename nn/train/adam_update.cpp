#include <telaio/nn/train/adam_update.hpp>

#include <array>

#include <fmt/format.h>

#include <telaio/autograd/composed_vjp.hpp>
#include <telaio/autograd/op.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/kernels/adam.hpp>
#include <telaio/ops/unary.hpp>

namespace telaio::nn {

namespace {

class AdamUpdate final : public Op {
 public:
  explicit AdamUpdate(const AdamConstants& constants) : constants_(constants) {}
  std::string_view name() const override { return "adam"; }
  std::string attributes() const override {
    return fmt::format("beta1={} beta2={} epsilon={}", constants_.beta1, constants_.beta2, constants_.epsilon);
  }
  std::string_view input_name(size_t i) const override {
    static constexpr std::array<std::string_view, 6> names{"w", "g", "m", "v", "size", "spread"};
    return names[i];
  }

  std::vector<TensorSpec> infer(Specs x) const override {
    if (!is_float(x[0].dtype)) throw Error("the parameter must be f32 or f64");
    for (size_t i = 1; i < tensors; ++i)
      if (!(x[i] == x[0])) throw Error("the gradient and the moments must have the parameter's shape and type");
    for (size_t i = tensors; i < x.size(); ++i)
      if (x[i].dtype != f64 || x[i].shape.rank() != 0) throw Error("the numbers must be f64 scalars");
    return {x[0], x[0], x[0]};
  }

  void run(Views x, Views y, void*) const override {
    with_float(x[0].dtype(), [&]<class T>() {
      const kernels::AdamNumbers<T> numbers{.beta1 = static_cast<T>(constants_.beta1),
                                            .rest1 = static_cast<T>(1 - constants_.beta1),
                                            .beta2 = static_cast<T>(constants_.beta2),
                                            .rest2 = static_cast<T>(1 - constants_.beta2),
                                            .epsilon = static_cast<T>(constants_.epsilon),
                                            .size = static_cast<T>(*x[4].data<double>()),
                                            .spread = static_cast<T>(*x[5].data<double>())};
      kernels::adam<T>(numbers, x[0].numel(), x[0].data<T>(), x[1].data<T>(), x[2].data<T>(), x[3].data<T>(),
                       y[0].data<T>(), y[1].data<T>(), y[2].data<T>());
    });
  }
  // An element is read whole before its results are written.
  bool in_place(size_t input, size_t) const override { return input < tensors; }
  bool runs_on_parts() const override { return true; }

  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs needs) const override {
    return composed_vjp(x, adam_composition({x[0], x[1], x[2], x[3], x[4], x[5]}, constants_), gy, needs);
  }
  bool same_as(const Op& other) const override {
    return constants_ == static_cast<const AdamUpdate&>(other).constants_;
  }
  double flops(Specs x, Specs) const override { return 14.0 * static_cast<double>(x[0].numel()); }

 private:
  static constexpr size_t tensors = 4;
  AdamConstants constants_;
};

}  // namespace

std::vector<Tensor> adam_update(const AdamInputs& in, const AdamConstants& constants) {
  return apply_all(OpPtr(new AdamUpdate(constants)), {in.w, in.g, in.m, in.v, in.size, in.spread}, TELAIO_HERE);
}

std::vector<Tensor> adam_composition(const AdamInputs& in, const AdamConstants& constants) {
  const Tensor m = in.m * constants.beta1 + in.g * (1 - constants.beta1);
  const Tensor v = in.v * constants.beta2 + square(in.g) * (1 - constants.beta2);
  return {in.w - m * in.size / (sqrt(v) * in.spread + constants.epsilon), m, v};
}

}  // namespace telaio::nn
