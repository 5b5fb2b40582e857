#include <telaio/nn/data/png.hpp>

#include <png.h>

#include <fmt/format.h>

#include <telaio/autograd/error.hpp>
#include <telaio/nn/io/file.hpp>

namespace telaio::nn {

namespace {

// libpng's "simplified API" catches its own errors within each call and reports them in the struct: no longjmp ever
// crosses a C++ frame.
class Png {
 public:
  Png() { png.version = PNG_IMAGE_VERSION; }
  ~Png() { png_image_free(&png); }
  Png(const Png&) = delete;
  Png& operator=(const Png&) = delete;

  png_image png{};
};

constexpr int64_t most_pixels = int64_t{1} << 28;

}  // namespace

Image decode_png(std::string_view bytes, const std::string& name) {
  const auto bad = [&](const std::string& problem) { throw Error(fmt::format("{}: {}", name, problem)); };
  if (bytes.size() < 8 || png_sig_cmp(reinterpret_cast<png_const_bytep>(bytes.data()), 0, 8) != 0)
    bad("byte 0: not a PNG image: the first 8 bytes are not its signature");
  Png file;
  if (png_image_begin_read_from_memory(&file.png, bytes.data(), bytes.size()) == 0)
    bad(fmt::format("damaged PNG image ({} bytes): {}", bytes.size(), file.png.message));
  const bool colour = (file.png.format & PNG_FORMAT_FLAG_COLOR) != 0;
  file.png.format = colour ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;

  Image image{file.png.height, file.png.width, colour ? 3 : 1, {}};
  if (image.height * image.width > most_pixels)
    bad(fmt::format("byte 16: {}x{} pixels, expected at most {}", image.width, image.height, most_pixels));
  image.pixels.resize(static_cast<size_t>(image.height * image.width * image.channels));
  const png_color black{};
  if (png_image_finish_read(&file.png, &black, image.pixels.data(), 0, nullptr) == 0)
    bad(fmt::format("damaged PNG image ({} bytes): {}", bytes.size(), file.png.message));
  return image;
}

Image read_png(const std::string& path) { return decode_png(read_file(path), path); }

std::string encode_png(const Image& image) {
  const int64_t size = image.height * image.width * image.channels;
  if (image.height < 1 || image.width < 1 || (image.channels != 1 && image.channels != 3) ||
      size != static_cast<int64_t>(image.pixels.size()))
    throw Error(fmt::format("encode_png: {} pixels, expected {}x{} with 1 or 3 channels, got {} channels",
                            image.pixels.size(), image.width, image.height, image.channels));
  Png file;
  file.png.width = static_cast<png_uint_32>(image.width);
  file.png.height = static_cast<png_uint_32>(image.height);
  file.png.format = image.channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  std::string bytes(PNG_IMAGE_PNG_SIZE_MAX(file.png), '\0');
  png_alloc_size_t used = bytes.size();
  if (png_image_write_to_memory(&file.png, bytes.data(), &used, 0, image.pixels.data(), 0, nullptr) == 0)
    throw Error(fmt::format("encode_png: {}", file.png.message));
  bytes.resize(used);
  return bytes;
}

void write_png(const std::string& path, const Image& image) { write_file(path, encode_png(image)); }

}  // namespace telaio::nn
