#include <telaio/ops/kernels/gemm.hpp>

#include <array>
#include <atomic>
#include <cmath>

#include "for_each_simd_target.hpp"
#include "kernel_testing.hpp"

namespace telaio::kernels {
namespace {

using testing::nans;
using testing::Random;
using testing::same_bits;
using testing::Scratch;
using testing::with_threads;

template <class T>
class Matmul : public ::testing::Test {};
using FloatTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Matmul, FloatTypes);

template <class T>
std::vector<T> run(const GemmShape& s, const MatrixView<T>& a, const MatrixView<T>& b) {
  std::vector<T> c = nans<T>(s.m * s.n);
  const Scratch scratch(matmul_scratch_bytes<T>(s));
  matmul<T>(s, a, b, c.data(), scratch);
  return c;
}

template <class T>
std::vector<T> run(const GemmShape& s, const std::vector<T>& a, const std::vector<T>& b) {
  return run<T>(s, {a.data(), s.k, 1}, {b.data(), s.n, 1});
}

template <class T>
double at(const MatrixView<T>& view, int64_t i, int64_t j) {
  return static_cast<double>(view.data[i * view.row_stride + j * view.column_stride]);
}

template <class T>
std::vector<T> naive(const GemmShape& s, const MatrixView<T>& a, const MatrixView<T>& b) {
  std::vector<T> c;
  for (int64_t i = 0; i < s.m; ++i) {
    for (int64_t j = 0; j < s.n; ++j) {
      double sum = 0;
      for (int64_t p = 0; p < s.k; ++p) sum += at(a, i, p) * at(b, p, j);
      c.push_back(static_cast<T>(sum));
    }
  }
  return c;
}

// A view of a [rows, columns] matrix in `data`, laid out in one of the ways that callers may have it.
template <class T>
MatrixView<T> random_view(Random& random, std::vector<T>& data, int64_t rows, int64_t columns) {
  data = random.whole_numbers<T>(6 * rows * columns + 1);
  switch (random.in(0, 5)) {
    case 0:
      return {data.data(), columns, 1};
    case 1:
      return {data.data(), 1, rows};
    case 2:
      return {data.data(), 3 * columns, 2};
    case 3:
      return {data.data() + rows * columns, -columns, 1};
    case 4:
      return {data.data() + rows * columns, 1, -rows};
    default:
      return {data.data(), 0, random.in(0, 1)};
  }
}

TYPED_TEST(Matmul, IsExactOnWholeNumbersInEveryLayout) {
  using T = TypeParam;
  for_each_simd_target([] {
    for (uint64_t seed = 0; seed < 120; ++seed) {
      Random random(seed);
      const int64_t most = seed % 3 == 0 ? 7 : 80;
      const GemmShape s{random.in(0, most), random.in(0, most), random.in(0, seed % 5 == 0 ? 1200 : most)};
      SCOPED_TRACE(::testing::Message() << "shape " << s.m << "," << s.n << "," << s.k);
      std::vector<T> a_data, b_data;
      const MatrixView<T> a = random_view(random, a_data, s.m, s.k), b = random_view(random, b_data, s.k, s.n);
      ASSERT_EQ(run(s, a, b), naive(s, a, b));
    }
  });
}

TYPED_TEST(Matmul, OfEveryTileEdgeIsExact) {
  using T = TypeParam;
  for_each_simd_target([] {
    Random random(1);
    for (int64_t m = 1; m <= 30; ++m) {
      for (int64_t n = 1; n <= 66; n += n < 34 ? 1 : 8) {
        const GemmShape s{m, n, 5};
        const std::vector<T> a = random.whole_numbers<T>(m * s.k), b = random.whole_numbers<T>(s.k * n);
        ASSERT_EQ(run(s, a, b), naive<T>(s, {a.data(), s.k, 1}, {b.data(), n, 1})) << m << "x" << n;
      }
    }
  });
}

// Whose B is packed a block at a time: many rows of A, and rows of B on pages of their own, or a long k. Rows of A that
// are pages apart, too, have tiles of their own.
TYPED_TEST(Matmul, OfManyRowsIsExact) {
  using T = TypeParam;
  for_each_simd_target([] {
    Random random(2);
    for (const GemmShape& s : {GemmShape{517, 1030, 37}, GemmShape{517, 1024, 5}, GemmShape{1029, 40, 700},
                               GemmShape{1027, 101, 1024}, GemmShape{1026, 63, 1024}}) {
      const std::vector<T> a = random.whole_numbers<T>(s.m * s.k), b = random.whole_numbers<T>(s.k * s.n);
      ASSERT_EQ(run(s, a, b), naive<T>(s, {a.data(), s.k, 1}, {b.data(), s.n, 1})) << s.m << "," << s.n << "," << s.k;
    }
  });
}

// Few and many rows of A, one and several blocks of k; a k in parts; none at all.
TYPED_TEST(Matmul, AddsExactlyToWhatIsThere) {
  using T = TypeParam;
  for_each_simd_target([] {
    Random random(5);
    for (const GemmShape& s :
         {GemmShape{15, 33, 7}, GemmShape{97, 64, 96}, GemmShape{3, 200, 1030}, GemmShape{1029, 40, 700},
          GemmShape{131, 1061, 590}, GemmShape{20, 30, 40'000}, GemmShape{5, 6, 0}}) {
      std::vector<T> a_data, b_data;
      const MatrixView<T> a = random_view(random, a_data, s.m, s.k), b = random_view(random, b_data, s.k, s.n);
      const std::vector<T> before = random.whole_numbers<T>(s.m * s.n), product = naive(s, a, b);
      std::vector<T> expected = before, sum = before;
      for (size_t i = 0; i < expected.size(); ++i) expected[i] += product[i];
      const Scratch scratch(matmul_scratch_bytes<T>(s));
      matmul<T>(s, a, b, sum.data(), scratch, {}, true);
      ASSERT_EQ(sum, expected) << s.m << "," << s.n << "," << s.k;
    }
  });
}

TYPED_TEST(Matmul, OfBatchesAddsExactlyToWhatIsThere) {
  using T = TypeParam;
  for_each_simd_target([] {
    Random random(6);
    for (const GemmShape& s : {GemmShape{5, 6, 7}, GemmShape{140, 150, 600}}) {
      const int64_t batches = 3, shape[] = {batches}, a_strides[] = {s.m * s.k}, b_strides[] = {0};
      const std::vector<T> a = random.whole_numbers<T>(batches * s.m * s.k), b = random.whole_numbers<T>(s.k * s.n),
                           before = random.whole_numbers<T>(batches * s.m * s.n);
      std::vector<T> sum = before,
                     expected = naive<T>({batches * s.m, s.n, s.k}, {a.data(), s.k, 1}, {b.data(), s.n, 1});
      for (size_t i = 0; i < sum.size(); ++i) expected[i] += before[i];
      const Scratch scratch(matmul_batched_scratch_bytes<T>(s, batches));
      matmul_batched<T>(s, {1, shape, a_strides}, {a.data(), s.k, 1}, {1, shape, b_strides}, {b.data(), s.n, 1},
                        sum.data(), scratch, true);
      ASSERT_EQ(sum, expected) << s.m;
    }
  });
}

// Several blocks along both n and k, from a B that lies transposed.
TYPED_TEST(Matmul, OfManyBlocksIsExactInEveryLayout) {
  using T = TypeParam;
  for_each_simd_target([] {
    Random random(4);
    const GemmShape s{131, 1061, 590};
    const std::vector<T> a = random.whole_numbers<T>(s.m * s.k), b = random.whole_numbers<T>(s.k * s.n);
    const MatrixView<T> columns{b.data(), 1, s.k};
    for (const MatrixView<T>& rows : {MatrixView<T>{a.data(), s.k, 1}, MatrixView<T>{a.data(), 1, s.m}})
      ASSERT_EQ(run<T>(s, rows, columns), naive<T>(s, rows, columns)) << rows.row_stride;
  });
}

// Many rows are multiplied in another order of tiles, by the same chains of multiply-adds; unless k is cut into parts.
TYPED_TEST(Matmul, OfFewRowsHasTheBitsOfThoseAmongMany) {
  using T = TypeParam;
  for_each_simd_target([] {
    Random random(8);
    for (const int64_t k : {700, 1024}) {
      const GemmShape few{29, 200, k}, many{1030, few.n, few.k};
      const std::vector<T> a = random.reals<T>(many.m * many.k), b = random.reals<T>(many.k * many.n),
                           c = run(many, a, b);
      EXPECT_TRUE(same_bits(run(few, a, b), std::vector<T>(c.begin(), c.begin() + few.m * few.n))) << "k = " << k;
    }
  });
}

// Register tiles reach the elements of A in ways that depend on how its rows lie. Three runs of `length`, each row
// `apart` elements from the one before, which the first five can be moved away from.
template <class T>
std::vector<T> multiply_rows(int64_t m, int64_t n, int64_t length, int64_t step, int64_t apart, int64_t moved,
                             const std::vector<T>& a, const std::vector<T>& panels) {
  constexpr int64_t runs = 3, moved_rows = 5;
  const int64_t width = micro_tile<T>().columns, k = runs * length, run_step = length * step + 1;
  std::vector<T> memory = nans<T>(m * apart + runs * run_step + moved + k * step);
  std::vector<const T*> a_rows;
  std::vector<T> c = nans<T>(m * n);
  std::vector<T*> c_rows;
  for (int64_t i = 0; i < m; ++i) {
    T* row = memory.data() + i * apart + (i < moved_rows ? 0 : moved);
    for (int64_t p = 0; p < k; ++p) row[p / length * run_step + p % length * step] = a[static_cast<size_t>(i * k + p)];
    a_rows.push_back(row);
    c_rows.push_back(c.data() + i * n);
  }
  multiply_block<T>({.m = m,
                     .n = n,
                     .runs = runs,
                     .run_length = length,
                     .a_rows = a_rows.data(),
                     .a_run_step = run_step,
                     .a_step = step,
                     .b = panels.data(),
                     .b_panel_step = k * width,
                     .b_row_step = width,
                     .c_rows = c_rows.data(),
                     .c_column = 0,
                     .accumulate = false});
  return c;
}

TYPED_TEST(Matmul, HasTheSameBitsHoweverRowsLie) {
  using T = TypeParam;
  for_each_simd_target([] {
    Random random(9);
    const int64_t width = micro_tile<T>().columns;
    for (const auto& [n, length] : {std::array<int64_t, 2>{3, 15}, {16, 4}, {31, 12}, {70, 12}}) {
      for (int64_t m = 1; m <= 45; ++m) {
        const std::vector<T> a = random.reals<T>(m * 3 * length),
                             panels = random.reals<T>((n / width + 1) * 3 * length * width);
        const std::vector<T> expected = multiply_rows(m, n, length, 1, 50, 0, a, panels);  // one behind the other
        EXPECT_FALSE(std::isnan(expected.back()));
        for (const auto& [step, apart, moved] : {std::array<int64_t, 3>{60, 1, 0},  // side by side
                                                 {60, 1, 1},                        // but for a gap
                                                 {2, 100, 0},
                                                 {1, 50, 3}})
          ASSERT_TRUE(same_bits(multiply_rows(m, n, length, step, apart, moved, a, panels), expected))
              << m << "x" << n << ", rows " << apart << " apart, moved by " << moved;
      }
    }
  });
}

// A single row is multiplied in wider tiles than several, by the same chains of multiply-adds.
TYPED_TEST(Matmul, OfOneRowHasTheBitsOfThatRowAmongOthers) {
  using T = TypeParam;
  for_each_simd_target([] {
    Random random(7);
    for (const int64_t n : {31, 32, 33, 63, 64, 65, 96, 127, 128, 129, 200}) {
      for (const int64_t k : {1, 5, 256, 257, 600}) {  // too short to be cut into parts
        const GemmShape one{1, n, k}, many{33, n, k};
        const std::vector<T> a = random.reals<T>(many.m * k), b = random.reals<T>(k * n), c = run(many, a, b);
        ASSERT_TRUE(same_bits(run(one, a, b), std::vector<T>(c.begin(), c.begin() + n))) << n << " columns, k = " << k;
      }
    }
  });
}

// A sum of k products in any order, each step rounded, errs by at most k u / (1 - k u) times the sum of the products'
// magnitudes, u = epsilon / 2 (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1). For the k here
// that is below k epsilon.
TYPED_TEST(Matmul, ErrsNoMoreThanSummationMay) {
  using T = TypeParam;
  for_each_simd_target([] {
    Random random(2);
    // The last is split along k.
    for (const GemmShape& s : {GemmShape{33, 47, 1300}, GemmShape{130, 70, 257}, GemmShape{20, 30, 40'000}}) {
      const std::vector<T> a = random.reals<T>(s.m * s.k), b = random.reals<T>(s.k * s.n), c = run(s, a, b);
      for (int64_t i = 0; i < s.m; ++i) {
        for (int64_t j = 0; j < s.n; ++j) {
          long double sum = 0, magnitude = 0;
          for (int64_t p = 0; p < s.k; ++p) {
            const long double product = static_cast<long double>(a[i * s.k + p]) * b[p * s.n + j];
            sum += product;
            magnitude += std::abs(product);
          }
          const long double bound = static_cast<long double>(s.k) * std::numeric_limits<T>::epsilon() * magnitude;
          ASSERT_LE(std::abs(c[i * s.n + j] - sum), bound) << i << "," << j;
        }
      }
    }
  });
}

TYPED_TEST(Matmul, GivesTheSameBitsOnOneAndManyThreads) {
  using T = TypeParam;
  Random random(3);
  for (const GemmShape& s : {GemmShape{300, 500, 300}, GemmShape{530, 1100, 600}, GemmShape{1030, 700, 1024},
                             GemmShape{600, 9000, 330}, GemmShape{100, 60, 30'000}, GemmShape{3, 2000, 2000}}) {
    const std::vector<T> a = random.reals<T>(s.m * s.k), b = random.reals<T>(s.k * s.n);
    std::vector<T> one, many;
    with_threads(1, [&] { one = run(s, a, b); });
    for (const int threads : {2, 8}) {  // which cut B differently
      with_threads(threads, [&] { many = run(s, a, b); });
      EXPECT_TRUE(same_bits(one, many)) << s.m << "," << s.n << "," << s.k << " on " << threads << " threads";
    }
  }
}

// What matmul_in_pieces gives, put together; every row must come exactly once.
template <class T>
std::vector<T> run_in_pieces(const GemmShape& s, const MatrixView<T>& a, const MatrixView<T>& b) {
  std::vector<T> c = nans<T>(s.m * s.n), others = nans<T>(s.m * s.n);
  std::vector<std::atomic<int>> taken(static_cast<size_t>(s.m));
  const Scratch scratch(matmul_in_pieces_scratch_bytes<T>(s));
  const T* const beside[] = {others.data(), c.data(), others.data()};
  const auto take = [&](int64_t m0, int64_t rows, const T* piece) {
    std::copy_n(piece, rows * s.n, c.data() + m0 * s.n);
    for (int64_t i = m0; i < m0 + rows; ++i) ++taken[static_cast<size_t>(i)];
  };
  matmul_in_pieces<T>(s, a, b, std::span(beside).first(static_cast<size_t>(s.n % 4)), take, scratch);
  for (int64_t i = 0; i < s.m; ++i) EXPECT_EQ(taken[static_cast<size_t>(i)], 1) << "row " << i << " of " << s.m;
  return c;
}

TYPED_TEST(Matmul, InPiecesHasTheSameBits) {
  using T = TypeParam;
  for_each_simd_target([] {
    Random random(17);
    for (const int64_t m : {1, 2, 5, 6, 7, 13, 14, 15, 28, 31, 100})
      for (const int64_t n : {1, 7, 16, 32, 33, 63, 64, 320, 1024})
        for (const int64_t k : {1, 3, 31, 33, 128, 130, 176}) {
          const GemmShape s{m, n, k};
          // Where B would not stay in this machine's cache, nobody would ask for it in pieces; it is as right.
          ASSERT_TRUE(n * k * int64_t{sizeof(T)} > 256 << 10 || matmul_fits_in_pieces<T>(s));
          const std::vector<T> a = random.reals<T>(m * k), b = random.reals<T>(k * n);
          const MatrixView<T> a_views[] = {{a.data(), k, 1}, {a.data(), 1, m}};
          const MatrixView<T> b_views[] = {{b.data(), n, 1}, {b.data(), 1, k}};
          const MatrixView<T>&one = a_views[random.in(0, 1)], &other = b_views[random.in(0, 1)];
          EXPECT_TRUE(same_bits(run_in_pieces<T>(s, one, other), run<T>(s, one, other))) << m << "," << n << "," << k;
        }
    for (int i = 0; i < 200; ++i) {
      const GemmShape s{random.in(1, 60), random.in(1, 100), random.in(1, 60)};
      std::vector<T> a, b;
      const MatrixView<T> one = random_view(random, a, s.m, s.k), other = random_view(random, b, s.k, s.n);
      EXPECT_EQ(run_in_pieces<T>(s, one, other), naive<T>(s, one, other)) << s.m << "," << s.n << "," << s.k;
    }
  });
}

TYPED_TEST(Matmul, InPiecesGivesTheSameBitsOnManyThreads) {
  using T = TypeParam;
  Random random(18);
  const GemmShape s{784, 512, 128};
  const std::vector<T> a = random.reals<T>(s.m * s.k), b = random.reals<T>(s.k * s.n);
  std::vector<T> one, many;
  with_threads(1, [&] { one = run_in_pieces<T>(s, {a.data(), 1, s.m}, {b.data(), s.n, 1}); });
  with_threads(8, [&] { many = run_in_pieces<T>(s, {a.data(), 1, s.m}, {b.data(), s.n, 1}); });
  EXPECT_TRUE(same_bits(one, many));
}

TYPED_TEST(Matmul, TooLongARowOrSumIsNotInPieces) {
  using T = TypeParam;
  EXPECT_FALSE(matmul_fits_in_pieces<T>({100, 100, 0}));
  EXPECT_FALSE(matmul_fits_in_pieces<T>({100, 100, gemm_block_depth<T> + 1}));
  EXPECT_TRUE(matmul_fits_in_pieces<T>({100, 100, gemm_block_depth<T>}));
  EXPECT_FALSE(matmul_fits_in_pieces<T>({100, 100'000, 10}));
}

TYPED_TEST(Matmul, OfNoProductsIsZero) {
  using T = TypeParam;
  EXPECT_EQ(run<T>({2, 3, 0}, std::vector<T>{}, std::vector<T>{}), std::vector<T>(6, T(0)));
  EXPECT_TRUE(run<T>({0, 3, 2}, std::vector<T>{}, std::vector<T>(6)).empty());
  EXPECT_TRUE(run<T>({3, 0, 2}, std::vector<T>(6), std::vector<T>{}).empty());
}

TYPED_TEST(Matmul, NonFiniteValuesReachExactlyTheirRowOrColumn) {
  using T = TypeParam;
  constexpr T inf = std::numeric_limits<T>::infinity();
  for_each_simd_target([] {
    const GemmShape s{17, 35, 9};
    std::vector<T> a(static_cast<size_t>(s.m * s.k), T(0)), b(static_cast<size_t>(s.k * s.n), T(0));
    a[16 * s.k + 4] = inf;  // 0·inf is NaN: the zeros of B are multiplied
    b[8 * s.n + 34] = std::numeric_limits<T>::quiet_NaN();
    const std::vector<T> c = run(s, a, b);
    for (int64_t i = 0; i < s.m; ++i) {
      for (int64_t j = 0; j < s.n; ++j) EXPECT_EQ(std::isnan(c[i * s.n + j]), i == 16 || j == 34) << i << "," << j;
    }
  });
}

template <class T>
void expect_batches_match(const GemmShape& s, int64_t outer, int64_t inner, uint64_t seed) {
  Random random(seed);
  // a is [outer, 1, m, k], b is [1, inner, k, n], both broadcast.
  const std::vector<T> a = random.whole_numbers<T>(outer * s.m * s.k), b = random.whole_numbers<T>(inner * s.k * s.n);
  const int64_t shape[] = {outer, inner}, a_strides[] = {s.m * s.k, 0}, b_strides[] = {0, s.k * s.n};
  std::vector<T> c = nans<T>(outer * inner * s.m * s.n), expected;
  const Scratch scratch(matmul_batched_scratch_bytes<T>(s, outer * inner));
  with_threads(8, [&] {
    matmul_batched<T>(s, {2, shape, a_strides}, {a.data(), s.k, 1}, {2, shape, b_strides}, {b.data(), s.n, 1}, c.data(),
                      scratch);
  });
  for (int64_t i = 0; i < outer; ++i) {
    for (int64_t j = 0; j < inner; ++j) {
      const auto one = naive<T>(s, {a.data() + i * s.m * s.k, s.k, 1}, {b.data() + j * s.k * s.n, s.n, 1});
      expected.insert(expected.end(), one.begin(), one.end());
    }
  }
  EXPECT_EQ(c, expected);
}

TYPED_TEST(Matmul, BatchesBroadcast) {
  using T = TypeParam;
  expect_batches_match<T>({3, 4, 5}, 7, 11, 4);
  expect_batches_match<T>({8, 9, 10}, 50, 40, 5);     // enough small ones for several chunks
  expect_batches_match<T>({150, 170, 160}, 2, 2, 6);  // large ones, each parallel within
  expect_batches_match<T>({3, 4, 5}, 0, 2, 7);
  expect_batches_match<T>({3, 4, 0}, 2, 2, 8);
}

TYPED_TEST(Matmul, ABatchOfRankZeroIsOneMatrix) {
  using T = TypeParam;
  const std::vector<T> a{1, 2}, b{3, 4};
  std::vector<T> c = nans<T>(1);
  const Scratch scratch(matmul_batched_scratch_bytes<T>({1, 1, 2}, 1));
  matmul_batched<T>({1, 1, 2}, {0, nullptr, nullptr}, {a.data(), 2, 1}, {0, nullptr, nullptr}, {b.data(), 1, 1},
                    c.data(), scratch);
  EXPECT_EQ(c[0], 11);
}

}  // namespace
}  // namespace telaio::kernels
