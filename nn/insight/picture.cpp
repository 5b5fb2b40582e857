#include <telaio/nn/insight/picture.hpp>

#include <algorithm>
#include <array>
#include <cmath>

#include <fmt/format.h>

#include <telaio/autograd/error.hpp>
#include <telaio/nn/insight/text_font.hpp>

namespace telaio::nn {

namespace {

using Colour = std::array<uint8_t, 3>;
constexpr Colour ink{40, 40, 40}, frame{200, 200, 200};  // on white
constexpr int64_t most_pixels = int64_t{1} << 28;        // what decode_png reads
constexpr int64_t margin = 8, line = letter_height + 4, title_line = 2 * letter_height + 6;

// What is no number is black.
uint8_t byte_of(double share) {
  return static_cast<uint8_t>(std::lround(255 * (share > 0 ? std::min(share, 1.0) : 0)));
}

struct Canvas {
  Image image;

  Canvas(int64_t height, int64_t width)
      : image{height, width, 3, std::vector<uint8_t>(static_cast<size_t>(3 * height * width), 255)} {}

  void set(int64_t x, int64_t y, const Colour& colour) {
    if (x < 0 || y < 0 || x >= image.width || y >= image.height) return;
    std::copy(colour.begin(), colour.end(), image.pixels.begin() + 3 * (y * image.width + x));
  }

  /// Letters `size` times as large as they are.
  void write(const std::string& text, int64_t x, int64_t y, int64_t size) {
    for (const char letter : text) {
      for (int64_t v = 0; v < size * letter_height; ++v)
        for (int64_t u = 0; u < size * letter_width; ++u)
          if (letter_pixel(letter, u / size, v / size)) set(x + u, y + v, ink);
      x += size * letter_width;
    }
  }

  void put(const Image& from, int64_t x, int64_t y, int64_t scale) {
    for (int64_t v = -1; v <= scale * from.height; ++v)
      for (int64_t u = -1; u <= scale * from.width; ++u) {
        if (u < 0 || v < 0 || u == scale * from.width || v == scale * from.height) {
          set(x + u, y + v, frame);
          continue;
        }
        const uint8_t* pixel = from.pixels.data() + ((v / scale) * from.width + u / scale) * from.channels;
        set(x + u, y + v,
            from.channels == 3 ? Colour{pixel[0], pixel[1], pixel[2]} : Colour{pixel[0], pixel[0], pixel[0]});
      }
  }
};

/// How the tiles of a grid are laid out.
struct Layout {
  int64_t scale, columns, cell_width, cell_height, rows;

  Layout(const TileGrid& grid, int64_t side) : scale(1), columns(std::max<int64_t>(1, grid.columns)), rows(0) {
    int64_t height = 1, width = 1;
    bool captions = false;
    for (const Tile& tile : grid.tiles) {
      height = std::max(height, tile.image.height);
      width = std::max(width, tile.image.width);
      captions = captions || !tile.caption.empty();
    }
    const int64_t longest = std::max(height, width);
    scale = grid.scale > 0 ? grid.scale : std::max<int64_t>(1, (side + longest / 2) / longest);
    columns = std::min(columns, std::max<int64_t>(1, static_cast<int64_t>(grid.tiles.size())));
    rows = (static_cast<int64_t>(grid.tiles.size()) + columns - 1) / columns;
    cell_width = scale * width + margin;
    cell_height = scale * height + margin + (captions ? line : 0);
  }
  int64_t width(const TileGrid& grid) const {
    const auto title = static_cast<int64_t>(grid.title.size()) * letter_width;
    return 2 * margin + std::max(columns * cell_width, title);
  }
  int64_t height(const TileGrid& grid) const { return (grid.title.empty() ? margin : title_line) + rows * cell_height; }
};

Image image_of_pixels(int64_t height, int64_t width, int64_t channels) {
  return {height, width, channels, std::vector<uint8_t>(static_cast<size_t>(height * width * channels))};
}

}  // namespace

Image draw(const std::vector<TileGrid>& grids, int64_t side) {
  int64_t width = 1, height = margin;
  for (const TileGrid& grid : grids) {
    const Layout layout(grid, side);
    width = std::max(width, layout.width(grid));
    height += layout.height(grid);
  }
  if (height > most_pixels / width)
    throw Error(fmt::format("picture: it would have {}×{} pixels: too large to draw", width, height));
  Canvas canvas(height, width);
  int64_t y = margin;
  for (const TileGrid& grid : grids) {
    const Layout layout(grid, side);
    canvas.write(grid.title, margin, y, 1);
    const int64_t top = y + (grid.title.empty() ? margin : title_line);
    for (size_t i = 0; i < grid.tiles.size(); ++i) {
      const auto at = static_cast<int64_t>(i);
      const int64_t left = margin + (at % layout.columns) * layout.cell_width;
      const int64_t tile_top = top - margin + (at / layout.columns) * layout.cell_height;
      const Tile& tile = grid.tiles[i];
      canvas.put(tile.image, left, tile_top, layout.scale);
      const auto letters = static_cast<size_t>(std::max<int64_t>(1, (layout.cell_width - 2) / letter_width));
      canvas.write(tile.caption.substr(0, letters), left, tile_top + layout.scale * tile.image.height + 3, 1);
    }
    y += layout.height(grid);
  }
  return canvas.image;
}

Image image_of(const Array& values) {
  if (values.shape().rank() != 3 || values.dtype() != f32)
    throw Error("picture: expected f32 [H,W,C], got " + to_string(values.spec()));
  const Array dense = values.contiguous();
  const int64_t height = values.shape()[0], width = values.shape()[1], channels = values.shape()[2];
  Image image = image_of_pixels(height, width, channels == 3 ? 3 : 1);
  const float* x = dense.data<float>();
  for (int64_t p = 0; p < height * width; ++p) {
    if (channels == 3) {
      for (int64_t c = 0; c < 3; ++c) image.pixels[static_cast<size_t>(3 * p + c)] = byte_of(x[3 * p + c]);
      continue;
    }
    double sum = 0;
    for (int64_t c = 0; c < channels; ++c) sum += x[p * channels + c];
    image.pixels[static_cast<size_t>(p)] = byte_of(channels == 0 ? 0 : sum / static_cast<double>(channels));
  }
  return image;
}

Image stretched(const Array& values, double low, double high) {
  if (values.shape().rank() != 2 || values.dtype() != f32)
    throw Error("picture: expected f32 [H,W], got " + to_string(values.spec()));
  const Array dense = values.contiguous();
  const int64_t n = dense.spec().numel();
  const float* x = dense.data<float>();
  Image image = image_of_pixels(values.shape()[0], values.shape()[1], 1);
  const double range = high - low;
  for (int64_t i = 0; i < n; ++i) image.pixels[static_cast<size_t>(i)] = byte_of(range > 0 ? (x[i] - low) / range : 0);
  return image;
}

Image signed_colours(const Array& values, double limit) {
  if (values.shape().rank() != 2 || values.dtype() != f32)
    throw Error("picture: expected f32 [H,W], got " + to_string(values.spec()));
  const Array dense = values.contiguous();
  const int64_t n = dense.spec().numel();
  const float* x = dense.data<float>();
  if (limit <= 0)
    for (int64_t i = 0; i < n; ++i) limit = std::max<double>(limit, std::abs(x[i]));
  Image image = image_of_pixels(values.shape()[0], values.shape()[1], 3);
  // The ends of a diverging scale that the colour-blind can read: ColorBrewer's RdBu (Brewer 2003).
  constexpr std::array<double, 3> below{33, 102, 172}, above{178, 24, 43};
  for (int64_t i = 0; i < n; ++i) {
    const double share = limit > 0 ? std::clamp(x[i] / limit, -1.0, 1.0) : 0;
    const auto& end = share < 0 ? below : above;
    for (size_t c = 0; c < 3; ++c)
      image.pixels[static_cast<size_t>(3 * i) + c] = byte_of((255 + std::abs(share) * (end[c] - 255)) / 255);
  }
  return image;
}

Image overlay(const Array& image, const Array& values, double limit) {
  const Image below = image_of(image);
  if (values.shape().rank() != 2 || values.dtype() != f32 || values.shape()[0] != below.height ||
      values.shape()[1] != below.width)
    throw Error("picture: expected f32 [H,W] of the image " + to_string(image.spec()) + ", got " +
                to_string(values.spec()));
  const Array dense = values.contiguous();
  const float* x = dense.data<float>();
  const int64_t n = below.height * below.width;
  if (limit <= 0 && n > 0) {
    std::vector<double> strengths;
    for (int64_t i = 0; i < n; ++i) strengths.push_back(std::isfinite(x[i]) ? std::abs(x[i]) : 0);
    std::sort(strengths.begin(), strengths.end());
    limit = strengths[static_cast<size_t>((n - 1) * 99 / 100)];
    if (limit == 0) limit = strengths.back();
  }
  Image result = image_of_pixels(below.height, below.width, 3);
  // Grey keeps to the middle, so that both colours show on black and on white.
  constexpr double darkest = 40, lightest = 140;
  constexpr std::array<double, 3> against{60, 130, 255}, in_favour{255, 60, 40};
  for (int64_t i = 0; i < n; ++i) {
    const uint8_t* pixel = below.pixels.data() + i * below.channels;
    const double light = below.channels == 1 ? pixel[0] : 0.299 * pixel[0] + 0.587 * pixel[1] + 0.114 * pixel[2];
    const double grey = darkest + (lightest - darkest) * light / 255;
    const double part = x[i] / limit, share = std::isfinite(part) ? std::clamp(part, -1.0, 1.0) : 0;
    const auto& colour = share < 0 ? against : in_favour;
    for (size_t c = 0; c < 3; ++c)
      result.pixels[static_cast<size_t>(3 * i) + c] = byte_of((grey + std::abs(share) * (colour[c] - grey)) / 255);
  }
  return result;
}

}  // namespace telaio::nn
