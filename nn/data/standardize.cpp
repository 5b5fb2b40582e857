#include <telaio/nn/data/standardize.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/data/pixels.hpp>
#include <telaio/nn/option_list.hpp>

namespace telaio::nn {

Standardization parse_standardization(std::string_view text) {
  Standardization steps;
  if (text == "none") return steps;
  OptionList given("standardization", text);
  given.flag("center", steps.center);
  given.flag("deskew", steps.deskew);
  given.flag("pixels", steps.pixels);
  given.finish();
  return steps;
}

std::string to_string(const Standardization& steps) {
  std::string text;
  const auto add = [&](bool on, std::string_view name) {
    if (!on) return;
    if (!text.empty()) text += ',';
    text += name;
  };
  add(steps.center, "center");
  add(steps.deskew, "deskew");
  add(steps.pixels, "pixels");
  return text.empty() ? "none" : text;
}

namespace {

void check_geometry(const Standardization& steps, const Shape& sample) {
  if ((steps.center || steps.deskew) && sample.rank() != 3)
    throw Error(fmt::format("standardization: {} needs images [H,W,C], the samples have shape {}",
                            steps.center ? "center" : "deskew", to_string(sample)));
}

/// Mean and sum of squared differences from it, of so many samples, place by place.
struct Moments {
  double count = 0;
  std::vector<double> mean, squares;
};

/// Of samples that lie in a row.
Moments moments_of(const float* x, int64_t count, int64_t numel) {
  const auto n = static_cast<size_t>(numel);
  Moments moments{static_cast<double>(count), std::vector<double>(n), std::vector<double>(n)};
  for (int64_t i = 0; i < count; ++i)
    for (size_t p = 0; p < n; ++p) moments.mean[p] += static_cast<double>(x[i * numel + static_cast<int64_t>(p)]);
  for (double& mean : moments.mean) mean /= moments.count;
  for (int64_t i = 0; i < count; ++i)
    for (size_t p = 0; p < n; ++p) {
      const double difference = static_cast<double>(x[i * numel + static_cast<int64_t>(p)]) - moments.mean[p];
      moments.squares[p] += difference * difference;
    }
  return moments;
}

/// Chan, Golub and LeVeque 1979: "Updating formulae and a pairwise algorithm for computing sample variances".
void add(Moments& to, const Moments& more) {
  if (to.count == 0) {
    to = more;
    return;
  }
  const double total = to.count + more.count;
  for (size_t p = 0; p < to.mean.size(); ++p) {
    const double difference = more.mean[p] - to.mean[p];
    to.mean[p] += difference * more.count / total;
    to.squares[p] += more.squares[p] + difference * difference * to.count * more.count / total;
  }
  to.count = total;
}

}  // namespace

void check(const Standardization& steps, const Shape& sample) {
  check_geometry(steps, sample);
  if (!steps.pixels) return;
  if (!steps.mean.defined() || !steps.deviation.defined())
    throw Error("standardization: mean and deviation of the pixels were not fitted to training data");
  for (const Tensor* tensor : {&steps.mean, &steps.deviation})
    if (tensor->dtype() != f32 || !(tensor->shape() == sample))
      throw Error(fmt::format("standardization: the {} is {}, the samples have shape {}",
                              tensor == &steps.mean ? "mean" : "deviation", to_string(tensor->spec()),
                              to_string(sample)));
}

void fit(Standardization& steps, const Samples& samples) {
  if (!steps.pixels) return;
  const Shape sample = samples.sample_shape();
  check_geometry(steps, sample);
  const int64_t count = samples.size(), n = numel(sample);
  if (count == 0) throw Error("standardization: no samples to fit mean and deviation to");
  Standardization geometry = steps;
  geometry.pixels = false;
  const Array inputs = samples.inputs.value().contiguous();

  // Cut by sizes only and added up in order: the sums do not depend on threads. At most 64 parts keep memory small.
  const int64_t part = std::max<int64_t>(256, (count + 63) / 64), parts = (count + part - 1) / part;
  std::vector<Moments> moments(static_cast<size_t>(parts));
  parallel_for(parts, 1, [&](int64_t begin, int64_t end) {
    constexpr int64_t at_once = 256;
    std::vector<float> x(static_cast<size_t>(std::min(at_once, part) * n));
    for (int64_t k = begin; k < end; ++k)
      for (int64_t first = k * part; first < std::min(count, (k + 1) * part); first += at_once) {
        const int64_t many = std::min({at_once, (k + 1) * part - first, count - first});
        to_floats(inputs, first * n, many * n, x.data());
        standardize(geometry, sample, many, x.data());
        add(moments[static_cast<size_t>(k)], moments_of(x.data(), many, n));
      }
  });
  for (int64_t k = 1; k < parts; ++k) add(moments[0], moments[static_cast<size_t>(k)]);

  const Moments& all = moments[0];
  double total = 0;
  for (const double squares : all.squares) total += squares;
  const double least = sample.rank() == 3 ? 0.1 * std::sqrt(total / (all.count * static_cast<double>(n))) : 0;
  const Array mean({f32, sample}), deviation({f32, sample});
  for (int64_t p = 0; p < n; ++p) {
    const auto at = static_cast<size_t>(p);
    const double own = std::max(std::sqrt(all.squares[at] / all.count), least);
    mean.data<float>()[p] = static_cast<float>(all.mean[at]);
    // Rounding leaves a constant column a deviation of some 1e-17 of its size.
    deviation.data<float>()[p] = own > 1e-9 * std::abs(all.mean[at]) ? static_cast<float>(own) : 1.0f;
  }
  steps.mean = constant(mean);
  steps.deviation = constant(deviation);
}

Affine upright(const Standardization& steps, const ImageShape& shape, const float* image) {
  double mass = 0, sum_x = 0, sum_y = 0;
  const auto for_each_pixel = [&](auto&& f) {
    const float* p = image;
    for (int64_t y = 0; y < shape.height; ++y)
      for (int64_t x = 0; x < shape.width; ++x)
        for (int64_t c = 0; c < shape.channels; ++c, ++p)
          if (*p > 0) f(static_cast<double>(x), static_cast<double>(y), static_cast<double>(*p));
  };
  for_each_pixel([&](double x, double y, double ink) {
    mass += ink;
    sum_x += ink * x;
    sum_y += ink * y;
  });
  Affine map;
  if (mass <= 0) return map;
  const double center_x = sum_x / mass, center_y = sum_y / mass;

  double lean = 0;  // how far x goes for a step in y along the main stroke
  if (steps.deskew) {
    double xy = 0, yy = 0;
    for_each_pixel([&](double x, double y, double ink) {
      xy += ink * (x - center_x) * (y - center_y);
      yy += ink * (y - center_y) * (y - center_y);
    });
    // Below a pixel's own spread there is no upright to speak of.
    if (yy > 1e-3 * mass) lean = std::clamp(xy / yy, -1.0, 1.0);
  }
  // About the centre of mass, which stays where it is or comes to the middle.
  const double to_x = steps.center ? static_cast<double>(shape.width - 1) / 2 : center_x;
  const double to_y = steps.center ? static_cast<double>(shape.height - 1) / 2 : center_y;
  map.xy = lean;
  map.x0 = center_x - to_x - lean * to_y;
  map.y0 = center_y - to_y;
  return map;
}

void make_upright(const Standardization& steps, const ImageShape& shape, float* image, std::vector<float>& scratch) {
  if (steps.center || steps.deskew) warp(upright(steps, shape, image), shape, image, image, scratch);
}

void standardize(const Standardization& steps, const Shape& sample, int64_t count, float* samples) {
  check(steps, sample);
  if (!steps.any()) return;
  const int64_t n = numel(sample);
  const bool geometry = steps.center || steps.deskew;
  const ImageShape shape = geometry ? ImageShape{sample[0], sample[1], sample[2]} : ImageShape{};
  const Array mean = steps.pixels ? steps.mean.value().contiguous() : Array();
  const Array deviation = steps.pixels ? steps.deviation.value().contiguous() : Array();
  parallel_for(count, grain_for((geometry ? 25.0 : 1.0) * static_cast<double>(n)), [&](int64_t begin, int64_t end) {
    std::vector<float> scratch;
    for (int64_t i = begin; i < end; ++i) {
      float* x = samples + i * n;
      if (geometry) make_upright(steps, shape, x, scratch);
      if (steps.pixels) normalize(mean.data<float>(), deviation.data<float>(), n, x);
    }
  });
}

}  // namespace telaio::nn
