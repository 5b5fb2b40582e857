// Pictures, pixel by pixel.
#include <telaio/nn/insight/picture.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/nn/insight/text_font.hpp>
#include <telaio/telaio.hpp>

#include "../../message_of.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;

Array floats(const std::vector<float>& values, const Shape& shape) {
  return from_data(values, shape).value().contiguous();
}

TEST(Picture, OfNumbers) {
  EXPECT_THAT(image_of(floats({0, 0.5F, 1, 2, -1, 0.2F}, {2, 3, 1})).pixels, ElementsAre(0, 128, 255, 255, 0, 51));
  const Image colour = image_of(floats({0, 0.5F, 1}, {1, 1, 3}));
  EXPECT_EQ(colour.channels, 3);
  EXPECT_THAT(colour.pixels, ElementsAre(0, 128, 255));
  EXPECT_THAT(image_of(floats({0, 1}, {1, 1, 2})).pixels, ElementsAre(128));
  EXPECT_THAT(stretched(floats({-3, 1, -1, -4}, {2, 2}), -3, 1).pixels, ElementsAre(0, 255, 128, 0));
  EXPECT_THAT(stretched(floats({7, 7}, {1, 2}), 7, 7).pixels, ElementsAre(0, 0));
  EXPECT_THAT(signed_colours(floats({-2, 0, 1}, {1, 3})).pixels,
              ElementsAre(33, 102, 172, 255, 255, 255, 217, 140, 149));
  EXPECT_THAT(signed_colours(floats({4}, {1, 1}), 2).pixels, ElementsAre(178, 24, 43));
  EXPECT_EQ(message_of([] { stretched(floats({1}, {1, 1, 1}), 0, 1); }), "picture: expected f32 [H,W], got f32[1,1,1]");
  EXPECT_EQ(message_of([] { image_of(floats({1}, {1, 1})); }), "picture: expected f32 [H,W,C], got f32[1,1]");
}

// The colours of a rectangle, all alike, or an empty list.
std::vector<uint8_t> only_colour(const Image& image, int64_t x0, int64_t y0, int64_t width, int64_t height) {
  std::vector<uint8_t> first;
  for (int64_t y = y0; y < y0 + height; ++y)
    for (int64_t x = x0; x < x0 + width; ++x) {
      const auto at = image.pixels.begin() + 3 * (y * image.width + x);
      const std::vector<uint8_t> colour(at, at + 3);
      if (first.empty()) first = colour;
      if (colour != first) return {};
    }
  return first;
}

TEST(Picture, TilesStandInRows) {
  const Image dot{1, 1, 1, {100}}, red{1, 1, 3, {200, 0, 0}};
  const Image picture = draw({{"", {{dot}, {red}, {dot}}, 2}}, 10);
  EXPECT_EQ(picture.channels, 3);
  // Two columns and two rows of ten pixels and a margin of eight.
  EXPECT_EQ(picture.width, 8 + 2 * 18 + 8);
  EXPECT_EQ(picture.height, 8 + 8 + 2 * 18);
  EXPECT_THAT(only_colour(picture, 8, 8, 10, 10), ElementsAre(100, 100, 100));
  EXPECT_THAT(only_colour(picture, 26, 8, 10, 10), ElementsAre(200, 0, 0));
  EXPECT_THAT(only_colour(picture, 8, 26, 10, 10), ElementsAre(100, 100, 100));
  EXPECT_THAT(only_colour(picture, 27, 25, 10, 12), ElementsAre(255, 255, 255));
  EXPECT_THAT(only_colour(picture, 0, 0, picture.width, 7), ElementsAre(255, 255, 255));
}

TEST(Picture, OfLongLines) {
  const Image line{1, 2000, 1, std::vector<uint8_t>(2000, 9)};
  EXPECT_EQ(draw({{"", {{line}}, 1}}, 64).width, 8 + 2008 + 8);
  const Image bar{300, 1, 1, std::vector<uint8_t>(300, 9)};
  EXPECT_LT(draw({{"", {{bar}}, 1}}, 64).height, 340);
  const std::vector<Tile> many(100'000, Tile{bar});
  EXPECT_THAT(message_of([&] { draw({{"", many, 100'000}}, 64); }), testing::HasSubstr("too large to draw"));
}

TEST(Picture, WritesTitlesAndCaptions) {
  const Image dot{1, 1, 1, {255}};
  const Image bare = draw({{"", {{dot}}, 1}}, 24), titled = draw({{"a title", {{dot, "7"}}, 1}}, 24);
  EXPECT_GT(titled.height, bare.height + 2 * letter_height - 8);
  EXPECT_GE(titled.width, 7 * letter_width);
  const auto is_ink = [&](int64_t x, int64_t y) {
    return titled.pixels[static_cast<size_t>(3 * (y * titled.width + x))] == 40;
  };
  for (int64_t y = 0; y < letter_height; ++y)
    for (int64_t x = 0; x < letter_width; ++x) {
      EXPECT_EQ(is_ink(8 + x, 8 + y), letter_pixel('a', x, y));
      EXPECT_EQ(is_ink(8 + 2 * letter_width + x, 8 + y), letter_pixel('t', x, y));
    }
}

TEST(Picture, LettersAreThere) {
  for (char letter = '!'; letter <= '~'; ++letter) {
    int64_t pixels = 0;
    for (int64_t y = 0; y < letter_height; ++y)
      for (int64_t x = 0; x < letter_width; ++x) pixels += letter_pixel(letter, x, y);
    EXPECT_GE(pixels, 2) << letter;
    EXPECT_FALSE(letter_pixel(letter, letter_width - 1, 3));
  }
  // An l is a stroke with feet.
  for (int64_t y = 1; y < 8; ++y) EXPECT_TRUE(letter_pixel('l', 2, y)) << y;
  EXPECT_EQ(letter_pixel('\x01', 2, 1), letter_pixel('?', 2, 1));
  EXPECT_FALSE(letter_pixel('a', 0, 99));
}

}  // namespace
}  // namespace telaio::nn
