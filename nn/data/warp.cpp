#include <telaio/nn/data/warp.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include <telaio/ops/kernels/warp.hpp>

namespace telaio::nn {

namespace {

struct SinCos {
  double sin, cos;
};

/// Exact for multiples of 90 degrees, where std::sin(π) is not.
SinCos sin_cos(double degrees) {
  const double turns = std::floor(degrees / 90 + 0.5);
  const double rest = (degrees - 90 * turns) * std::numbers::pi / 180;
  const double s = std::sin(rest), c = std::cos(rest);
  switch (static_cast<int>(turns - 4 * std::floor(turns / 4))) {
    case 0:
      return {s, c};
    case 1:
      return {c, -s};
    case 2:
      return {-s, -c};
    default:
      return {-c, s};
  }
}

/// Channels as a constant (0: any number) lets the compiler drop the inner loop.
template <int64_t C>
void interpolate(const Affine& map, const ImageShape& shape, const float* padded, float* y) {
  const int64_t channels = C == 0 ? shape.channels : C;
  const int64_t stride = (shape.width + 3) * channels;
  // In the padded image everything lies one further right and down. Places further out than its border read the border.
  const auto right = static_cast<double>(shape.width + 1), bottom = static_cast<double>(shape.height + 1);
  for (int64_t row = 0; row < shape.height; ++row) {
    const double left_x = map.xy * static_cast<double>(row) + map.x0,
                 left_y = map.yy * static_cast<double>(row) + map.y0;
    for (int64_t column = 0; column < shape.width; ++column) {
      const auto at = static_cast<double>(column);
      const double px = std::min(std::max(map.xx * at + left_x + 1, 0.0), right);
      const double py = std::min(std::max(map.yx * at + left_y + 1, 0.0), bottom);
      const auto ix = static_cast<int64_t>(px), iy = static_cast<int64_t>(py);
      const auto fx = static_cast<float>(px - static_cast<double>(ix));
      const auto fy = static_cast<float>(py - static_cast<double>(iy));
      const float* corner = padded + iy * stride + ix * channels;
      for (int64_t c = 0; c < channels; ++c) {
        const float* p = corner + c;
        const float top = p[0] + fx * (p[channels] - p[0]);
        const float below = p[stride] + fx * (p[stride + channels] - p[stride]);
        *y++ = top + fy * (below - top);
      }
    }
  }
}

}  // namespace

Affine affine(const Geometry& geometry, const ImageShape& shape) {
  // Backwards: from the place in the result to the place in the image, both relative to the middle.
  const auto [sin, cos] = sin_cos(geometry.rotate);
  const double lean = std::tan(geometry.shear * std::numbers::pi / 180);
  const double scale_y = 1 / geometry.zoom, scale_x = geometry.flip ? -scale_y : scale_y;
  Affine map;
  map.yx = scale_y * sin;
  map.yy = scale_y * cos;
  map.xx = scale_x * (cos + lean * sin);
  map.xy = scale_x * (lean * cos - sin);
  const double middle_x = static_cast<double>(shape.width - 1) / 2,
               middle_y = static_cast<double>(shape.height - 1) / 2;
  const double from_x = middle_x + geometry.right, from_y = middle_y + geometry.down;
  map.x0 = middle_x - (map.xx * from_x + map.xy * from_y);
  map.y0 = middle_y - (map.yx * from_x + map.yy * from_y);
  return map;
}

void warp(const Affine& map, const ImageShape& shape, const float* x, float* y, std::vector<float>& scratch) {
  if (map.is_identity()) {
    if (y != x) std::memcpy(y, x, static_cast<size_t>(shape.numel()) * sizeof(float));
    return;
  }
  // One row and column of zeros before the image and two behind: neighbours need no tests.
  const int64_t row = shape.width * shape.channels, stride = row + 3 * shape.channels;
  scratch.assign(static_cast<size_t>((shape.height + 3) * stride), 0.0f);
  for (int64_t i = 0; i < shape.height; ++i)
    std::copy_n(x + i * row, row, scratch.data() + (i + 1) * stride + shape.channels);  // there may be none, at null
  if (shape.channels == 1 && scratch.size() < size_t{1} << 31) {
    const double places[] = {map.xx, map.xy, map.x0, map.yx, map.yy, map.y0};
    kernels::warp_plane(places, shape.height, shape.width, scratch.data(), y);
  } else if (shape.channels == 3) {
    interpolate<3>(map, shape, scratch.data(), y);
  } else {
    interpolate<0>(map, shape, scratch.data(), y);
  }
}

}  // namespace telaio::nn
