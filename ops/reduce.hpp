// Reductions over axes, and running sums.
#pragma once

#include <initializer_list>
#include <vector>

#include <telaio/autograd/tensor.hpp>

namespace telaio {

/// Axes to work on: one, or a list; negative ones count from the end. None means all.
class Axes {
 public:
  Axes() = default;
  Axes(int axis) : axes_{axis} {}
  Axes(std::initializer_list<int> axes) : axes_(axes) {}
  Axes(std::vector<int> axes) : axes_(std::move(axes)) {}
  const std::vector<int>& list() const { return axes_; }
  bool all() const { return axes_.empty(); }

 private:
  std::vector<int> axes_;
};

/// Over `axes`, which disappear, or stay as size 1 with keepdims. An axis out of range or named twice is an error.
/// sum and prod of u8, i32 and bool are i64; mean, var and logsumexp of all integers are f32. Over nothing, sum is 0,
/// prod 1, any false, all true; the others refuse an axis of size 0.
Tensor sum(const Tensor& x, const Axes& axes = {}, bool keepdims = false, const SourceLocation& where = TELAIO_HERE);
Tensor mean(const Tensor& x, const Axes& axes = {}, bool keepdims = false, const SourceLocation& where = TELAIO_HERE);
/// The mean squared distance from the mean; divides by N − correction, which must be positive.
Tensor var(const Tensor& x, const Axes& axes = {}, bool keepdims = false, int correction = 0,
           const SourceLocation& where = TELAIO_HERE);
/// NaN propagates. Equal maxima share the gradient evenly. Of bools: any and all.
Tensor max(const Tensor& x, const Axes& axes = {}, bool keepdims = false, const SourceLocation& where = TELAIO_HERE);
Tensor min(const Tensor& x, const Axes& axes = {}, bool keepdims = false, const SourceLocation& where = TELAIO_HERE);
/// The derivative is right where elements are zero, too.
Tensor prod(const Tensor& x, const Axes& axes = {}, bool keepdims = false, const SourceLocation& where = TELAIO_HERE);
/// log Σ eˣ, without overflow; −∞ for nothing but −∞.
Tensor logsumexp(const Tensor& x, const Axes& axes = {}, bool keepdims = false,
                 const SourceLocation& where = TELAIO_HERE);
/// As bools: other types as x ≠ 0.
Tensor any(const Tensor& x, const Axes& axes = {}, bool keepdims = false, const SourceLocation& where = TELAIO_HERE);
Tensor all(const Tensor& x, const Axes& axes = {}, bool keepdims = false, const SourceLocation& where = TELAIO_HERE);

/// The index (i64) of the first maximum along an axis; the first NaN wins.
Tensor argmax(const Tensor& x, int axis = -1, bool keepdims = false, const SourceLocation& where = TELAIO_HERE);
Tensor argmin(const Tensor& x, int axis = -1, bool keepdims = false, const SourceLocation& where = TELAIO_HERE);

struct CumsumOptions {
  bool reverse = false;    ///< from the end
  bool exclusive = false;  ///< without the element itself
};
/// Running sums along an axis; of u8, i32 and bool in i64.
Tensor cumsum(const Tensor& x, int axis, CumsumOptions options = {}, const SourceLocation& where = TELAIO_HERE);

}  // namespace telaio
