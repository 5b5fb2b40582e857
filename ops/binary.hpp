// Elementwise functions of two tensors (or a tensor and a number), with NumPy's broadcasting and PyTorch's promotion.
#pragma once

#include <telaio/ops/operand.hpp>

namespace telaio {

Tensor add(const Operand& a, const Operand& b);
Tensor sub(const Operand& a, const Operand& b);
Tensor mul(const Operand& a, const Operand& b);
Tensor div(const Operand& a, const Operand& b);  ///< true division: integers give f32
/// aᵇ. The derivative by a is b·aᵇ⁻¹, by b aᵇ·log a (0 where a = 0).
Tensor pow(const Operand& a, const Operand& b);
/// Where a = b, each gets half of the gradient.
Tensor maximum(const Operand& a, const Operand& b);
Tensor minimum(const Operand& a, const Operand& b);

Tensor equal(const Operand& a, const Operand& b);  ///< comparisons give bool
Tensor not_equal(const Operand& a, const Operand& b);
Tensor less(const Operand& a, const Operand& b);
Tensor less_equal(const Operand& a, const Operand& b);
Tensor greater(const Operand& a, const Operand& b);
Tensor greater_equal(const Operand& a, const Operand& b);

Tensor logical_and(const Operand& a, const Operand& b);  ///< bool; other types as x ≠ 0
Tensor logical_or(const Operand& a, const Operand& b);
Tensor logical_xor(const Operand& a, const Operand& b);

/// a where the condition (bool) holds, else b.
Tensor where(const Tensor& condition, const Operand& a, const Operand& b, const SourceLocation& place = TELAIO_HERE);

inline Tensor operator+(const Operand& a, const Operand& b) { return add(a, b); }
inline Tensor operator-(const Operand& a, const Operand& b) { return sub(a, b); }
inline Tensor operator*(const Operand& a, const Operand& b) { return mul(a, b); }
inline Tensor operator/(const Operand& a, const Operand& b) { return div(a, b); }
inline Tensor operator==(const Operand& a, const Operand& b) { return equal(a, b); }
inline Tensor operator!=(const Operand& a, const Operand& b) { return not_equal(a, b); }
inline Tensor operator<(const Operand& a, const Operand& b) { return less(a, b); }
inline Tensor operator<=(const Operand& a, const Operand& b) { return less_equal(a, b); }
inline Tensor operator>(const Operand& a, const Operand& b) { return greater(a, b); }
inline Tensor operator>=(const Operand& a, const Operand& b) { return greater_equal(a, b); }
Tensor operator-(const Operand& x);

}  // namespace telaio
