// PNG images of 8 bits a channel, by libpng.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace telaio::nn {

/// Row-major, channels-last: [height, width, channels].
struct Image {
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 1;  ///< 1 (grey) or 3 (red, green, blue)
  std::vector<uint8_t> pixels;
};

/// Whatever PNG stores comes as 8-bit grey or RGB: 16 bits are narrowed, palettes looked up (they count as colour) and
/// transparent parts laid over black. Error, in the name of `name`, when the data are no PNG, cut off or damaged, or
/// larger than 2^28 pixels.
Image decode_png(std::string_view bytes, const std::string& name);
Image read_png(const std::string& path);

std::string encode_png(const Image& image);
void write_png(const std::string& path, const Image& image);

}  // namespace telaio::nn
