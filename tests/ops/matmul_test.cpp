#include "op_testing.hpp"

namespace telaio {
namespace {

using namespace testing_ops;
using testing::ElementsAre;
using testing::HasSubstr;

// [batch...,M,K]·[batch...,K,N] by the definition, a and b already repeated over the batch.
std::vector<double> plain(const std::vector<double>& a, const std::vector<double>& b, int64_t batches, int64_t m,
                          int64_t n, int64_t k) {
  std::vector<double> c(static_cast<size_t>(batches * m * n));
  for (int64_t t = 0; t < batches; ++t)
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j)
        for (int64_t p = 0; p < k; ++p)
          c[static_cast<size_t>((t * m + i) * n + j)] +=
              a[static_cast<size_t>((t * m + i) * k + p)] * b[static_cast<size_t>((t * k + p) * n + j)];
  return c;
}

TEST(Matmul, ByHand) {
  const Tensor a = from_data(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3});
  const Tensor b = from_data(std::vector<float>{7, 8, 9, 10, 11, 12}, {3, 2});
  const Tensor c = matmul(a, b);
  EXPECT_EQ(c.shape(), (Shape{2, 2}));
  EXPECT_THAT(c.to_vector<float>(), ElementsAre(58, 64, 139, 154));
}

TEST(Matmul, VectorsLoseTheirAxis) {
  const Tensor row = from_data(std::vector<double>{1, 10}, {2});
  const Tensor m = from_data(std::vector<double>{1, 2, 3, 4}, {2, 2});
  EXPECT_THAT(matmul(row, m).to_vector<double>(), ElementsAre(31, 42));
  EXPECT_THAT(matmul(m, row).to_vector<double>(), ElementsAre(21, 43));
  EXPECT_EQ(matmul(row, row).shape(), Shape{});
  EXPECT_EQ(matmul(row, row).item<double>(), 101);
  const Tensor batch = from_data(std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8}, {2, 2, 2});
  EXPECT_EQ(matmul(batch, row).shape(), (Shape{2, 2}));
  EXPECT_THAT(matmul(batch, row).to_vector<double>(), ElementsAre(21, 43, 65, 87));
  EXPECT_EQ(matmul(row, batch).shape(), (Shape{2, 2}));
  EXPECT_THAT(matmul(row, batch).to_vector<double>(), ElementsAre(31, 42, 75, 86));
}

TEST(Matmul, AgreesWithPlainLoops) {
  std::mt19937_64 random(20);
  const Shape lefts[] = {{1, 1},    {3, 5},    {17, 31},  {2, 3, 4}, {2, 1, 3, 4},
                         {4, 3, 5}, {2, 3, 4}, {2, 3, 0}, {0, 3},    {0, 2, 3}};
  const Shape rights[] = {{1, 1}, {5, 1}, {31, 19}, {4, 5}, {3, 4, 5}, {5, 2}, {1, 4, 5}, {0, 4}, {3, 2}, {0, 3, 2}};
  for (size_t i = 0; i < std::size(lefts); ++i) {
    for (const DType dtype : {f32, f64}) {
      const Tensor a = random_tensor(lefts[i], random, -1, 1, dtype),
                   b = random_tensor(rights[i], random, -1, 1, dtype);
      const Tensor c = matmul(a, b);
      const int64_t m = a.dim(-2), n = b.dim(-1), k = a.dim(-1);
      Shape batch = c.shape();
      batch.erase(batch.rank() - 1);
      batch.erase(batch.rank() - 1);
      Shape a_shape = batch, b_shape = batch;
      a_shape.push_back(m), a_shape.push_back(k);
      b_shape.push_back(k), b_shape.push_back(n);
      const auto expected = plain(broadcast_to(a, a_shape).to_vector<double>(),
                                  broadcast_to(b, b_shape).to_vector<double>(), numel(batch), m, n, k);
      // k products of numbers below 1: each of the k roundings is at most k/2 · 2⁻²⁴ (2⁻⁵³).
      EXPECT_LE(distance(c.to_vector<double>(), expected), dtype == f32 ? 3e-5 : 1e-13) << i;
    }
  }
}

TEST(Matmul, ShapesBroadcast) {
  const auto shape_of = [](const Shape& a, const Shape& b) { return matmul(zeros(a), zeros(b)).shape(); };
  EXPECT_EQ(shape_of({7, 1, 2, 3}, {4, 3, 5}), (Shape{7, 4, 2, 5}));
  EXPECT_EQ(shape_of({2, 3}, {4, 3, 5}), (Shape{4, 2, 5}));
  EXPECT_EQ(shape_of({3}, {4, 3, 5}), (Shape{4, 5}));
  EXPECT_EQ(shape_of({6, 4, 2, 3}, {3}), (Shape{6, 4, 2}));
}

TEST(Matmul, ReadsTransposedAndRepeatedViews) {
  std::mt19937_64 random(21);
  const Tensor a = random_tensor({3, 5, 4}, random), b = random_tensor({6, 5}, random);
  const auto expected = matmul(reshape(transpose(a) + 0.0, {3, 4, 5}), transpose(b) + 0.0).to_vector<double>();
  EXPECT_LE(distance(matmul(transpose(a), transpose(b)).to_vector<double>(), expected), 1e-14);
  // One row repeated: every row of the product is the same.
  const Tensor row = random_tensor({1, 5}, random);
  const auto product = matmul(broadcast_to(row, {2, 5}), transpose(b)).to_vector<double>();
  EXPECT_EQ(std::vector<double>(product.begin(), product.begin() + 6),
            std::vector<double>(product.begin() + 6, product.end()));
}

TEST(Matmul, NothingToAddGivesZeros) {
  EXPECT_THAT(matmul(zeros({2, 0}), zeros({0, 2})).to_vector<float>(), ElementsAre(0, 0, 0, 0));
}

TEST(Matmul, TypesMeet) {
  EXPECT_EQ(matmul(zeros({2, 2}, f32), zeros({2, 2}, f64)).dtype(), f64);
  EXPECT_EQ(matmul(zeros({2, 2}, i64), zeros({2, 2}, f32)).dtype(), f32);
}

TEST(Matmul, Derivatives) {
  std::mt19937_64 random(22);
  const auto f = [](const std::vector<Tensor>& x) { return matmul(x[0], x[1]); };
  const std::pair<Shape, Shape> shapes[] = {{{2, 3}, {3, 2}},
                                            {{3}, {3, 2}},
                                            {{2, 3}, {3}},
                                            {{3}, {3}},
                                            {{2, 2, 3}, {3, 2}},
                                            {{2, 3}, {2, 3, 2}},
                                            {{2, 1, 2, 2}, {3, 2, 1}},
                                            {{2, 2, 3}, {1, 3, 2}},
                                            {{1, 2, 2}, {2, 2, 2}}};
  for (const auto& [a, b] : shapes) expect_derivatives(f, {random_tensor(a, random), random_tensor(b, random)});
}

TEST(Matmul, TheGradientByASharedRightFactorIsOneProduct) {
  const Tensor a = input("a", {f32, {8, 4, 3}}), w = input("w", {f32, {3, 2}});
  const Tensor gw = grad(sum(matmul(a, w)), w);
  int products = 0;
  for (const Node* node : topological_order(std::vector<Tensor>{gw})) {
    if (node->op().name() != "matmul") continue;
    ++products;
    EXPECT_EQ(node->outputs()[0].shape.rank(), 2);
  }
  EXPECT_EQ(products, 1);
}

TEST(Matmul, CountsArithmetic) {
  const Tensor c = matmul(zeros({5, 2, 3}), zeros({5, 3, 4}));
  std::vector<TensorSpec> x;
  for (const Tensor& operand : c.node()->inputs()) x.push_back(operand.spec());
  EXPECT_EQ(c.node()->op().flops(x, c.node()->outputs()), 2 * 5 * 2 * 3 * 4);
}

TEST(Matmul, Errors) {
  const auto of = [](const Tensor& a, const Tensor& b) { return message_of([&] { matmul(a, b); }); };
  const std::string columns = of(zeros({2, 3}), zeros({4, 5}));
  EXPECT_THAT(columns,
              HasSubstr("matmul: the left factor has 3 columns, the right one 4 rows\n  a f32[2,3]   b f32[4,5]"));
  EXPECT_THAT(columns, HasSubstr("matmul_test.cpp:"));
  EXPECT_THAT(of(zeros({3}), zeros({4})), HasSubstr("a f32[3]   b f32[4]"));
  EXPECT_THAT(of(zeros({2, 2, 3}), zeros({3, 3, 5})), HasSubstr("batch axes"));
  EXPECT_THAT(of(zeros({}), zeros({3})), HasSubstr("a scalar is no matrix"));
  EXPECT_THAT(of(zeros({2, 2}, i32), zeros({2, 2}, i32)), HasSubstr("only f32 and f64"));
  EXPECT_THAT(of(Tensor(), zeros({2, 2})), HasSubstr("a factor is undefined"));
}

}  // namespace
}  // namespace telaio
