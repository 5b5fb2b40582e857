// What tests of ops share: inputs, messages, derivatives against central differences, compiled functions against
// evaluated ones.
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
#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/strided.hpp>
#include <telaio/telaio.hpp>

#include "../message_of.hpp"

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

/// 0, 1, 2, … in a shape; evaluated, so that views of it have memory to share.
inline Tensor counting(const Shape& shape, DType dtype = f64) {
  return reshape(cast(arange(numel(shape)), dtype), shape).eval();
}

/// Distinct numbers of both signs in no order, at least 0.1 away from 0 and one another for up to 30 elements; those of
/// another phase (0…9) differ from them.
inline Tensor scattered(const Shape& shape, double phase = 0) {
  std::vector<double> values(static_cast<size_t>(numel(shape)));
  for (size_t i = 0; i < values.size(); ++i) {
    const auto place = static_cast<double>(i * 7 % 31);
    values[i] = (i % 2 == 0 ? 1 : -1) * (0.2 + 0.1 * place + 0.01 * phase);
  }
  return from_data(values, shape);
}

/// First and second derivatives (f64 inputs) against central differences, with the step and the tolerance of the op
/// table. Also: f compiled gives f evaluated, bit for bit, and so do its gradients.
inline void expect_derivatives(const CheckedFunction& f, const std::vector<Tensor>& inputs) {
  const GradcheckOptions strict{.eps = 6e-6, .atol = 1e-8, .rtol = 1e-6, .relative_step = true, .raise = false};
  const GradcheckReport first = gradcheck(f, inputs, strict);
  EXPECT_TRUE(first.passed && first.compared > 0) << first.message();
  const GradcheckReport second = gradgradcheck(f, inputs, strict);
  EXPECT_TRUE(second.passed && second.compared > 0) << second.message();

  const auto both = [&](const std::vector<Tensor>& x) {
    std::vector<Tensor> results = f(x);
    Tensor total = zeros({}, f64);
    for (const Tensor& y : results) total = total + sum(y * y);
    for (const Tensor& g : grad(total, x)) results.push_back(g);
    return results;
  };
  const std::vector<Tensor> compiled = compile(both)(inputs), evaluated = both(inputs);
  for (size_t i = 0; i < compiled.size(); ++i)
    EXPECT_EQ(compiled[i].to_vector<double>(), evaluated[i].to_vector<double>()) << "compiled, result " << i;
}

/// The same type, shape and bits.
inline void expect_same(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.spec(), b.spec());
  const auto bytes = [](const Tensor& t) {
    std::vector<std::byte> copy(static_cast<size_t>(t.spec().bytes()));
    const Array array = t.value();
    copy_strided(static_cast<int>(size_of(t.dtype())), t.rank(), t.shape().data(), array.strides().data(),
                 array.bytes(), copy.data());
    return copy;
  };
  EXPECT_EQ(bytes(a), bytes(b));
}

/// f gives the same bits compiled (with all passes, and with none) as evaluated.
template <class F, class... X>
void expect_same_compiled(const F& f, const X&... x) {
  const Tensor evaluated = f(x...);
  expect_same(compile(f)(x...), evaluated);
  expect_same(compile(f, {.simplify = false, .fuse = false, .slice = false, .concurrent = false})(x...), evaluated);
}

/// Whether b is a view of a's memory.
inline bool shares_memory(const Tensor& a, const Tensor& b) { return a.value().storage() == b.value().storage(); }

/// How many ops are left in the graph of a compiled function.
template <class F, class... X>
int simplified_size(const F& f, const X&... x) {
  const std::vector<Tensor> graph = compile(f).graph(x...);
  int count = 0;
  for (const Node* node : topological_order(graph)) count += node->kind() == Node::Kind::compute;
  return count;
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
