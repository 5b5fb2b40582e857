// Whether derivatives are right: analytic gradients against central differences, in double precision.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <telaio/autograd/tensor.hpp>

namespace telaio {

/// PyTorch's, with its defaults.
struct GradcheckOptions {
  double eps = 1e-6;   ///< the step h: f(x+h) − f(x−h) over 2h
  double atol = 1e-5;  ///< passes where |analytic − numeric| ≤ atol + rtol·|numeric|
  double rtol = 1e-3;
  /// Compares uᵀ·J·v for random u and v, one number for each pair of an input and an output, in place of the whole
  /// Jacobian: two evaluations an input and one gradient an output. A failure is then looked for element by element.
  bool fast_mode = false;
  /// The step is eps·max(1, |x|).
  bool relative_step = false;
  /// Throws Error with the report's message when the check fails; otherwise the report is returned.
  bool raise = true;
  /// Of the random vectors.
  uint64_t seed = 0;
};

/// What a check found. The fields from `op` on describe the worst element: where |analytic − numeric| is largest
/// against what is allowed; of a check that compared nothing they are empty.
struct GradcheckReport {
  bool passed = true;
  int64_t compared = 0;
  int64_t failed = 0;
  std::string op;  ///< that computed the output: "tanh"; of a second derivative "derivative of tanh"
  int input = -1;
  int output = -1;
  Dims input_index;
  Dims output_index;
  double analytic = 0;
  double numeric = 0;
  double tolerance = 0;
  /// |analytic − numeric| / tolerance: fails above 1.
  double ratio = 0;
  /// The indices are empty because sums with random weights were compared.
  bool projected = false;

  explicit operator bool() const { return passed; }
  /// The failure (or the worst element of a check that passed) in words.
  std::string message() const;
};

/// The function to check: of a vector of tensors or of one to three tensors, giving a tensor or a vector of them.
class CheckedFunction {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, CheckedFunction>) CheckedFunction(F f)
      : f_([f = std::move(f)](const std::vector<Tensor>& x) { return list(call(f, x)); }) {}

  std::vector<Tensor> operator()(const std::vector<Tensor>& x) const { return f_(x); }

 private:
  template <class F>
  static auto call(const F& f, const std::vector<Tensor>& x) {
    using T = const Tensor&;
    if constexpr (std::is_invocable_v<const F&, const std::vector<Tensor>&>) {
      return f(x);
    } else if constexpr (std::is_invocable_v<const F&, T>) {
      return f(x.at(0));
    } else if constexpr (std::is_invocable_v<const F&, T, T>) {
      return f(x.at(0), x.at(1));
    } else {
      return f(x.at(0), x.at(1), x.at(2));
    }
  }
  static std::vector<Tensor> list(Tensor y) { return {std::move(y)}; }
  static std::vector<Tensor> list(std::vector<Tensor> y) { return y; }

  std::function<std::vector<Tensor>(const std::vector<Tensor>&)> f_;
};

/// Checks the derivative of every float output of f by every float input, all of which must be f64 (central differences
/// drown in the rounding of f32: an error says so). Other inputs are passed on as they are, other outputs ignored. NaN
/// agrees only with NaN. f is compiled, so it may read Variables, but it must give the same values at each call.
GradcheckReport gradcheck(const CheckedFunction& f, const std::vector<Tensor>& inputs, GradcheckOptions options = {},
                          const SourceLocation& where = TELAIO_HERE);

/// The same for the function that takes the inputs, and random cotangents of f's outputs, to the gradients by the
/// inputs: checks second derivatives.
GradcheckReport gradgradcheck(const CheckedFunction& f, const std::vector<Tensor>& inputs,
                              GradcheckOptions options = {}, const SourceLocation& where = TELAIO_HERE);

}  // namespace telaio
