// First and second derivatives against central differences, and a compiled function against an evaluated one.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <telaio/telaio.hpp>

namespace telaio::testing_ops {

using Function = std::function<Tensor(const std::vector<Tensor>&)>;

inline std::vector<double> random_values(int64_t count, std::mt19937_64& random, double low = -1, double high = 1) {
  std::uniform_real_distribution<double> draw(low, high);
  std::vector<double> values(static_cast<size_t>(count));
  for (double& value : values) value = draw(random);
  return values;
}

inline Tensor random_tensor(const Shape& shape, std::mt19937_64& random, double low = -1, double high = 1,
                            DType dtype = f64) {
  return cast(from_data(random_values(numel(shape), random, low, high), shape), dtype);
}

template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// Compares the gradient of f (one element) by every element of every input with central differences. Step and
/// tolerance are those of the op table (docs: gradcheck): the difference errs by h²·f‴/6 and by rounding, f·1e-16/h.
inline void expect_gradient(const Function& f, const std::vector<Tensor>& inputs, const std::string& what) {
  const auto value = compile(f);
  const std::vector<Tensor> gradients = grad(f(inputs), inputs);
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::vector<double> analytic = gradients[i].to_vector<double>();
    const std::vector<double> x = inputs[i].to_vector<double>();
    for (size_t j = 0; j < x.size(); ++j) {
      const double h = 6e-6 * std::max(1.0, std::abs(x[j]));
      const auto at = [&](double shifted) {
        std::vector<double> moved = x;
        moved[j] = shifted;
        std::vector<Tensor> arguments = inputs;
        arguments[i] = from_data(moved, inputs[i].shape());
        return value(arguments).template item<double>();
      };
      const double numeric = (at(x[j] + h) - at(x[j] - h)) / (2 * h);
      EXPECT_NEAR(analytic[j], numeric, 1e-8 + 1e-6 * std::abs(numeric))
          << what << ", input " << i << ", element " << j;
    }
  }
}

/// f64 inputs. Also: f compiled gives f evaluated, bit for bit, and so do its gradients.
inline void expect_derivatives(const Function& f, const std::vector<Tensor>& inputs, uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  const Tensor weights = random_tensor(f(inputs).shape(), random, 0.5, 1.5);
  const Function loss = [&](const std::vector<Tensor>& x) { return sum(f(x) * weights); };
  expect_gradient(loss, inputs, "first derivative");

  std::vector<Tensor> directions;
  for (const Tensor& x : inputs) directions.push_back(random_tensor(x.shape(), random));
  const Function slope = [&](const std::vector<Tensor>& x) {
    const std::vector<Tensor> g = grad(loss(x), x);
    Tensor total = sum(g[0] * directions[0]);
    for (size_t i = 1; i < g.size(); ++i) total = total + sum(g[i] * directions[i]);
    return total;
  };
  expect_gradient(slope, inputs, "second derivative");

  const auto both = [&](const std::vector<Tensor>& x) {
    std::vector<Tensor> results = grad(loss(x), x);
    results.push_back(f(x));
    return results;
  };
  const std::vector<Tensor> compiled = compile(both)(inputs), evaluated = both(inputs);
  for (size_t i = 0; i < compiled.size(); ++i)
    EXPECT_EQ(compiled[i].to_vector<double>(), evaluated[i].to_vector<double>()) << "compiled, result " << i;
}

/// The largest difference relative to max(1, |expected|).
inline double distance(const std::vector<double>& a, const std::vector<double>& expected) {
  if (a.size() != expected.size()) return INFINITY;
  double worst = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(a[i] - expected[i]) / std::max(1.0, std::abs(expected[i]));
    if (!(d <= worst)) worst = d;  // a NaN stays
  }
  return worst;
}

}  // namespace telaio::testing_ops
