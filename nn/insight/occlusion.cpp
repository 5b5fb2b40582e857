#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include <telaio/autograd/compile.hpp>
#include <telaio/nn/insight/attribution.hpp>

namespace telaio::nn {

namespace {

/// Where patches begin, so that they cover everything.
std::vector<int64_t> patch_places(int64_t size, int64_t patch, int64_t stride) {
  std::vector<int64_t> places;
  for (int64_t at = 0; at < size - patch; at += stride) places.push_back(at);
  places.push_back(size - patch);
  return places;
}

}  // namespace

Occlusion Attribution::occlusion(const OcclusionOptions& options) const {
  const auto [height, width, channels] = model_.shape();
  const int64_t shorter = std::min(height, width);
  const int64_t side = options.patch != 0 ? options.patch : std::max<int64_t>(1, (shorter + 3) / 7);
  const int64_t stride = options.stride != 0 ? options.stride : std::max<int64_t>(1, side / 4);
  if (side < 1 || side > shorter)
    throw Error(fmt::format("occlusion: a patch of {} pixels, expected 1 … {}", side, shorter));
  if (stride < 1 || stride > side)
    throw Error(fmt::format("occlusion: a stride of {} pixels, expected 1 … {} (the patch)", stride, side));
  if (!(options.value >= 0 && options.value <= 1))
    throw Error(fmt::format("occlusion: a value of {}, expected 0 … 1", options.value));
  std::vector<Occlusion::Patch> patches;
  for (const int64_t row : patch_places(height, side, stride))
    for (const int64_t column : patch_places(width, side, stride)) patches.push_back({row, column, side});

  const auto run = compile([this](const Tensor& x) { return model_.forward(x).logits; });
  const auto at_once = static_cast<size_t>(batch_size());
  const int64_t pixels = height * width, numbers = pixels * channels;
  Occlusion result;
  for (int64_t i = 0; i < size(); ++i) {
    const float* image = images_.data<float>() + i * numbers;
    const int64_t c = classes_[static_cast<size_t>(i)];
    const double uncovered = log_odds(logits_.data() + i * outputs_, c);
    std::vector<double> falls(static_cast<size_t>(pixels)), covers(static_cast<size_t>(pixels));
    double most = -std::numeric_limits<double>::infinity();
    Occlusion::Patch strongest = patches[0];
    for (size_t first = 0; first < patches.size(); first += at_once) {
      const size_t count = std::min(at_once, patches.size() - first);
      const Array batch({f32, {static_cast<int64_t>(count), height, width, channels}});
      for (size_t k = 0; k < count; ++k) {
        const Occlusion::Patch& patch = patches[first + k];
        float* x = batch.data<float>() + static_cast<int64_t>(k) * numbers;
        std::memcpy(x, image, static_cast<size_t>(numbers) * sizeof(float));
        for (int64_t row = patch.row; row < patch.row + side; ++row)
          std::fill_n(x + (row * width + patch.column) * channels, side * channels, options.value);
      }
      const std::vector<double> logits = run(constant(batch)).to_vector<double>();
      for (size_t k = 0; k < count; ++k) {
        const Occlusion::Patch& patch = patches[first + k];
        const double odds = log_odds(logits.data() + static_cast<int64_t>(k) * outputs_, c);
        if (uncovered - odds > most) {
          most = uncovered - odds;
          strongest = patch;
          strongest.probability = 1 / (1 + std::exp(-odds));
        }
        for (int64_t row = patch.row; row < patch.row + side; ++row)
          for (int64_t column = patch.column; column < patch.column + side; ++column) {
            falls[static_cast<size_t>(row * width + column)] += uncovered - odds;
            covers[static_cast<size_t>(row * width + column)] += 1;
          }
      }
    }
    const Array map({f32, {height, width}});
    for (size_t p = 0; p < falls.size(); ++p) map.data<float>()[p] = static_cast<float>(falls[p] / covers[p]);
    result.maps.push_back(map);
    result.strongest.push_back(strongest);
  }
  return result;
}

}  // namespace telaio::nn
