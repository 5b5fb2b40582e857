// The checks of the op table that both the tests and the program's `gradcheck` run.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <telaio/autograd/gradcheck.hpp>
#include <telaio/ops/samples/samples.hpp>

namespace telaio::samples {

/// One tolerance for every op. The step balances the cut-off error h²/6·f‴ against the rounding ε·f/h of central
/// differences: h ≈ ∛(3ε) = 8.7e-6, a little less because f‴ is larger than f at some samples.
inline constexpr GradcheckOptions table_tolerance{
    .eps = 6e-6, .atol = 1e-8, .rtol = 1e-6, .relative_step = true, .raise = false};

/// Results may be off by this, relative to max(1, |expected|): f64 by some thousand roundings, f32 by some ten;
/// integers and bools not at all.
inline constexpr double forward_limit_f64 = 1e-12;
inline constexpr double forward_limit_f32 = 2e-6;

struct Outcome {
  double error = 0;     ///< the largest found
  std::string problem;  ///< empty when the check passed
  bool passed() const { return problem.empty(); }
};

/// The values, computed.
References values_of(const std::vector<Tensor>& tensors);

/// Results against the reference; the error is relative to max(1, |expected|). NaN agrees with NaN.
Outcome check_forward(const Sample& sample);
/// First and second derivatives against differences. The error is |analytic − numeric| / (|numeric| + atol/rtol), which
/// passes up to rtol.
Outcome check_gradient(const Sample& sample);
Outcome check_second(const Sample& sample);

/// All three over the samples of a row. Errors are the largest; none where no sample has a derivative.
struct RowReport {
  std::string name;
  int samples = 0;
  double forward_error = 0;
  std::optional<double> gradient_error;
  std::optional<double> second_error;
  std::vector<std::string> problems;
  bool passed() const { return problems.empty(); }
};
RowReport check_row(const OpRow& row, uint64_t seed);

}  // namespace telaio::samples
