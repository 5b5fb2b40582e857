// Elementwise kernels on contiguous arrays. Strided and broadcast operands go through for_each_chunk (strided.hpp).
//
// All functions: n ≥ 0 elements, no alignment asked; y may be exactly an input of the same element size (in place),
// but not overlap one otherwise. They run on the calling thread. A value's result depends only on the value, never on
// its place. Each template is instantiated in the library for the types that its comment names, and for no others.
// Float types are float and double; integers int32_t, int64_t and uint8_t.
#pragma once

#include <cstdint>

namespace telaio::kernels {

// clang-format off
/// y = f(x); a and b are the parameters of `unary`.
enum class UnaryOp : uint8_t {
  neg, abs,
  sign,        // -1, 0, 1; NaN of NaN
  square, sqrt, rsqrt, exp, expm1, log, log1p, sin, cos, tanh, erf,
  sigmoid,     // 1 / (1 + exp(-x)), stable on both sides
  softplus,    // log(1 + exp(a·x)) / a, as (log1p(exp(-|a·x|)) + max(a·x, 0)) / a
  relu,        // x < 0 ? 0 : x, so NaN stays NaN
  leaky_relu,  // x < 0 ? a·x : x
  elu,         // x < 0 ? a·expm1(x) : x
  selu,        // scaled elu; constants of Klambauer et al., "Self-Normalizing Neural Networks", 2017
  gelu,        // a = 0: x·(1 + erf(x/√2))/2.  a = 1: x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2
  silu,        // x·sigmoid(x)
  hardtanh,    // min(max(x, a), b), so NaN stays NaN
  floor,
  round,       // ties to even
  ceil, reciprocal,
};

enum class BinaryOp : uint8_t {
  add, sub, mul, div, pow,
  maximum, minimum,  // NaN if either is; of two equals (±0) the first
};

enum class CompareOp : uint8_t { eq, ne, lt, le, gt, ge };
enum class LogicOp : uint8_t { land, lor, lxor };
// clang-format on

/// y[i] = f(x[i]). Float types: every op. int32_t, int64_t: neg, abs, sign, square (all wrap around), relu, hardtanh
/// (bounds cut to T's range and towards zero), floor, round, ceil (the identity). uint8_t: the same without neg.
/// Throws std::invalid_argument for other combinations. At ±inf a formula is taken as it stands: silu(-inf) = NaN.
template <class T>
void unary(UnaryOp op, const T* x, T* y, int64_t n, double a = 0, double b = 0);

/// y[i] = f(a[i], b[i]). Float types: every op. Integers: all but div, wrapping around; a negative exponent of pow
/// gives the quotient 1 / a^|b| cut towards zero, and 0 for a = 0. Throws std::invalid_argument for div of integers.
template <class T>
void binary(BinaryOp op, const T* a, const T* b, T* y, int64_t n);

/// y[i] = a[i] op b[i], as C++ compares T: NaN is not equal to itself. Float types, integers, bool.
template <class T>
void compare(CompareOp op, const T* a, const T* b, bool* y, int64_t n);

void logic(LogicOp op, const bool* a, const bool* b, bool* y, int64_t n);
void logic_not(const bool* x, bool* y, int64_t n);

/// y[i] = c[i] ? a[i] : b[i]. Float types, integers, bool.
template <class T>
void where(const bool* c, const T* a, const T* b, T* y, int64_t n);

/// Float types.
template <class T>
void is_nan(const T* x, bool* y, int64_t n);
template <class T>
void is_finite(const T* x, bool* y, int64_t n);

/// y[i] = x[i] as a To. Float to integer cuts towards zero and saturates, NaN gives 0; integer to integer wraps around;
/// anything to bool is x ≠ 0 (true for NaN). All pairs of float types, integers and bool.
template <class From, class To>
void cast(const From* x, To* y, int64_t n);

}  // namespace telaio::kernels
