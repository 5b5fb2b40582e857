// Operands of arithmetic: tensors and C++ numbers, and the type that they meet in.
#pragma once

#include <initializer_list>
#include <type_traits>

#include <telaio/autograd/tensor.hpp>
#include <telaio/autograd/variable.hpp>

namespace telaio {

/// A tensor, a variable or a C++ number, and the line that it was written in. Functions of two tensors take operands,
/// so that `x * 2` and `1 - x` work. A number is weak: it takes the tensor's type, except that a fraction makes
/// integers f32, and a number makes a bool an integer.
class Operand {
 public:
  Operand(const Tensor& tensor, const SourceLocation& where = TELAIO_HERE) : tensor_(tensor), where_(where) {}
  Operand(const Variable& variable, const SourceLocation& where = TELAIO_HERE) : tensor_(variable), where_(where) {}
  template <class T>
  requires std::is_arithmetic_v<T> Operand(T number, const SourceLocation& where = TELAIO_HERE)
      : number_(static_cast<double>(number)),
        integer_(std::is_integral_v<T> ? static_cast<int64_t>(number) : 0),  // a fraction may be beyond all integers
        weak_(kind_of<T>()),
        where_(where) {}

  bool is_number() const { return weak_ != Weak::none; }
  const Tensor& tensor() const { return tensor_; }
  const SourceLocation& where() const { return where_; }
  /// The operand as a tensor; a number becomes a scalar of the given type.
  Tensor as(DType dtype) const;
  /// A tensor as it is; a number becomes a scalar of its own type (f32 for fractions, i64, bool).
  Tensor as_is() const;

  enum class Weak : uint8_t { none, logical, integer, fraction };
  Weak weak() const { return weak_; }

 private:
  template <class T>
  static constexpr Weak kind_of() {
    return std::is_same_v<T, bool> ? Weak::logical : std::is_integral_v<T> ? Weak::integer : Weak::fraction;
  }

  Tensor tensor_;
  double number_ = 0;
  int64_t integer_ = 0;
  Weak weak_ = Weak::none;
  SourceLocation where_;
};

/// The type in which operands meet, as in PyTorch: the widest type of the highest category (bool, integer, float),
/// where tensors of rank 0 count only if their category is higher than that of all tensors with axes, and C++ numbers
/// only if theirs is higher than that of all tensors.
DType promoted(std::initializer_list<const Operand*> operands);

/// The operands as tensors of one type and one shape (NumPy's broadcasting; the repetition is an op of its own, whose
/// derivative is the sum). Error, in the name of `op`, where the shapes do not fit.
struct Aligned {
  Tensor a, b;
};
Aligned aligned(std::string_view op, const Operand& a, const Operand& b);
Aligned aligned(std::string_view op, const Operand& a, const Operand& b, DType dtype);

}  // namespace telaio
