// The weight gradient of conv2d_pool.hpp for images of one to three channels, filters of 3 x 3 and windows of 2 x 2:
// the first layer of many networks. There vectors run over the output channels, for one input channel (a plane) at a
// time.
#pragma once

#include <telaio/ops/kernels/conv2d_pool_parts.hpp>

#include <cstdint>

namespace telaio::kernels {

inline bool has_planes(const Conv2dPoolGeometry& g) {
  const Conv2dGeometry& conv = g.conv;
  return is_compact(g) && conv.c >= 1 && conv.c <= 3 && conv.kh == 3 && conv.kw == 3 && g.pool_h == 2 && g.pool_w == 2;
}

/// Where one plane of an image and its windows are.
struct Plane {
  int64_t rows, columns;  ///< pooled
  int64_t pitch;          ///< from a line of the plane to the next
  int64_t o, padded_o;    ///< padded to whole vectors
};

/// Adds the gradients of one plane to gw[9, padded_o] and gb[padded_o], the bias's once for each plane that it is
/// called for.
void add_plane(const Plane& p, const float* plane, const float* gy, const uint8_t* argmax, float* gw, float* gb);
void add_plane(const Plane& p, const double* plane, const double* gy, const uint8_t* argmax, double* gw, double* gb);

}  // namespace telaio::kernels
