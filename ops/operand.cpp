#include <telaio/ops/operand.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <telaio/autograd/op.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio {

Tensor Operand::as(DType dtype) const {
  if (!is_number()) return tensor_.dtype() == dtype ? tensor_ : cast(tensor_, dtype, where_);
  Array element(TensorSpec{dtype, {}});
  with_dtype(dtype, [&]<class T>() {
    *element.data<T>() = weak_ == Weak::fraction ? static_cast<T>(number_) : static_cast<T>(integer_);
  });
  return constant(std::move(element), where_);
}

Tensor Operand::as_is() const {
  if (!is_number()) return tensor_;
  return as(weak_ == Weak::logical ? boolean : weak_ == Weak::integer ? i64 : f32);
}

namespace {

int category(DType dtype) { return is_float(dtype) ? 2 : is_integer(dtype) ? 1 : 0; }

// The widest type among operands of one priority (tensors with axes, scalars, numbers); none if there is no operand.
struct Widest {
  bool any = false;
  DType dtype = boolean;

  void add(DType other) {
    dtype = any ? std::max(dtype, other) : other;
    any = true;
  }
};

}  // namespace

DType promoted(std::initializer_list<const Operand*> operands) {
  Widest with_axes, scalars, numbers;
  for (const Operand* operand : operands) {
    switch (operand->weak()) {
      case Operand::Weak::none:
        (operand->tensor().rank() > 0 ? with_axes : scalars).add(operand->tensor().dtype());
        break;
      case Operand::Weak::logical:
        numbers.add(boolean);
        break;
      case Operand::Weak::integer:
        numbers.add(i64);
        break;
      case Operand::Weak::fraction:
        numbers.add(f32);
        break;
    }
  }
  Widest result = with_axes;
  for (const Widest& lower : {scalars, numbers})
    if (lower.any && (!result.any || category(lower.dtype) > category(result.dtype))) result = lower;
  return result.dtype;
}

namespace {

void check_defined(std::string_view op, const Operand& a, const Operand& b) {
  for (const Operand* operand : {&a, &b})
    if (!operand->is_number() && !operand->tensor().defined())
      fail(op, "an operand is undefined", {}, operand->where());
}

}  // namespace

Aligned aligned(std::string_view op, const Operand& a, const Operand& b) {
  check_defined(op, a, b);
  return aligned(op, a, b, promoted({&a, &b}));
}

Aligned aligned(std::string_view op, const Operand& a, const Operand& b, DType dtype) {
  check_defined(op, a, b);
  const SourceLocation& where = a.where();
  const Tensor x = a.as(dtype);
  const Tensor y = b.as(dtype);
  const auto shape = broadcast(x.shape(), y.shape());
  if (!shape) {
    const Tensor given[] = {a.as_is(), b.as_is()};
    fail(op, "the shapes do not broadcast: each axis, counted from the last, must agree or be 1", given, where);
  }
  return {broadcast_to(x, *shape, where), broadcast_to(y, *shape, where)};
}

}  // namespace telaio
