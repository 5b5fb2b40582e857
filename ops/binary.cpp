#include <telaio/ops/binary.hpp>

#include <fmt/format.h>

#include <telaio/ops/elementwise.hpp>
#include <telaio/ops/kernels/elementwise.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio {

namespace {

using Code = kernels::BinaryOp;

struct Gradients {
  Tensor ga, gb;
};

// A row says all there is to say of a binary op.
struct Rule {
  std::string_view name;
  Code code;
  double cycles;  // an element, roughly: where to cut the work
  Gradients (*gx)(const Tensor& a, const Tensor& b, const Tensor& y, const Tensor& gy);
};

// a^(b−1), but a where both are 0, so that b·a^(b−1) is 0 and not 0·∞.
Tensor lower_power(const Tensor& a, const Tensor& b) { return pow(a, where(logical_and(a == 0, b == 0), 1, b - 1)); }

// The share of the gradient that goes to a, of which `wins` tells where it is chosen.
Tensor chosen(const Tensor& wins, const Tensor& ties, const Tensor& gy) {
  return where(wins, gy, where(ties, gy * 0.5, 0));
}

#define GX(by_a, by_b)                                                                                     \
  [](const Tensor& a [[maybe_unused]], const Tensor& b [[maybe_unused]], const Tensor& y [[maybe_unused]], \
     const Tensor& gy) -> Gradients {                                                                      \
    return {by_a, by_b};                                                                                   \
  }
// clang-format off
const Rule rules[] = {
    {"add", Code::add, 0.4, GX(gy, gy)},
    {"sub", Code::sub, 0.4, GX(gy, -gy)},
    {"mul", Code::mul, 0.4, GX(gy * b, gy * a)},
    {"div", Code::div, 1, GX(gy / b, -gy * y / b)},
    {"pow", Code::pow, 20, GX(gy * b * lower_power(a, b), gy * y * log(where(a == 0, 1, a)))},
    {"maximum", Code::maximum, 0.4, GX(chosen(a > b, a == b, gy), chosen(b > a, a == b, gy))},
    {"minimum", Code::minimum, 0.4, GX(chosen(a < b, a == b, gy), chosen(b < a, a == b, gy))},
};
// clang-format on
#undef GX

class Binary final : public ElementwiseOp {
 public:
  explicit Binary(const Rule& rule) : rule_(rule) {}
  std::string_view name() const override { return rule_.name; }
  std::vector<TensorSpec> infer(Specs x) const override {
    if (x[0].dtype == boolean)
      throw Error("bools have no arithmetic; cast them, or use logical_and, logical_or, logical_xor");
    return {x[0]};
  }
  void chunk(std::span<const DType> types, const void* const* in, void* out, int64_t n) const override {
    with_dtype(types[0], [&]<class T>() {
      if constexpr (!std::is_same_v<T, bool>)
        kernels::binary(rule_.code, static_cast<const T*>(in[0]), static_cast<const T*>(in[1]), static_cast<T*>(out),
                        n);
    });
  }
  double cycles() const override { return rule_.cycles; }
  std::vector<Tensor> vjp(Tensors x, Tensors y, Tensors gy, Needs) const override {
    const auto [ga, gb] = rule_.gx(x[0], x[1], y[0], gy[0]);
    return {ga, gb};
  }
  bool same_as(const Op&) const override { return true; }

 private:
  const Rule& rule_;
};

Tensor binary(std::string_view name, const Operand& a, const Operand& b) {
  for (const Rule& rule : rules) {
    if (rule.name != name) continue;
    auto [x, y] = aligned(name, a, b);
    if (rule.code == Code::div && !is_float(x.dtype())) {
      x = cast(x, f32, a.where());
      y = cast(y, f32, a.where());
    }
    return apply(OpPtr(new Binary(rule)), {x, y}, a.where());
  }
  throw Error(fmt::format("there is no binary op '{}'", name));
}

class Compare final : public ElementwiseOp {
 public:
  Compare(std::string_view name, kernels::CompareOp code) : name_(name), code_(code) {}
  std::string_view name() const override { return name_; }
  std::vector<TensorSpec> infer(Specs x) const override { return {{boolean, x[0].shape}}; }
  void chunk(std::span<const DType> types, const void* const* in, void* out, int64_t n) const override {
    with_dtype(types[0], [&]<class T>() {
      kernels::compare(code_, static_cast<const T*>(in[0]), static_cast<const T*>(in[1]), static_cast<bool*>(out), n);
    });
  }
  double cycles() const override { return 0.4; }
  bool same_as(const Op&) const override { return true; }

 private:
  std::string_view name_;
  kernels::CompareOp code_;
};

Tensor compare(std::string_view name, kernels::CompareOp code, const Operand& a, const Operand& b) {
  const auto [x, y] = aligned(name, a, b);
  return apply(OpPtr(new Compare(name, code)), {x, y}, a.where());
}

class Logic final : public ElementwiseOp {
 public:
  Logic(std::string_view name, kernels::LogicOp code) : name_(name), code_(code) {}
  std::string_view name() const override { return name_; }
  std::vector<TensorSpec> infer(Specs x) const override { return {x[0]}; }
  void chunk(std::span<const DType>, const void* const* in, void* out, int64_t n) const override {
    kernels::logic(code_, static_cast<const bool*>(in[0]), static_cast<const bool*>(in[1]), static_cast<bool*>(out), n);
  }
  double cycles() const override { return 0.4; }
  bool same_as(const Op&) const override { return true; }

 private:
  std::string_view name_;
  kernels::LogicOp code_;
};

Tensor logic(std::string_view name, kernels::LogicOp code, const Operand& a, const Operand& b) {
  const auto [x, y] = aligned(name, a, b, boolean);
  return apply(OpPtr(new Logic(name, code)), {x, y}, a.where());
}

class Where final : public ElementwiseOp {
 public:
  std::string_view name() const override { return "where"; }
  std::string_view input_name(size_t i) const override { return i == 0 ? "condition" : i == 1 ? "a" : "b"; }
  std::vector<TensorSpec> infer(Specs x) const override {
    if (x[0].dtype != boolean) throw Error("the condition must be bool; compare, or cast it");
    return {x[1]};
  }
  void chunk(std::span<const DType> types, const void* const* in, void* out, int64_t n) const override {
    with_dtype(types[1], [&]<class T>() {
      kernels::where(static_cast<const bool*>(in[0]), static_cast<const T*>(in[1]), static_cast<const T*>(in[2]),
                     static_cast<T*>(out), n);
    });
  }
  double cycles() const override { return 0.5; }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs) const override {
    return {Tensor(), where(x[0], gy[0], 0), where(x[0], 0, gy[0])};
  }
  bool same_as(const Op&) const override { return true; }
};

}  // namespace

Tensor add(const Operand& a, const Operand& b) { return binary("add", a, b); }
Tensor sub(const Operand& a, const Operand& b) { return binary("sub", a, b); }
Tensor mul(const Operand& a, const Operand& b) { return binary("mul", a, b); }
Tensor div(const Operand& a, const Operand& b) { return binary("div", a, b); }
Tensor pow(const Operand& a, const Operand& b) { return binary("pow", a, b); }
Tensor maximum(const Operand& a, const Operand& b) { return binary("maximum", a, b); }
Tensor minimum(const Operand& a, const Operand& b) { return binary("minimum", a, b); }

Tensor equal(const Operand& a, const Operand& b) { return compare("equal", kernels::CompareOp::eq, a, b); }
Tensor not_equal(const Operand& a, const Operand& b) { return compare("not_equal", kernels::CompareOp::ne, a, b); }
Tensor less(const Operand& a, const Operand& b) { return compare("less", kernels::CompareOp::lt, a, b); }
Tensor less_equal(const Operand& a, const Operand& b) { return compare("less_equal", kernels::CompareOp::le, a, b); }
Tensor greater(const Operand& a, const Operand& b) { return compare("greater", kernels::CompareOp::gt, a, b); }
Tensor greater_equal(const Operand& a, const Operand& b) {
  return compare("greater_equal", kernels::CompareOp::ge, a, b);
}

Tensor logical_and(const Operand& a, const Operand& b) { return logic("logical_and", kernels::LogicOp::land, a, b); }
Tensor logical_or(const Operand& a, const Operand& b) { return logic("logical_or", kernels::LogicOp::lor, a, b); }
Tensor logical_xor(const Operand& a, const Operand& b) { return logic("logical_xor", kernels::LogicOp::lxor, a, b); }

Tensor where(const Tensor& condition, const Operand& a, const Operand& b, const SourceLocation& place) {
  if (!condition.defined()) fail("where", "the condition is undefined", {}, place);
  const auto [x, y] = aligned("where", a, b);
  const auto shape = broadcast(condition.shape(), x.shape());
  if (!shape) {
    const Tensor given[] = {condition, a.as_is(), b.as_is()};
    fail("where", "the shapes do not broadcast: each axis, counted from the last, must agree or be 1", given, place);
  }
  static const OpPtr op(new Where);
  return apply(op,
               {broadcast_to(condition, *shape, place), broadcast_to(x, *shape, place), broadcast_to(y, *shape, place)},
               place);
}

Tensor operator-(const Operand& x) { return neg(x.as_is(), x.where()); }

}  // namespace telaio
