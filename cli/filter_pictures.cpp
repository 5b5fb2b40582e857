#include "filter_pictures.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <telaio/ops/binary.hpp>
#include <telaio/ops/create.hpp>
#include <telaio/ops/reduce.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio::cli {

namespace {

constexpr int64_t in_a_row = 16, feature_side = 17;

// Of numbers [H,W,C] those of channel c, [H,W].
Array map_of(const Array& maps, int64_t c) {
  const Shape& shape = maps.shape();
  return reshape(slice(constant(maps), 2, c, c + 1), {shape[0], shape[1]}).value().contiguous();
}

}  // namespace

std::string plural(int64_t count, const std::string& noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::vector<nn::TileGrid> kernel_grid(const nn::ImageModel& model) {
  const std::vector<std::string> convolutions = model.convolutions();
  if (convolutions.empty()) return {};
  for (const Variable& variable : model.model().variables()) {
    if (variable.name() != convolutions[0] + ".weight") continue;
    const Array weights = cast(variable.read(), f32).value().contiguous();  // [KH,KW,C,filters]
    const Shape& shape = weights.shape();
    const bool coloured = shape[2] == 3;
    const Array shown = coloured ? weights : sum(constant(weights), 2, true).value().contiguous();
    double limit = 0;
    for (int64_t i = 0; i < shown.spec().numel(); ++i)
      limit = std::max<double>(limit, std::abs(shown.data<float>()[i]));
    nn::TileGrid grid{fmt::format("{}: its {}, {}", convolutions[0], plural(shape[3], "kernel"),
                                  coloured        ? "in their colours, weights of 0 grey"
                                  : shape[2] == 1 ? "weights above 0 red, below 0 blue"
                                                  : "added up over the channels, above 0 red, below 0 blue"),
                      {},
                      in_a_row};
    for (int64_t f = 0; f < shape[3]; ++f) {
      const Tensor kernel = slice(constant(shown), 3, f, f + 1);
      const nn::Image image =
          coloured
              ? nn::image_of(
                    reshape(kernel / (limit > 0 ? 2 * limit : 1) + 0.5, {shape[0], shape[1], 3}).value().contiguous())
              : nn::signed_colours(reshape(kernel, {shape[0], shape[1]}).value().contiguous(), limit);
      grid.tiles.push_back({image, fmt::format("{}", f)});
    }
    return {grid};
  }
  return {};
}

nn::TileGrid filter_grid(const nn::FilterImages& filters) {
  const auto count = static_cast<int64_t>(filters.dead.size());
  const nn::Window& window = filters.field.window;
  nn::TileGrid grid{fmt::format("{}: what moves each of its {} most, of the {}x{} pixels that it sees", filters.layer,
                                plural(count, "filter"), window.height, window.width),
                    {},
                    in_a_row};
  for (int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<size_t>(i);
    const int64_t f = filters.channels[at];
    grid.tiles.push_back(
        {nn::image_of(nn::cut(filters.best.images, i, window)),
         filters.dead[at] ? fmt::format("{} dead", f) : fmt::format("{}: {:.2g}", f, filters.best.values[at])});
  }
  return grid;
}

nn::TileGrid patch_grid(const nn::FilterImages& filters, const std::vector<std::vector<nn::Response>>& strongest,
                        const Array& images) {
  size_t shown = 0;
  for (const auto& responses : strongest) shown = std::max(shown, responses.size());
  const nn::TileGrid own = filter_grid(filters);
  const int64_t width = static_cast<int64_t>(shown) + 1, beside = std::max<int64_t>(1, in_a_row / width);
  nn::TileGrid grid{
      fmt::format("{}: each filter's image, and the {} pieces of real images that move it most", filters.layer, shown),
      {},
      width * beside};
  for (size_t f = 0; f < strongest.size(); ++f) {
    grid.tiles.push_back(own.tiles[f]);
    for (const nn::Response& response : strongest[f])
      grid.tiles.push_back(
          {nn::image_of(nn::cut(images, response.image, filters.field.at(response.row, response.column))),
           fmt::format("{:.2g}", response.value)});
  }
  return grid;
}

nn::TileGrid class_grid(const nn::Maximized& found, const std::vector<std::string>& names) {
  nn::TileGrid grid{"classes: the image that the net is surest of, for each", {}, in_a_row};
  const Shape& shape = found.images.shape();
  for (size_t i = 0; i < names.size(); ++i)
    grid.tiles.push_back(
        {nn::image_of(nn::cut(found.images, static_cast<int64_t>(i), {0, 0, shape[1], shape[2]})), names[i]});
  return grid;
}

std::vector<nn::TileGrid> output_grids(const Array& image, const std::vector<nn::LayerOutput>& outputs) {
  std::vector<nn::TileGrid> grids{{"the image", {{nn::image_of(image), ""}}, 1}};
  for (const nn::LayerOutput& output : outputs) {
    const Shape& shape = output.values.shape();
    const float* numbers = output.values.data<float>();
    const auto [least, greatest] = std::minmax_element(numbers, numbers + output.values.spec().numel());
    nn::TileGrid grid{fmt::format("{} ({})", output.path, output.type), {}, in_a_row};
    if (shape.rank() == 3) {
      for (int64_t c = 0; c < shape[2]; ++c)
        grid.tiles.push_back({nn::stretched(map_of(output.values, c), *least, *greatest), fmt::format("{}", c)});
    } else if (shape.rank() == 1) {
      // In lines of as many as look well beside the maps.
      const int64_t wide = std::min<int64_t>(shape[0], 64), lines = (shape[0] + wide - 1) / wide;
      const Array padded({f32, {lines, wide}});
      std::fill_n(padded.data<float>(), lines * wide, *least);
      std::copy_n(numbers, shape[0], padded.data<float>());
      grid.tiles.push_back({nn::stretched(padded, *least, *greatest), ""});
      grid.scale = feature_side;
    } else if (shape.rank() == 2) {
      grid.tiles.push_back({nn::stretched(output.values, *least, *greatest), ""});
    } else {
      grid.title += ": not drawn, it gives " + to_string(shape);
    }
    grids.push_back(std::move(grid));
  }
  return grids;
}

}  // namespace telaio::cli
