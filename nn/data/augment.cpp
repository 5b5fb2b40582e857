#include <telaio/nn/data/augment.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include <fmt/format.h>

#include <telaio/autograd/error.hpp>
#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/option_list.hpp>
#include <telaio/ops/kernels/random.hpp>

namespace telaio::nn {

namespace {

struct Option {
  std::string_view name;
  double Augmentation::*value;
  double most;
};

// Sizes shrink by less than all.
constexpr double below_1 = 1 - std::numeric_limits<double>::epsilon() / 2;

constexpr std::array<Option, 7> options{{{"shift", &Augmentation::shift, 1e6},
                                         {"rotate", &Augmentation::rotate, 180},
                                         {"zoom", &Augmentation::zoom, below_1},
                                         {"shear", &Augmentation::shear, 80},
                                         {"noise", &Augmentation::noise, 1},
                                         {"erase", &Augmentation::erase, 1},
                                         {"brightness", &Augmentation::brightness, 1}}};

}  // namespace

bool Augmentation::any() const {
  return flip ||
         std::any_of(options.begin(), options.end(), [&](const Option& option) { return this->*option.value > 0; });
}

Augmentation parse_augmentation(std::string_view text) {
  Augmentation augmentation;
  if (text == "none") return augmentation;
  OptionList given("augmentation", text);
  for (const Option& option : options) given.number(option.name, augmentation.*option.value, 0, option.most);
  given.flag("flip", augmentation.flip);
  given.finish();
  return augmentation;
}

std::string to_string(const Augmentation& augmentation) {
  std::string text;
  const auto add = [&](std::string_view item) {
    if (!text.empty()) text += ',';
    text += item;
  };
  for (const Option& option : options)
    if (augmentation.*option.value > 0) add(fmt::format("{}={}", option.name, augmentation.*option.value));
  if (augmentation.flip) add("flip");
  return text.empty() ? "none" : text;
}

namespace {

/// All that is drawn for an image but its noise. Everything is always drawn, in this order.
struct Changes {
  Geometry geometry;
  double brightness;
  bool erase;
  double area, aspect, left, top;

  Changes(const Augmentation& a, RandomKey key, double strength) {
    Draws draws(key);
    geometry.right = draws.around(a.shift * strength);
    geometry.down = draws.around(a.shift * strength);
    geometry.rotate = draws.around(a.rotate * strength);
    geometry.zoom = 1 + draws.around(a.zoom * strength);
    geometry.shear = draws.around(a.shear * strength);
    geometry.flip = draws.chance(a.flip ? strength / 2 : 0);
    brightness = 1 + draws.around(a.brightness * strength);
    erase = draws.chance(a.erase * strength);
    area = draws.between(0.02, 0.2);
    aspect = std::exp(draws.around(std::log(10.0 / 3)));  // Zhong et al.'s 0.3 … 1/0.3, even in the logarithm
    left = draws.unit();
    top = draws.unit();
  }
};

/// Sets a rectangle, at least one pixel and wholly inside the image, to 0.
void erase_rectangle(const Changes& changes, const ImageShape& shape, float* image) {
  const double area = changes.area * static_cast<double>(shape.height * shape.width);
  const auto side = [](double length, int64_t most) { return std::clamp<int64_t>(std::llround(length), 1, most); };
  const int64_t height = side(std::sqrt(area * changes.aspect), shape.height);
  const int64_t width = side(std::sqrt(area / changes.aspect), shape.width);
  const auto first = [](double place, int64_t free) { return static_cast<int64_t>(place * static_cast<double>(free)); };
  const int64_t top = first(changes.top, shape.height - height + 1),
                left = first(changes.left, shape.width - width + 1);
  for (int64_t row = top; row < top + height; ++row)
    std::fill_n(image + (row * shape.width + left) * shape.channels, width * shape.channels, 0.0f);
}

}  // namespace

void augment_image(const Augmentation& augmentation, RandomKey key, float strength, const ImageShape& shape,
                   float* image, std::vector<float>& scratch) {
  if (!(strength > 0) || !augmentation.any()) return;
  const Changes changes(augmentation, key, strength);
  const int64_t n = shape.numel();
  const Affine map = affine(changes.geometry, shape);
  warp(map, shape, image, image, scratch);
  const auto brightness = static_cast<float>(changes.brightness);
  if (augmentation.brightness > 0)
    for (int64_t i = 0; i < n; ++i) image[i] = std::clamp(image[i] * brightness, 0.0f, 1.0f);
  if (augmentation.noise > 0) {
    scratch.resize(static_cast<size_t>(n));
    kernels::normal(RandomKey{key.seed, key.stream + 1}, 0, n, scratch.data());
    const float deviation = static_cast<float>(augmentation.noise) * strength;
    for (int64_t i = 0; i < n; ++i)
      image[i] = std::clamp(image[i] + deviation * scratch[static_cast<size_t>(i)], 0.0f, 1.0f);
  }
  if (changes.erase) erase_rectangle(changes, shape, image);
}

void augment(const Augmentation& augmentation, RandomKey key, std::span<const int64_t> ids, const ImageShape& shape,
             const float* images, float* out, std::span<const float> strength) {
  if (!strength.empty() && strength.size() != ids.size())
    throw Error(fmt::format("augmentation: {} strengths for {} images", strength.size(), ids.size()));
  const int64_t n = shape.numel();
  parallel_for(static_cast<int64_t>(ids.size()), grain_for(20.0 * static_cast<double>(n)),
               [&](int64_t begin, int64_t end) {
                 std::vector<float> scratch;
                 for (int64_t i = begin; i < end; ++i) {
                   const auto at = static_cast<size_t>(i);
                   if (out != images) std::memcpy(out + i * n, images + i * n, static_cast<size_t>(n) * sizeof(float));
                   augment_image(augmentation, sample_key(key, ids[at]), strength.empty() ? 1.0f : strength[at], shape,
                                 out + i * n, scratch);
                 }
               });
}

}  // namespace telaio::nn
