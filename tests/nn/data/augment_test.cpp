#include <telaio/nn/data/augment.hpp>

#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../../ops/kernels/kernel_test.hpp"
#include "../temp_dir.hpp"

namespace telaio::nn {
namespace {

using testing::HasSubstr;

constexpr RandomKey key{11, 12};
constexpr ImageShape shape{12, 10, 1};

std::vector<int64_t> ids(int64_t count, int64_t first = 0) {
  std::vector<int64_t> all(static_cast<size_t>(count));
  std::iota(all.begin(), all.end(), first);
  return all;
}

std::vector<float> images(int64_t count) {
  std::vector<float> all;
  for (int64_t i = 0; i < count * shape.numel(); ++i) all.push_back(static_cast<float>(i * i % 97) / 96.0f);
  return all;
}

std::vector<float> augmented(const Augmentation& augmentation, std::span<const int64_t> sample_ids,
                             const std::vector<float>& x, std::span<const float> strength = {}) {
  std::vector<float> y = kernels::unwritten<float>(static_cast<int64_t>(x.size()));
  augment(augmentation, key, sample_ids, shape, x.data(), y.data(), strength);
  return y;
}

const Augmentation everything{
    .shift = 2, .rotate = 15, .zoom = 0.2, .shear = 10, .flip = true, .noise = 0.1, .erase = 0.5, .brightness = 0.3};

TEST(Augmentation, Parse) {
  const Augmentation some = parse_augmentation("shift=2,rotate=10.5,zoom=1e-1");
  EXPECT_EQ(some.shift, 2);
  EXPECT_EQ(some.rotate, 10.5);
  EXPECT_EQ(some.zoom, 0.1);
  EXPECT_EQ(some.shear, 0);
  EXPECT_FALSE(some.flip);
  EXPECT_TRUE(some.any());
  const Augmentation rest = parse_augmentation("flip,erase=0.25,noise=0.05,brightness=1,shear=3");
  EXPECT_TRUE(rest.flip);
  EXPECT_EQ(rest.erase, 0.25);
  EXPECT_EQ(rest.noise, 0.05);
  EXPECT_EQ(rest.brightness, 1);
  EXPECT_EQ(rest.shear, 3);
  EXPECT_TRUE(parse_augmentation("flip=1").flip);
  EXPECT_FALSE(parse_augmentation("flip=0").any());
  EXPECT_FALSE(parse_augmentation("").any());
  EXPECT_FALSE(parse_augmentation("none").any());
}

TEST(Augmentation, PrintsWhatItParses) {
  EXPECT_EQ(to_string(Augmentation{}), "none");
  EXPECT_EQ(to_string(parse_augmentation("rotate=10,shift=2,flip,zoom=0.1")), "shift=2,rotate=10,zoom=0.1,flip");
  const Augmentation odd{.shift = 0.1 + 0.2, .noise = 1.0 / 3};
  const Augmentation back = parse_augmentation(to_string(odd));
  EXPECT_EQ(back.shift, odd.shift);
  EXPECT_EQ(back.noise, odd.noise);
}

TEST(Augmentation, ParseErrorsNameTheOption) {
  const auto error = [](std::string_view text) { return message_of([&] { parse_augmentation(text); }); };
  EXPECT_EQ(
      error("rotat=3"),
      "augmentation: unknown option 'rotat', expected shift, rotate, zoom, shear, noise, erase, brightness, flip");
  EXPECT_EQ(error("shift"), "augmentation: shift needs a number, as in shift=0, got ''");
  EXPECT_EQ(error("shift=2px"), "augmentation: shift needs a number, as in shift=0, got '2px'");
  EXPECT_EQ(error("shift=1,zoom=1"), "augmentation: zoom is 1, expected 0 … below 1");
  EXPECT_EQ(error("rotate=181"), "augmentation: rotate is 181, expected 0 … 180");
  EXPECT_EQ(error("noise=-1"), "augmentation: noise is -1, expected 0 … 1");
  EXPECT_EQ(error("erase=nan"), "augmentation: erase is nan, expected 0 … 1");
  EXPECT_EQ(error("shift=inf"), "augmentation: shift is inf, expected 0 … 1000000");
  EXPECT_EQ(error("flip=yes"), "augmentation: flip takes 0, 1 or nothing, got 'yes'");
  EXPECT_EQ(error("shift=1,shift=2"), "augmentation: shift is given twice");
  EXPECT_THAT(error("shift=1,,zoom=0.1"), HasSubstr("'' has no name"));
}

TEST(Augment, NothingIsTheIdentity) {
  const std::vector<float> x = images(5);
  EXPECT_TRUE(kernels::same_bits(augmented({}, ids(5), x), x));
  const std::vector<float> none(5, 0.0f);
  EXPECT_TRUE(kernels::same_bits(augmented(everything, ids(5), x, none), x));
}

TEST(Augment, DoesNotDependOnThreadsOrBatches) {
  const int64_t count = 300;
  const std::vector<float> x = images(count);
  std::vector<float> expected;
  kernels::with_threads(1, [&] { expected = augmented(everything, ids(count), x); });
  for (const int threads : {2, 8})
    kernels::with_threads(threads,
                          [&] { EXPECT_TRUE(kernels::same_bits(augmented(everything, ids(count), x), expected)); });
  // Two batches, the second one in reverse order and in place.
  const std::vector<float> head(x.begin(), x.begin() + 100 * shape.numel());
  const std::vector<float> first = augmented(everything, ids(100), head);
  EXPECT_TRUE(std::equal(first.begin(), first.end(), expected.begin()));
  for (int64_t i = 299; i >= 100; i -= 7) {
    std::vector<float> image(x.begin() + i * shape.numel(), x.begin() + (i + 1) * shape.numel());
    augment(everything, key, ids(1, i), shape, image.data(), image.data());
    EXPECT_TRUE(std::equal(image.begin(), image.end(), expected.begin() + i * shape.numel()));
  }
}

TEST(Augment, KeysAndIdsGiveOtherChanges) {
  std::vector<float> x = images(1);
  std::vector<float> twice = x;
  twice.insert(twice.end(), x.begin(), x.end());
  const std::vector<float> y = augmented(everything, ids(2), twice);
  EXPECT_FALSE(std::equal(y.begin(), y.begin() + shape.numel(), y.begin() + shape.numel()));
  std::vector<float> other(x.size());
  augment(everything, {11, 13}, ids(1), shape, x.data(), other.data());
  EXPECT_FALSE(std::equal(other.begin(), other.end(), y.begin()));
}

TEST(Augment, StrengthIsForEachImage) {
  const std::vector<float> x = images(3), strength{1, 0, 0.5f};
  const std::vector<float> y = augmented(everything, ids(3), x, strength),
                           full_strength = augmented(everything, ids(3), x);
  const auto same = [&](const std::vector<float>& a, const std::vector<float>& b, int64_t i) {
    return std::equal(a.begin() + i * shape.numel(), a.begin() + (i + 1) * shape.numel(),
                      b.begin() + i * shape.numel());
  };
  EXPECT_TRUE(same(y, full_strength, 0));
  EXPECT_TRUE(same(y, x, 1));
  EXPECT_FALSE(same(y, x, 2));
  EXPECT_FALSE(same(y, full_strength, 2));
  const std::vector<float> two(2);
  EXPECT_EQ(message_of([&] { augmented(everything, ids(3), x, two); }), "augmentation: 2 strengths for 3 images");
}

TEST(Augment, OneOptionDoesNotMoveAnother) {
  const std::vector<float> x = images(20);
  const std::vector<float> turned = augmented({.rotate = 20}, ids(20), x);
  const std::vector<float> both = augmented({.rotate = 20, .brightness = 0.5}, ids(20), x);
  // Brightness multiplies (and clips) the same turned image.
  for (int64_t i = 0; i < 20; ++i) {
    double factor = 0;
    for (int64_t p = 0; p < shape.numel(); ++p) {
      const auto at = static_cast<size_t>(i * shape.numel() + p);
      if (turned[at] < 0.1f || both[at] >= 1) continue;
      const double here = static_cast<double>(both[at] / turned[at]);
      if (factor == 0) factor = here;
      EXPECT_NEAR(here, factor, 1e-5);
    }
    EXPECT_GE(factor, 0.5);
    EXPECT_LE(factor, 1.5);
  }
}

/// The centre of mass of the augmented picture of one bright square in the middle, for many ids.
struct Center {
  double x, y, mass;
};
std::vector<Center> centers(const Augmentation& augmentation, int64_t count) {
  const ImageShape large{33, 33, 1};
  std::vector<float> x(static_cast<size_t>(large.numel()));
  for (int64_t row = 14; row < 19; ++row)
    for (int64_t column = 14; column < 19; ++column) x[static_cast<size_t>(row * 33 + column)] = 0.5f;
  std::vector<Center> all;
  for (int64_t id = 0; id < count; ++id) {
    std::vector<float> y(x.size());
    augment(augmentation, key, ids(1, id), large, x.data(), y.data());
    Center center{0, 0, 0};
    for (size_t p = 0; p < y.size(); ++p) {
      center.mass += static_cast<double>(y[p]);
      center.x += static_cast<double>(y[p]) * static_cast<double>(p % 33);
      center.y += static_cast<double>(y[p]) * static_cast<double>(p / 33);
    }
    all.push_back({center.x / center.mass - 16, center.y / center.mass - 16, center.mass / (25 * 0.5)});
  }
  return all;
}

/// Whether numbers fill −reach … reach evenly enough.
void expect_even(const std::vector<double>& numbers, double reach) {
  double mean = 0, squares = 0;
  for (const double number : numbers) {
    EXPECT_LE(std::abs(number), reach * 1.001);
    mean += number / static_cast<double>(numbers.size());
    squares += number * number / static_cast<double>(numbers.size());
  }
  EXPECT_NEAR(mean, 0, 0.1 * reach);
  EXPECT_NEAR(squares, reach * reach / 3, 0.1 * reach * reach);
}

TEST(Augment, ShiftsFillTheirRange) {
  std::vector<double> x, y;
  for (const Center& center : centers({.shift = 4}, 500)) {
    x.push_back(center.x);
    y.push_back(center.y);
    EXPECT_NEAR(center.mass, 1, 1e-5);
  }
  expect_even(x, 4);
  expect_even(y, 4);
}

TEST(Augment, ZoomAndBrightnessFillTheirRange) {
  std::vector<double> zoom, brightness;
  for (const Center& center : centers({.brightness = 0.4}, 500)) brightness.push_back(center.mass - 1);
  expect_even(brightness, 0.4);
  // The square's area grows with the zoom squared, but for what interpolation does to so few pixels.
  double least = 9, most = 0;
  for (const Center& center : centers({.zoom = 0.3}, 500)) {
    least = std::min(least, center.mass);
    most = std::max(most, center.mass);
    EXPECT_NEAR(center.x, 0, 0.05);
  }
  EXPECT_NEAR(least, 0.49, 0.08);
  EXPECT_NEAR(most, 1.69, 0.08);
}

TEST(Augment, FlipsHalfOfThem) {
  const ImageShape two{1, 2, 1};
  const std::vector<float> x{0.25f, 0.75f};
  int flipped = 0;
  for (int64_t id = 0; id < 1000; ++id) {
    std::vector<float> y(2);
    augment({.flip = true}, key, ids(1, id), two, x.data(), y.data());
    EXPECT_TRUE((y == std::vector<float>{0.25f, 0.75f}) || (y == std::vector<float>{0.75f, 0.25f}));
    flipped += y[0] == 0.75f;
  }
  EXPECT_NEAR(flipped, 500, 80);  // five deviations
}

TEST(Augment, NoiseHasItsDeviationAndStaysInRange) {
  const ImageShape large{100, 100, 1};
  const std::vector<float> grey(10'000, 0.5f);
  std::vector<float> y(grey.size());
  augment({.noise = 0.1}, key, ids(1), large, grey.data(), y.data());
  double sum = 0, squares = 0;
  for (const float value : y) {
    EXPECT_GE(value, 0);
    EXPECT_LE(value, 1);
    sum += static_cast<double>(value) - 0.5;
    squares += std::pow(static_cast<double>(value) - 0.5, 2);
  }
  EXPECT_NEAR(sum / 10'000, 0, 0.005);
  EXPECT_NEAR(std::sqrt(squares / 10'000), 0.1, 0.004);
  augment({.noise = 1}, key, ids(1), large, grey.data(), y.data());
  EXPECT_EQ(*std::min_element(y.begin(), y.end()), 0);
  EXPECT_EQ(*std::max_element(y.begin(), y.end()), 1);
}

TEST(Augment, ErasesRectangles) {
  const ImageShape colour{20, 30, 3};
  const std::vector<float> white(static_cast<size_t>(colour.numel()), 1.0f);
  int erased = 0;
  for (int64_t id = 0; id < 400; ++id) {
    std::vector<float> y(white.size());
    augment({.erase = 0.5}, key, ids(1, id), colour, white.data(), y.data());
    int64_t top = 99, bottom = -1, left = 99, right = -1, zeros = 0;
    for (int64_t row = 0; row < 20; ++row)
      for (int64_t column = 0; column < 30; ++column) {
        const float* pixel = &y[static_cast<size_t>((row * 30 + column) * 3)];
        EXPECT_TRUE(pixel[0] == pixel[1] && pixel[1] == pixel[2]);
        if (pixel[0] != 0) continue;
        ++zeros;
        top = std::min(top, row);
        bottom = std::max(bottom, row);
        left = std::min(left, column);
        right = std::max(right, column);
      }
    if (zeros == 0) continue;
    ++erased;
    EXPECT_EQ(zeros, (bottom - top + 1) * (right - left + 1));
    EXPECT_GE(zeros, 6);    // 2% of 600 are 12, less what rounding takes
    EXPECT_LE(zeros, 150);  // 20% are 120
  }
  EXPECT_NEAR(erased, 200, 50);
}

TEST(Augment, TinyImages) {
  const ImageShape one{1, 1, 1};
  for (int64_t id = 0; id < 50; ++id) {
    float pixel = 0.5f;
    augment(everything, key, ids(1, id), one, &pixel, &pixel);
    EXPECT_GE(pixel, 0);
    EXPECT_LE(pixel, 1);
  }
  augment(everything, key, {}, shape, nullptr, nullptr);
}

}  // namespace
}  // namespace telaio::nn
