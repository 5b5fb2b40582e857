// The weight gradient of conv2d_pool.hpp for images of one channel, filters of 3 x 3 and windows of 2 x 2: the first
// layer of many networks. There vectors run over the output channels.
#pragma once

#include <telaio/ops/kernels/conv2d_pool_parts.hpp>

#include <cstdint>

namespace telaio::kernels {

inline bool is_one_channel(const Conv2dPoolGeometry& g) {
  const Conv2dGeometry& conv = g.conv;
  return is_compact(g) && conv.c == 1 && conv.kh == 3 && conv.kw == 3 && g.pool_h == 2 && g.pool_w == 2;
}

/// Where one image and its windows are.
struct OneChannel {
  int64_t rows, columns;  ///< pooled
  int64_t pitch;          ///< from a line of the image to the next
  int64_t o, padded_o;    ///< padded to whole vectors
};

/// Adds the gradients of one image to gw[9, padded_o] and gb[padded_o].
void add_one_channel(const OneChannel& p, const float* image, const float* gy, const uint8_t* argmax, float* gw,
                     float* gb);
void add_one_channel(const OneChannel& p, const double* image, const double* gy, const uint8_t* argmax, double* gw,
                     double* gb);

}  // namespace telaio::kernels
