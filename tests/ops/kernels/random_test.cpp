#include <telaio/ops/kernels/random.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <numbers>
#include <vector>

#include "for_each_simd_target.hpp"
#include "kernel_test.hpp"

namespace telaio::kernels {
namespace {

// The statistical tests use fixed keys: they check the generator, and must not fail one run in a thousand.
constexpr RandomKey key{0x123456789ABCDEF0, 42};

TEST(Philox, KnownAnswers) {
  // Random123's kat_vectors, philox4x32 with 10 rounds.
  struct Answer {
    uint32_t counter[4], key[2], out[4];
  };
  const Answer answers[] = {
      {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
       {0xffffffff, 0xffffffff},
       {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (const Answer& answer : answers) {
    uint32_t out[4];
    philox4x32(answer.counter, answer.key, out);
    for (int i = 0; i < 4; ++i) EXPECT_EQ(out[i], answer.out[i]);
  }
}

/// The 32-bit draw i by the plain definition.
uint32_t draw32(RandomKey k, uint64_t i) {
  const uint64_t block = i / 4;
  const uint32_t counter[] = {static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32),
                              static_cast<uint32_t>(k.stream), static_cast<uint32_t>(k.stream >> 32)};
  const uint32_t words[] = {static_cast<uint32_t>(k.seed), static_cast<uint32_t>(k.seed >> 32)};
  uint32_t out[4];
  philox4x32(counter, words, out);
  return out[i % 4];
}
uint64_t draw64(RandomKey k, uint64_t i) { return draw32(k, 2 * i) | uint64_t{draw32(k, 2 * i + 1)} << 32; }

TEST(Philox, KernelsDrawWhatTheDefinitionSays) {
  Random random;
  SCOPED_TRACE(random.seed);
  // Around a carry from the counter's first word into its second as well.
  const int64_t carry = int64_t{4} << 32;
  for_each_simd_target([&] {
    for (const int64_t first : {int64_t{0}, int64_t{1}, int64_t{4099}, carry - 17, int64_t{1} << 60}) {
      const RandomKey k{random.bits() * uint64_t{0x100000001}, uint64_t{random.bits()} << 20};
      const int64_t n = 1 + random.below(5000);
      std::vector<uint32_t> words(static_cast<size_t>(n));
      std::vector<uint64_t> longs(words.size());
      std::vector<float> floats = unwritten<float>(n);
      std::vector<double> doubles = unwritten<double>(n);
      random_bits(k, first, n, words.data());
      random_bits(k, first, n, longs.data());
      uniform(k, first, n, floats.data());
      uniform(k, first, n, doubles.data());
      for (size_t i = 0; i < words.size(); ++i) {
        const uint64_t index = static_cast<uint64_t>(first) + i;
        ASSERT_EQ(words[i], draw32(k, index));
        ASSERT_EQ(longs[i], draw64(k, index));
        ASSERT_EQ(floats[i], static_cast<float>(draw32(k, index) >> 8) * 0x1p-24f);
        ASSERT_EQ(doubles[i], static_cast<double>(draw64(k, index) >> 11) * 0x1p-53);
      }
    }
  });
}

TEST(Random, NormalsAreBoxMullersTransform) {
  for_each_simd_target([&] {
    constexpr int64_t n = 20000;
    std::vector<float> floats = unwritten<float>(n);
    std::vector<double> doubles = unwritten<double>(n);
    normal(key, 0, n, floats.data());
    normal(key, 0, n, doubles.data());
    // The angle's top two bits are the quadrant, the others run from -π/4 to π/4 about its axis.
    const auto angle = [](uint64_t odd) {
      const double within = (static_cast<double>((odd << 2) >> 11) - 0x1p52 + 0.5) * 0x1p-52 * std::numbers::pi / 4;
      return static_cast<double>(odd >> 62) * std::numbers::pi / 2 + within;
    };
    for (uint64_t i = 0; i < n; i += 2) {
      const double r = std::sqrt(-2 * std::log((static_cast<double>(draw64(key, i) >> 11) + 0.5) * 0x1p-53));
      const double a = angle(draw64(key, i + 1));
      ASSERT_NEAR(doubles[i], r * std::cos(a), 1e-14);  // |x| < 9, a few roundings of 1.1e-16 each
      ASSERT_NEAR(doubles[i + 1], r * std::sin(a), 1e-14);
      const double rf = std::sqrt(-2 * std::log((static_cast<double>(draw32(key, i) >> 1) + 0.5) * 0x1p-31));
      const double af = angle(uint64_t{draw32(key, i + 1)} << 32);
      // Near r = 0 the float closest to 1 that is not 1 gives r = 3.5e-4: rounding the logarithm's argument shows.
      ASSERT_NEAR(floats[i], rf * std::cos(af), rf > 0.05 ? 5e-6 : 5e-4);
      ASSERT_NEAR(floats[i + 1], rf * std::sin(af), rf > 0.05 ? 5e-6 : 5e-4);
    }
  });
}

TEST(Random, BernoulliIsADrawBelowP) {
  for (const double p : {0.0, 1e-9, 0.1, 0.5, 0.999, 1.0, -3.0, 7.0, std::nan("")}) {
    constexpr int64_t n = 5000;
    bool y[n];
    bernoulli(key, p, 3, n, y);
    for (int64_t i = 0; i < n; ++i)
      ASSERT_EQ(y[i], static_cast<double>(draw32(key, static_cast<uint64_t>(i + 3))) * 0x1p-32 < p) << p;
  }
}

/// Element i is the same however the range is cut, on any number of threads.
template <class T, class Draw>
void check_cuts(const Draw& draw) {
  Random random;
  SCOPED_TRACE(random.seed);
  constexpr int64_t n = 600'000;  // several chunks
  std::vector<T> whole(n), threaded(n), cut(n);
  with_threads(1, [&] { draw(0, n, whole.data()); });
  with_threads(8, [&] { draw(0, n, threaded.data()); });
  EXPECT_TRUE(same_bits(whole, threaded));
  for (int64_t at = 0; at < n;) {
    const int64_t count = std::min(n - at, random.below(4) == 0 ? random.below(100'000) : random.below(70));
    draw(at, count, cut.data() + at);
    at += count;
  }
  EXPECT_TRUE(same_bits(whole, cut));
}

TEST(Random, SameHoweverCut) {
  for_each_simd_target([&] {
    check_cuts<uint32_t>([](int64_t first, int64_t n, uint32_t* y) { random_bits(key, first, n, y); });
    check_cuts<uint64_t>([](int64_t first, int64_t n, uint64_t* y) { random_bits(key, first, n, y); });
    check_cuts<float>([](int64_t first, int64_t n, float* y) { uniform(key, first, n, y); });
    check_cuts<double>([](int64_t first, int64_t n, double* y) { uniform(key, first, n, y); });
    check_cuts<float>([](int64_t first, int64_t n, float* y) { normal(key, first, n, y); });
    check_cuts<double>([](int64_t first, int64_t n, double* y) { normal(key, first, n, y); });
    check_cuts<uint8_t>(
        [](int64_t first, int64_t n, uint8_t* y) { bernoulli(key, 0.3, first, n, reinterpret_cast<bool*>(y)); });
  });
}

struct Moments {
  double mean = 0, variance = 0, skew = 0, kurtosis = 0;
};
template <class T>
Moments moments(const std::vector<T>& x) {
  Moments m;
  const auto n = static_cast<double>(x.size());
  for (const T v : x) m.mean += static_cast<double>(v) / n;
  for (const T v : x) {
    const double d = static_cast<double>(v) - m.mean;
    m.variance += d * d / n;
    m.skew += d * d * d / n;
    m.kurtosis += d * d * d * d / n;
  }
  return m;
}

/// The Kolmogorov–Smirnov distance between the sample and the distribution function, times √n.
template <class T, class F>
double ks(std::vector<T> x, const F& cdf) {
  std::sort(x.begin(), x.end());
  const auto n = static_cast<double>(x.size());
  double distance = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double p = cdf(static_cast<double>(x[i]));
    distance = std::max({distance, p - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - p});
  }
  return distance * std::sqrt(n);
}
// √n·D exceeds 1.95 once in a thousand (Kolmogorov's distribution).
constexpr double ks_bound = 1.95;

constexpr int64_t sample = 1'000'000;
constexpr double root = 1000;  // √sample: means are off by about σ/root; 4σ is the bound everywhere

template <class T>
void check_uniform() {
  std::vector<T> x = unwritten<T>(sample);
  uniform(key, 0, sample, x.data());
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  EXPECT_GE(*low, 0);
  EXPECT_LT(*high, 1);
  EXPECT_LT(*low, 1e-4);
  EXPECT_GT(*high, 1 - 1e-4);
  const Moments m = moments(x);
  EXPECT_NEAR(m.mean, 0.5, 4 * std::sqrt(1.0 / 12) / root);
  EXPECT_NEAR(m.variance, 1.0 / 12, 4 * std::sqrt(1.0 / 180) / root);  // Var (x - ½)² = 1/80 - 1/144
  EXPECT_LT(ks(x, [](double v) { return v; }), ks_bound);
}

template <class T>
void check_normal() {
  std::vector<T> x = unwritten<T>(sample);
  normal(key, 0, sample, x.data());
  const Moments m = moments(x);
  EXPECT_NEAR(m.mean, 0, 4 / root);
  EXPECT_NEAR(m.variance, 1, 4 * std::sqrt(2.0) / root);
  EXPECT_NEAR(m.skew, 0, 4 * std::sqrt(15.0) / root);
  EXPECT_NEAR(m.kurtosis, 3, 4 * std::sqrt(96.0) / root);
  EXPECT_LT(ks(x, [](double v) { return 0.5 * std::erfc(-v / std::numbers::sqrt2); }), ks_bound);
  // Neighbours share a radius, and are independent all the same: products and products of squares say so.
  double product = 0, squares = 0;
  for (size_t i = 0; i < x.size(); i += 2) {
    const double a = static_cast<double>(x[i]), b = static_cast<double>(x[i + 1]);
    product += a * b / (sample / 2.0);
    squares += (a * a - 1) * (b * b - 1) / (sample / 2.0);
  }
  EXPECT_NEAR(product, 0, 4 * std::numbers::sqrt2 / root);
  EXPECT_NEAR(squares, 0, 4 * 2 * std::numbers::sqrt2 / root);
}

TEST(Random, UniformsAreUniform) {
  check_uniform<float>();
  check_uniform<double>();
}

TEST(Random, NormalsAreNormal) {
  for_each_simd_target([] {
    check_normal<float>();
    check_normal<double>();
  });
}

TEST(Random, BytesAreEven) {
  std::vector<uint32_t> x(sample);
  random_bits(key, 0, sample, x.data());
  for (int byte = 0; byte < 4; ++byte) {
    std::array<double, 256> counts{};
    for (const uint32_t v : x) ++counts[v >> (8 * byte) & 255];
    double chi2 = 0;
    for (const double c : counts) chi2 += (c - sample / 256.0) * (c - sample / 256.0) / (sample / 256.0);
    EXPECT_NEAR(chi2, 255, 4 * std::sqrt(2 * 255.0));
  }
}

TEST(Random, StreamsAndSeedsAreIndependent) {
  std::vector<float> a(sample), b(sample);
  uniform(key, 0, sample, a.data());
  const RandomKey others[] = {{key.seed + 1, key.stream},
                              {key.seed, key.stream + 1},
                              {key.seed + (uint64_t{1} << 32), key.stream},
                              {key.seed, key.stream + (uint64_t{1} << 32)}};
  for (const RandomKey other : others) {
    uniform(other, 0, sample, b.data());
    double correlation = 0;
    for (size_t i = 0; i < a.size(); ++i) correlation += (a[i] - 0.5) * (b[i] - 0.5) * 12 / sample;
    EXPECT_NEAR(correlation, 0, 4 / root);
  }
}

TEST(Permutation, SortsNumbersByTheirDraws) {
  for (const int64_t n : {0, 1, 2, 31, 32, 33, 1000, 100'003}) {
    std::vector<int64_t> y(static_cast<size_t>(n), -1), expected(y.size()), threaded(y.size());
    std::vector<double> scratch(permutation_scratch_bytes(n) / sizeof(double) + 1);
    with_threads(1, [&] { permutation(key, n, y.data(), scratch.data()); });
    with_threads(8, [&] { permutation(key, n, threaded.data(), scratch.data()); });
    EXPECT_EQ(y, threaded);
    std::vector<uint64_t> draws(y.size());
    random_bits(key, 0, n, draws.data());
    for (size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<int64_t>(i);
    std::sort(expected.begin(), expected.end(),
              [&](int64_t a, int64_t b) { return draws[static_cast<size_t>(a)] < draws[static_cast<size_t>(b)]; });
    EXPECT_EQ(y, expected);
  }
}

}  // namespace
}  // namespace telaio::kernels
