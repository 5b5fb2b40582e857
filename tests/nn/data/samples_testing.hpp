// Small sample sets for tests.
#pragma once

#include <cstdint>
#include <vector>

#include <telaio/autograd/array.hpp>
#include <telaio/nn/data/dataset.hpp>

namespace telaio::nn {

/// `count` images whose pixels count up from their number.
inline Samples counting_images(int64_t count, int64_t height, int64_t width, int64_t channels, int64_t classes) {
  std::vector<uint8_t> pixels;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < count; ++i) {
    for (int64_t p = 0; p < height * width * channels; ++p) pixels.push_back(static_cast<uint8_t>((i + 3 * p) % 256));
    labels.push_back(i % classes);
  }
  return {from_data(pixels, {count, height, width, channels}), from_data(labels, {count}), numbered_classes(classes)};
}

}  // namespace telaio::nn
