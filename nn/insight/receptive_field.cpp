#include <telaio/nn/insight/receptive_field.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <telaio/autograd/grad.hpp>
#include <telaio/nn/data/sample_random.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/create.hpp>
#include <telaio/ops/random.hpp>
#include <telaio/ops/reduce.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio::nn {

namespace {

// A relu or a maximum hides a pixel in one image, hardly in all of these and from all channels.
constexpr int64_t samples = 32;

Window seen(const ImageModel& model, size_t layer, int64_t row, int64_t column) {
  const ImageShape& shape = model.shape();
  const Tensor x = uniform({samples, shape.height, shape.width, shape.channels}, random_key(0, 0)).eval();
  Tensor y = model.forward(x).layers[layer].before_activation;
  if (y.rank() == 4) y = slice(slice(y, 1, row, row + 1), 2, column, column + 1);
  // Weights of their own keep channels from cancelling one another.
  const Tensor weights = uniform({y.dim(-1)}, random_key(0, 1), 0.5, 1.5, y.dtype());
  const Array slope = cast(max(abs(grad(sum(y * weights), x)), {0, 3}), f32).value().contiguous();
  Window window{shape.height, shape.width, 0, 0};
  int64_t bottom = 0, right = 0;
  for (int64_t v = 0; v < shape.height; ++v)
    for (int64_t u = 0; u < shape.width; ++u) {
      if (slope.data<float>()[v * shape.width + u] == 0) continue;
      window.top = std::min(window.top, v);
      window.left = std::min(window.left, u);
      bottom = std::max(bottom, v + 1);
      right = std::max(right, u + 1);
    }
  if (bottom == 0) return {0, 0, shape.height, shape.width};  // nothing that it sees changes it
  window.height = bottom - window.top;
  window.width = right - window.left;
  return window;
}

}  // namespace

Array cut(const Array& images, int64_t i, const Window& window) {
  if (images.shape().rank() != 4 || images.dtype() != f32 || i < 0 || i >= images.shape()[0])
    throw Error(fmt::format("cut: image {} of {}, expected f32 [N,H,W,C]", i, to_string(images.spec())));
  const Array dense = images.contiguous();
  const int64_t height = images.shape()[1], width = images.shape()[2], channels = images.shape()[3];
  const Array part({f32, {window.height, window.width, channels}});
  std::fill_n(part.data<float>(), part.spec().numel(), 0.0F);
  const int64_t from = std::max<int64_t>(0, -window.left), to = std::min(window.width, width - window.left);
  for (int64_t row = 0; row < window.height; ++row) {
    const int64_t y = window.top + row;
    if (y < 0 || y >= height || from >= to) continue;
    std::copy_n(dense.data<float>() + ((i * height + y) * width + window.left + from) * channels,
                (to - from) * channels, part.data<float>() + (row * window.width + from) * channels);
  }
  return part;
}

Window ReceptiveField::at(int64_t unit_row, int64_t unit_column) const {
  Window moved = window;
  moved.top += (unit_row - row) * row_step;
  moved.left += (unit_column - column) * column_step;
  return moved;
}

ReceptiveField receptive_field(const ImageModel& model, const std::string& layer) {
  const size_t index = model.layer(layer);
  const Shape& output = model.model().layers()[index].output;
  ReceptiveField field;
  if (output.rank() == 3) {
    field.row = output[0] / 2;
    field.column = output[1] / 2;
  }
  field.window = seen(model, index, field.row, field.column);
  // From the neighbour above and to the left, which every map of two rows and columns has.
  if (field.row > 0) field.row_step = field.window.top - seen(model, index, field.row - 1, field.column).top;
  if (field.column > 0) field.column_step = field.window.left - seen(model, index, field.row, field.column - 1).left;
  return field;
}

}  // namespace telaio::nn
