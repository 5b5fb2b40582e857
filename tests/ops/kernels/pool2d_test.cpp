#include <telaio/ops/kernels/pool2d.hpp>

#include <algorithm>
#include <cmath>
#include <ostream>

#include "for_each_simd_target.hpp"
#include "kernel_testing.hpp"

namespace telaio::kernels {

void PrintTo(const Pool2dGeometry& g, std::ostream* os) {
  *os << "image " << g.n << "," << g.h << "," << g.w << "," << g.c << " out " << g.oh << "," << g.ow << " window "
      << g.window_h << "," << g.window_w << " stride " << g.stride_h << "," << g.stride_w << " pad " << g.pad_top << ","
      << g.pad_left << "," << g.pad_bottom << "," << g.pad_right;
}

namespace {

using testing::nans;
using testing::Random;
using testing::same_bits;
using testing::with_threads;

template <class T>
class Pool2d : public ::testing::Test {};
using FloatTypes = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Pool2d, FloatTypes);

int64_t in_size(const Pool2dGeometry& g) { return g.n * g.h * g.w * g.c; }
int64_t out_size(const Pool2dGeometry& g) { return g.n * g.oh * g.ow * g.c; }

// Calls body(place in y, first place of that image in x, positions h * W + w of the window) for every window.
template <class Body>
void for_each_window(const Pool2dGeometry& g, const Body& body) {
  for (int64_t n = 0; n < g.n; ++n)
    for (int64_t oy = 0; oy < g.oh; ++oy)
      for (int64_t ox = 0; ox < g.ow; ++ox) {
        std::vector<int64_t> positions;
        int64_t padded = 0;  // places within the padded image
        for (int64_t i = 0; i < g.window_h; ++i)
          for (int64_t j = 0; j < g.window_w; ++j) {
            const int64_t h = oy * g.stride_h - g.pad_top + i, w = ox * g.stride_w - g.pad_left + j;
            if (h < g.h + g.pad_bottom && w < g.w + g.pad_right) ++padded;
            if (h >= 0 && h < g.h && w >= 0 && w < g.w) positions.push_back(h * g.w + w);
          }
        for (int64_t c = 0; c < g.c; ++c)
          body(((n * g.oh + oy) * g.ow + ox) * g.c + c, n * g.h * g.w * g.c + c, positions, padded);
      }
}

// One axis: window, stride, the pads before and behind, and outputs such that every window holds a part of the image.
struct Axis {
  int64_t size, out, window, stride, before, behind;
};
Axis random_axis(Random& random) {
  Axis a{};
  a.size = random.in(1, 12);
  a.window = random.in(1, 4);
  a.stride = random.in(1, 5);
  a.before = random.in(0, a.window - 1);
  a.behind = random.in(0, a.window - 1);
  const int64_t room = a.size + a.before + a.behind - a.window;
  if (room < 0) return random_axis(random);
  a.out = room / a.stride + 1;
  if (random.coin() && a.out * a.stride < a.size + a.before) ++a.out;  // rounded up: beyond even the padding
  return a;
}

Pool2dGeometry random_geometry(Random& random) {
  const Axis y = random_axis(random), x = random_axis(random);
  return {.n = random.in(0, 3),
          .h = y.size,
          .w = x.size,
          .c = random.in(1, 37),
          .oh = y.out,
          .ow = x.out,
          .window_h = y.window,
          .window_w = x.window,
          .stride_h = y.stride,
          .stride_w = x.stride,
          .pad_top = y.before,
          .pad_left = x.before,
          .pad_bottom = y.behind,
          .pad_right = x.behind};
}

template <class T>
struct MaxResults {
  std::vector<T> y;
  std::vector<int32_t> argmax;
};

template <class T>
MaxResults<T> run_max(const Pool2dGeometry& g, const std::vector<T>& x) {
  MaxResults<T> r{nans<T>(out_size(g)), std::vector<int32_t>(static_cast<size_t>(out_size(g)), -1)};
  max_pool2d<T>(g, x.data(), r.y.data(), r.argmax.data());
  return r;
}

template <class T>
std::vector<int32_t> naive_argmax(const Pool2dGeometry& g, const std::vector<T>& x) {
  std::vector<int32_t> argmax(static_cast<size_t>(out_size(g)));
  for_each_window(g, [&](int64_t out, int64_t image, const std::vector<int64_t>& positions, int64_t) {
    int64_t best = positions.front();
    for (const int64_t p : positions) {
      const T value = x[image + p * g.c], so_far = x[image + best * g.c];
      if (!std::isnan(so_far) && (std::isnan(value) || value > so_far)) best = p;
    }
    argmax[out] = static_cast<int32_t>(best);
  });
  return argmax;
}

// Whole numbers from -4 to 4 make many ties; some NaN and infinities among them.
TYPED_TEST(Pool2d, MaxIsTheFirstLargestOrTheFirstNan) {
  using T = TypeParam;
  for_each_simd_target([] {
    for (uint64_t seed = 0; seed < 150; ++seed) {
      Random random(seed);
      const Pool2dGeometry g = random_geometry(random);
      SCOPED_TRACE(::testing::PrintToString(g));
      std::vector<T> x = random.whole_numbers<T>(in_size(g));
      for (T& v : x) {
        const int64_t kind = random.in(0, 60);
        if (kind < 3) v = std::numeric_limits<T>::quiet_NaN();
        if (kind == 3) v = std::numeric_limits<T>::infinity();
        if (kind > 55) v = -std::numeric_limits<T>::infinity();
      }
      const MaxResults<T> got = run_max(g, x);
      ASSERT_EQ(got.argmax, naive_argmax(g, x));
      std::vector<T> chosen = nans<T>(out_size(g));
      max_pool2d_gather<T>(g, x.data(), got.argmax.data(), chosen.data());
      for_each_window(g, [&](int64_t out, int64_t image, const std::vector<int64_t>&, int64_t) {
        const T value = x[image + got.argmax[out] * g.c];
        for (const T result : {got.y[out], chosen[out]}) {
          if (std::isnan(value)) EXPECT_TRUE(std::isnan(result));
          else EXPECT_EQ(result, value);
        }
      });
    }
  });
}

TYPED_TEST(Pool2d, MaxScatterAddsWhereTheLargestWas) {
  using T = TypeParam;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Random random(seed);
    const Pool2dGeometry g = random_geometry(random);
    const std::vector<T> x = random.whole_numbers<T>(in_size(g)), gy = random.whole_numbers<T>(out_size(g));
    const MaxResults<T> pooled = run_max(g, x);
    std::vector<T> gx = nans<T>(in_size(g)), expected(gx.size(), T(0));
    max_pool2d_scatter<T>(g, gy.data(), pooled.argmax.data(), gx.data());
    for_each_window(g, [&](int64_t out, int64_t image, const std::vector<int64_t>&, int64_t) {
      expected[image + pooled.argmax[out] * g.c] += gy[out];
    });
    ASSERT_EQ(gx, expected) << ::testing::PrintToString(g);
  }
}

// At most 16 whole numbers are added exactly and divided once; the gradient divides before it adds, hence its bound:
// a rounding for each quotient and each sum.
TYPED_TEST(Pool2d, AverageAndItsGradientMatchPlainLoops) {
  using T = TypeParam;
  for_each_simd_target([] {
    for (uint64_t seed = 0; seed < 150; ++seed) {
      Random random(seed);
      const Pool2dGeometry g = random_geometry(random);
      const bool include_pad = random.coin();
      SCOPED_TRACE(::testing::Message() << ::testing::PrintToString(g) << (include_pad ? " with" : " without")
                                        << " pad");
      const std::vector<T> x = random.whole_numbers<T>(in_size(g)), gy = random.whole_numbers<T>(out_size(g));
      std::vector<T> y = nans<T>(out_size(g)), gx = nans<T>(in_size(g)), expected_y(y.size());
      avg_pool2d<T>(g, x.data(), y.data(), include_pad);
      avg_pool2d_grad<T>(g, gy.data(), gx.data(), include_pad);
      std::vector<double> expected_gx(gx.size()), magnitude(gx.size());
      for_each_window(g, [&](int64_t out, int64_t image, const std::vector<int64_t>& positions, int64_t padded) {
        const int64_t count = include_pad ? padded : static_cast<int64_t>(positions.size());
        T sum = 0;
        for (const int64_t p : positions) {
          sum += x[image + p * g.c];
          const double share = static_cast<double>(gy[out]) / static_cast<double>(count);
          expected_gx[image + p * g.c] += share;
          magnitude[image + p * g.c] += std::abs(share);
        }
        expected_y[out] = sum / static_cast<T>(count);
      });
      ASSERT_EQ(y, expected_y);
      for (size_t i = 0; i < gx.size(); ++i) {
        ASSERT_LE(std::abs(static_cast<double>(gx[i]) - expected_gx[i]),
                  static_cast<double>(g.window_h * g.window_w + 1) * std::numeric_limits<T>::epsilon() * magnitude[i]);
      }
    }
  });
}

TYPED_TEST(Pool2d, AnAverageOfNothingIsZero) {
  using T = TypeParam;
  const Pool2dGeometry g{.n = 1, .h = 1, .w = 1, .c = 1, .oh = 2, .ow = 1, .window_h = 1, .window_w = 1, .stride_h = 3};
  const T x = 5, gy[] = {7, std::numeric_limits<T>::infinity()};
  for (const bool include_pad : {false, true}) {
    std::vector<T> y = nans<T>(2), gx = nans<T>(1);
    avg_pool2d<T>(g, &x, y.data(), include_pad);
    EXPECT_EQ(y, (std::vector<T>{5, 0}));
    avg_pool2d_grad<T>(g, gy, gx.data(), include_pad);
    EXPECT_EQ(gx[0], 7);
  }
}

TYPED_TEST(Pool2d, GivesTheSameBitsOnOneAndManyThreads) {
  using T = TypeParam;
  const Pool2dGeometry g{.n = 6,
                         .h = 40,
                         .w = 40,
                         .c = 40,
                         .oh = 40,
                         .ow = 40,
                         .window_h = 3,
                         .window_w = 3,
                         .pad_top = 1,
                         .pad_left = 1,
                         .pad_bottom = 1,
                         .pad_right = 1};
  Random random(1);
  const std::vector<T> x = random.reals<T>(in_size(g)), gy = random.reals<T>(out_size(g));
  const auto all = [&] {
    const MaxResults<T> pooled = run_max(g, x);
    std::vector<T> all_of_them = pooled.y, part = nans<T>(in_size(g));
    const auto append = [&] { all_of_them.insert(all_of_them.end(), part.begin(), part.end()); };
    max_pool2d_scatter<T>(g, gy.data(), pooled.argmax.data(), part.data());
    append();
    max_pool2d_gather<T>(g, x.data(), pooled.argmax.data(), part.data());
    append();
    avg_pool2d<T>(g, x.data(), part.data(), true);
    append();
    avg_pool2d_grad<T>(g, gy.data(), part.data(), true);
    append();
    return all_of_them;
  };
  std::vector<T> one, many;
  with_threads(1, [&] { one = all(); });
  with_threads(8, [&] { many = all(); });
  EXPECT_TRUE(same_bits(one, many));
}

}  // namespace
}  // namespace telaio::kernels
