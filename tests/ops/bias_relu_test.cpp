// A bias and a relu behind a matrix product or a convolution are done on the way, bit for bit as by ops of their own;
// and where somebody else reads what lies between, they are not.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include <telaio/telaio.hpp>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/graph.hpp>
#include <telaio/nn/networks.hpp>

#include "kernels/for_each_simd_target.hpp"

namespace telaio {
namespace {

using List = std::vector<Tensor>;
using Function = std::function<List(const List&)>;

std::vector<std::string> ops_of(const Function& f, const List& x) {
  Graph graph;
  for (const Tensor& tensor : x) graph.inputs.push_back(input("x", tensor.spec()));
  graph.outputs = f(graph.inputs);
  graph = fuse_elementwise(fuse(simplify(graph)));
  validate(graph, "fuse_elementwise");
  std::vector<std::string> names;
  for (const Node* node : topological_order(graph.roots())) names.emplace_back(node->op().name());
  return names;
}
int64_t count(const std::vector<std::string>& names, std::string_view name) {
  return std::count(names.begin(), names.end(), name);
}

// Compiled with it and without agree in every bit, on every SIMD target and any number of threads.
void expect_same_bits(const Function& f, const List& x) {
  kernels::for_each_simd_target([&] {
    const List expected = compile(f, {.fuse = false, .slice = false})(x);
    for (int threads : {1, 3}) {
      const ThreadLimit limit(threads);
      const List given = compile(f)(x);
      ASSERT_EQ(given.size(), expected.size());
      for (size_t i = 0; i < given.size(); ++i) {
        const Array a = given[i].value().contiguous(), b = expected[i].value().contiguous();
        EXPECT_EQ(std::memcmp(a.bytes(), b.bytes(), static_cast<size_t>(a.spec().bytes())), 0)
            << "result " << i << ", " << threads << " threads";
      }
    }
  });
}

struct Product {
  int64_t m, k, n;
};

List operands(const Product& p, DType dtype) {
  return {uniform({p.m, p.k}, random_key(1), -1, 1, dtype).eval(),
          uniform({p.k, p.n}, random_key(2), -1, 1, dtype).eval(),
          uniform({p.n}, random_key(3), -0.5, 0.5, dtype).eval()};
}

List dense(const List& x) { return {matmul(x[0], x[1]) + x[2]}; }
List dense_relu(const List& x) { return {relu(matmul(x[0], x[1]) + x[2])}; }
List bias_first(const List& x) { return {relu(x[2] + matmul(x[0], x[1]))}; }

TEST(BiasRelu, IsPartOfAMatrixProduct) {
  const List x = operands({4, 5, 6}, f32);
  for (const Function& f : {Function(dense), Function(dense_relu), Function(bias_first)}) {
    const auto names = ops_of(f, x);
    EXPECT_EQ(count(names, "matmul_bias"), 1);
    for (const char* name : {"matmul", "add", "relu", "elementwise", "broadcast_to"}) EXPECT_EQ(count(names, name), 0);
  }
}

TEST(BiasRelu, OfAMatrixProductHasTheBitsOfItsOps) {
  // One row and few; whole tiles and parts of them; one block along k, several, and cut into parts.
  for (const Product& p :
       {Product{1, 7, 10}, Product{1, 300, 64}, Product{3, 784, 33}, Product{14, 16, 32}, Product{17, 300, 40},
        Product{130, 520, 96}, Product{300, 20, 7}, Product{16, 40000, 16}, Product{1030, 400, 20}}) {
    SCOPED_TRACE(::testing::Message() << p.m << "x" << p.k << "x" << p.n);
    for (DType dtype : {f32, f64}) {
      expect_same_bits(dense, operands(p, dtype));
      expect_same_bits(dense_relu, operands(p, dtype));
    }
  }
}

TEST(BiasRelu, OfAnEmptySumIsTheBias) {
  const List x{zeros({3, 0}), zeros({0, 4}), tensor({-1.0F, 0.0F, 2.0F, -0.0F})};
  expect_same_bits(dense, x);
  expect_same_bits(dense_relu, x);
}

TEST(BiasRelu, NotANumberAndNegativeZeroStay) {
  List x = operands({5, 3, 40}, f32);
  const float inf = std::numeric_limits<float>::infinity();
  x[0] = x[0] * tensor({1.0F, std::nanf(""), 1.0F});
  expect_same_bits(dense_relu, x);
  x = operands({20, 3, 40}, f32);
  x[2] = x[2] * -inf;
  expect_same_bits(dense_relu, x);
  expect_same_bits(dense_relu, {tensor({{-0.0F}}), tensor({{1.0F}}), tensor({-0.0F})});
}

TEST(BiasRelu, FactorsMayBeTransposed) {
  const List x = operands({40, 70, 50}, f32);
  expect_same_bits([](const List& t) { return List{relu(matmul(transpose(t[1]), transpose(t[0])) + t[2])}; },
                   {x[0], x[1], uniform({40}, random_key(4)).eval()});
}

TEST(BiasRelu, WhatOthersReadIsNotSwallowed) {
  const List x = operands({4, 5, 6}, f32);
  const auto count_of = [&](const Function& f) { return count(ops_of(f, x), "matmul_bias"); };
  EXPECT_EQ(count_of([](const List& t) {
              const Tensor product = matmul(t[0], t[1]);
              return List{relu(product + t[2]), product};
            }),
            0);
  EXPECT_EQ(count_of([](const List& t) {
              const Tensor sum = matmul(t[0], t[1]) + t[2];
              return List{relu(sum), sum};
            }),
            0);
  EXPECT_EQ(count_of([](const List& t) {
              const Tensor product = matmul(t[0], t[1]);
              return List{relu(product + t[2]), exp(product)};
            }),
            0);
  EXPECT_EQ(count_of([](const List& t) { return List{relu(matmul(t[0], t[1])) + t[2]}; }), 0);
  EXPECT_EQ(count_of([](const List& t) { return List{matmul(t[0], t[1]) + square(t[2])}; }), 1);  // a bias all the same
  // Something else that is added: a matrix, and a column.
  EXPECT_EQ(count_of([](const List& t) { return List{matmul(t[0], t[1]) + matmul(t[0], t[1] * 2)}; }), 0);
  EXPECT_EQ(count_of([](const List& t) { return List{matmul(t[0], t[1]) + slice(t[0], 1, 0, 1)}; }), 0);
}

TEST(BiasRelu, AProductPlusItselfIsNoBias) {
  const List x = operands({6, 6, 6}, f32);
  const auto f = [](const List& t) {
    const Tensor product = matmul(t[0], t[1]);
    return List{product + product};
  };
  EXPECT_EQ(count(ops_of(f, x), "matmul_bias"), 0);
  expect_same_bits(f, x);
}

TEST(BiasRelu, GradientsThroughItAgree) {
  const List x = operands({9, 30, 20}, f64);
  const auto f = [](const List& t) {
    const Tensor y = relu(matmul(t[0], t[1]) + t[2]);
    List result = grad(sum(square(matmul(y, transpose(t[1])))), {t[0], t[1], t[2]});
    result.push_back(y);
    return result;
  };
  const auto names = ops_of(f, x);
  EXPECT_EQ(count(names, "matmul_bias"), 1);  // the derivative needs no more than relu's result
  expect_same_bits(f, x);
}

// The gradient of a relu: by a matrix of the product's shape.
List gated(const List& x) { return {where(x[2] > 0, matmul(x[0], x[1]), 0)}; }

List gated_operands(const Product& p, DType dtype) {
  List x = operands(p, dtype);
  x[2] = relu(uniform({p.m, p.n}, random_key(4), -1, 1, dtype)).eval();
  return x;
}

TEST(ReluGrad, IsPartOfAMatrixProduct) {
  const List x = gated_operands({4, 5, 6}, f32);
  const auto names = ops_of(gated, x);
  EXPECT_EQ(count(names, "matmul_relu_grad"), 1);
  for (const char* name : {"matmul", "where", "greater", "elementwise"}) EXPECT_EQ(count(names, name), 0);
}

TEST(ReluGrad, OfAMatrixProductHasTheBitsOfItsOps) {
  for (const Product& p :
       {Product{1, 7, 10}, Product{1, 300, 64}, Product{3, 784, 33}, Product{14, 16, 32}, Product{17, 300, 40},
        Product{130, 520, 96}, Product{300, 20, 7}, Product{16, 40000, 16}, Product{1030, 400, 20}, Product{3, 0, 4}}) {
    SCOPED_TRACE(::testing::Message() << p.m << "x" << p.k << "x" << p.n);
    for (DType dtype : {f32, f64}) expect_same_bits(gated, gated_operands(p, dtype));
  }
}

TEST(ReluGrad, NotANumberShutsTheGateAndPassesIt) {
  List x = gated_operands({20, 3, 40}, f32);
  const float nan = std::nanf(""), inf = std::numeric_limits<float>::infinity();
  x[2] = x[2] * tensor({{nan},  {1.0F}, {inf},  {-1.0F}, {0.0F}, {-0.0F}, {1.0F}, {nan},  {1.0F}, {1.0F},
                        {1.0F}, {1.0F}, {1.0F}, {1.0F},  {1.0F}, {1.0F},  {1.0F}, {1.0F}, {1.0F}, {1.0F}});
  expect_same_bits(gated, {x[0], x[1], x[2].eval()});
  x[1] = x[1] * nan;
  expect_same_bits(gated, {x[0], x[1].eval(), x[2].eval()});
}

TEST(ReluGrad, TheComparisonMayBeReadByOthers) {
  const List x = gated_operands({40, 70, 50}, f32);
  const auto f = [](const List& t) {
    const Tensor positive = t[2] > 0;
    return List{where(positive, matmul(t[0], t[1]), 0), cast(positive, f32) * 3};
  };
  EXPECT_EQ(count(ops_of(f, x), "matmul_relu_grad") + count(ops_of(f, x), "matmul"), 1);
  expect_same_bits(f, x);
}

TEST(ReluGrad, WhatIsNoGateStaysApart) {
  const List x = gated_operands({4, 5, 6}, f32);
  const auto count_of = [&](const Function& f) { return count(ops_of(f, x), "matmul_relu_grad"); };
  EXPECT_EQ(count_of([](const List& t) { return List{where(t[2] > 0, matmul(t[0], t[1]), 1)}; }), 0);
  EXPECT_EQ(count_of([](const List& t) { return List{where(t[2] > 0.5, matmul(t[0], t[1]), 0)}; }), 0);
  EXPECT_EQ(count_of([](const List& t) { return List{where(t[2] < 0, matmul(t[0], t[1]), 0)}; }), 0);
  EXPECT_EQ(count_of([](const List& t) { return List{where(t[2] > 0, 0, matmul(t[0], t[1]))}; }), 0);
  EXPECT_EQ(count_of([](const List& t) {
              const Tensor product = matmul(t[0], t[1]);
              return List{where(t[2] > 0, product, 0), product};
            }),
            0);
  EXPECT_EQ(count_of([](const List& t) {
              const Tensor product = matmul(t[0], t[1]);
              return List{where(product > 0, product, 0)};
            }),
            0);
  // One row opens for all.
  EXPECT_EQ(count_of([](const List& t) { return List{where(slice(t[2], 0, 0, 1) > 0, matmul(t[0], t[1]), 0)}; }), 0);
}

struct Convolution {
  const char* name;
  Shape image, filter;
  Conv2dOptions options = {};
};

TEST(BiasRelu, OfAConvolutionHasTheBitsOfItsOps) {
  const Conv2dOptions same{.padding = Padding::same()};
  for (const Convolution& c :
       {Convolution{"gray", {2, 11, 9, 1}, {3, 3, 1, 32}, same},
        Convolution{"gray 5x5", {2, 11, 19, 1}, {5, 5, 1, 6}, same},
        Convolution{"gray stride", {2, 11, 19, 1}, {3, 3, 1, 37}, {.stride = 2}},
        Convolution{"odd", {2, 7, 6, 3}, {2, 3, 3, 5}}, Convolution{"wide", {3, 9, 17, 24}, {3, 3, 24, 40}, same},
        Convolution{"stride", {2, 9, 8, 4}, {3, 3, 4, 33}, {.stride = 2}},
        Convolution{"dilation", {1, 12, 11, 8}, {3, 3, 8, 64}, {.padding = Padding::same(), .dilation = 2}},
        Convolution{"pointwise", {2, 6, 5, 70}, {1, 1, 70, 33}},
        Convolution{"narrow", {2, 9, 8, 40}, {3, 3, 40, 2}, same},
        Convolution{"less narrow", {2, 9, 8, 40}, {3, 3, 40, 6}, same},
        Convolution{"deep", {1, 5, 5, 300}, {3, 3, 300, 20}, same}}) {
    SCOPED_TRACE(c.name);
    for (DType dtype : {f32, f64}) {
      const List x{uniform(c.image, random_key(1), -1, 1, dtype).eval(),
                   uniform(c.filter, random_key(2), -1, 1, dtype).eval(),
                   uniform({c.filter[3]}, random_key(3), -0.5, 0.5, dtype).eval()};
      const auto bias = [&](const List& t) { return List{conv2d(t[0], t[1], c.options) + t[2]}; };
      const auto bias_relu = [&](const List& t) { return List{relu(conv2d(t[0], t[1], c.options) + t[2])}; };
      EXPECT_EQ(count(ops_of(bias_relu, x), "conv2d_bias"), 1);
      EXPECT_EQ(count(ops_of(bias_relu, x), "relu"), 0);
      expect_same_bits(bias, x);
      expect_same_bits(bias_relu, x);
    }
  }
}

TEST(BiasRelu, OfGroupsStaysApart) {
  const List x{uniform({2, 6, 6, 8}, random_key(1)).eval(), uniform({3, 3, 1, 8}, random_key(2)).eval(),
               uniform({8}, random_key(3)).eval()};
  const auto f = [](const List& t) { return List{relu(conv2d(t[0], t[1], {.groups = 8}) + t[2])}; };
  EXPECT_EQ(count(ops_of(f, x), "conv2d_bias"), 0);
  expect_same_bits(f, x);
}

// In slices of the batch, too.
TEST(BiasRelu, ANetworkComputesTheSame) {
  for (const char* name : {"dense", "lenet", "cnn"}) {
    SCOPED_TRACE(name);
    const nn::Model model(nn::network_named(name), {28, 28, 1}, {.name = name});
    const Tensor x = uniform({70, 28, 28, 1}, random_key(1)).eval();
    const auto f = [&](const Tensor& t) { return model(t); };
    const Tensor sliced = compile(f)(x), whole = compile(f, {.slice = false})(x);
    EXPECT_LT(max(abs(sliced - whole)).item<float>(), 1e-5);
  }
}

}  // namespace
}  // namespace telaio
