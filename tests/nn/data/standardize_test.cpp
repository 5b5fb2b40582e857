#include <telaio/nn/data/standardize.hpp>

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../../ops/kernels/kernel_test.hpp"
#include "../temp_dir.hpp"
#include "samples_testing.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;
using testing::FloatNear;
using testing::HasSubstr;

TEST(Standardization, ParseAndPrint) {
  const Standardization all = parse_standardization("pixels,deskew,center");
  EXPECT_TRUE(all.center && all.deskew && all.pixels);
  EXPECT_EQ(to_string(all), "center,deskew,pixels");
  EXPECT_EQ(to_string(parse_standardization("deskew")), "deskew");
  EXPECT_EQ(to_string(parse_standardization("none")), "none");
  EXPECT_FALSE(parse_standardization("").any());
  EXPECT_EQ(message_of([] { parse_standardization("centre"); }),
            "standardization: unknown option 'centre', expected center, deskew, pixels");
  EXPECT_EQ(message_of([] { parse_standardization("center,center"); }), "standardization: center is given twice");
}

struct Moments {
  double x = 0, y = 0, lean = 0;
};
Moments moments(const ImageShape& shape, const std::vector<float>& image) {
  double mass = 0, sx = 0, sy = 0, xy = 0, yy = 0;
  const auto pixel = [&](int64_t row, int64_t column) {
    return static_cast<double>(image[static_cast<size_t>((row * shape.width + column) * shape.channels)]);
  };
  for (int64_t row = 0; row < shape.height; ++row)
    for (int64_t column = 0; column < shape.width; ++column) {
      mass += pixel(row, column);
      sx += pixel(row, column) * static_cast<double>(column);
      sy += pixel(row, column) * static_cast<double>(row);
    }
  sx /= mass;
  sy /= mass;
  for (int64_t row = 0; row < shape.height; ++row)
    for (int64_t column = 0; column < shape.width; ++column) {
      xy += pixel(row, column) * (static_cast<double>(column) - sx) * (static_cast<double>(row) - sy);
      yy += pixel(row, column) * std::pow(static_cast<double>(row) - sy, 2);
    }
  return {sx, sy, xy / yy};
}

/// A slanted bar, off the middle.
std::vector<float> slanted(const ImageShape& shape, double slant, double x, double y) {
  std::vector<float> image(static_cast<size_t>(shape.numel()), 0.0f);
  for (int64_t row = 0; row < shape.height; ++row)
    for (int64_t column = 0; column < shape.width; ++column) {
      const double dy = static_cast<double>(row) - y, dx = static_cast<double>(column) - x + slant * dy;
      const double ink = std::exp(-dx * dx / 4 - dy * dy / 25);
      for (int64_t c = 0; c < shape.channels; ++c)
        image[static_cast<size_t>((row * shape.width + column) * shape.channels + c)] = static_cast<float>(ink);
    }
  return image;
}

TEST(Standardize, CentersTheMass) {
  for (const int64_t channels : {1, 3}) {
    const ImageShape shape{30, 29, channels};
    std::vector<float> image = slanted(shape, 0.3, 11.3, 12.8);
    standardize({.center = true}, {30, 29, channels}, 1, image.data());
    const Moments after = moments(shape, image);
    EXPECT_NEAR(after.x, 14, 0.01);
    EXPECT_NEAR(after.y, 14.5, 0.01);
    EXPECT_NEAR(after.lean, -0.3, 0.02);
  }
}

TEST(Standardize, DeskewTakesOutTheSlant) {
  const ImageShape shape{30, 30, 1};
  for (const double slant : {0.5, -0.4}) {
    std::vector<float> image = slanted(shape, slant, 16, 13);
    ASSERT_NEAR(moments(shape, image).lean, -slant, 0.02);
    standardize({.deskew = true}, {30, 30, 1}, 1, image.data());
    const Moments after = moments(shape, image);
    EXPECT_NEAR(after.lean, 0, 0.01);
    EXPECT_NEAR(after.x, 16, 0.02);
    EXPECT_NEAR(after.y, 13, 0.02);
    image = slanted(shape, slant, 16, 13);
    standardize({.center = true, .deskew = true}, {30, 30, 1}, 1, image.data());
    const Moments both = moments(shape, image);
    EXPECT_NEAR(both.lean, 0, 0.01);
    EXPECT_NEAR(both.x, 14.5, 0.02);
    EXPECT_NEAR(both.y, 14.5, 0.02);
  }
}

TEST(Standardize, WholeShiftsAreExact) {
  std::vector<float> image(25, 0.0f);
  image[0] = 0.7f;
  standardize({.center = true}, {5, 5, 1}, 1, image.data());
  std::vector<float> expected(25, 0.0f);
  expected[12] = 0.7f;
  EXPECT_EQ(image, expected);
}

TEST(Standardize, ImagesWithoutMassOrHeightStay) {
  std::vector<float> black(25, 0.0f);
  standardize({.center = true, .deskew = true}, {5, 5, 1}, 1, black.data());
  EXPECT_EQ(black, std::vector<float>(25, 0.0f));
  // A horizontal line leans nowhere.
  std::vector<float> line(25, 0.0f);
  for (size_t p = 10; p < 15; ++p) line[p] = 1;
  const std::vector<float> before = line;
  standardize({.center = true, .deskew = true}, {5, 5, 1}, 1, line.data());
  EXPECT_EQ(line, before);
}

TEST(Standardize, SlantsEndAt45Degrees) {
  const Affine map = [] {
    const ImageShape shape{30, 90, 1};
    const std::vector<float> image = slanted(shape, 3, 45, 15);
    return upright({.deskew = true}, shape, image.data());
  }();
  EXPECT_EQ(map.xy, -1);
}

/// Mean and deviation of a place by the definition.
std::pair<double, double> by_definition(const std::vector<float>& x, int64_t place, int64_t n) {
  const int64_t count = static_cast<int64_t>(x.size()) / n;
  double mean = 0, squares = 0;
  for (int64_t i = 0; i < count; ++i) mean += static_cast<double>(x[static_cast<size_t>(i * n + place)]);
  mean /= static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i)
    squares += std::pow(static_cast<double>(x[static_cast<size_t>(i * n + place)]) - mean, 2);
  return {mean, std::sqrt(squares / static_cast<double>(count))};
}

TEST(Standardize, FitsTables) {
  kernels::Random random;
  SCOPED_TRACE(random.seed);
  for (const int64_t count : {1, 2, 300, 20'011}) {
    std::vector<float> x;
    for (int64_t i = 0; i < count; ++i) {
      x.push_back(1000 + random.value<float>());
      x.push_back(7.3f);
      x.push_back(1e-4f * random.value<float>());
    }
    const Samples samples{from_data(x, {count, 3}), zeros({count}, i64), numbered_classes(1)};
    Standardization steps{.pixels = true};
    fit(steps, samples);
    const std::vector<float> mean = steps.mean.to_vector<float>(), deviation = steps.deviation.to_vector<float>();
    for (int64_t place : {0, 2}) {
      const auto [expected_mean, expected_deviation] = by_definition(x, place, 3);
      const auto p = static_cast<size_t>(place);
      EXPECT_NEAR(mean[p], expected_mean, 1e-7 * std::abs(expected_mean));
      if (count > 1) EXPECT_NEAR(deviation[p], expected_deviation, 1e-6 * expected_deviation);
      else EXPECT_EQ(deviation[p], 1);
    }
    EXPECT_EQ(mean[1], 7.3f);
    EXPECT_EQ(deviation[1], 1) << "a constant column";
  }
}

TEST(Standardize, FitsImagesInUnits) {
  // Two places that change, 0…255, and one that hardly ever does.
  std::vector<uint8_t> x;
  const int64_t count = 1000;
  for (int64_t i = 0; i < count; ++i) {
    x.push_back(i % 2 == 0 ? 255 : 0);
    x.push_back(i % 4 < 2 ? 51 : 153);
    x.push_back(i == 500 ? 51 : 0);
  }
  const Samples samples{from_data(x, {count, 1, 3, 1}), zeros({count}, i64), numbered_classes(1)};
  Standardization steps{.pixels = true};
  fit(steps, samples);
  EXPECT_THAT(steps.mean.to_vector<float>(), ElementsAre(0.5f, FloatNear(0.4f, 1e-6f), FloatNear(0.0002f, 1e-8f)));
  const double third = 0.001 * 0.999 * 0.04;
  const auto least = static_cast<float>(0.1 * std::sqrt((0.25 + 0.04 + third) / 3));
  EXPECT_THAT(steps.deviation.to_vector<float>(), ElementsAre(0.5f, FloatNear(0.2f, 1e-6f), FloatNear(least, 1e-7f)));

  std::vector<float> two{1, 0.4f, 0, 0, 0.6f, 0.0002f};
  standardize(steps, {1, 3, 1}, 2, two.data());
  EXPECT_THAT(two, ElementsAre(FloatNear(1, 1e-6f), FloatNear(0, 1e-6f), FloatNear(-0.0002f / least, 1e-6f),
                               FloatNear(-1, 1e-6f), FloatNear(1, 1e-5f), FloatNear(0, 1e-6f)));
}

TEST(Standardize, FitsWhatTheOtherStepsLeave) {
  // One bright pixel anywhere is in the middle after centring: there is no deviation left.
  std::vector<uint8_t> x(9 * 25, 0);
  for (size_t i = 0; i < 9; ++i) x[i * 25 + (i / 3 + 1) * 5 + i % 3 + 1] = 255;
  const Samples samples{from_data(x, {9, 5, 5, 1}), zeros({9}, i64), numbered_classes(1)};
  Standardization steps{.center = true, .pixels = true};
  fit(steps, samples);
  std::vector<float> middle(25, 0.0f);
  middle[12] = 1;
  EXPECT_EQ(steps.mean.to_vector<float>(), middle);
  EXPECT_EQ(steps.deviation.to_vector<float>(), std::vector<float>(25, 1.0f));
}

TEST(Standardize, DoesNotDependOnThreads) {
  const Samples samples = counting_images(5000, 9, 8, 1, 10);
  const auto run = [&] {
    Standardization steps{.center = true, .deskew = true, .pixels = true};
    fit(steps, samples);
    std::vector<float> x = samples.inputs.to_vector<float>();
    standardize(steps, samples.sample_shape(), samples.size(), x.data());
    std::vector<float> all = steps.mean.to_vector<float>(), deviation = steps.deviation.to_vector<float>();
    all.insert(all.end(), deviation.begin(), deviation.end());
    all.insert(all.end(), x.begin(), x.end());
    return all;
  };
  std::vector<float> expected;
  kernels::with_threads(1, [&] { expected = run(); });
  for (const int threads : {2, 8})
    kernels::with_threads(threads, [&] { EXPECT_TRUE(kernels::same_bits(run(), expected)); });
}

TEST(Standardize, Errors) {
  std::vector<float> x(4);
  EXPECT_EQ(message_of([&] { standardize({.center = true}, {4}, 1, x.data()); }),
            "standardization: center needs images [H,W,C], the samples have shape [4]");
  EXPECT_EQ(message_of([&] {
              standardize({.deskew = true}, {2, 2}, 1, x.data());
            }),
            "standardization: deskew needs images [H,W,C], the samples have shape [2,2]");
  EXPECT_EQ(message_of([&] { standardize({.pixels = true}, {4}, 1, x.data()); }),
            "standardization: mean and deviation of the pixels were not fitted to training data");
  EXPECT_EQ(
      message_of([&] { standardize({.pixels = true, .mean = zeros({4}), .deviation = ones({3})}, {4}, 1, x.data()); }),
      "standardization: the deviation is f32[3], the samples have shape [4]");
  Standardization steps{.center = true, .pixels = true};
  const Samples table{zeros({3, 2}), zeros({3}, i64), numbered_classes(1)};
  EXPECT_THAT(message_of([&] { fit(steps, table); }), HasSubstr("center needs images"));
  steps.center = false;
  EXPECT_EQ(message_of([&] { fit(steps, take(table, 0, 0)); }),
            "standardization: no samples to fit mean and deviation to");
}

}  // namespace
}  // namespace telaio::nn
