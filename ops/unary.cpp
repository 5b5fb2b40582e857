#include <telaio/ops/unary.hpp>

#include <array>
#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include <telaio/ops/binary.hpp>
#include <telaio/ops/elementwise.hpp>
#include <telaio/ops/kernels/elementwise.hpp>

namespace telaio {

namespace {

using Code = kernels::UnaryOp;

// A row says all there is to say of a unary op. a and b are its parameters.
struct Rule {
  std::string_view name;
  Code code;
  bool floats_only;
  double cycles;  // an element, roughly: where to cut the work
  Tensor (*gx)(const Tensor& x, const Tensor& y, const Tensor& gy, double a, double b);
};

#define GX(gradient)                                                                                        \
  [](const Tensor& x [[maybe_unused]], const Tensor& y [[maybe_unused]], const Tensor& gy [[maybe_unused]], \
     double a [[maybe_unused]], double b [[maybe_unused]]) -> Tensor { return gradient; }

// Klambauer et al. 2017.
constexpr double selu_scale = 1.0507009873554804934193349852946;
constexpr double selu_alpha = 1.6732632423543772848170429916717;

Tensor silu_slope(const Tensor& x, const Tensor& s) { return s * (x * (1 - s) + 1); }

Tensor gelu_slope(const Tensor& x, bool approximate) {
  if (approximate) {
    const double c = std::sqrt(2 / std::numbers::pi);
    const Tensor t = tanh((x + x * square(x) * 0.044715) * c);
    return (t + 1) * 0.5 + x * (1 - square(t)) * (square(x) * (3 * 0.044715) + 1) * (0.5 * c);
  }
  // Φ(x) + x·φ(x)
  return (erf(x * std::numbers::sqrt2 / 2) + 1) * 0.5 + x * exp(square(x) * -0.5) / std::sqrt(2 * std::numbers::pi);
}

// clang-format off
const Rule rules[] = {
    {"neg", Code::neg, false, 0.3, GX(-gy)},
    {"abs", Code::abs, false, 0.3, GX(gy * sign(x))},
    {"sign", Code::sign, false, 0.3, GX(Tensor())},
    {"square", Code::square, false, 0.3, GX(gy * x * 2)},
    {"sqrt", Code::sqrt, true, 1, GX(gy / (y * 2))},
    {"rsqrt", Code::rsqrt, true, 1, GX(gy * y * square(y) * -0.5)},
    {"reciprocal", Code::reciprocal, true, 1, GX(-gy * square(y))},
    {"exp", Code::exp, true, 2, GX(gy * y)},
    {"expm1", Code::expm1, true, 3, GX(gy * (y + 1))},
    {"log", Code::log, true, 3, GX(gy / x)},
    {"log1p", Code::log1p, true, 3, GX(gy / (x + 1))},
    {"sin", Code::sin, true, 3, GX(gy * cos(x))},
    {"cos", Code::cos, true, 3, GX(-gy * sin(x))},
    {"tanh", Code::tanh, true, 4, GX(gy * (1 - square(y)))},
    {"erf", Code::erf, true, 6, GX(gy * exp(-square(x)) * (2 / std::sqrt(std::numbers::pi)))},
    {"floor", Code::floor, false, 0.3, GX(Tensor())},
    {"ceil", Code::ceil, false, 0.3, GX(Tensor())},
    {"round", Code::round, false, 0.3, GX(Tensor())},
    {"sigmoid", Code::sigmoid, true, 4, GX(gy * y * (1 - y))},
    {"softplus", Code::softplus, true, 6, GX(gy * sigmoid(x * a))},
    {"relu", Code::relu, false, 0.3, GX(where(y > 0, gy, 0))},
    {"leaky_relu", Code::leaky_relu, true, 0.3, GX(where(x > 0, gy, gy * a))},
    {"elu", Code::elu, true, 4, GX(where(x > 0, gy, gy * (y + a)))},
    {"selu", Code::selu, true, 4, GX(where(x > 0, gy * selu_scale, gy * (y + selu_scale * selu_alpha)))},
    {"gelu", Code::gelu, true, 8, GX(gy * gelu_slope(x, a != 0))},
    {"silu", Code::silu, true, 4, GX(gy * silu_slope(x, sigmoid(x)))},
    {"clip", Code::hardtanh, false, 0.3, GX(where(logical_and(x >= a, x <= b), gy, 0))},
    {"hardtanh", Code::hardtanh, false, 0.3, GX(where(logical_and(x >= a, x <= b), gy, 0))},
};
// clang-format on
#undef GX

class Unary final : public ElementwiseOp {
 public:
  Unary(const Rule& rule, double a, double b) : rule_(rule), a_(a), b_(b) {}
  std::string_view name() const override { return rule_.name; }
  std::string attributes() const override { return a_ == 0 && b_ == 0 ? "" : fmt::format("{} {}", a_, b_); }
  std::vector<TensorSpec> infer(Specs x) const override {
    if (x[0].dtype == boolean || (x[0].dtype == u8 && rule_.code == Code::neg))
      throw Error("the input must be a signed number");
    if (rule_.code == Code::hardtanh && !(a_ <= b_))
      throw Error(fmt::format("the bounds {} and {} are not in order", a_, b_));
    return {x[0]};
  }
  void chunk(std::span<const DType> types, const void* const* in, void* out, int64_t n) const override {
    with_dtype(types[0], [&]<class T>() {
      if constexpr (!std::is_same_v<T, bool>)
        kernels::unary(rule_.code, static_cast<const T*>(in[0]), static_cast<T*>(out), n, a_, b_);
    });
  }
  double cycles() const override { return rule_.cycles; }
  std::vector<Tensor> vjp(Tensors x, Tensors y, Tensors gy, Needs) const override {
    return {rule_.gx(x[0], y[0], gy[0], a_, b_)};
  }
  bool same_as(const Op& other) const override {
    const auto& unary = static_cast<const Unary&>(other);
    return a_ == unary.a_ && b_ == unary.b_;
  }

 private:
  const Rule& rule_;
  double a_, b_;
};

Tensor unary(std::string_view name, const Tensor& x, const SourceLocation& where, double a = 0, double b = 0) {
  for (const Rule& rule : rules) {
    if (rule.name != name) continue;
    if (!x.defined()) fail(name, "the input is undefined", {}, where);
    const bool widen = rule.floats_only && !is_float(x.dtype());
    return apply(OpPtr(new Unary(rule, a, b)), {widen ? cast(x, f32, where) : x}, where);
  }
  throw Error(fmt::format("there is no unary op '{}'", name));
}

// x → bool.
class Predicate final : public ElementwiseOp {
 public:
  enum class Kind { logical_not, is_nan, is_finite };
  explicit Predicate(Kind kind) : kind_(kind) {}
  std::string_view name() const override {
    return kind_ == Kind::logical_not ? "logical_not" : kind_ == Kind::is_nan ? "is_nan" : "is_finite";
  }
  std::vector<TensorSpec> infer(Specs x) const override { return {{boolean, x[0].shape}}; }
  void chunk(std::span<const DType> types, const void* const* in, void* out, int64_t n) const override {
    auto* result = static_cast<bool*>(out);
    if (kind_ == Kind::logical_not) return kernels::logic_not(static_cast<const bool*>(in[0]), result, n);
    with_float(types[0], [&]<class T>() {
      const auto* values = static_cast<const T*>(in[0]);
      if (kind_ == Kind::is_nan) kernels::is_nan(values, result, n);
      else kernels::is_finite(values, result, n);
    });
  }
  double cycles() const override { return 0.3; }
  bool same_as(const Op&) const override { return true; }

 private:
  Kind kind_;
};

Tensor predicate(Predicate::Kind kind, const Tensor& x, const SourceLocation& where) {
  const OpPtr op(new Predicate(kind));
  if (!x.defined()) fail(op->name(), "the input is undefined", {}, where);
  if (kind == Predicate::Kind::logical_not) return apply(op, {cast(x, boolean, where)}, where);
  return apply(op, {is_float(x.dtype()) ? x : cast(x, f32, where)}, where);
}

class Cast final : public ElementwiseOp {
 public:
  explicit Cast(DType to) : to_(to) {}
  std::string_view name() const override { return "cast"; }
  std::string attributes() const override { return std::string(name_of(to_)); }
  std::vector<TensorSpec> infer(Specs x) const override { return {{to_, x[0].shape}}; }
  void chunk(std::span<const DType> types, const void* const* in, void* out, int64_t n) const override {
    with_dtype(types[0], [&]<class From>() {
      with_dtype(to_, [&]<class To>() { kernels::cast(static_cast<const From*>(in[0]), static_cast<To*>(out), n); });
    });
  }
  double cycles() const override { return 0.5; }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs) const override { return {cast(gy[0], x[0].dtype())}; }
  bool same_as(const Op& other) const override { return to_ == static_cast<const Cast&>(other).to_; }

 private:
  DType to_;
};

}  // namespace

#define TELAIO_UNARY(name) \
  Tensor name(const Tensor& x, const SourceLocation& where) { return unary(#name, x, where); }
TELAIO_UNARY(neg)
TELAIO_UNARY(abs)
TELAIO_UNARY(sign)
TELAIO_UNARY(square)
TELAIO_UNARY(sqrt)
TELAIO_UNARY(rsqrt)
TELAIO_UNARY(reciprocal)
TELAIO_UNARY(exp)
TELAIO_UNARY(expm1)
TELAIO_UNARY(log)
TELAIO_UNARY(log1p)
TELAIO_UNARY(sin)
TELAIO_UNARY(cos)
TELAIO_UNARY(tanh)
TELAIO_UNARY(erf)
TELAIO_UNARY(floor)
TELAIO_UNARY(ceil)
TELAIO_UNARY(round)
TELAIO_UNARY(sigmoid)
TELAIO_UNARY(relu)
TELAIO_UNARY(selu)
TELAIO_UNARY(silu)
#undef TELAIO_UNARY

Tensor softplus(const Tensor& x, double beta, const SourceLocation& where) {
  if (!(beta > 0)) fail("softplus", fmt::format("beta must be positive, got {}", beta), {&x, 1}, where);
  return unary("softplus", x, where, beta);
}
Tensor leaky_relu(const Tensor& x, double slope, const SourceLocation& where) {
  return unary("leaky_relu", x, where, slope);
}
Tensor elu(const Tensor& x, double alpha, const SourceLocation& where) { return unary("elu", x, where, alpha); }
Tensor gelu(const Tensor& x, bool approximate, const SourceLocation& where) {
  return unary("gelu", x, where, approximate ? 1 : 0);
}
Tensor clip(const Tensor& x, double low, double high, const SourceLocation& where) {
  return unary("clip", x, where, low, high);
}
Tensor hardtanh(const Tensor& x, double low, double high, const SourceLocation& where) {
  return unary("hardtanh", x, where, low, high);
}

Tensor logical_not(const Tensor& x, const SourceLocation& where) {
  return predicate(Predicate::Kind::logical_not, x, where);
}
Tensor is_nan(const Tensor& x, const SourceLocation& where) { return predicate(Predicate::Kind::is_nan, x, where); }
Tensor is_finite(const Tensor& x, const SourceLocation& where) {
  return predicate(Predicate::Kind::is_finite, x, where);
}

Tensor cast(const Tensor& x, DType dtype, const SourceLocation& where) {
  if (!x.defined()) fail("cast", "the input is undefined", {}, where);
  if (x.dtype() == dtype) return x;
  return apply(OpPtr(new Cast(dtype)), {x}, where);
}

}  // namespace telaio
