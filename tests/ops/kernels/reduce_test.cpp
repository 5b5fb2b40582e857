#include <telaio/ops/kernels/reduce.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

#include <fmt/format.h>

#include "for_each_simd_target.hpp"
#include "kernel_test.hpp"

namespace telaio::kernels {
namespace {

using Sizes = std::vector<int64_t>;

/// std::vector<bool> has no data(), so bools live in bytes here.
template <class T>
using Stored = std::conditional_t<std::is_same_v<T, bool>, uint8_t, T>;

/// A view of random extents: an input buffer and the place in it where the view starts.
struct View {
  Sizes shape, strides;
  std::vector<uint8_t> reduced;  // 0 or 1 an axis
  int64_t start = 0, buffer = 0;

  int rank() const { return static_cast<int>(shape.size()); }
  const bool* flags() const { return reinterpret_cast<const bool*>(reduced.data()); }

  std::string describe() const {
    std::string text = "shape";
    for (size_t a = 0; a < shape.size(); ++a)
      text += fmt::format(" {}{}@{}", shape[a], reduced[a] ? 'r' : 'k', strides[a]);
    return text;
  }
  int64_t outputs() const {
    int64_t n = 1;
    for (size_t a = 0; a < shape.size(); ++a) n *= reduced[a] ? 1 : shape[a];
    return n;
  }
};

/// Lays out the axes in the order of `layout` with gaps, flips and repeats as the generator likes.
View make_view(Sizes shape, std::vector<uint8_t> reduced, Random& random, bool plain) {
  View view{std::move(shape), {}, std::move(reduced)};
  const size_t rank = view.shape.size();
  view.strides.resize(rank);
  std::vector<size_t> layout(rank);
  std::iota(layout.begin(), layout.end(), size_t{0});
  if (!plain) std::shuffle(layout.begin(), layout.end(), random.engine());
  int64_t step = plain || random.below(3) ? 1 : 2;
  for (size_t k = rank; k-- > 0;) {
    const size_t a = layout[k];
    const bool repeat = !plain && random.below(8) == 0;
    view.strides[a] = repeat ? 0 : step;
    if (!repeat) step *= std::max<int64_t>(view.shape[a], 1) + (plain || random.below(3) ? 0 : 1);
    if (!plain && !repeat && random.below(4) == 0) {
      view.start += std::max<int64_t>(view.shape[a] - 1, 0) * view.strides[a];
      view.strides[a] = -view.strides[a];
    }
  }
  view.buffer = step + 1;
  return view;
}

/// The reduction as a loop in long double (integers: modulo 2^64).
template <class T>
std::vector<long double> naive(ReduceOp op, const View& view, const T* x) {
  using Wide = std::conditional_t<std::is_floating_point_v<T>, long double, uint64_t>;
  const auto n = static_cast<size_t>(view.outputs());
  const bool unit = op == ReduceOp::prod || op == ReduceOp::all;
  std::vector<Wide> y(n, unit ? Wide{1} : Wide{0});
  std::vector<bool> seen(n, false);
  int64_t total = 1;
  for (const int64_t size : view.shape) total *= size;
  for (int64_t flat = 0; flat < total; ++flat) {
    int64_t rest = flat, at = 0, out = 0, out_step = 1;
    for (size_t a = view.shape.size(); a-- > 0;) {
      const int64_t i = rest % view.shape[a];
      rest /= view.shape[a];
      at += i * view.strides[a];
      if (!view.reduced[a]) {
        out += i * out_step;
        out_step *= view.shape[a];
      }
    }
    const T v = x[at];
    Wide& sum = y[static_cast<size_t>(out)];
    const bool first = !seen[static_cast<size_t>(out)];
    seen[static_cast<size_t>(out)] = true;
    switch (op) {
      case ReduceOp::sum:
        sum += static_cast<Wide>(v);
        break;
      case ReduceOp::prod:
        sum *= static_cast<Wide>(v);
        break;
      case ReduceOp::max:
        if (first || v > static_cast<T>(sum) || v != v) sum = static_cast<Wide>(v);
        break;
      case ReduceOp::min:
        if (first || v < static_cast<T>(sum) || v != v) sum = static_cast<Wide>(v);
        break;
      case ReduceOp::any:
        sum = sum != 0 || v != 0;
        break;
      case ReduceOp::all:
        sum = sum != 0 && v != 0;
        break;
    }
  }
  std::vector<long double> result(n);
  for (size_t i = 0; i < n; ++i)
    result[i] = std::is_floating_point_v<T> ? static_cast<long double>(y[i])
                                            : static_cast<long double>(static_cast<Stored<T>>(y[i]));
  return result;
}

template <class T>
std::vector<T> run(ReduceOp op, const View& view, const T* x) {
  using S = Stored<T>;
  const int rank = view.rank();
  const size_t bytes = reduce_scratch_bytes<T>(rank, view.shape.data(), view.strides.data(), view.flags());
  std::vector<double> scratch((bytes + 7) / 8, std::numeric_limits<double>::quiet_NaN());
  std::vector<S> y = unwritten<S>(view.outputs());
  reduce<T>(op, rank, view.shape.data(), view.strides.data(), view.flags(), x, reinterpret_cast<T*>(y.data()),
            scratch.data());
  return std::vector<T>(y.begin(), y.end());
}

template <class T>
void check(ReduceOp op, const View& view, Random& random) {
  SCOPED_TRACE(view.describe() + " op " + std::to_string(static_cast<int>(op)));
  int64_t length = 1;
  for (size_t a = 0; a < view.shape.size(); ++a) length *= view.reduced[a] ? view.shape[a] : 1;
  std::vector<Stored<T>> x(static_cast<size_t>(view.buffer));
  for (auto& v : x) {
    if constexpr (std::is_floating_point_v<T>) {
      // Products of thousands of factors, which an axis of stride 0 makes all the same, stay within e^±16.
      const T u = random.value<T>();
      const T reach = T(1) / static_cast<T>(std::max<int64_t>(64, length / 32));
      v = op == ReduceOp::prod ? 1 + (u - T(0.5)) * reach : 2 * u - 1;
    } else if constexpr (std::is_same_v<T, bool>) {
      v = op == ReduceOp::any ? random.below(50) == 0 : random.below(50) != 0;
    } else {
      v = random.value<T>();
    }
  }
  const T* data = reinterpret_cast<const T*>(x.data()) + view.start;
  const std::vector<T> y = run<T>(op, view, data);
  const std::vector<long double> expected = naive<T>(op, view, data);
  for (size_t i = 0; i < y.size(); ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      // A cascade's bound: ε times its depth (8 additions a leaf, 4 + 16 a level) times Σ|x| ≤ length. For products the
      // relative errors of length − 1 roundings, ε/2 each, add up (Higham 2002, lemma 3.1), and do so where all factors
      // are the same and round the same way.
      const bool exact = op == ReduceOp::max || op == ReduceOp::min;
      const long double eps = std::numeric_limits<T>::epsilon();
      const long double bound = exact                  ? 0
                                : op == ReduceOp::prod ? eps * length * std::abs(expected[i])
                                                       : 16 * eps * length;
      ASSERT_LE(std::abs(static_cast<long double>(y[i]) - expected[i]), bound) << "at " << i;
    } else {
      ASSERT_EQ(static_cast<long double>(y[i]), expected[i]) << "at " << i;
    }
  }
}

template <class T>
void check_random_views(Random& random) {
  const std::vector<int64_t> sizes = {0, 1, 1, 2, 3, 5, 7, 8, 13, 16, 17, 31, 64, 97, 131, 300, 1021};
  for (int round = 0; round < 60; ++round) {
    const int64_t rank = random.below(6);
    Sizes shape;
    std::vector<uint8_t> reduced;
    int64_t total = 1, cells = 1;
    for (int64_t a = 0; a < rank; ++a) {
      int64_t size = sizes[random.bits() % sizes.size()];
      if (size == 0 && random.below(3) != 0) size = 2;
      if (cells * size > 60000) size = 1 + random.below(3);
      cells *= std::max<int64_t>(size, 1);  // what the buffer needs, even if an axis is empty
      total *= size;
      shape.push_back(size);
      reduced.push_back(static_cast<uint8_t>(random.below(2)));
    }
    const View view = make_view(shape, reduced, random, random.below(3) == 0);
    if constexpr (std::is_same_v<T, bool>) {
      check<T>(ReduceOp::any, view, random);
      check<T>(ReduceOp::all, view, random);
    } else {
      check<T>(ReduceOp::sum, view, random);
      check<T>(ReduceOp::prod, view, random);
      if (total == 0) continue;  // max and min over nothing have their own test
      check<T>(ReduceOp::max, view, random);
      check<T>(ReduceOp::min, view, random);
    }
  }
}

TEST(Reduce, MatchesNaiveLoopsOnRandomViews) {
  Random random;
  SCOPED_TRACE(random.seed);
  for_each_simd_target([&] {
    check_random_views<float>(random);
    check_random_views<double>(random);
    check_random_views<int32_t>(random);
    check_random_views<int64_t>(random);
    check_random_views<uint8_t>(random);
    check_random_views<bool>(random);
  });
}

// Every geometry that the plan treats differently, at sizes that cut the reduction into parts.
TEST(Reduce, MatchesNaiveLoopsOnLongReductions) {
  Random random;
  SCOPED_TRACE(random.seed);
  const std::vector<std::pair<Sizes, std::vector<uint8_t>>> cases = {
      {{400009}, {1}},
      {{3, 200003}, {0, 1}},
      {{200003, 3}, {1, 0}},
      {{5003, 67}, {1, 0}},
      {{300, 7, 211}, {1, 0, 1}},
      {{2, 100003, 2}, {1, 0, 1}},
      {{9, 40009}, {1, 0}},
      {{40009, 9}, {0, 1}},
      {{17, 3, 5003}, {1, 0, 0}},
      {{64, 30, 30, 8}, {1, 1, 1, 0}},
  };
  for (const auto& [shape, reduced] : cases) {
    for (const bool plain : {true, false}) {
      const View view = make_view(shape, reduced, random, plain);
      check<float>(ReduceOp::sum, view, random);
      check<double>(ReduceOp::sum, view, random);
      check<float>(ReduceOp::max, view, random);
      check<int64_t>(ReduceOp::prod, view, random);
      check<bool>(ReduceOp::all, view, random);
    }
  }
}

TEST(Reduce, OverNothing) {
  const int64_t shape[] = {3, 0}, strides[] = {1, 1};
  const bool reduced[] = {false, true};
  const auto reduced_by = [&](ReduceOp op) {
    std::vector<float> y = unwritten<float>(3);
    reduce<float>(op, 2, shape, strides, reduced, nullptr, y.data(), nullptr);
    return y;
  };
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(reduced_by(ReduceOp::sum), std::vector<float>(3, 0.0f));
  EXPECT_FALSE(std::signbit(reduced_by(ReduceOp::sum)[0]));
  EXPECT_EQ(reduced_by(ReduceOp::prod), std::vector<float>(3, 1.0f));
  EXPECT_EQ(reduced_by(ReduceOp::max), std::vector<float>(3, -inf));
  EXPECT_EQ(reduced_by(ReduceOp::min), std::vector<float>(3, inf));
  bool any[3] = {true, true, true}, all[3] = {false, false, false};
  reduce<bool>(ReduceOp::any, 2, shape, strides, reduced, nullptr, any, nullptr);
  reduce<bool>(ReduceOp::all, 2, shape, strides, reduced, nullptr, all, nullptr);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(!any[i] && all[i]);
}

TEST(Reduce, KeepsSpecialValues) {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for_each_simd_target([&] {
    for (const int64_t n : {1, 2, 15, 16, 17, 100, 1000, 5000}) {
      for (const int64_t at : {int64_t{0}, n / 2, n - 1}) {
        for (const bool down : {false, true}) {  // along rows, and down columns
          SCOPED_TRACE(std::to_string(n) + " values, special at " + std::to_string(at));
          constexpr int64_t copies = 20;
          View view{down ? Sizes{n, copies} : Sizes{copies, n}, down ? Sizes{copies, 1} : Sizes{n, 1},
                    down ? std::vector<uint8_t>{1, 0} : std::vector<uint8_t>{0, 1}};
          std::vector<float> x(static_cast<size_t>(n * copies), 2.0f);
          const auto set_all = [&](float v) {
            for (int64_t c = 0; c < copies; ++c) x[static_cast<size_t>(down ? at * copies + c : c * n + at)] = v;
          };
          set_all(nan);
          for (const ReduceOp op : {ReduceOp::sum, ReduceOp::prod, ReduceOp::max, ReduceOp::min})
            for (const float y : run<float>(op, view, x.data())) EXPECT_TRUE(std::isnan(y));
          set_all(inf);
          EXPECT_EQ(run<float>(ReduceOp::sum, view, x.data())[0], inf);
          EXPECT_EQ(run<float>(ReduceOp::max, view, x.data())[1], inf);
          EXPECT_EQ(run<float>(ReduceOp::min, view, x.data())[19], n == 1 ? inf : 2.0f);
          set_all(-inf);
          EXPECT_EQ(run<float>(ReduceOp::sum, view, x.data())[0], -inf);
          EXPECT_EQ(run<float>(ReduceOp::max, view, x.data())[1], n == 1 ? -inf : 2.0f);
          EXPECT_EQ(run<float>(ReduceOp::min, view, x.data())[19], -inf);
        }
      }
    }
    // The sum of negative zeros is a negative zero.
    const View view{{5, 37}, {37, 1}, {0, 1}};
    const std::vector<float> zeros(5 * 37, -0.0f);
    for (const float y : run<float>(ReduceOp::sum, view, zeros.data())) EXPECT_TRUE(y == 0 && std::signbit(y));
  });
}

TEST(Reduce, LongSumsAreAccurate) {
  const int64_t n = 10'000'000;
  const std::vector<float> x(static_cast<size_t>(n), 0.1f);
  const double expected = static_cast<double>(n) * 0.1f;
  for_each_simd_target([&] {
    for (const int64_t columns : {1, 4, 1000}) {
      for (const bool down : {false, true}) {
        const int64_t rows = n / columns;
        const View view{{rows, columns}, {columns, 1}, {down, !down}};
        const double count = static_cast<double>(down ? rows : columns);
        for (const float y : run<float>(ReduceOp::sum, view, x.data()))
          ASSERT_NEAR(y, expected / static_cast<double>(n) * count, 5e-7 * 0.1 * count) << columns << " " << down;
      }
    }
  });
}

TEST(Reduce, SameBitsOnAnyThreadCountAndTarget) {
  Random random;
  SCOPED_TRACE(random.seed);
  std::vector<float> x(3'000'000);
  for (float& v : x) v = random.value<float>() - 0.3f;
  const std::vector<View> views = {
      {{3'000'000}, {1}, {1}},           {{3, 1'000'000}, {1'000'000, 1}, {0, 1}}, {{1'000'000, 3}, {3, 1}, {1, 0}},
      {{3000, 1000}, {1000, 1}, {1, 0}}, {{3000, 1000}, {1000, 1}, {0, 1}},        {{1000, 1500}, {2, 2000}, {0, 1}},
      {{300'000, 10}, {10, 1}, {0, 1}},
  };
  for (const View& view : views) {
    SCOPED_TRACE(view.describe());
    std::vector<float> once;
    with_threads(1, [&] { once = run<float>(ReduceOp::sum, view, x.data()); });
    for_each_simd_target([&] {
      for (int repeat = 0; repeat < 3; ++repeat)
        with_threads(8, [&] { EXPECT_TRUE(same_bits(once, run<float>(ReduceOp::sum, view, x.data()))); });
    });
  }
}

template <class T>
void check_arg_reduce(Random& random) {
  for (const int64_t outer : {0, 1, 3})
    for (const int64_t len : {1, 2, 7, 100, 1000})
      for (const int64_t inner : {1, 2, 17, 600})
        for (const bool max : {true, false}) {
          std::vector<T> x(static_cast<size_t>(outer * len * inner));
          for (T& v : x) v = static_cast<T>(random.below(50));  // ties
          if (std::is_floating_point_v<T> && !x.empty())
            for (size_t k = 0; k < 2 * x.size() / 300 + 1; ++k)
              x[random.bits() % x.size()] = std::numeric_limits<T>::quiet_NaN();
          std::vector<int64_t> y(static_cast<size_t>(outer * inner), -1);
          arg_reduce(max, outer, len, inner, x.data(), y.data());
          for (int64_t o = 0; o < outer; ++o)
            for (int64_t i = 0; i < inner; ++i) {
              const auto at = [&](int64_t j) { return x[static_cast<size_t>((o * len + j) * inner + i)]; };
              int64_t expected = -1;
              for (int64_t j = 0; j < len && expected < 0; ++j)
                if (at(j) != at(j)) expected = j;
              if (expected < 0) {
                expected = 0;
                for (int64_t j = 1; j < len; ++j)
                  if (max ? at(j) > at(expected) : at(j) < at(expected)) expected = j;
              }
              ASSERT_EQ(y[static_cast<size_t>(o * inner + i)], expected)
                  << outer << " " << len << " " << inner << " at " << o << ", " << i;
            }
        }
}

TEST(ArgReduce, FirstBestAndFirstNaNWin) {
  Random random;
  SCOPED_TRACE(random.seed);
  check_arg_reduce<float>(random);
  check_arg_reduce<double>(random);
  check_arg_reduce<int32_t>(random);
  check_arg_reduce<int64_t>(random);
  check_arg_reduce<uint8_t>(random);
}

template <class T>
void check_cumsum(int64_t outer, int64_t len, int64_t inner, Random& random) {
  using Wide = std::conditional_t<std::is_floating_point_v<T>, long double, uint64_t>;
  std::vector<T> x(static_cast<size_t>(outer * len * inner));
  for (T& v : x) v = random.value<T>();
  for (const bool reverse : {false, true})
    for (const bool exclusive : {false, true}) {
      std::vector<T> y = unwritten<T>(outer * len * inner), in_place = x, threaded = y;
      cumsum(outer, len, inner, x.data(), y.data(), reverse, exclusive);
      cumsum(outer, len, inner, in_place.data(), in_place.data(), reverse, exclusive);
      with_threads(8, [&] { cumsum(outer, len, inner, x.data(), threaded.data(), reverse, exclusive); });
      EXPECT_TRUE(same_bits(y, in_place));
      EXPECT_TRUE(same_bits(y, threaded));
      for (int64_t o = 0; o < outer; ++o)
        for (int64_t i = 0; i < inner; ++i) {
          Wide sum = 0;
          for (int64_t k = 0; k < len; ++k) {
            const auto at = static_cast<size_t>((o * len + (reverse ? len - 1 - k : k)) * inner + i);
            const Wide before = sum;
            sum += static_cast<Wide>(x[at]);
            const Wide expected = exclusive ? before : sum;
            if constexpr (std::is_floating_point_v<T>) {
              // Sums are kept in double: float results are off by their own rounding, double ones by n·ε.
              const long double eps = std::numeric_limits<T>::epsilon();
              const long double steps = sizeof(T) == 4 ? 1 : static_cast<long double>(len);
              ASSERT_LE(std::abs(static_cast<long double>(y[at]) - expected), eps * steps * expected)
                  << outer << " " << len;
            } else {
              ASSERT_EQ(y[at], static_cast<T>(expected)) << outer << " " << len << " " << inner;
            }
          }
        }
    }
}

TEST(Cumsum, MatchesNaiveLoops) {
  Random random;
  SCOPED_TRACE(random.seed);
  const int64_t cases[][3] = {{0, 5, 3}, {2, 0, 3},   {2, 5, 0},    {1, 1, 1},       {3, 17, 1},
                              {3, 5, 7}, {2, 9, 600}, {100, 37, 1}, {2, 300'007, 1}, {1, 5'000'011, 1}};
  for (const auto& [outer, len, inner] : cases) {
    check_cumsum<float>(outer, len, inner, random);
    check_cumsum<int32_t>(outer, len, inner, random);
    if (len > 1'000'000) continue;
    check_cumsum<double>(outer, len, inner, random);
    check_cumsum<int64_t>(outer, len, inner, random);
    check_cumsum<uint8_t>(outer, len, inner, random);
  }
}

}  // namespace
}  // namespace telaio::kernels
