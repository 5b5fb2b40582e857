#include "image_input.hpp"

#include <cmath>

#include <fmt/format.h>

#include <telaio/nn/data/png.hpp>

namespace telaio::cli {

namespace {

/// Pixels of an image as the model takes them, appended to `all`.
void add_image(const std::string& path, const Shape& sample, bool invert, std::vector<uint8_t>& all) {
  const nn::Image image = nn::read_png(path);
  if (image.height != sample[0] || image.width != sample[1])
    throw Error(fmt::format("{}: the image has {}×{} pixels, the model takes {}×{}", path, image.height, image.width,
                            sample[0], sample[1]));
  const auto pixels = static_cast<size_t>(image.height * image.width), channels = static_cast<size_t>(image.channels);
  const auto flipped = [&](double value) { return static_cast<uint8_t>(std::lround(invert ? 255 - value : value)); };
  for (size_t p = 0; p < pixels; ++p) {
    const uint8_t* pixel = image.pixels.data() + p * channels;
    if (sample[2] == image.channels) {
      for (size_t c = 0; c < channels; ++c) all.push_back(flipped(pixel[c]));
    } else if (sample[2] == 1) {
      all.push_back(flipped(0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2]));  // luma, ITU-R BT.601
    } else {
      for (int64_t c = 0; c < sample[2]; ++c) all.push_back(flipped(pixel[0]));
    }
  }
}

}  // namespace

void check_takes_images(const nn::Model& model, const std::string& path) {
  const Shape& sample = model.sample_shape();
  if (sample.rank() != 3 || (sample[2] != 1 && sample[2] != 3))
    throw Error(fmt::format("{}: the model takes samples of shape {}, no images", path, to_string(sample)));
}

Tensor read_images(const std::vector<std::string>& paths, const nn::Model& model, bool invert) {
  std::vector<uint8_t> pixels;
  for (const std::string& path : paths) add_image(path, model.sample_shape(), invert, pixels);
  Shape shape = model.sample_shape();
  shape.insert(0, static_cast<int64_t>(paths.size()));
  return from_data(pixels, shape);
}

}  // namespace telaio::cli
