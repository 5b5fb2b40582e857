#include <telaio/nn/insight/responses.hpp>

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include <telaio/autograd/compile.hpp>
#include <telaio/ops/reduce.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio::nn {

namespace {

constexpr int64_t most_images = 256;

}  // namespace

std::vector<LayerOutput> layer_outputs(const ImageModel& model, const Array& image) {
  const Shape& sample = model.model().sample_shape();
  if (!(image.spec() == TensorSpec{f32, sample}))
    throw Error(fmt::format("layer outputs: the image is {}, expected {}", to_string(image.spec()),
                            to_string(TensorSpec{f32, sample})));
  const auto& layers = model.model().layers();
  const auto compute = compile([&](const Tensor& x) {
    std::vector<Tensor> outputs;
    const Forward forward = model.forward(x);
    for (size_t i = 0; i < layers.size(); ++i)
      if (layers[i].leaf) outputs.push_back(cast(forward.layers[i].output, f32));
    return outputs;
  });
  const std::vector<Tensor> outputs = compute(unsqueeze(constant(image), 0));
  std::vector<LayerOutput> all;
  for (const LayerInfo& layer : layers)
    if (layer.leaf) all.push_back({layer.path, layer.type, squeeze(outputs[all.size()], {0}).value().contiguous()});
  return all;
}

std::vector<std::vector<Response>> strongest_responses(const ImageModel& model, const std::string& layer,
                                                       const Array& images, int64_t count,
                                                       const std::function<void(double)>& after_batch) {
  const size_t index = model.layer(layer);
  const Shape& shape = model.model().layers()[index].output;
  check_has_channels(layer, shape);
  const int64_t channels = shape.back(), places = numel(shape) / channels, columns = shape.rank() == 3 ? shape[1] : 1;
  const auto respond = compile([&](const Tensor& x) {
    const Tensor y = reshape(model.forward(x).layers[index].before_activation, {x.dim(0), places, channels});
    return std::pair(cast(max(y, 1), f64), argmax(y, 1));
  });
  std::vector<std::vector<Response>> best(static_cast<size_t>(channels));
  const int64_t at_once = model.images_at_once(most_images);
  for (int64_t first = 0; first < images.shape()[0]; first += at_once) {
    const int64_t last = std::min(images.shape()[0], first + at_once);
    const auto [strongest, place] = respond(slice(constant(images), 0, first, last));
    const std::vector<double> values = strongest.to_vector<double>();
    const std::vector<int64_t> at = place.to_vector<int64_t>();
    for (size_t c = 0; c < best.size(); ++c) {
      std::vector<Response>& mine = best[c];
      for (int64_t i = first; i < last; ++i) {
        const size_t from = static_cast<size_t>(i - first) * best.size() + c;
        mine.push_back({i, at[from] / columns, at[from] % columns, values[from]});
      }
      std::stable_sort(mine.begin(), mine.end(), [](const Response& a, const Response& b) {
        return a.value > b.value || (std::isnan(b.value) && !std::isnan(a.value));  // what is no number comes last
      });
      mine.resize(std::min(mine.size(), static_cast<size_t>(std::max<int64_t>(0, count))));
    }
    if (after_batch) after_batch(static_cast<double>(last) / static_cast<double>(images.shape()[0]));
  }
  return best;
}

}  // namespace telaio::nn
