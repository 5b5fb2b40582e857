#include <telaio/nn/insight/maximize.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include <telaio/autograd/compile.hpp>
#include <telaio/autograd/grad.hpp>
#include <telaio/nn/data/sample_random.hpp>
#include <telaio/nn/insight/sampling.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/create.hpp>
#include <telaio/ops/indexing.hpp>
#include <telaio/ops/joining.hpp>
#include <telaio/ops/reduce.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio::nn {

namespace {

constexpr double beta1 = 0.9, beta2 = 0.9;  // of Adam; few steps: a shorter memory than when training
constexpr int64_t most_images = 1024;

/// The lengths of all pixels' differences to the right and below, added up (Rudin et al. 1992); beyond the edge nothing
/// differs.
Tensor total_variation(const Tensor& x) {
  const int64_t h = x.dim(1), w = x.dim(2);
  const Tensor right = pad(slice(x, 2, 1, w) - slice(x, 2, 0, w - 1), {{0, 0}, {0, 0}, {0, 1}, {0, 0}});
  const Tensor below = pad(slice(x, 1, 1, h) - slice(x, 1, 0, h - 1), {{0, 0}, {0, 1}, {0, 0}, {0, 0}});
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
    forget();
    Draws draws(data_key(options_.seed, RandomPurpose::maximize, 0));
    const auto settled = static_cast<int64_t>(std::lround(options_.settling * static_cast<double>(options_.steps)));
    const int64_t moving = options_.steps - settled, alone = moving + settled / 3;
    int64_t begun = 0;
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
        penalty = i < alone ? 1 - 3 * share : 0;
        rate *= 1 - 0.8 * share;
        if (i == alone) {  // what was learnt of the penalties would hold back pixels that matter little
          forget();
          begun = i;
        }
      }
      const auto t = static_cast<double>(i - begun + 1);
      rate *= std::sqrt(1 - std::pow(beta2, t)) / (1 - std::pow(beta1, t));
      const Sampling seen = sampling(affine(geometry, shape_), shape_);
      step_(seen.places, seen.weights, unit, full({}, rate), full({}, penalty));
      after_step(i + 1);
    }
  }
  void forget() {
    m_.assign(zeros(m_.shape()));
    v_.assign(zeros(v_.shape()));
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
    const Tensor values = checked_values(objective, model.forward(sampled(x, {places, weights})), unit);
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

std::vector<double> measure(const ImageModel& model, const Objective& objective, const Array& images,
                            const std::vector<int64_t>& units) {
  const int64_t n = images.shape()[0], at_once = model.images_at_once(most_images);
  if (static_cast<int64_t>(units.size()) != n)
    throw Error(fmt::format("measure: {} units for {} images, expected as many", units.size(), n));
  const auto values = compile([&](const Tensor& x, const Tensor& unit) {
    return cast(checked_values(objective, model.forward(x), unit), f64);
  });
  std::vector<double> all;
  for (int64_t first = 0; first < n; first += at_once) {
    const int64_t last = std::min(n, first + at_once);
    const Tensor unit = numbers({units.begin() + first, units.begin() + last});
    const std::vector<double> some = values(slice(constant(images), 0, first, last), unit).to_vector<double>();
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}

Maximized maximize(const ImageModel& model, const Objective& objective, const std::vector<int64_t>& units,
                   const MaximizeOptions& options) {
  const ImageShape& shape = model.shape();
  const int64_t count = static_cast<int64_t>(units.size()), pixels = shape.numel();
  const int64_t starts = std::max<int64_t>(1, options.starts);
  Maximized best{Array({f32, {count, shape.height, shape.width, shape.channels}}),
                 std::vector<double>(units.size(), std::numeric_limits<double>::quiet_NaN())};
  // Image i of a batch is start i mod starts of unit i / starts; all units in one batch, if they fit the memory.
  const int64_t at_once =
      std::clamp<int64_t>(model.images_at_once(most_images) / starts, 1, std::max<int64_t>(1, count));
  const int64_t rounds = (count + at_once - 1) / at_once, batch = at_once * starts;
  Ascent ascent(model, objective, options, {batch, shape.height, shape.width, shape.channels});
  for (int64_t round = 0; round < rounds; ++round) {
    const int64_t first = round * at_once;
    std::vector<int64_t> unit;
    std::vector<float> noise(static_cast<size_t>(batch * pixels));
    for (int64_t i = 0; i < batch; ++i) {  // the last batch repeats the last unit
      unit.push_back(units[static_cast<size_t>(std::min(count - 1, first + i / starts))]);
      // From dark noise to noise of all brightnesses; the same whatever else is in the batch.
      Draws draws(data_key(options.seed, RandomPurpose::maximize,
                           static_cast<uint64_t>(1 + unit.back() * starts + i % starts)));
      const double brightest = static_cast<double>(i % starts + 1) / static_cast<double>(starts);
      std::generate_n(noise.begin() + i * pixels, pixels, [&] { return static_cast<float>(brightest * draws.unit()); });
    }
    ascent.run(from_data(noise, {batch, shape.height, shape.width, shape.channels}), numbers(unit), [&](int64_t steps) {
      const int64_t done = round * options.steps + steps;
      if (options.after_step)
        options.after_step(static_cast<double>(done) / static_cast<double>(rounds * options.steps));
    });
    const Array images = ascent.images();
    const std::vector<double> reached = measure(model, objective, images, unit);
    for (int64_t i = 0; i < std::min(at_once, count - first) * starts; ++i) {
      const int64_t to = first + i / starts;
      double& value = best.values[static_cast<size_t>(to)];
      const double here = reached[static_cast<size_t>(i)];
      if (i % starts > 0 && !(here > value) && !(std::isnan(value) && !std::isnan(here))) continue;
      value = here;
      std::copy_n(images.data<float>() + i * pixels, pixels, best.images.data<float>() + to * pixels);
    }
  }
  return best;
}

FilterImages maximize_filters(const ImageModel& model, const std::string& layer, const MaximizeOptions& options,
                              std::vector<int64_t> channels) {
  const Objective before = channels_of(model, layer), after = channels_of(model, layer, true);
  const int64_t all = model.model().layers()[model.layer(layer)].output.back();
  if (channels.empty())
    for (int64_t c = 0; c < all; ++c) channels.push_back(c);
  for (const int64_t c : channels)
    if (c < 0 || c >= all) throw Error(fmt::format("{}: there is no channel {}; it has {}", layer, c, all));
  const Forward once = model.forward(zeros({1, model.shape().height, model.shape().width, model.shape().channels}));
  const LayerValue& value = once.layers[model.layer(layer)];
  FilterImages filters{layer, channels, maximize(model, before, channels, options), {}, receptive_field(model, layer)};
  filters.activated = !value.output.same(value.before_activation);
  for (const double one : measure(model, after, filters.best.images, channels))
    filters.dead.push_back(filters.activated && one == 0);
  return filters;
}

}  // namespace telaio::nn
