#include <telaio/nn/data/warp.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../../ops/kernels/for_each_simd_target.hpp"
#include "../../ops/kernels/kernel_test.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;
using testing::FloatNear;
using testing::Pointwise;

std::vector<float> warped(const Affine& map, const ImageShape& shape, const std::vector<float>& x) {
  std::vector<float> y = kernels::unwritten<float>(shape.numel()), scratch;
  warp(map, shape, x.data(), y.data(), scratch);
  std::vector<float> in_place = x;
  warp(map, shape, in_place.data(), in_place.data(), scratch);
  EXPECT_EQ(in_place, y);
  return y;
}

std::vector<float> warped(const Geometry& geometry, const ImageShape& shape, const std::vector<float>& x) {
  return warped(affine(geometry, shape), shape, x);
}

std::vector<float> random_image(const ImageShape& shape) {
  kernels::Random random;
  std::vector<float> x;
  for (int64_t i = 0; i < shape.numel(); ++i) x.push_back(random.value<float>());
  return x;
}

/// The pixel of the image, or 0 outside.
float at(const std::vector<float>& x, const ImageShape& shape, int64_t row, int64_t column, int64_t channel) {
  if (row < 0 || row >= shape.height || column < 0 || column >= shape.width) return 0;
  return x[static_cast<size_t>((row * shape.width + column) * shape.channels + channel)];
}

/// Compares with an image that source(row, column) gives the places of.
template <class Source>
void expect_moved(const Geometry& geometry, const ImageShape& shape, Source&& source) {
  const std::vector<float> x = random_image(shape), y = warped(geometry, shape, x);
  for (int64_t row = 0; row < shape.height; ++row)
    for (int64_t column = 0; column < shape.width; ++column)
      for (int64_t c = 0; c < shape.channels; ++c) {
        const auto [from_row, from_column] = source(row, column);
        EXPECT_EQ(at(y, shape, row, column, c), at(x, shape, from_row, from_column, c))
            << row << " " << column << " " << c;
      }
}

using Place = std::pair<int64_t, int64_t>;
const ImageShape shapes[] = {{28, 28, 1}, {5, 7, 3}, {1, 9, 2}, {6, 1, 1}};

TEST(Warp, NothingIsTheIdentity) {
  for (const ImageShape& shape : shapes) {
    EXPECT_TRUE(affine({}, shape).is_identity());
    expect_moved({}, shape, [](int64_t row, int64_t column) { return Place(row, column); });
  }
}

TEST(Warp, WholeShiftsAreExact) {
  for (const ImageShape& shape : shapes)
    for (const auto& [right, down] : {Place(2, -3), Place(-1, 0), Place(0, 40), Place(-100'000, 5)})
      expect_moved(
          {.right = static_cast<double>(right), .down = static_cast<double>(down)}, shape,
          [right = right, down = down](int64_t row, int64_t column) { return Place(row - down, column - right); });
}

TEST(Warp, FlipsAreExact) {
  for (const ImageShape& shape : shapes)
    expect_moved({.flip = true}, shape,
                 [&](int64_t row, int64_t column) { return Place(row, shape.width - 1 - column); });
}

TEST(Warp, QuarterTurnsAreExact) {
  const ImageShape shape{6, 6, 2};
  // Counter-clockwise: the right edge comes to the top.
  for (const double turn : {90.0, -270.0, 450.0})
    expect_moved({.rotate = turn}, shape, [](int64_t row, int64_t column) { return Place(column, 5 - row); });
  for (const double turn : {180.0, -180.0})
    expect_moved({.rotate = turn}, shape, [](int64_t row, int64_t column) { return Place(5 - row, 5 - column); });
  for (const double turn : {270.0, -90.0})
    expect_moved({.rotate = turn}, shape, [](int64_t row, int64_t column) { return Place(5 - column, row); });
  const ImageShape oblong{4, 7, 1};
  expect_moved({.rotate = 180}, oblong, [](int64_t row, int64_t column) { return Place(3 - row, 6 - column); });
}

TEST(Warp, TheOrderIsFlipThenTurnThenShift) {
  const ImageShape shape{6, 6, 1};
  expect_moved({.flip = true, .rotate = 90, .right = 1, .down = 2}, shape, [](int64_t row, int64_t column) {
    const int64_t turned_row = row - 2, turned_column = column - 1;
    const int64_t flipped_row = turned_column, flipped_column = 5 - turned_row;
    // What the shift brings in from outside comes from outside.
    const bool outside = turned_row < 0 || turned_column < 0;
    return outside ? Place(-1, -1) : Place(flipped_row, 5 - flipped_column);
  });
}

TEST(Warp, HalfPixelsAreInterpolated) {
  EXPECT_THAT(warped({.right = 0.5}, {1, 4, 1}, {1, 3, 5, 7}), ElementsAre(0.5f, 2, 4, 6));
  EXPECT_THAT(warped({.down = -0.25}, {3, 1, 1}, {4, 8, 16}), ElementsAre(5, 10, 12));
  EXPECT_THAT(warped({.right = 0.5, .down = 0.5}, {2, 2, 1}, {4, 8, 12, 16}), ElementsAre(1, 3, 4, 10));
}

TEST(Warp, ZoomScalesAboutTheMiddle) {
  // Distances from the middle double: 0 1 2 3 4 about 2 → sources 1, 1.5, 2, 2.5, 3.
  EXPECT_THAT(warped({.zoom = 2}, {1, 5, 1}, {0, 10, 20, 30, 40}), ElementsAre(10, 15, 20, 25, 30));
  EXPECT_THAT(warped({.zoom = 0.5}, {1, 5, 1}, {1, 2, 3, 4, 5}), ElementsAre(0, 1, 3, 5, 0));
}

TEST(Warp, ShearMovesTheTopToTheRight) {
  // 45 degrees: one pixel for each row above the middle.
  const std::vector<float> upright{0, 1, 0, 0, 1, 0, 0, 1, 0};
  EXPECT_THAT(warped({.shear = 45}, {3, 3, 1}, upright),
              Pointwise(FloatNear(1e-6f), std::vector<float>{0, 0, 1, 0, 1, 0, 1, 0, 0}));
}

TEST(Warp, ASmallTurnMovesTheRightEdgeUp) {
  // A bright pixel to the right of the middle comes to lie higher.
  const ImageShape shape{21, 21, 1};
  std::vector<float> x(21 * 21, 0.0f);
  x[10 * 21 + 20] = 1;
  const std::vector<float> y = warped({.rotate = 10}, shape, x);
  double height = 0, mass = 0;
  for (size_t p = 0; p < y.size(); ++p) {
    mass += static_cast<double>(y[p]);
    height += static_cast<double>(y[p]) * static_cast<double>(p / 21);
  }
  EXPECT_NEAR(height / mass, 10 - 10 * 0.17365, 0.1);  // sin 10°
}

TEST(Warp, TurningBackGivesASmoothImageBack) {
  const ImageShape shape{41, 41, 1};
  std::vector<float> x;
  for (int row = 0; row < 41; ++row)
    for (int column = 0; column < 41; ++column) {
      const double dx = (column - 22) / 6.0, dy = (row - 17) / 8.0;
      x.push_back(static_cast<float>(std::exp(-dx * dx - dy * dy)));
    }
  const Geometry there{.zoom = 1.1, .rotate = 25};
  const Geometry back{.zoom = 1 / 1.1, .rotate = -25};
  EXPECT_THAT(warped(back, shape, warped(there, shape, x)), Pointwise(FloatNear(0.02f), x));
}

// The loop for any number of channels is the reference of the vectors for one.
TEST(Warp, OneChannelAsOneOfTwo) {
  for (const ImageShape& shape : {ImageShape{28, 28, 1}, ImageShape{3, 37, 1}, ImageShape{9, 1, 1}, ImageShape{4, 5, 1},
                                  ImageShape{2, 0, 1}, ImageShape{1, 16, 1}}) {
    const std::vector<float> x = random_image(shape);
    std::vector<float> twice;
    for (const float value : x) twice.insert(twice.end(), {value, -value});
    for (const Geometry& geometry : {Geometry{.zoom = 1.13, .shear = 9, .rotate = 25, .right = 1.3, .down = -2.6},
                                     Geometry{.flip = true, .zoom = 0.4, .rotate = 170}, Geometry{.right = 100}}) {
      const std::vector<float> both = warped(geometry, {shape.height, shape.width, 2}, twice);
      kernels::for_each_simd_target([&] {
        const std::vector<float> y = warped(geometry, shape, x);
        for (size_t i = 0; i < y.size(); ++i) EXPECT_EQ(y[i], both[2 * i]) << shape.width << " wide, " << i;
      });
    }
  }
}

TEST(Warp, PlacesFarOutsideReadZeros) {
  const Affine far{1e9, 0, -1e12, 0, 1e9, 1e12};
  EXPECT_THAT(warped(far, {2, 2, 1}, {1, 2, 3, 4}), ElementsAre(0, 0, 0, 0));
}

}  // namespace
}  // namespace telaio::nn
