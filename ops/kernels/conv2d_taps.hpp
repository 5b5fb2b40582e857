// Convolutions of images with one channel by filters of 3 x 3: the first layer of many networks. A product of nine
// columns would spend its time between the tiles; so here the taps stay in registers while the positions pass by.
#pragma once

#include <cstdint>

namespace telaio::kernels {

/// Output channels are taken so many at a time; 0 where the SIMD target has no vectors.
int64_t tap_lanes();

/// A line of positions: out[x * out_step + q] = sum over (i, j) of
/// image[i * pitch + x * step + j] * filter[(i * 3 + j) * filter_step + q] for x < positions and q < channels, which is
/// a multiple of tap_lanes().
struct TapLine {
  int64_t positions, channels;
  int64_t step, pitch, filter_step, out_step;
};
void multiply_taps(const TapLine& line, const float* image, const float* filter, float* out);

}  // namespace telaio::kernels
