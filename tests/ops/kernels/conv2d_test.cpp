#include <telaio/ops/kernels/conv2d.hpp>

#include <cmath>
#include <ostream>

#include "for_each_simd_target.hpp"
#include "kernel_testing.hpp"

namespace telaio::kernels {

void PrintTo(const Conv2dGeometry& g, std::ostream* os) {
  *os << "image " << g.n << "," << g.h << "," << g.w << "," << g.c << " filter " << g.kh << "," << g.kw << "," << g.o
      << " out " << g.oh << "," << g.ow << " stride " << g.stride_h << "," << g.stride_w << " pad " << g.pad_top << ","
      << g.pad_left << " dilation " << g.dilation_h << "," << g.dilation_w << " groups " << g.groups;
}

namespace {

using testing::nans;
using testing::Random;
using testing::same_bits;
using testing::Scratch;
using testing::with_threads;

template <class T>
class Conv2d : public ::testing::Test {};
using FloatTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Conv2d, FloatTypes);

int64_t image_size(const Conv2dGeometry& g) { return g.n * g.h * g.w * g.c; }
int64_t filter_size(const Conv2dGeometry& g) { return g.kh * g.kw * (g.c / g.groups) * g.o; }
int64_t out_size(const Conv2dGeometry& g) { return g.n * g.oh * g.ow * g.o; }

template <class T>
struct Results {
  std::vector<T> out, gx, gw;
};

template <class T>
Results<T> run(const Conv2dGeometry& g, const std::vector<T>& image, const std::vector<T>& filter,
               const std::vector<T>& gy) {
  Results<T> r{nans<T>(out_size(g)), nans<T>(image_size(g)), nans<T>(filter_size(g))};
  conv2d<T>(g, image.data(), filter.data(), r.out.data(), Scratch(conv2d_scratch_bytes<T>(g)));
  conv2d_input_grad<T>(g, gy.data(), filter.data(), r.gx.data(), Scratch(conv2d_input_grad_scratch_bytes<T>(g)));
  conv2d_weight_grad<T>(g, image.data(), gy.data(), r.gw.data(), Scratch(conv2d_weight_grad_scratch_bytes<T>(g)));
  return r;
}

// Calls body(out index, image index, filter index) for every product of the convolution; padding has none.
template <class Body>
void for_each_product(const Conv2dGeometry& g, const Body& body) {
  const int64_t channels = g.c / g.groups, outs = g.o / g.groups;
  for (int64_t n = 0; n < g.n; ++n)
    for (int64_t y = 0; y < g.oh; ++y)
      for (int64_t x = 0; x < g.ow; ++x)
        for (int64_t i = 0; i < g.kh; ++i)
          for (int64_t j = 0; j < g.kw; ++j) {
            const int64_t h = y * g.stride_h + i * g.dilation_h - g.pad_top;
            const int64_t w = x * g.stride_w + j * g.dilation_w - g.pad_left;
            if (h < 0 || h >= g.h || w < 0 || w >= g.w) continue;
            for (int64_t ch = 0; ch < channels; ++ch)
              for (int64_t q = 0; q < g.o; ++q)
                body(((n * g.oh + y) * g.ow + x) * g.o + q, ((n * g.h + h) * g.w + w) * g.c + q / outs * channels + ch,
                     ((i * g.kw + j) * channels + ch) * g.o + q);
          }
}

template <class T>
Results<T> naive(const Conv2dGeometry& g, const std::vector<T>& image, const std::vector<T>& filter,
                 const std::vector<T>& gy) {
  Results<double> sums{std::vector<double>(static_cast<size_t>(out_size(g))),
                       std::vector<double>(static_cast<size_t>(image_size(g))),
                       std::vector<double>(static_cast<size_t>(filter_size(g)))};
  for_each_product(g, [&](int64_t o, int64_t i, int64_t f) {
    sums.out[o] += static_cast<double>(image[i]) * static_cast<double>(filter[f]);
    sums.gx[i] += static_cast<double>(gy[o]) * static_cast<double>(filter[f]);
    sums.gw[f] += static_cast<double>(gy[o]) * static_cast<double>(image[i]);
  });
  const auto cast = [](const std::vector<double>& v) { return std::vector<T>(v.begin(), v.end()); };
  return {cast(sums.out), cast(sums.gx), cast(sums.gw)};
}

template <class T>
void expect_exact(const Conv2dGeometry& g, Random& random) {
  const auto image = random.whole_numbers<T>(image_size(g)), filter = random.whole_numbers<T>(filter_size(g)),
             gy = random.whole_numbers<T>(out_size(g));
  const Results<T> got = run(g, image, filter, gy), expected = naive(g, image, filter, gy);
  ASSERT_EQ(got.out, expected.out) << ::testing::PrintToString(g);
  ASSERT_EQ(got.gx, expected.gx) << ::testing::PrintToString(g);
  ASSERT_EQ(got.gw, expected.gw) << ::testing::PrintToString(g);
}

// Output positions along one axis for random padding behind; makes room for at least one window.
int64_t random_outputs(Random& random, int64_t size, int64_t taps, int64_t stride, int64_t pad, int64_t dilation) {
  const int64_t window = dilation * (taps - 1) + 1;
  const int64_t padded = std::max(size + pad + random.in(0, 4), window);
  return (padded - window) / stride + 1;
}

// Strides beyond the window, padding beyond the filter, sizes of 1 and empty batches included.
Conv2dGeometry random_geometry(Random& random) {
  Conv2dGeometry g{};
  g.n = random.in(0, 3);
  g.h = random.in(1, 11);
  g.w = random.in(1, 11);
  g.kh = random.in(1, 4);
  g.kw = random.in(1, 4);
  g.stride_h = random.in(1, 4);
  g.stride_w = random.in(1, 4);
  g.pad_top = random.in(0, 5);
  g.pad_left = random.in(0, 5);
  g.dilation_h = random.in(1, 3);
  g.dilation_w = random.in(1, 3);
  g.oh = random_outputs(random, g.h, g.kh, g.stride_h, g.pad_top, g.dilation_h);
  g.ow = random_outputs(random, g.w, g.kw, g.stride_w, g.pad_left, g.dilation_w);
  g.groups = random.coin() ? 1 : random.in(2, 4);
  g.c = g.groups * random.in(1, 7);
  g.o = g.groups * random.in(1, 19);
  return g;
}

TYPED_TEST(Conv2d, AndItsGradientsAreExactOnWholeNumbers) {
  for_each_simd_target([] {
    for (uint64_t seed = 0; seed < 150; ++seed) {
      Random random(seed);
      expect_exact<TypeParam>(random_geometry(random), random);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

// Neither dilated nor in groups: lines of windows are read where they lie, in blocks of many lines or of a part of one.
TYPED_TEST(Conv2d, OfCommonLayersIsExactOnWholeNumbers) {
  for_each_simd_target([] {
    for (uint64_t seed = 0; seed < 40; ++seed) {
      Random random(seed);
      Conv2dGeometry g = random_geometry(random);
      g.dilation_h = g.dilation_w = g.groups = 1;
      g.stride_h = random.in(1, 2), g.stride_w = random.in(1, 2);
      g.h = random.in(1, 20), g.w = seed % 4 == 0 ? random.in(150, 300) : random.in(1, 30);
      g.c = random.in(1, 16), g.o = random.in(1, 40);
      if (seed % 5 == 1) g.c = 1, g.kh = g.kw = seed % 2 == 0 ? 3 : 5;  // which have a kernel of their own
      g.oh = random_outputs(random, g.h, g.kh, g.stride_h, g.pad_top, 1);
      g.ow = random_outputs(random, g.w, g.kw, g.stride_w, g.pad_left, 1);
      expect_exact<TypeParam>(g, random);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

// Wide enough that what windows see of the padding is left out, and each position multiplied with the taps it has; in
// several pieces of an image, with strides, dilated down the image, and with more padding than the window reaches.
TYPED_TEST(Conv2d, OfWideImagesIsExactOnWholeNumbers) {
  for_each_simd_target([] {
    for (uint64_t seed = 0; seed < 40; ++seed) {
      Random random(seed);
      Conv2dGeometry g = random_geometry(random);
      g.n = random.in(1, 3);
      g.dilation_w = g.groups = 1;
      g.stride_h = random.in(1, 2), g.stride_w = seed % 3 == 0 ? 2 : 1;
      g.h = random.in(8, 40), g.w = seed % 8 == 0 ? random.in(100, 200) : random.in(14, 40);
      if (seed % 8 == 0) g.n = 1, g.h = random.in(8, 12);
      g.c = seed % 2 == 0 ? random.in(32, 70) : random.in(8, 20), g.o = random.in(8, 40);
      g.oh = random_outputs(random, g.h, g.kh, g.stride_h, g.pad_top, g.dilation_h);
      g.ow = random_outputs(random, g.w, g.kw, g.stride_w, g.pad_left, 1);
      expect_exact<TypeParam>(g, random);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

// Which have a kernel of their own: images whole and in several pieces, lines short and long.
TYPED_TEST(Conv2d, OfOneChannelIsExactOnWholeNumbers) {
  for_each_simd_target([] {
    for (uint64_t seed = 0; seed < 12; ++seed) {
      Random random(seed);
      Conv2dGeometry g = random_geometry(random);
      g.n = random.in(1, 2), g.c = g.groups = g.dilation_w = 1;
      g.kh = g.kw = seed % 2 == 0 ? 3 : 5;
      g.stride_h = random.in(1, 2), g.stride_w = random.in(1, 2);
      g.h = random.in(8, 45), g.w = seed % 3 == 0 ? random.in(100, 200) : random.in(12, 40);
      if (seed % 5 == 0) g.pad_top = g.pad_left = 0;
      g.o = random.in(1, 40);
      g.oh = random_outputs(random, g.h, g.kh, g.stride_h, g.pad_top, g.dilation_h);
      g.ow = random_outputs(random, g.w, g.kw, g.stride_w, g.pad_left, 1);
      expect_exact<TypeParam>(g, random);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

// A few channels on one side and many on the other: dot products along the lines of a window.
TYPED_TEST(Conv2d, ToAndFromAFewChannelsIsExactOnWholeNumbers) {
  for_each_simd_target([] {
    for (uint64_t seed = 0; seed < 48; ++seed) {
      Random random(seed);
      Conv2dGeometry g = random_geometry(random);
      g.dilation_h = g.dilation_w = g.groups = 1;
      if (seed % 3 != 0) g.stride_h = g.stride_w = 1;
      g.c = random.in(1, 8), g.o = random.in(15, 40);
      if (seed % 2 == 0) std::swap(g.c, g.o);
      g.oh = random_outputs(random, g.h, g.kh, g.stride_h, g.pad_top, 1);
      g.ow = random_outputs(random, g.w, g.kw, g.stride_w, g.pad_left, 1);
      expect_exact<TypeParam>(g, random);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

TYPED_TEST(Conv2d, DepthwiseIsExactOnWholeNumbers) {
  for_each_simd_target([] {
    for (uint64_t seed = 0; seed < 100; ++seed) {
      Random random(seed);
      Conv2dGeometry g = random_geometry(random);
      g.c = g.groups = random.in(2, 40);
      g.o = g.c * random.in(1, 3);
      expect_exact<TypeParam>(g, random);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

// One filter a channel, on lines long enough that positions next to one another are computed together.
TYPED_TEST(Conv2d, DepthwiseOfLongLinesIsExactOnWholeNumbers) {
  for_each_simd_target([] {
    for (uint64_t seed = 0; seed < 60; ++seed) {
      Random random(seed);
      Conv2dGeometry g = random_geometry(random);
      g.n = random.in(1, 2), g.w = random.in(8, 50);
      g.stride_w = seed % 2 == 0 ? 1 : random.in(1, 3);
      g.c = g.o = g.groups = random.in(2, 40);
      g.ow = random_outputs(random, g.w, g.kw, g.stride_w, g.pad_left, g.dilation_w);
      expect_exact<TypeParam>(g, random);
      if (::testing::Test::HasFatalFailure()) return;
    }
  });
}

// Large enough for several tasks, for blocks that end inside a window, and for a weight gradient split along positions.
constexpr Conv2dGeometry large{
    .n = 5, .h = 23, .w = 29, .c = 34, .kh = 3, .kw = 3, .o = 37, .oh = 23, .ow = 29, .pad_top = 1, .pad_left = 1};
constexpr Conv2dGeometry large_depthwise{.n = 4,
                                         .h = 40,
                                         .w = 40,
                                         .c = 48,
                                         .kh = 3,
                                         .kw = 3,
                                         .o = 96,
                                         .oh = 40,
                                         .ow = 40,
                                         .pad_top = 1,
                                         .pad_left = 1,
                                         .groups = 48};

// Its padding is left out, and its lines with their padding do not fit a task's stack at once.
constexpr Conv2dGeometry wide{
    .n = 2, .h = 28, .w = 28, .c = 128, .kh = 3, .kw = 3, .o = 40, .oh = 28, .ow = 28, .pad_top = 1, .pad_left = 1};

// The window of 150 channels is longer than what a panel of the weight gradient is multiplied with at a time.
constexpr Conv2dGeometry long_window{
    .n = 2, .h = 6, .w = 5, .c = 150, .kh = 3, .kw = 3, .o = 9, .oh = 6, .ow = 5, .pad_top = 1, .pad_left = 1};

TYPED_TEST(Conv2d, OfALongWindowIsExactOnWholeNumbers) {
  for_each_simd_target([] {
    Random random(1);
    expect_exact<TypeParam>(long_window, random);
  });
}

TYPED_TEST(Conv2d, OfManyTasksIsExactOnWholeNumbers) {
  Random random(1);
  with_threads(8, [&] {
    expect_exact<TypeParam>(large, random);
    expect_exact<TypeParam>(large_depthwise, random);
    expect_exact<TypeParam>(wide, random);
  });
}

TYPED_TEST(Conv2d, GivesTheSameBitsOnOneAndManyThreads) {
  using T = TypeParam;
  Random random(2);
  for (const Conv2dGeometry& g : {large, large_depthwise, wide}) {
    const auto image = random.reals<T>(image_size(g)), filter = random.reals<T>(filter_size(g)),
               gy = random.reals<T>(out_size(g));
    Results<T> one, many;
    with_threads(1, [&] { one = run(g, image, filter, gy); });
    with_threads(8, [&] { many = run(g, image, filter, gy); });
    EXPECT_TRUE(same_bits(one.out, many.out)) << ::testing::PrintToString(g);
    EXPECT_TRUE(same_bits(one.gx, many.gx)) << ::testing::PrintToString(g);
    EXPECT_TRUE(same_bits(one.gw, many.gw)) << ::testing::PrintToString(g);
  }
}

// The bound of gemm_test: terms * epsilon * sum of magnitudes.
TYPED_TEST(Conv2d, ErrsNoMoreThanSummationMay) {
  using T = TypeParam;
  Random random(3);
  for (const Conv2dGeometry& g : {large, large_depthwise}) {
    const auto image = random.reals<T>(image_size(g)), filter = random.reals<T>(filter_size(g)),
               gy = random.reals<T>(out_size(g));
    const Results<T> got = run(g, image, filter, gy);
    struct Sum {
      long double value = 0, magnitude = 0, terms = 0;
      void add(long double product) {
        value += product;
        magnitude += std::abs(product);
        terms += 1;
      }
    };
    std::vector<Sum> out(got.out.size()), gx(got.gx.size()), gw(got.gw.size());
    for_each_product(g, [&](int64_t o, int64_t i, int64_t f) {
      out[o].add(static_cast<long double>(image[i]) * filter[f]);
      gx[i].add(static_cast<long double>(gy[o]) * filter[f]);
      gw[f].add(static_cast<long double>(gy[o]) * image[i]);
    });
    const auto check = [](const std::vector<T>& values, const std::vector<Sum>& sums) {
      for (size_t i = 0; i < values.size(); ++i) {
        ASSERT_LE(std::abs(values[i] - sums[i].value),
                  sums[i].terms * std::numeric_limits<T>::epsilon() * sums[i].magnitude);
      }
    };
    check(got.out, out);
    check(got.gx, gx);
    check(got.gw, gw);
  }
}

TYPED_TEST(Conv2d, AnInfinityReachesExactlyTheWindowsThatHoldIt) {
  using T = TypeParam;
  for (const int64_t groups : {1, 4}) {
    const Conv2dGeometry g{.n = 2,
                           .h = 9,
                           .w = 7,
                           .c = 4,
                           .kh = 3,
                           .kw = 3,
                           .o = 4,
                           .oh = 9,
                           .ow = 7,
                           .pad_top = 1,
                           .pad_left = 1,
                           .groups = groups};
    for_each_simd_target([&] {
      std::vector<T> image(static_cast<size_t>(image_size(g)), T(1)), out = nans<T>(out_size(g));
      const std::vector<T> filter(static_cast<size_t>(filter_size(g)), T(1));
      image[(4 * g.w + 6) * g.c] = std::numeric_limits<T>::infinity();  // image 0, row 4, the last column
      conv2d<T>(g, image.data(), filter.data(), out.data(), Scratch(conv2d_scratch_bytes<T>(g)));
      std::vector<T> held(out.size(), T(0));
      for_each_product(g, [&](int64_t o, int64_t i, int64_t) { held[o] += std::isinf(image[i]) ? T(1) : T(0); });
      for (size_t i = 0; i < out.size(); ++i) {
        ASSERT_FALSE(std::isnan(out[i]));
        EXPECT_EQ(std::isinf(out[i]), held[i] > 0) << i;
      }
    });
  }
}

TYPED_TEST(Conv2d, PaddingIsZeroTimesTheFilter) {
  using T = TypeParam;
  for (const int64_t channels : {1, 2}) {  // a matrix product and a depthwise convolution
    const Conv2dGeometry g{
        .n = 1, .h = 1, .w = 2, .c = channels, .kh = 1, .kw = 2, .o = channels, .oh = 1, .ow = 2, .groups = channels};
    const std::vector<T> image(static_cast<size_t>(2 * channels), T(1));
    std::vector<T> filter(static_cast<size_t>(2 * channels), T(1)), out = nans<T>(2 * channels);
    conv2d<T>(g, image.data(), filter.data(), out.data(), Scratch(conv2d_scratch_bytes<T>(g)));
    EXPECT_EQ(out[0], 2);
    EXPECT_EQ(out[channels], 1);  // the second tap is padding
    filter[channels] = std::numeric_limits<T>::infinity();
    conv2d<T>(g, image.data(), filter.data(), out.data(), Scratch(conv2d_scratch_bytes<T>(g)));
    EXPECT_TRUE(std::isinf(out[0]));
    EXPECT_TRUE(std::isnan(out[channels]));
  }
}

// Lines of padding may be left out only where the filter is finite.
TYPED_TEST(Conv2d, PaddingIsZeroTimesTheFilterOfManyChannels) {
  using T = TypeParam;
  const Conv2dGeometry g{
      .n = 1, .h = 4, .w = 4, .c = 8, .kh = 3, .kw = 3, .o = 8, .oh = 4, .ow = 4, .pad_top = 1, .pad_left = 1};
  for_each_simd_target([&] {
    const std::vector<T> image(static_cast<size_t>(image_size(g)), T(1));
    std::vector<T> filter(static_cast<size_t>(filter_size(g)), T(1));
    filter[8] = std::numeric_limits<T>::infinity();  // the first tap: padding for the first line and column
    const Results<T> r = run(g, image, filter, std::vector<T>(static_cast<size_t>(out_size(g)), T(1)));
    for (int64_t y = 0; y < 4; ++y)
      for (int64_t x = 0; x < 4; ++x) {
        EXPECT_EQ(std::isnan(r.out[(y * 4 + x) * 8]), y == 0 || x == 0) << y << "," << x;
        EXPECT_EQ(std::isnan(r.gx[(y * 4 + x) * 8 + 1]), y == 3 || x == 3) << y << "," << x;
      }
  });
}

TYPED_TEST(Conv2d, PaddingOfAWideImageIsZeroTimesTheFilter) {
  using T = TypeParam;
  for_each_simd_target([] {
    Random random(4);
    const auto image = random.whole_numbers<T>(image_size(wide)), gy = random.whole_numbers<T>(out_size(wide));
    auto filter = random.whole_numbers<T>(filter_size(wide));
    filter[8] = std::numeric_limits<T>::infinity();  // the first tap: padding for the first line and column
    const Results<T> r = run(wide, image, filter, gy);
    for (int64_t y = 0; y < 28; ++y)
      for (int64_t x = 0; x < 28; ++x) {
        const bool beside = y == 0 || x == 0;
        EXPECT_EQ(std::isfinite(r.out[(y * 28 + x) * 40 + 8]), false);
        EXPECT_TRUE(!beside || std::isnan(r.out[(y * 28 + x) * 40 + 8])) << y << "," << x;
        EXPECT_TRUE(std::isfinite(r.out[(y * 28 + x) * 40 + 9]));
      }
  });
}

// Where a gradient is not finite, the padding that its window sees makes a NaN of the tap.
TYPED_TEST(Conv2d, PaddingOfAWideImageIsZeroTimesTheGradient) {
  using T = TypeParam;
  for_each_simd_target([] {
    Random random(5);
    const std::vector<T> image(static_cast<size_t>(image_size(wide)), T(1));
    const auto filter = random.whole_numbers<T>(filter_size(wide));
    auto gy = random.whole_numbers<T>(out_size(wide));
    const auto finite = naive(wide, image, filter, gy);
    gy[(28 * 27) * 40 + 7] = std::numeric_limits<T>::infinity();  // the first place of the last line
    const Results<T> r = run(wide, image, filter, gy);
    for (int64_t i = 0; i < 3; ++i)
      for (int64_t j = 0; j < 3; ++j)
        for (int64_t c = 0; c < 128; ++c)
          for (int64_t o = 0; o < 40; ++o) {
            const T x = r.gw[((i * 3 + j) * 128 + c) * 40 + o];
            if (o != 7) ASSERT_EQ(x, finite.gw[((i * 3 + j) * 128 + c) * 40 + o]);
            else if (i == 2 || j == 0) ASSERT_TRUE(std::isnan(x)) << i << "," << j;
            else ASSERT_TRUE(std::isinf(x)) << i << "," << j;
          }
  });
}

TEST(Conv2dFlops, CountsTwoForEachProductOfTheLayer) {
  EXPECT_EQ(conv2d_flops({.n = 2, .h = 5, .w = 5, .c = 6, .kh = 3, .kw = 3, .o = 4, .oh = 3, .ow = 3, .groups = 2}),
            2 * (2 * 3 * 3) * 4 * (3 * 3 * 3));
}

}  // namespace
}  // namespace telaio::kernels
