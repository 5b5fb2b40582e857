#include <telaio/ops/kernels/indexing.hpp>

#include <algorithm>
#include <array>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernel_test.hpp"

namespace telaio::kernels {
namespace {

template <class T>
std::vector<T> random_values(int64_t n, Random& random) {
  std::vector<T> x(static_cast<size_t>(n));
  for (T& v : x) v = random.value<T>();
  return x;
}
template <class Index>
std::vector<Index> random_indices(int64_t n, int64_t len, Random& random) {
  std::vector<Index> idx(static_cast<size_t>(n));
  for (Index& i : idx) i = static_cast<Index>(random.below(2 * len) - len);  // half of them count from the end
  return idx;
}
template <class T>
T at(const std::vector<T>& x, int64_t i) {
  return x[static_cast<size_t>(i)];
}
int64_t from_end(int64_t i, int64_t len) { return i < 0 ? i + len : i; }

struct Sizes {
  int64_t outer, len, inner, count;
};
// Empty, single, prime and (the last ones) large enough for many chunks and every way to cut.
constexpr Sizes sizes[] = {{0, 3, 2, 4},      {2, 3, 0, 4},      {2, 3, 5, 0},     {1, 1, 1, 1},
                           {1, 7, 1, 13},     {3, 5, 7, 2},      {2, 11, 67, 9},   {1, 1000, 1, 300'007},
                           {1, 50, 513, 700}, {1, 50, 40, 5000}, {40, 31, 17, 211}};

/// Draws what a kernel test needs for every size, with both index types, on one thread and on eight.
template <class Body>
void for_all_sizes(Random& random, const Body& body) {
  for (const Sizes& s : sizes) {
    SCOPED_TRACE(testing::Message() << "outer " << s.outer << " len " << s.len << " inner " << s.inner << " count "
                                    << s.count);
    body(s, random_indices<int32_t>(s.count, s.len, random));
    body(s, random_indices<int64_t>(s.count, s.len, random));
  }
}

template <class T>
void check_take(Random& random) {
  for_all_sizes(random, [&]<class Index>(const Sizes& s, const std::vector<Index>& idx) {
    const auto x = random_values<T>(s.outer * s.len * s.inner, random);
    auto y = unwritten<T>(s.outer * s.count * s.inner);
    EXPECT_EQ(take(sizeof(T), s.outer, s.len, s.inner, s.count, idx.data(), x.data(), y.data()), -1);
    for (int64_t o = 0; o < s.outer; ++o)
      for (int64_t j = 0; j < s.count; ++j)
        for (int64_t i = 0; i < s.inner; ++i)
          ASSERT_EQ(at(y, (o * s.count + j) * s.inner + i),
                    at(x, (o * s.len + from_end(at(idx, j), s.len)) * s.inner + i));
  });
}

TEST(Take, MatchesNaiveLoops) {
  Random random;
  SCOPED_TRACE(random.seed);
  check_take<float>(random);
  check_take<double>(random);
  check_take<uint8_t>(random);
}

template <class T>
void check_gather_along(Random& random) {
  for_all_sizes(random, [&]<class Index>(const Sizes& s, const std::vector<Index>&) {
    const auto idx = random_indices<Index>(s.outer * s.count * s.inner, s.len, random);
    const auto x = random_values<T>(s.outer * s.len * s.inner, random);
    auto y = unwritten<T>(s.outer * s.count * s.inner);
    EXPECT_EQ(gather_along(sizeof(T), s.outer, s.len, s.inner, s.count, idx.data(), x.data(), y.data()), -1);
    for (int64_t r = 0; r < s.outer * s.count; ++r)
      for (int64_t i = 0; i < s.inner; ++i)
        ASSERT_EQ(at(y, r * s.inner + i),
                  at(x, (r / s.count * s.len + from_end(at(idx, r * s.inner + i), s.len)) * s.inner + i));
  });
}

TEST(GatherAlong, MatchesNaiveLoops) {
  Random random;
  SCOPED_TRACE(random.seed);
  check_gather_along<float>(random);
  check_gather_along<int64_t>(random);
  check_gather_along<uint8_t>(random);
}

/// Both scatters against the same loop, bit for bit: the order of the additions is part of the contract.
template <class T>
void check_scatters(Random& random) {
  for_all_sizes(random, [&]<class Index>(const Sizes& s, const std::vector<Index>& rows) {
    const auto places = random_indices<Index>(s.outer * s.count * s.inner, s.len, random);
    const auto updates = random_values<T>(s.outer * s.count * s.inner, random);
    for (const bool along : {false, true}) {
      std::vector<T> expected(static_cast<size_t>(s.outer * s.len * s.inner), T{0});
      for (int64_t r = 0; r < s.outer * s.count; ++r)
        for (int64_t i = 0; i < s.inner; ++i) {
          const int64_t k = from_end(along ? at(places, r * s.inner + i) : at(rows, r % s.count), s.len);
          T& sum = expected[static_cast<size_t>((r / s.count * s.len + k) * s.inner + i)];
          const T v = at(updates, r * s.inner + i);
          if constexpr (std::is_integral_v<T>)
            sum = static_cast<T>(static_cast<uint64_t>(sum) + static_cast<uint64_t>(v));
          else sum += v;
        }
      for (const int threads : {1, 8}) {
        auto y = unwritten<T>(s.outer * s.len * s.inner);
        with_threads(threads, [&] {
          const int64_t bad =
              along ? scatter_add_along(s.outer, s.len, s.inner, s.count, places.data(), updates.data(), y.data())
                    : scatter_add(s.outer, s.len, s.inner, s.count, rows.data(), updates.data(), y.data());
          EXPECT_EQ(bad, -1);
        });
        EXPECT_TRUE(same_bits(y, expected)) << (along ? "along, " : "rows, ") << threads << " threads";
      }
    }
  });
}

TEST(ScatterAdd, AddsInOrderOnAnyThreadCount) {
  Random random;
  SCOPED_TRACE(random.seed);
  check_scatters<float>(random);
  check_scatters<double>(random);
  check_scatters<int32_t>(random);
  check_scatters<int64_t>(random);
  check_scatters<uint8_t>(random);
}

TEST(Indices, TheFirstBadOneIsReportedAndNothingIsWritten) {
  constexpr int64_t n = 300'000;  // several chunks, of which later ones have bad indices too
  const std::vector<float> x(10, 1.0f), updates(n, 1.0f);
  for (const int32_t bad : {10, -11, 2'000'000'000}) {
    for (const int64_t where : {int64_t{0}, int64_t{12'345}, n - 1}) {
      std::vector<int32_t> idx(n, -10);
      idx[static_cast<size_t>(where)] = bad;
      idx[n - 1] = bad;
      std::vector<float> y(10 * n, 5.0f);
      const std::vector<float> before = y;
      EXPECT_EQ(take(4, 1, 10, 1, n, idx.data(), x.data(), y.data()), where);
      EXPECT_EQ(gather_along(4, 1, 10, 1, n, idx.data(), x.data(), y.data()), where);
      EXPECT_EQ(scatter_add(1, 10, 1, n, idx.data(), updates.data(), y.data()), where);
      EXPECT_EQ(scatter_add_along(1, 10, 1, n, idx.data(), updates.data(), y.data()), where);
      EXPECT_EQ(one_hot(n, 10, idx.data(), y.data()), where);
      EXPECT_EQ(y, before);
    }
  }
  // Nothing can be taken from an empty axis.
  const int64_t zero = 0;
  float y = 0;
  EXPECT_EQ(take(4, 1, 0, 1, 1, &zero, x.data(), &y), 0);
}

template <class T>
void check_ones() {
  const std::vector<int64_t> idx = {2, 0, -1, 4, 4};
  T y[5][5];
  std::memset(y, 1, sizeof(y));
  EXPECT_EQ(one_hot(5, 5, idx.data(), &y[0][0]), -1);
  for (int64_t j = 0; j < 5; ++j)
    for (int64_t c = 0; c < 5; ++c) EXPECT_EQ(y[j][c], static_cast<T>(c == from_end(idx[static_cast<size_t>(j)], 5)));
  for (const auto& [rows, cols] : {std::pair{5, 3}, {3, 5}, {1, 1}, {0, 4}}) {
    std::memset(y, 1, sizeof(y));
    eye(rows, cols, &y[0][0]);
    for (int r = 0; r < rows; ++r)
      for (int c = 0; c < cols; ++c) EXPECT_EQ((&y[0][0])[r * cols + c], static_cast<T>(r == c));
  }
}

TEST(Ones, OneHotAndEye) {
  check_ones<float>();
  check_ones<double>();
  check_ones<int32_t>();
  check_ones<int64_t>();
  check_ones<uint8_t>();
  check_ones<bool>();
}

TEST(Arange, StepsWithoutDrift) {
  constexpr int64_t n = 300'001;
  std::vector<float> f = unwritten<float>(n);
  arange(-2.0f, 0.1f, n, f.data());
  for (int64_t i = 0; i < n; ++i)
    ASSERT_EQ(at(f, i), static_cast<float>(-2.0 + static_cast<double>(i) * static_cast<double>(0.1f)));
  std::vector<int64_t> longs = unwritten<int64_t>(n);
  arange(int64_t{1} << 60, int64_t{-3}, n, longs.data());
  for (int64_t i = 0; i < n; ++i) ASSERT_EQ(at(longs, i), (int64_t{1} << 60) - 3 * i);
  std::vector<uint8_t> bytes = unwritten<uint8_t>(n);
  arange(uint8_t{250}, uint8_t{7}, n, bytes.data());
  for (int64_t i = 0; i < n; ++i) ASSERT_EQ(at(bytes, i), static_cast<uint8_t>(250 + 7 * i));
}

template <class T>
void check_pad(Random& random) {
  for (int round = 0; round < 200; ++round) {
    const int rank = static_cast<int>(random.below(5));
    int64_t in_shape[8], before[8], out_shape[8], in_size = 1, out_size = 1;
    for (int a = 0; a < rank; ++a) {
      in_shape[a] = random.below(round < 10 ? 30 : 7);
      before[a] = random.below(2) * random.below(4);
      out_shape[a] = before[a] + in_shape[a] + random.below(2) * random.below(4);
      in_size *= in_shape[a];
      out_size *= out_shape[a];
    }
    const auto x = random_values<T>(in_size, random);
    const T value = random.value<T>();
    auto y = unwritten<T>(out_size);
    pad_constant(sizeof(T), rank, in_shape, before, out_shape, &value, x.data(), y.data());
    for (int64_t flat = 0; flat < out_size; ++flat) {
      int64_t source = 0, step = 1, rest = flat;
      bool inside = true;
      for (int a = rank; a-- > 0;) {
        const int64_t i = rest % out_shape[a] - before[a];
        rest /= out_shape[a];
        inside = inside && i >= 0 && i < in_shape[a];
        source += i * step;
        step *= in_shape[a];
      }
      ASSERT_EQ(at(y, flat), inside ? at(x, source) : value);
    }
  }
}

TEST(Pad, MatchesNaiveLoops) {
  Random random;
  SCOPED_TRACE(random.seed);
  check_pad<float>(random);
  check_pad<double>(random);
  check_pad<uint8_t>(random);
}

TEST(CopyBlock, ConcatenatesAndSplits) {
  Random random;
  SCOPED_TRACE(random.seed);
  // The last case has rows that are cut into pieces.
  for (const auto& [rows, left, right] : {std::array<int64_t, 3>{3, 5, 7}, {0, 3, 3}, {4, 0, 3}, {2, 900'001, 11}}) {
    const auto a = random_values<uint8_t>(rows * left, random), b = random_values<uint8_t>(rows * right, random);
    const int64_t pitch = left + right;
    // Without rows, too, the right part begins somewhere.
    auto joined = unwritten<uint8_t>(std::max(rows * pitch, left));
    copy_block(rows, left, a.data(), left, joined.data(), pitch);
    copy_block(rows, right, b.data(), right, joined.data() + left, pitch);
    for (int64_t i = 0; i < rows * pitch; ++i) {
      const int64_t r = i / pitch, c = i % pitch;
      ASSERT_EQ(at(joined, i), c < left ? at(a, r * left + c) : at(b, r * right + c - left));
    }
    auto split = unwritten<uint8_t>(rows * left);
    copy_block(rows, left, joined.data(), pitch, split.data(), left);
    EXPECT_EQ(split, a);
  }
}

}  // namespace
}  // namespace telaio::kernels
