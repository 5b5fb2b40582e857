#include <telaio/nn/insight/image_model.hpp>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/create.hpp>
#include <telaio/ops/unary.hpp>

namespace telaio::nn {

namespace {

ImageShape image_shape(const Model& model) {
  const Shape& sample = model.sample_shape();
  if (sample.rank() != 3)
    throw Error(
        fmt::format("model '{}': it takes samples of shape {}, expected images", model.name(), to_string(sample)));
  if (model.input_dtype() != u8 && !is_float(model.input_dtype()))
    throw Error(fmt::format("model '{}': it takes {}, expected images of floats or bytes", model.name(),
                            name_of(model.input_dtype())));
  return {sample[0], sample[1], sample[2]};
}

// What rounds its inputs has no gradient by them: the same network over floats.
Model of_floats(const Model& model) {
  if (model.input_dtype() != u8) return model;
  Model copy(model.network(), model.sample_shape(), {.name = model.name(), .dtype = model.dtype()});
  copy.set_values(model.values());
  return copy;
}

}  // namespace

ImageModel::ImageModel(const Model& model, Standardization standardization)
    : model_(of_floats(model)),
      standardization_(std::move(standardization)),
      shape_(image_shape(model)),
      bytes_(model.input_dtype() == u8) {
  check(standardization_, model.sample_shape());
}

Forward ImageModel::forward(const Tensor& images) const {
  Tensor x = images;
  if (standardization_.pixels) x = (x - standardization_.mean) / standardization_.deviation;
  if (bytes_) x = x * 255;
  return model_.forward(cast(x, model_.input_dtype()));
}

int64_t ImageModel::images_at_once(int64_t most) const {
  constexpr int64_t most_bytes = int64_t{256} << 20;
  int64_t values = 20 * shape_.numel();  // and what is done with the image itself
  for (const LayerInfo& layer : model_.layers())
    if (layer.leaf) values += 2 * numel(layer.output);
  return std::clamp<int64_t>(most_bytes / (values * static_cast<int64_t>(size_of(model_.dtype()))), 1, most);
}

size_t ImageModel::layer(const std::string& path) const {
  const auto& layers = model_.layers();
  std::vector<std::string> known;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (layers[i].path == path && !path.empty()) return i;
    if (!layers[i].path.empty()) known.push_back(layers[i].path);
  }
  throw Error(
      fmt::format("model '{}': there is no layer '{}'; it has {}", model_.name(), path, fmt::join(known, ", ")));
}

std::vector<std::string> ImageModel::convolutions() const {
  std::vector<std::string> paths;
  for (const LayerInfo& layer : model_.layers())
    if (layer.leaf && layer.type.ends_with("conv2d") && layer.output.rank() == 3) paths.push_back(layer.path);
  return paths;
}

void check_has_channels(const std::string& layer, const Shape& output) {
  if (output.rank() != 1 && output.rank() != 3)
    throw Error(fmt::format("{}: the layer gives {}, expected features [C] or maps [H,W,C]", layer, to_string(output)));
}

Array images_of(const Samples& samples, const Standardization& standardization, const std::string& who) {
  const Tensor& x = samples.inputs;
  if (samples.empty()) throw Error(fmt::format("{}: there are no samples", who));
  if (x.rank() != 4 || (x.dtype() != u8 && x.dtype() != f32))
    throw Error(fmt::format("{}: expected images, u8 or f32 [N,H,W,C]; the samples are {}", who, to_string(x.spec())));
  const Array images = (x.dtype() == u8 ? cast(x, f32) / 255 : x).value().contiguous();
  if (!standardization.center && !standardization.deskew) return images;
  const Array upright(images.spec());
  std::memcpy(upright.bytes(), images.bytes(), static_cast<size_t>(images.spec().bytes()));
  const ImageShape shape{x.dim(1), x.dim(2), x.dim(3)};
  parallel_for(x.dim(0), grain_for(40.0 * static_cast<double>(shape.numel())), [&](int64_t begin, int64_t end) {
    std::vector<float> scratch;
    for (int64_t i = begin; i < end; ++i)
      make_upright(standardization, shape, upright.data<float>() + i * shape.numel(), scratch);
  });
  return upright;
}

}  // namespace telaio::nn
