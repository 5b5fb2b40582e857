#include <telaio/nn/insight/maximize.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>

#include <fmt/format.h>

#include <telaio/autograd/compile.hpp>
#include <telaio/autograd/grad.hpp>
#include <telaio/nn/data/sample_random.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/create.hpp>
#include <telaio/ops/indexing.hpp>
#include <telaio/ops/random.hpp>
#include <telaio/ops/reduce.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio::nn {

namespace {

constexpr double beta1 = 0.9, beta2 = 0.9;  // of Adam; few steps: a shorter memory than when training
constexpr int64_t images_at_once = 128;

/// One warp of all images as ops: each pixel is the weighted sum of four.
struct Sampling {
  Array places;   // i64 [4,H·W]
  Array weights;  // f32 [4,H·W]; 0 outside the image
};

Sampling sampling(const Affine& map, const ImageShape& shape) {
  const int64_t pixels = shape.height * shape.width;
  const Sampling made{Array({i64, {4, pixels}}), Array({f32, {4, pixels}})};
  for (int64_t v = 0; v < shape.height; ++v)
    for (int64_t u = 0; u < shape.width; ++u) {
      const auto x = static_cast<double>(u), y = static_cast<double>(v);
      const double from_x = map.xx * x + map.xy * y + map.x0, from_y = map.yx * x + map.yy * y + map.y0;
      const double left = std::floor(from_x), top = std::floor(from_y);
      for (int64_t corner = 0; corner < 4; ++corner) {
        const double column = left + static_cast<double>(corner % 2), row = top + static_cast<double>(corner / 2);
        const bool inside = column >= 0 && row >= 0 && column < static_cast<double>(shape.width) &&
                            row < static_cast<double>(shape.height);
        const double weight = (1 - std::abs(from_x - column)) * (1 - std::abs(from_y - row));
        const int64_t at = corner * pixels + v * shape.width + u;
        made.places.data<int64_t>()[at] =
            inside ? static_cast<int64_t>(row) * shape.width + static_cast<int64_t>(column) : 0;
        made.weights.data<float>()[at] = inside ? static_cast<float>(weight) : 0.0F;
      }
    }
  return made;
}

Tensor sampled(const Tensor& x, const Tensor& places, const Tensor& weights) {
  const int64_t pixels = x.dim(1) * x.dim(2);
  const Tensor flat = reshape(x, {x.dim(0), pixels, x.dim(3)});
  Tensor sum;
  for (int corner = 0; corner < 4; ++corner) {
    const Tensor place = reshape(slice(places, 0, corner, corner + 1), {pixels});
    const Tensor weight = reshape(slice(weights, 0, corner, corner + 1), {pixels, 1});
    const Tensor part = take(flat, place, 1) * weight;
    sum = sum.defined() ? sum + part : part;
  }
  return reshape(sum, x.shape());
}

/// Of each image the lengths of its pixels' differences to the right and below, added up (Rudin et al. 1992).
Tensor total_variation(const Tensor& x) {
  const int64_t h = x.dim(1), w = x.dim(2);
  if (h < 2 || w < 2) return sum(x * 0);
  const Tensor here = slice(slice(x, 1, 0, h - 1), 2, 0, w - 1);
  const Tensor right = slice(slice(x, 1, 0, h - 1), 2, 1, w) - here;
  const Tensor below = slice(slice(x, 1, 1, h), 2, 0, w - 1) - here;
  return sum(sqrt(square(right) + square(below) + 1e-4));  // has a derivative where nothing changes, too
}

Tensor checked_values(const Objective& objective, const Forward& forward, const Tensor& unit) {
  const Tensor values = objective(forward, unit);
  if (!(values.shape() == unit.shape()))
    throw Error(fmt::format("maximize: the objective gives {} for {} images, expected a number for each",
                            to_string(values.spec()), unit.dim(0)));
  return values;
}

/// Gradient ascent on one batch of images.
class Ascent {
 public:
  Ascent(const ImageModel& model, const Objective& objective, const MaximizeOptions& options, const Shape& shape)
      : options_(options),
        shape_(model.shape()),
        x_("x", zeros(shape)),
        m_("m", zeros(shape)),
        v_("v", zeros(shape)),
        step_(Step{&model, &objective, this}) {}

  /// `after_step` gets the steps that are done.
  void run(const Tensor& start, const Tensor& unit, const std::function<void(int64_t)>& after_step) {
    x_.assign(start);
    m_.assign(zeros(start.shape()));
    v_.assign(zeros(start.shape()));
    Draws draws(data_key(options_.seed, RandomPurpose::maximize, 0));
    const auto settled = static_cast<int64_t>(std::lround(options_.settling * static_cast<double>(options_.steps)));
    const int64_t moving = options_.steps - settled;
    for (int64_t i = 0; i < options_.steps; ++i) {
      Geometry geometry;
      double penalty = 1, rate = options_.rate;
      if (i < moving) {
        geometry.right = std::round(draws.around(options_.jitter + 0.5));
        geometry.down = std::round(draws.around(options_.jitter + 0.5));
        geometry.rotate = draws.around(options_.rotate);
        geometry.zoom = 1 + draws.around(options_.zoom);
      } else {
        const double share = static_cast<double>(i - moving + 1) / static_cast<double>(settled);
        penalty = std::max(0.0, 1 - 3 * share);
        rate *= 1 - 0.8 * share;
      }
      const auto t = static_cast<double>(i + 1);
      rate *= std::sqrt(1 - std::pow(beta2, t)) / (1 - std::pow(beta1, t));
      const Sampling at = sampling(affine(geometry, shape_), shape_);
      step_(constant(at.places), constant(at.weights), unit, full({}, rate), full({}, penalty));
      after_step(i + 1);
    }
  }
  Array images() const { return snapshot(x_).value().contiguous(); }

 private:
  struct Step {
    const ImageModel* model;
    const Objective* objective;
    Ascent* ascent;
    void operator()(const Tensor& places, const Tensor& weights, const Tensor& unit, const Tensor& rate,
                    const Tensor& penalty) const {
      ascent->step(*model, *objective, places, weights, unit, rate, penalty);
    }
  };

  void step(const ImageModel& model, const Objective& objective, const Tensor& places, const Tensor& weights,
            const Tensor& unit, const Tensor& rate, const Tensor& penalty) {
    const Tensor x = x_.read(), m = m_.read(), v = v_.read();
    const Tensor values = checked_values(objective, model.forward(sampled(x, places, weights)), unit);
    Tensor g = cast(grad(sum(values), x), f32);
    // So that the penalties mean the same whatever the network's numbers are.
    g = g / (max(abs(g), {1, 2, 3}, true) + 1e-30);
    const Tensor costs = options_.total_variation * total_variation(x) + 0.5 * options_.brightness * sum(square(x));
    g = g - penalty * grad(costs, x);
    const Tensor next_m = beta1 * m + (1 - beta1) * g, next_v = beta2 * v + (1 - beta2) * square(g);
    assign({{x_, clip(x + rate * next_m / (sqrt(next_v) + 1e-8), 0, 1)}, {m_, next_m}, {v_, next_v}});
  }

  const MaximizeOptions& options_;
  ImageShape shape_;
  Variable x_, m_, v_;
  Compiled<Step> step_;
};

Tensor numbers(const std::vector<int64_t>& values) { return from_data(values, {static_cast<int64_t>(values.size())}); }

}  // namespace

Objective channels_of(const ImageModel& model, const std::string& layer, bool activated) {
  const size_t index = model.layer(layer);
  const Shape& shape = model.model().layers()[index].output;
  check_has_channels(layer, shape);
  return [=](const Forward& forward, const Tensor& unit) {
    Tensor y = activated ? forward.layers[index].output : forward.layers[index].before_activation;
    if (shape.rank() == 3) {
      y = slice(slice(y, 1, shape[0] / 2, shape[0] / 2 + 1), 2, shape[1] / 2, shape[1] / 2 + 1);
      y = reshape(y, {y.dim(0), y.dim(3)});
    }
    return reshape(gather(y, unsqueeze(unit, 1), 1), {y.dim(0)});
  };
}

Objective classes_of(const ImageModel& model) {
  const Shape& shape = model.model().output_shape();
  if (shape.rank() != 1)
    throw Error(fmt::format("model '{}': its output has shape {}, expected classes [C]", model.model().name(),
                            to_string(shape)));
  return [single = shape[0] == 1](const Forward& forward, const Tensor& unit) {
    const Tensor& y = forward.logits;
    if (single) return reshape(y, {y.dim(0)}) * cast(2 * unit - 1, y.dtype());
    return reshape(gather(y, unsqueeze(unit, 1), 1), {y.dim(0)});
  };
}

Objective chosen(Objective objective, std::vector<int64_t> units) {
  return [objective = std::move(objective), theirs = numbers(units)](const Forward& forward, const Tensor& unit) {
    return objective(forward, take(theirs, unit));
  };
}

std::vector<double> measure(const ImageModel& model, const Objective& objective, const Array& images, int64_t unit) {
  const auto values = compile([&](const Tensor& x, const Tensor& units) {
    return cast(checked_values(objective, model.forward(x), units), f64);
  });
  std::vector<double> all;
  const int64_t n = images.shape()[0];
  for (int64_t first = 0; first < n; first += images_at_once) {
    const int64_t last = std::min(n, first + images_at_once);
    std::vector<int64_t> units;
    for (int64_t i = first; i < last; ++i) units.push_back(unit < 0 ? i : unit);
    const auto some = values(slice(constant(images), 0, first, last), numbers(units)).to_vector<double>();
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

Maximized maximize(const ImageModel& model, const Objective& objective, int64_t units, const MaximizeOptions& options) {
  const ImageShape& shape = model.shape();
  const int64_t starts = std::max<int64_t>(1, options.starts);
  const int64_t at_once = std::clamp<int64_t>(images_at_once / starts, 1, std::max<int64_t>(1, units));
  const Shape batch{starts * at_once, shape.height, shape.width, shape.channels};
  Ascent ascent(model, objective, options, batch);
  const auto values = compile([&](const Tensor& x, const Tensor& unit) {
    return cast(checked_values(objective, model.forward(x), unit), f64);
  });
  Maximized result{Array({f32, {units, shape.height, shape.width, shape.channels}}),
                   std::vector<double>(static_cast<size_t>(units), -INFINITY)};
  for (int64_t first = 0; first < units; first += at_once) {
    // Image i is for unit first + i mod at_once; the last batch repeats the last unit.
    std::vector<int64_t> unit;
    for (int64_t i = 0; i < batch[0]; ++i) unit.push_back(std::min(units - 1, first + i % at_once));
    // Random images, from dark ones to those of all brightnesses.
    std::vector<float> brightest;
    for (int64_t i = 0; i < batch[0]; ++i)
      brightest.push_back(static_cast<float>(i / at_once + 1) / static_cast<float>(starts));
    const RandomKey key = data_key(options.seed, RandomPurpose::maximize, static_cast<uint64_t>(1 + first));
    const Tensor noise = uniform(batch, random_key(static_cast<int64_t>(key.seed), static_cast<int64_t>(key.stream)));
    ascent.run(noise * from_data(brightest, {batch[0], 1, 1, 1}), numbers(unit), [&](int64_t steps) {
      if (!options.after_step) return;
      const int64_t rounds = (units + at_once - 1) / at_once, done = first / at_once * options.steps + steps;
      options.after_step(static_cast<double>(done) / static_cast<double>(rounds * options.steps));
    });
    const Array images = ascent.images();
    const std::vector<double> reached = values(constant(images), numbers(unit)).to_vector<double>();
    for (size_t i = 0; i < unit.size(); ++i) {
      const auto u = static_cast<size_t>(unit[i]);
      if (!(reached[i] > result.values[u])) continue;
      result.values[u] = reached[i];
      std::memcpy(result.images.data<float>() + unit[i] * shape.numel(),
                  images.data<float>() + static_cast<int64_t>(i) * shape.numel(),
                  static_cast<size_t>(shape.numel()) * sizeof(float));
    }
  }
  return result;
}

FilterImages maximize_filters(const ImageModel& model, const std::string& layer, const MaximizeOptions& options,
                              std::vector<int64_t> channels) {
  const Objective before = channels_of(model, layer), after = channels_of(model, layer, true);
  const int64_t all = model.model().layers()[model.layer(layer)].output.back();
  if (channels.empty())
    for (int64_t c = 0; c < all; ++c) channels.push_back(c);
  for (const int64_t c : channels)
    if (c < 0 || c >= all) throw Error(fmt::format("{}: there is no channel {}; it has {}", layer, c, all));
  FilterImages filters{layer, channels, {}, {}, receptive_field(model, layer)};
  filters.best = maximize(model, chosen(before, channels), static_cast<int64_t>(channels.size()), options);
  for (const double value : measure(model, chosen(after, channels), filters.best.images))
    filters.dead.push_back(value == 0);
  return filters;
}

}  // namespace telaio::nn
