#include <telaio/nn/data/png.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/crc.hpp>

#include "../temp_dir.hpp"

namespace telaio::nn {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

Image pattern(int64_t height, int64_t width, int64_t channels) {
  Image image{height, width, channels, {}};
  for (int64_t i = 0; i < height * width * channels; ++i)
    image.pixels.push_back(static_cast<uint8_t>(i * i * 37 % 256));
  return image;
}

void expect_same(const Image& a, const Image& b) {
  EXPECT_EQ(a.height, b.height);
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.channels, b.channels);
  EXPECT_EQ(a.pixels, b.pixels);
}

TEST(Png, RoundTrip) {
  for (const int64_t channels : {1, 3})
    for (const auto& [height, width] : {std::pair<int64_t, int64_t>{1, 1}, {28, 28}, {5, 131}, {97, 3}}) {
      const Image image = pattern(height, width, channels);
      expect_same(decode_png(encode_png(image), "x.png"), image);
    }
}

TEST(Png, Files) {
  const TempDir dir;
  const Image image = pattern(12, 7, 3);
  write_png(dir / "x.png", image);
  expect_same(read_png(dir / "x.png"), image);
  EXPECT_THAT(message_of([&] { read_png(dir / "y.png"); }), HasSubstr("y.png: cannot be read: No such file"));
}

std::string big_endian(uint32_t number) {
  return bytes(number >> 24, number >> 16 & 0xFF, number >> 8 & 0xFF, number & 0xFF);
}

std::string chunk(const std::string& type, const std::string& data) {
  boost::crc_32_type crc;
  crc.process_bytes((type + data).data(), type.size() + data.size());
  return big_endian(static_cast<uint32_t>(data.size())) + type + data + big_endian(crc.checksum());
}

/// Zlib's format with the data as they are, at most 255 bytes.
std::string stored(const std::string& data) {
  uint32_t a = 1, b = 0;
  for (const char c : data) {
    a = (a + static_cast<unsigned char>(c)) % 65521;
    b = (b + a) % 65521;
  }
  const auto size = static_cast<int>(data.size());
  return bytes(0x78, 0x01, 1, size, 0, 0xFF - size, 0xFF) + data + big_endian(b << 16 | a);
}

/// A PNG file by hand; `type`: 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.
std::string png_by_hand(uint32_t width, uint32_t height, int bits, int type, const std::string& rows,
                        const std::string& extra = {}) {
  return bytes(0x89, 'P', 'N', 'G', 13, 10, 26, 10) +
         chunk("IHDR", big_endian(width) + big_endian(height) + bytes(bits, type, 0, 0, 0)) + extra +
         chunk("IDAT", stored(rows)) + chunk("IEND", "");
}

TEST(Png, OtherKindsOfPixelsBecomeGreyOrRgb) {
  // Each row begins with its filter, 0.
  expect_same(decode_png(png_by_hand(2, 1, 16, 0, bytes(0, 0, 0, 255, 255)), "16 bits"), {1, 2, 1, {0, 255}});
  expect_same(decode_png(png_by_hand(8, 1, 1, 0, bytes(0, 0xB1)), "1 bit"),
              {1, 8, 1, {255, 0, 255, 255, 0, 0, 0, 255}});
  expect_same(
      decode_png(png_by_hand(2, 1, 8, 3, bytes(0, 0, 1), chunk("PLTE", bytes(10, 20, 30, 40, 50, 60))), "palette"),
      {1, 2, 3, {10, 20, 30, 40, 50, 60}});
  expect_same(decode_png(png_by_hand(2, 1, 8, 4, bytes(0, 200, 255, 200, 0)), "alpha"), {1, 2, 1, {200, 0}});
  expect_same(decode_png(png_by_hand(2, 1, 8, 6, bytes(0, 9, 8, 7, 255, 9, 8, 7, 0)), "alpha"),
              {1, 2, 3, {9, 8, 7, 0, 0, 0}});
}

TEST(Png, HugeSizesAskForNoMemory) {
  EXPECT_EQ(message_of([] { decode_png(png_by_hand(100'000, 100'000, 8, 0, std::string(50, '\0')), "x.png"); }),
            "x.png: byte 16: 100000x100000 pixels, expected at most 268435456");
}

TEST(Png, AnythingCutOffIsAnError) {
  const std::string good = encode_png(pattern(28, 28, 1));
  // All but the end mark, which holds nothing.
  for (size_t size = 0; size + 12 < good.size(); ++size)
    EXPECT_THAT(message_of([&] { decode_png(std::string_view(good).substr(0, size), "x.png"); }), StartsWith("x.png: "))
        << size << " of " << good.size() << " bytes";
  EXPECT_EQ(message_of([&] { decode_png("GIF89a...", "x.png"); }),
            "x.png: byte 0: not a PNG image: the first 8 bytes are not its signature");
  EXPECT_EQ(message_of([&] { decode_png("", "x.png"); }),
            "x.png: byte 0: not a PNG image: the first 8 bytes are not its signature");
  EXPECT_THAT(message_of([&] { decode_png(good.substr(0, good.size() / 2), "x.png"); }),
              StartsWith("x.png: damaged PNG image (" + std::to_string(good.size() / 2) + " bytes): "));
}

TEST(Png, AnyChangedByteOfThePixelsIsAnError) {
  std::string data = encode_png(pattern(28, 28, 3));
  const size_t first = data.find("IDAT") + 4, last = data.find("IEND") - 8;
  for (size_t i = first; i < last; ++i) {
    const char before = data[i];
    data[i] = static_cast<char>(before ^ 0x41);
    EXPECT_THAT(message_of([&] { decode_png(data, "x.png"); }), HasSubstr("damaged PNG image")) << i;
    data[i] = before;
  }
}

TEST(Png, AnyOtherChangedByteNeverCrashes) {
  const std::string good = encode_png(pattern(9, 9, 1));
  int errors = 0;
  for (size_t i = 0; i < good.size(); ++i) {
    std::string data = good;
    for (const char change : {'\x01', '\x80', '\xff'}) {
      data[i] = static_cast<char>(good[i] ^ change);
      errors += message_of([&] { decode_png(data, "x.png"); }) != "no error";
    }
  }
  EXPECT_GT(errors, 100);
}

TEST(Png, EncodingChecksTheSize) {
  Image image = pattern(4, 4, 1);
  image.pixels.pop_back();
  EXPECT_THAT(message_of([&] { encode_png(image); }), HasSubstr("15 pixels, expected 4x4"));
  EXPECT_THAT(message_of([&] { encode_png({4, 4, 2, std::vector<uint8_t>(32)}); }), HasSubstr("got 2 channels"));
  EXPECT_THAT(message_of([&] { encode_png({0, 4, 1, {}}); }), HasSubstr("0 pixels"));
}

}  // namespace
}  // namespace telaio::nn
