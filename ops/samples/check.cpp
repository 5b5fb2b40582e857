#include <telaio/ops/samples/check.hpp>

#include <cmath>
#include <limits>

#include <fmt/format.h>

namespace telaio::samples {

References values_of(const std::vector<Tensor>& tensors) {
  eval(tensors);
  References values;
  for (const Tensor& tensor : tensors) values.push_back({tensor.shape(), tensor.to_vector<double>()});
  return values;
}

namespace {

double error_of(double got, double expected) {
  if (got == expected || (std::isnan(got) && std::isnan(expected))) return 0;
  const double error = std::abs(got - expected) / std::max(1.0, std::abs(expected));
  return std::isnan(error) ? std::numeric_limits<double>::infinity() : error;
}

Outcome of_report(const GradcheckReport& report) {
  return {report.ratio * table_tolerance.rtol, report.passed ? "" : report.message()};
}

}  // namespace

Outcome check_forward(const Sample& sample) {
  const std::vector<Tensor> y = sample.f(sample.inputs);
  const References expected = sample.reference(values_of(sample.inputs));
  if (y.size() != expected.size())
    return {0, fmt::format("there are {} outputs, expected {}", y.size(), expected.size())};
  const References got = values_of(y);
  Outcome outcome;
  for (size_t o = 0; o < y.size(); ++o) {
    if (!(got[o].shape == expected[o].shape)) {
      return {0, fmt::format("output {} has shape {}, expected {}", o, to_string(got[o].shape),
                             to_string(expected[o].shape))};
    }
    const DType dtype = y[o].dtype();
    const double limit = dtype == f64 ? forward_limit_f64 : dtype == f32 ? forward_limit_f32 : 0;
    for (size_t i = 0; i < got[o].data.size(); ++i) {
      const double error = error_of(got[o].data[i], expected[o].data[i]);
      if (error > limit && outcome.passed()) {
        outcome.problem =
            fmt::format("output {} element {} is {:.17g}, expected {:.17g}", o, i, got[o].data[i], expected[o].data[i]);
      }
      if (dtype != f32 || error > limit) outcome.error = std::max(outcome.error, error);
    }
  }
  return outcome;
}

Outcome check_gradient(const Sample& sample) { return of_report(gradcheck(sample.f, sample.inputs, table_tolerance)); }
Outcome check_second(const Sample& sample) {
  return of_report(gradgradcheck(sample.f, sample.inputs, table_tolerance));
}

RowReport check_row(const OpRow& row, uint64_t seed) {
  RowReport report;
  report.name = row.name;
  const auto run = [&](const Sample& sample, std::string_view what, Outcome (*check)(const Sample&)) {
    Outcome outcome;
    try {
      outcome = check(sample);
    } catch (const std::exception& error) {
      outcome = {std::numeric_limits<double>::infinity(), error.what()};
    }
    if (!outcome.passed())
      report.problems.push_back(fmt::format("{} {} of {}: {}", row.name, what, sample.label, outcome.problem));
    return outcome.error;
  };
  const auto raise = [](std::optional<double>& most, double error) { most = std::max(most.value_or(0), error); };
  for (const Sample& sample : row.all_samples(seed)) {
    ++report.samples;
    report.forward_error = std::max(report.forward_error, run(sample, "values", check_forward));
    if (!sample.differentiable || sample.large) continue;
    raise(report.gradient_error, run(sample, "gradient", check_gradient));
    raise(report.second_error, run(sample, "second derivative", check_second));
  }
  return report;
}

}  // namespace telaio::samples
