#include <telaio/ops/kernels/conv2d_pool.hpp>

#include <cmath>
#include <ostream>

#include "for_each_simd_target.hpp"
#include "kernel_testing.hpp"

namespace telaio::kernels {

void PrintTo(const Conv2dPoolGeometry& g, std::ostream* os) {
  const Conv2dGeometry& conv = g.conv;
  *os << "image " << conv.n << "," << conv.h << "," << conv.w << "," << conv.c << " filter " << conv.kh << ","
      << conv.kw << "," << conv.o << " out " << conv.oh << "," << conv.ow << " stride " << conv.stride_h << ","
      << conv.stride_w << " pad " << conv.pad_top << "," << conv.pad_left << " dilation " << conv.dilation_h << ","
      << conv.dilation_w << " pool " << g.pool_h << "," << g.pool_w << (g.relu ? " relu" : "");
}

namespace {

using testing::nans;
using testing::Random;
using testing::same_bits;
using testing::Scratch;
using testing::with_threads;

template <class T>
class Conv2dPool : public ::testing::Test {};
using FloatTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Conv2dPool, FloatTypes);

int64_t image_size(const Conv2dPoolGeometry& g) { return g.conv.n * g.conv.h * g.conv.w * g.conv.c; }
int64_t filter_size(const Conv2dPoolGeometry& g) { return g.conv.kh * g.conv.kw * g.conv.c * g.conv.o; }
int64_t pooled_size(const Conv2dPoolGeometry& g) {
  return g.conv.n * (g.conv.oh / g.pool_h) * (g.conv.ow / g.pool_w) * g.conv.o;
}

template <class T>
struct Inputs {
  std::vector<T> image, filter, bias, gy;
};
template <class T>
struct Results {
  std::vector<T> pooled;
  std::vector<uint8_t> argmax;
  std::vector<T> gx, gw, gb;
};

template <class T>
Inputs<T> whole_numbers(const Conv2dPoolGeometry& g, Random& random) {
  return {random.whole_numbers<T>(image_size(g)), random.whole_numbers<T>(filter_size(g)),
          random.whole_numbers<T>(g.conv.o), random.whole_numbers<T>(pooled_size(g))};
}
template <class T>
Inputs<T> reals(const Conv2dPoolGeometry& g, Random& random) {
  return {random.reals<T>(image_size(g)), random.reals<T>(filter_size(g)), random.reals<T>(g.conv.o),
          random.reals<T>(pooled_size(g))};
}

template <class T>
void run_gradients(const Conv2dPoolGeometry& g, const Inputs<T>& in, Results<T>& r) {
  r.gx = nans<T>(image_size(g));
  r.gw = nans<T>(filter_size(g));
  r.gb = nans<T>(g.conv.o);
  conv2d_pool_input_grad<T>(g, in.gy.data(), r.argmax.data(), in.filter.data(), r.gx.data(),
                            Scratch(conv2d_pool_input_grad_scratch_bytes<T>(g)));
  conv2d_pool_weight_grad<T>(g, in.image.data(), in.gy.data(), r.argmax.data(), r.gw.data(), r.gb.data(),
                             Scratch(conv2d_pool_weight_grad_scratch_bytes<T>(g)));
}

template <class T>
Results<T> run(const Conv2dPoolGeometry& g, const Inputs<T>& in) {
  Results<T> r;
  r.pooled = nans<T>(pooled_size(g));
  r.argmax.assign(static_cast<size_t>(pooled_size(g)), 77);
  conv2d_pool<T>(g, in.image.data(), in.filter.data(), in.bias.empty() ? nullptr : in.bias.data(), r.pooled.data(),
                 r.argmax.data(), Scratch(conv2d_pool_scratch_bytes<T>(g)));
  run_gradients(g, in, r);
  return r;
}

// Calls body(out index, image index or -1 for padding, filter index) for every product of the convolution.
template <class Body>
void for_each_product(const Conv2dGeometry& g, const Body& body) {
  for (int64_t position = 0; position < g.n * g.oh * g.ow; ++position) {
    const int64_t n = position / g.ow / g.oh, y = position / g.ow % g.oh, x = position % g.ow;
    for (int64_t tap = 0; tap < g.kh * g.kw; ++tap) {
      const int64_t h = y * g.stride_h + tap / g.kw * g.dilation_h - g.pad_top;
      const int64_t w = x * g.stride_w + tap % g.kw * g.dilation_w - g.pad_left;
      const bool inside = h >= 0 && h < g.h && w >= 0 && w < g.w;
      for (int64_t ch = 0; ch < g.c; ++ch)
        for (int64_t q = 0; q < g.o; ++q)
          body(position * g.o + q, inside ? ((n * g.h + h) * g.w + w) * g.c + ch : -1, (tap * g.c + ch) * g.o + q);
    }
  }
}

// Calls body(image index, filter index) for what the input gradient multiplies with zero, outside the outputs.
template <class Body>
void for_each_product_outside(const Conv2dGeometry& g, const Body& body) {
  for (int64_t position = 0; position < g.n * g.h * g.w; ++position) {
    for (int64_t tap = 0; tap < g.kh * g.kw; ++tap) {
      const int64_t y = position / g.w % g.h + g.pad_top - tap / g.kw * g.dilation_h;
      const int64_t x = position % g.w + g.pad_left - tap % g.kw * g.dilation_w;
      if (y % g.stride_h != 0 || x % g.stride_w != 0) continue;
      if (y >= 0 && y / g.stride_h < g.oh && x >= 0 && x / g.stride_w < g.ow) continue;
      for (int64_t ch = 0; ch < g.c; ++ch)
        for (int64_t q = 0; q < g.o; ++q) body(position * g.c + ch, (tap * g.c + ch) * g.o + q);
    }
  }
}

// The composition of convolution, bias, relu and pooling, in double; with their dense gradients.
template <class T>
Results<T> composed(const Conv2dPoolGeometry& g, const Inputs<T>& in) {
  const Conv2dGeometry& conv = g.conv;
  std::vector<double> out(static_cast<size_t>(conv.n * conv.oh * conv.ow * conv.o)), g_out(out.size());
  for (size_t i = 0; i < out.size(); ++i) out[i] = in.bias.empty() ? 0 : in.bias[i % conv.o];
  for_each_product(conv, [&](int64_t o, int64_t i, int64_t f) {
    out[o] += (i < 0 ? 0.0 : static_cast<double>(in.image[i])) * static_cast<double>(in.filter[f]);
  });
  Results<T> r;
  std::vector<double> gx(static_cast<size_t>(image_size(g))), gw(static_cast<size_t>(filter_size(g))),
      gb(static_cast<size_t>(conv.o));
  const int64_t rows = conv.oh / g.pool_h, columns = conv.ow / g.pool_w;
  for (int64_t i = 0; i < pooled_size(g); ++i) {
    const int64_t q = i % conv.o, window = i / conv.o, n = window / columns / rows;
    const int64_t y = window / columns % rows * g.pool_h, x = window % columns * g.pool_w;
    int64_t best = 0;
    const auto at = [&](int64_t place) {
      return ((n * conv.oh + y + place / g.pool_w) * conv.ow + x + place % g.pool_w) * conv.o + q;
    };
    const auto value = [&](int64_t place) {
      const double v = out[at(place)];
      return g.relu && v < 0 ? 0 : v;
    };
    for (int64_t place = 1; place < g.pool_h * g.pool_w; ++place) {
      if (value(place) > value(best) || (std::isnan(value(place)) && !std::isnan(value(best)))) best = place;
    }
    const bool dead = g.relu && !(value(best) > 0);
    r.pooled.push_back(static_cast<T>(value(best)));
    r.argmax.push_back(dead ? no_gradient : static_cast<uint8_t>(best));
    if (!dead) g_out[at(best)] += static_cast<double>(in.gy[i]);
    if (!dead) gb[q] += static_cast<double>(in.gy[i]);
  }
  for_each_product(conv, [&](int64_t o, int64_t i, int64_t f) {
    if (i >= 0) gx[i] += g_out[o] * static_cast<double>(in.filter[f]);
    gw[f] += g_out[o] * (i < 0 ? 0.0 : static_cast<double>(in.image[i]));
  });
  for_each_product_outside(conv, [&](int64_t i, int64_t f) { gx[i] += 0.0 * static_cast<double>(in.filter[f]); });
  r.gx.assign(gx.begin(), gx.end());
  r.gw.assign(gw.begin(), gw.end());
  r.gb.assign(gb.begin(), gb.end());
  return r;
}

// Equal, a NaN to any NaN.
template <class T>
::testing::AssertionResult same(const std::vector<T>& got, const std::vector<T>& expected) {
  if (got.size() != expected.size()) return ::testing::AssertionFailure() << "sizes differ";
  for (size_t i = 0; i < got.size(); ++i) {
    if (got[i] == expected[i] || (std::isnan(got[i]) && std::isnan(expected[i]))) continue;
    return ::testing::AssertionFailure() << "element " << i << ": " << +got[i] << ", expected " << +expected[i];
  }
  return ::testing::AssertionSuccess();
}

template <class T>
void expect_composed(const Conv2dPoolGeometry& g, const Inputs<T>& in) {
  const Results<T> got = run(g, in), expected = composed(g, in);
  ASSERT_TRUE(same(got.pooled, expected.pooled)) << ::testing::PrintToString(g);
  ASSERT_EQ(got.argmax, expected.argmax) << ::testing::PrintToString(g);
  ASSERT_TRUE(same(got.gx, expected.gx)) << ::testing::PrintToString(g);
  ASSERT_TRUE(same(got.gw, expected.gw)) << ::testing::PrintToString(g);
  ASSERT_TRUE(same(got.gb, expected.gb)) << ::testing::PrintToString(g);
}

template <class T>
void expect_exact(const Conv2dPoolGeometry& g, Random& random) {
  Inputs<T> in = whole_numbers<T>(g, random);
  if (random.in(0, 4) == 0) in.bias.clear();
  expect_composed(g, in);
}

int64_t outputs(int64_t size, int64_t taps, int64_t stride, int64_t pads, int64_t dilation) {
  const int64_t window = dilation * (taps - 1) + 1;
  return size + pads < window ? 0 : (size + pads - window) / stride + 1;
}

int64_t one_of(Random& random, const std::vector<int64_t>& choices) {
  return choices[static_cast<size_t>(random.in(0, static_cast<int64_t>(choices.size()) - 1))];
}

// Half of them with stride and dilation 1.
Conv2dPoolGeometry random_geometry(Random& random) {
  Conv2dPoolGeometry g{};
  Conv2dGeometry& conv = g.conv;
  const int64_t most = random.coin() ? 1 : 3;
  conv.n = random.in(0, 3);
  conv.h = random.in(1, 12);
  conv.w = random.in(1, 16);
  conv.c = one_of(random, {1, 1, 2, 3, 5, 16, 32, 33});
  conv.kh = random.in(1, 5);
  conv.kw = random.in(1, 4);
  conv.o = one_of(random, {1, 7, 10, 16, 32, 40, 64});
  conv.stride_h = random.in(1, most);
  conv.stride_w = random.in(1, most);
  conv.dilation_h = random.in(1, most);
  conv.dilation_w = random.in(1, most);
  const bool padded = random.coin();
  conv.pad_top = padded ? random.in(0, 3) : 0;
  conv.pad_left = padded ? random.in(0, 3) : 0;
  const int64_t pad_bottom = padded ? random.in(0, 3) : 0, pad_right = padded ? random.in(0, 3) : 0;
  conv.oh = outputs(conv.h, conv.kh, conv.stride_h, conv.pad_top + pad_bottom, conv.dilation_h);
  conv.ow = outputs(conv.w, conv.kw, conv.stride_w, conv.pad_left + pad_right, conv.dilation_w);
  g.pool_h = g.pool_w = 2;
  if (random.in(0, 2) == 0) g.pool_h = random.in(1, 3), g.pool_w = random.in(1, 3);
  g.relu = random.coin();
  return g;
}

Conv2dPoolGeometry square(int64_t n, int64_t size, int64_t c, int64_t o, int64_t pad, bool relu = true) {
  const int64_t out = size + 2 * pad - 2;
  return {{.n = n,
           .h = size,
           .w = size,
           .c = c,
           .kh = 3,
           .kw = 3,
           .o = o,
           .oh = out,
           .ow = out,
           .pad_top = pad,
           .pad_left = pad},
          2,
          2,
          relu};
}

TYPED_TEST(Conv2dPool, AndItsGradientsAreExactOnWholeNumbers) {
  for_each_simd_target([] {
    for (uint64_t seed = 0; seed < 300; ++seed) {
      Random random(seed);
      expect_exact<TypeParam>(random_geometry(random), random);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

TYPED_TEST(Conv2dPool, OfCommonLayersIsExactOnWholeNumbers) {
  Random random(1);
  for_each_simd_target([&] {
    for (const Conv2dPoolGeometry& g : {square(2, 28, 1, 32, 0), square(2, 13, 32, 32, 0), square(1, 10, 64, 64, 1),
                                        square(2, 16, 3, 32, 1, false), square(3, 12, 1, 20, 1, false)}) {
      expect_exact<TypeParam>(g, random);
    }
  });
}

// Large enough for several chunks and slices.
constexpr int64_t many = 40;

TYPED_TEST(Conv2dPool, GivesTheSameBitsOnOneAndManyThreads) {
  using T = TypeParam;
  Random random(2);
  for (const Conv2dPoolGeometry& g :
       {square(many, 28, 1, 32, 0), square(many, 13, 32, 32, 0), square(many, 20, 5, 24, 1)}) {
    const Inputs<T> in = reals<T>(g, random);
    Results<T> one, several;
    with_threads(1, [&] { one = run(g, in); });
    with_threads(8, [&] { several = run(g, in); });
    EXPECT_TRUE(same_bits(one.pooled, several.pooled)) << ::testing::PrintToString(g);
    EXPECT_EQ(one.argmax, several.argmax) << ::testing::PrintToString(g);
    EXPECT_TRUE(same_bits(one.gx, several.gx)) << ::testing::PrintToString(g);
    EXPECT_TRUE(same_bits(one.gw, several.gw)) << ::testing::PrintToString(g);
    EXPECT_TRUE(same_bits(one.gb, several.gb)) << ::testing::PrintToString(g);
    with_threads(8, [&] { expect_exact<T>(g, random); });
  }
}

TYPED_TEST(Conv2dPool, ValuesDoNotDependOnWhetherPlacesAreWanted) {
  using T = TypeParam;
  Random random(3);
  for_each_simd_target([&] {
    for (const Conv2dPoolGeometry& g : {square(2, 11, 3, 20, 1), square(2, 13, 32, 32, 0, false)}) {
      const Inputs<T> in = reals<T>(g, random);
      std::vector<T> pooled = nans<T>(pooled_size(g));
      conv2d_pool<T>(g, in.image.data(), in.filter.data(), in.bias.data(), pooled.data(), nullptr,
                     Scratch(conv2d_pool_scratch_bytes<T>(g)));
      EXPECT_TRUE(same_bits(pooled, run(g, in).pooled));
    }
  });
}

// All windows of an even image are equal.
TYPED_TEST(Conv2dPool, TheFirstOfEqualValuesWins) {
  using T = TypeParam;
  for_each_simd_target([&] {
    for (Conv2dPoolGeometry g : {square(1, 8, 2, 20, 0), square(1, 11, 2, 20, 0)}) {
      if (g.conv.h == 11) g.pool_h = g.pool_w = 3;
      const Inputs<T> in{std::vector<T>(static_cast<size_t>(image_size(g)), T(1)),
                         std::vector<T>(static_cast<size_t>(filter_size(g)), T(1)),
                         {},
                         std::vector<T>(static_cast<size_t>(pooled_size(g)), T(1))};
      for (const uint8_t place : run(g, in).argmax) EXPECT_EQ(place, 0);
    }
  });
}

// One value of the image, filter, bias or gradient, of many kinds and in many places.
TYPED_TEST(Conv2dPool, WhatIsNotFiniteReachesTheSameAsInTheComposition) {
  using T = TypeParam;
  const T infinity = std::numeric_limits<T>::infinity(), nan = std::numeric_limits<T>::quiet_NaN();
  for_each_simd_target([&] {
    for (uint64_t seed = 0; seed < 60; ++seed) {
      Random random(seed);
      for (const bool relu : {false, true}) {
        for (Conv2dPoolGeometry g : {square(2, 7, 1, 18, 0, relu), square(1, 8, 3, 20, 1, relu),
                                     square(2, 7, 32, 32, 0, relu), square(1, 7, 16, 5, 0, relu)}) {
          if (seed % 5 == 0) g.pool_w = 3;
          Inputs<T> in = whole_numbers<T>(g, random);
          std::vector<T>* const all[] = {&in.image, &in.filter, &in.bias, &in.gy};
          std::vector<T>& values = *all[seed % 4];
          const int64_t bad = random.in(1, 2);
          for (int64_t i = 0; i < bad; ++i) {
            values[static_cast<size_t>(random.in(0, static_cast<int64_t>(values.size()) - 1))] = random.coin() ? nan
                                                                                                 : random.coin()
                                                                                                     ? infinity
                                                                                                     : -infinity;
          }
          expect_composed(g, in);
          if (::testing::Test::HasFatalFailure()) return;
        }
      }
    }
  });
}

TYPED_TEST(Conv2dPool, AnEmptyBatchOrPooledImageHasZeroGradients) {
  Random random(4);
  for_each_simd_target([&] {
    expect_exact<TypeParam>(square(0, 8, 3, 4, 0), random);
    expect_exact<TypeParam>(square(2, 3, 3, 4, 0), random);  // the convolution gives one value, no window of 2 x 2
    expect_exact<TypeParam>(square(2, 2, 3, 4, 0), random);  // and here none
  });
}

// The bound of gemm_test: terms * epsilon * sum of magnitudes; places may differ where values nearly tie.
TYPED_TEST(Conv2dPool, ErrsNoMoreThanSummationMay) {
  using T = TypeParam;
  Random random(5);
  for (const Conv2dPoolGeometry& g : {square(many, 28, 1, 32, 0), square(many, 13, 32, 32, 0)}) {
    const Inputs<T> in = reals<T>(g, random);
    const Results<T> got = run(g, in), expected = composed(g, in);
    const T terms = static_cast<T>(g.conv.c * 9 + 1);
    for (size_t i = 0; i < got.pooled.size(); ++i) {
      ASSERT_LE(std::abs(got.pooled[i] - expected.pooled[i]), terms * terms * std::numeric_limits<T>::epsilon());
    }
  }
}

}  // namespace
}  // namespace telaio::kernels
