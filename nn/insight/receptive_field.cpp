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
constexpr int64_t most_samples = 32;

Window seen(const ImageModel& model, size_t layer, int64_t row, int64_t column) {
  const ImageShape& shape = model.shape();
  const int64_t samples = model.images_at_once(most_samples);
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

// Along one axis.
struct Span {
  int64_t first, size, step = 0;
};

// Of a unit, from what it and its neighbours see within an image of that size. Where a window reaches beyond the image
// its end there does not move, the other one does; what reaches beyond both ends is the whole image.
Span span(const Span& before, const Span& here, const Span& after, int64_t size) {
  const auto end = [](const Span& one) { return one.first + one.size; };
  if (here.first == 0 && end(here) == size) return {0, size};
  Span found{
      here.first, std::max({before.size, here.size, after.size}),
      std::max({here.first - before.first, end(here) - end(before), after.first - here.first, end(after) - end(here)})};
  if (here.first == 0) found.first = end(here) - found.size;
  return found;
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
  const auto window = [&](int64_t rows_on, int64_t columns_on) {
    const int64_t at_row = field.row + rows_on, at_column = field.column + columns_on;
    const bool there =
        output.rank() == 3 && at_row >= 0 && at_column >= 0 && at_row < output[0] && at_column < output[1];
    return seen(model, index, there ? at_row : field.row, there ? at_column : field.column);
  };
  const auto vertical = [](const Window& one) { return Span{one.top, one.height}; };
  const auto horizontal = [](const Window& one) { return Span{one.left, one.width}; };
  const Window here = window(0, 0);
  const Span rows = span(vertical(window(-1, 0)), vertical(here), vertical(window(1, 0)), model.shape().height);
  const Span columns = span(horizontal(window(0, -1)), horizontal(here), horizontal(window(0, 1)), model.shape().width);
  field.window = {rows.first, columns.first, rows.size, columns.size};
  field.row_step = rows.step;
  field.column_step = columns.step;
  return field;
}

}  // namespace telaio::nn
