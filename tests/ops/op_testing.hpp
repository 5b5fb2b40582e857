// What tests of ops share: random tensors, messages, derivatives against central differences, compiled functions
// against evaluated ones.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <telaio/autograd/gradcheck.hpp>
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

/// First and second derivatives (f64 inputs) against central differences, with the step and the tolerance of the op
/// table. Also: f compiled gives f evaluated, bit for bit, and so do its gradients.
inline void expect_derivatives(const Function& f, const std::vector<Tensor>& inputs) {
  const GradcheckOptions strict{.eps = 6e-6, .atol = 1e-8, .rtol = 1e-6, .relative_step = true, .raise = false};
  const GradcheckReport first = gradcheck(f, inputs, strict);
  EXPECT_TRUE(first.passed && first.compared > 0) << first.message();
  const GradcheckReport second = gradgradcheck(f, inputs, strict);
  EXPECT_TRUE(second.passed && second.compared > 0) << second.message();

  const auto both = [&](const std::vector<Tensor>& x) {
    const Tensor y = f(x);
    std::vector<Tensor> results = grad(sum(y * y), x);
    results.push_back(y);
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
