#include <telaio/nn/insight/attribution.hpp>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include <fmt/format.h>

#include <telaio/autograd/compile.hpp>
#include <telaio/autograd/grad.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/reduce.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio::nn {

namespace {

using Function = std::function<Tensor(const std::vector<Tensor>&)>;
using CompiledFunction = Compiled<Function>;

Tensor rows(const Array& images, int64_t first, int64_t last) { return slice(constant(images), 0, first, last).eval(); }

/// Appends numbers [N,H,W] as N maps.
void append(std::vector<Array>& maps, const Tensor& numbers) {
  const Array all = cast(numbers, f32).value().contiguous();
  const Shape map{all.shape()[1], all.shape()[2]};
  for (int64_t i = 0; i < all.shape()[0]; ++i)
    maps.emplace_back(TensorSpec{f32, map}, all.storage(), contiguous_strides(map), all.offset() + i * numel(map));
}

Array map_of(const std::vector<double>& values, int64_t height, int64_t width) {
  const Array map({f32, {height, width}});
  std::transform(values.begin(), values.end(), map.data<float>(), [](double x) { return static_cast<float>(x); });
  return map;
}

/// f64 [N, outputs]: what the outputs' logits are multiplied with to give those of the classes.
Tensor factors(const std::vector<int64_t>& classes, int64_t first, int64_t last, int64_t outputs) {
  std::vector<double> all(static_cast<size_t>((last - first) * outputs));
  for (int64_t i = first; i < last; ++i) {
    const int64_t c = classes[static_cast<size_t>(i)];
    double* row = all.data() + (i - first) * outputs;
    if (outputs == 1) row[0] = c == 1 ? 1 : -1;
    else row[c] = 1;
  }
  return from_data(all, {last - first, outputs});
}

Tensor score(const Forward& forward, const Tensor& factors) { return sum(cast(forward.logits, f64) * factors); }

/// Between the middles of pixels, as cv2.resize and PyTorch's interpolate do: beyond the outer ones it stays constant.
std::vector<double> enlarged(const float* x, int64_t h, int64_t w, int64_t height, int64_t width) {
  struct Between {
    int64_t low, high;
    double share;
  };
  const auto places = [](int64_t from, int64_t to) {
    std::vector<Between> all;
    for (int64_t i = 0; i < to; ++i) {
      const double place = (static_cast<double>(i) + 0.5) * static_cast<double>(from) / static_cast<double>(to) - 0.5;
      const double inside = std::clamp(place, 0.0, static_cast<double>(from - 1));
      const auto low = static_cast<int64_t>(inside);
      all.push_back({low, std::min(low + 1, from - 1), inside - static_cast<double>(low)});
    }
    return all;
  };
  std::vector<double> y;
  const std::vector<Between> columns = places(w, width);
  for (const Between& row : places(h, height))
    for (const Between& column : columns) {
      const auto along = [&](int64_t r) {
        return (1 - column.share) * x[r * w + column.low] + column.share * x[r * w + column.high];
      };
      y.push_back((1 - row.share) * along(row.low) + row.share * along(row.high));
    }
  return y;
}

}  // namespace

Attribution::Attribution(const ImageModel& model, const Array& images, std::vector<int64_t> classes)
    : model_(model), classes_(std::move(classes)) {
  const Model& network = model.model();
  if (network.ending() == Ending::linear || network.output_shape().rank() != 1)
    throw Error(
        fmt::format("attribution: expected a model that ends in a softmax, or a sigmoid for each class; '{}' "
                    "gives {} with a {} ending",
                    network.name(), to_string(network.output_shape()), name_of(network.ending())));
  if (network.ending() == Ending::softmax && network.output_shape()[0] == 1)
    throw Error(
        fmt::format("attribution: '{}' ends in a softmax of a single output, which is always 1; expected a "
                    "sigmoid, or an output for each class",
                    network.name()));
  const ImageShape& shape = model.shape();
  const Shape expected{images.defined() && images.shape().rank() > 0 ? images.shape()[0] : 0, shape.height, shape.width,
                       shape.channels};
  if (!images.defined() || expected[0] == 0) throw Error("attribution: there are no images");
  if (images.dtype() != f32 || !(images.shape() == expected))
    throw Error(fmt::format("attribution: expected images f32 [N,{}, got {}",
                            to_string(network.sample_shape()).substr(1), to_string(images.spec())));
  images_ = images.contiguous();
  outputs_ = network.output_shape()[0];
  const CompiledFunction run([this](const std::vector<Tensor>& x) { return model_.forward(x[0]).logits; });
  for (int64_t first = 0; first < expected[0]; first += batch_size())
    for (const double logit :
         run(std::vector{rows(images_, first, std::min(expected[0], first + batch_size()))}).to_vector<double>()) {
      if (!std::isfinite(logit))
        throw Error(fmt::format("attribution: the logits of image {} are not finite",
                                static_cast<int64_t>(logits_.size()) / outputs_));
      logits_.push_back(logit);
    }
  if (classes_.empty())
    for (int64_t i = 0; i < expected[0]; ++i) classes_.push_back(predicted(i));
  if (size() != expected[0]) throw Error(fmt::format("attribution: {} classes for {} images", size(), expected[0]));
  for (const int64_t c : classes_)
    if (c < 0 || c >= class_count(network))
      throw Error(fmt::format("attribution: class {}, expected 0 … {}", c, class_count(network) - 1));
}

int64_t Attribution::batch_size() const {
  return std::clamp<int64_t>((int64_t{1} << 20) / model_.shape().numel(), 1, 64);
}

int64_t Attribution::predicted(int64_t image) const {
  const double* row = logits_.data() + image * outputs_;
  return outputs_ == 1 ? row[0] > 0 : std::max_element(row, row + outputs_) - row;
}

double Attribution::logit(int64_t image, int64_t c) const { return signed_logit(logits_.data() + image * outputs_, c); }

double Attribution::probability(int64_t image, int64_t c) const {
  return 1 / (1 + std::exp(-log_odds(logits_.data() + image * outputs_, c)));
}

double Attribution::signed_logit(const double* logits, int64_t c) const {
  if (outputs_ > 1) return logits[c];
  return c == 1 ? logits[0] : -logits[0];
}

double Attribution::log_odds(const double* logits, int64_t c) const {
  const double own = signed_logit(logits, c);
  if (outputs_ == 1 || model_.model().ending() == Ending::sigmoid) return own;
  // Of the softmax: the logit minus the logarithm of the others' exponentials.
  double most = -std::numeric_limits<double>::infinity(), others = 0;
  for (int64_t k = 0; k < outputs_; ++k)
    if (k != c) most = std::max(most, logits[k]);
  for (int64_t k = 0; k < outputs_; ++k)
    if (k != c) others += std::exp(logits[k] - most);
  return own - most - std::log(others);
}

std::vector<Array> Attribution::gradient_times_input() const {
  const CompiledFunction run([this](const std::vector<Tensor>& given) {
    const Tensor x = cast(given[0], model_.model().dtype());
    const Tensor slope = grad(score(model_.forward(x), given[1]), x);
    return sum(cast(slope, f64) * cast(x, f64), {3});
  });
  std::vector<Array> maps;
  for (int64_t first = 0; first < size(); first += batch_size()) {
    const int64_t last = std::min(size(), first + batch_size());
    append(maps, run(std::vector{rows(images_, first, last), factors(classes_, first, last, outputs_)}));
  }
  return maps;
}

IntegratedGradients Attribution::integrated_gradients(const IntegratedGradientsOptions& options) const {
  const ImageShape& shape = model_.shape();
  const Shape one{1, shape.height, shape.width, shape.channels};
  if (options.steps < 1) throw Error(fmt::format("integrated gradients: {} steps, expected at least 1", options.steps));
  Tensor baseline = zeros(one);
  if (options.baseline.defined()) {
    const TensorSpec expected{f32, model_.model().sample_shape()};
    if (!(options.baseline.spec() == expected))
      throw Error(fmt::format("integrated gradients: expected a baseline {}, got {}", to_string(expected),
                              to_string(options.baseline.spec())));
    baseline = reshape(constant(options.baseline), one).eval();
  }
  const CompiledFunction run([this](const std::vector<Tensor>& given) {
    const DType dtype = model_.model().dtype();
    const Tensor from = cast(given[1], dtype), way = cast(given[0], dtype) - from;
    const Tensor points = from + cast(given[2], dtype) * way;  // [steps,H,W,C]
    const Tensor slope = sum(cast(grad(score(model_.forward(points), given[3]), points), f64), {0}, true);
    return sum(slope * cast(way, f64), {0, 3});
  });
  const std::vector<double> start = model_.forward(baseline).logits.to_vector<double>();

  IntegratedGradients result;
  for (int64_t i = 0; i < size(); ++i) {
    const Tensor image = rows(images_, i, i + 1);
    const int64_t c = classes_[static_cast<size_t>(i)];
    std::vector<double> map(static_cast<size_t>(shape.height * shape.width));
    for (int64_t first = 0; first < options.steps; first += batch_size()) {
      const int64_t count = std::min(batch_size(), options.steps - first);
      std::vector<double> along;
      for (int64_t k = first; k < first + count; ++k)
        along.push_back((static_cast<double>(k) + 0.5) / static_cast<double>(options.steps));
      const std::vector<int64_t> same(static_cast<size_t>(count), c);
      const std::vector<double> part =
          run(std::vector{image, baseline, from_data(along, {count, 1, 1, 1}), factors(same, 0, count, outputs_)})
              .to_vector<double>();
      for (size_t p = 0; p < map.size(); ++p) map[p] += part[p];
    }
    double total = 0;
    for (double& value : map) total += value /= static_cast<double>(options.steps);
    result.maps.push_back(map_of(map, shape.height, shape.width));
    result.sums.push_back(total);
    result.differences.push_back(logit(i, c) - signed_logit(start.data(), c));
  }
  return result;
}

std::vector<Array> Attribution::grad_cam(const std::string& layer) const {
  const Model& network = model_.model();
  const std::vector<std::string> convolutions = model_.convolutions();
  if (layer.empty() && convolutions.empty())
    throw Error(fmt::format("Grad-CAM: model '{}' has no convolutional layer", network.name()));
  const size_t at = model_.layer(layer.empty() ? convolutions.back() : layer);
  if (network.layers()[at].output.rank() != 3)
    throw Error(fmt::format("Grad-CAM: layer '{}' gives {}, expected a layer that gives maps [H,W,K]", layer,
                            to_string(network.layers()[at].output)));
  const CompiledFunction run([this, at](const std::vector<Tensor>& given) {
    const Forward forward = model_.forward(given[0]);
    const Tensor maps = cast(forward.layers[at].output, f64);
    const Tensor slope = cast(grad(score(forward, given[1]), forward.layers[at].output), f64);
    return cast(relu(sum(mean(slope, {1, 2}, true) * maps, {3})), f32);
  });
  const ImageShape& shape = model_.shape();
  std::vector<Array> small, maps;
  for (int64_t first = 0; first < size(); first += batch_size()) {
    const int64_t last = std::min(size(), first + batch_size());
    append(small, run(std::vector{rows(images_, first, last), factors(classes_, first, last, outputs_)}));
  }
  for (const Array& map : small)
    maps.push_back(map_of(enlarged(map.data<float>(), map.shape()[0], map.shape()[1], shape.height, shape.width),
                          shape.height, shape.width));
  return maps;
}

}  // namespace telaio::nn
