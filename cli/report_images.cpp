#include "report_images.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <telaio/autograd/error.hpp>

namespace telaio::cli {

namespace {

constexpr int64_t most_side = 64;
// A PNG as wide as this has rows enough for its compression to see that images are alike.
constexpr int64_t sheet_width = 1024;

double grey(const Array& values, int64_t i) {
  if (values.dtype() == u8) return values.data<uint8_t>()[i];
  return std::clamp(255.0 * static_cast<double>(values.data<float>()[i]), 0.0, 255.0);
}

}  // namespace

int64_t SpriteSheet::add(const nn::Image& image) {
  if (!images_.empty()) {
    const nn::Image& first = images_.front();
    if (image.height != first.height || image.width != first.width || image.channels != first.channels)
      throw Error(fmt::format("a sheet of images: {}×{}×{} beside {}×{}×{}", image.height, image.width, image.channels,
                              first.height, first.width, first.channels));
  }
  images_.push_back(image);
  return size() - 1;
}

boost::json::value SpriteSheet::as_json() const {
  if (images_.empty()) return nullptr;
  const int64_t height = images_[0].height, width = images_[0].width, channels = images_[0].channels;
  const int64_t columns = std::min(size(), std::max<int64_t>(1, sheet_width / width));
  const int64_t rows = (size() + columns - 1) / columns, line = width * channels;
  nn::Image sheet{rows * height, columns * width, channels, {}};
  sheet.pixels.resize(static_cast<size_t>(sheet.height * sheet.width * channels));
  for (int64_t i = 0; i < size(); ++i)
    for (int64_t y = 0; y < height; ++y)
      std::copy_n(images_[static_cast<size_t>(i)].pixels.begin() + y * line, line,
                  sheet.pixels.begin() + ((i / columns * height + y) * columns + i % columns) * line);
  return boost::json::object{{"png", base64(nn::encode_png(sheet))},
                             {"width", width},
                             {"height", height},
                             {"columns", columns},
                             {"count", size()}};
}

SampleImages::SampleImages(const nn::Samples& samples) : values_(samples.inputs.value().contiguous()) {
  const Shape& shape = values_.shape();
  height_ = shape[1], width_ = shape[2], channels_ = shape[3];
  factor_ = (std::max(height_, width_) + most_side - 1) / most_side;
}

int64_t SampleImages::bytes() const {
  return std::max<int64_t>(1, height_ / factor_) * std::max<int64_t>(1, width_ / factor_) * channels_;
}

nn::Image SampleImages::operator[](int64_t row) const {
  nn::Image image{std::max<int64_t>(1, height_ / factor_), std::max<int64_t>(1, width_ / factor_), channels_, {}};
  const int64_t first = row * height_ * width_ * channels_;
  for (int64_t y = 0; y < image.height; ++y)
    for (int64_t x = 0; x < image.width; ++x)
      for (int64_t c = 0; c < channels_; ++c) {
        double sum = 0;
        int64_t count = 0;
        for (int64_t v = y * factor_; v < std::min(height_, (y + 1) * factor_); ++v)
          for (int64_t u = x * factor_; u < std::min(width_, (x + 1) * factor_); ++u, ++count)
            sum += grey(values_, first + (v * width_ + u) * channels_ + c);
        image.pixels.push_back(static_cast<uint8_t>(std::lround(sum / static_cast<double>(count))));
      }
  return image;
}

void check_images(const Shape& sample, const std::string& name) {
  if (sample.rank() != 3 || (sample[2] != 1 && sample[2] != 3))
    throw Error(
        fmt::format("{}: samples of shape {}, a report shows images: expected height, width and 1 or 3 channels", name,
                    to_string(sample)));
}

std::string base64(std::string_view bytes) {
  constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    for (size_t k = 0; k < 3; ++k)
      three = three << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0U);
    for (size_t k = 0; k < 4; ++k) out += i + k > bytes.size() ? '=' : digits[three >> (18 - 6 * k) & 63];
  }
  return out;
}

}  // namespace telaio::cli
