// What the tests of ops share: messages of errors, inputs, derivatives, compiled against evaluated.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include <telaio/autograd/gradcheck.hpp>
#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/strided.hpp>
#include <telaio/telaio.hpp>

namespace telaio::testing_ops {

/// What f throws, or "no error".
template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// 0, 1, 2, … in a shape; evaluated, so that views of it have memory to share.
inline Tensor counting(const Shape& shape, DType dtype = f64) {
  return reshape(cast(arange(numel(shape)), dtype), shape).eval();
}

/// Distinct numbers of both signs in no order, at least 0.1 away from 0 and one another for up to 30 elements.
inline Tensor scattered(const Shape& shape, double phase = 0) {
  std::vector<double> values(static_cast<size_t>(numel(shape)));
  for (size_t i = 0; i < values.size(); ++i) {
    const auto place = static_cast<double>(i * 7 % 31);
    values[i] = (i % 2 == 0 ? 1 : -1) * (0.2 + 0.1 * place + 0.01 * phase);
  }
  return from_data(values, shape);
}

/// First and second derivatives against central differences, with the tolerances of the op table.
inline void expect_derivatives(const CheckedFunction& f, const std::vector<Tensor>& x) {
  const GradcheckOptions options{.eps = 6e-6, .atol = 1e-8, .rtol = 1e-6, .relative_step = true, .raise = false};
  const GradcheckReport first = gradcheck(f, x, options);
  EXPECT_TRUE(first.passed) << first.message();
  EXPECT_GT(first.compared, 0);
  const GradcheckReport second = gradgradcheck(f, x, options);
  EXPECT_TRUE(second.passed) << second.message();
  EXPECT_GT(second.compared, 0);
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
  expect_same(compile(f, {.simplify = false, .concurrent = false})(x...), evaluated);
}

/// Whether b is a view of a's memory.
inline bool shares_memory(const Tensor& a, const Tensor& b) { return a.value().storage() == b.value().storage(); }

/// How many nodes the graph of a compiled function has that are no inputs.
template <class F, class... X>
int simplified_size(const F& f, const X&... x) {
  int count = 0;
  for (const Node* node : topological_order(compile(f).graph(x...))) count += node->kind() == Node::Kind::compute;
  return count;
}

}  // namespace telaio::testing_ops
