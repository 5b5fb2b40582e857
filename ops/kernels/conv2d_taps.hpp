// Convolutions of images with one channel by filters of 3 x 3 or 5 x 5: the first layer of many networks. A product of
// nine columns would spend its time between the tiles; so here all taps of some positions are one run of instructions.
#pragma once

#include <telaio/ops/kernels/gemm_micro.hpp>

#include <cstdint>

namespace telaio::kernels {

/// Whether there is a kernel for windows of these sides.
bool has_taps(int64_t height, int64_t width);

/// A line of positions: out[x * out_step + q] = sum over (i, j) < side of
/// image[i * pitch + x * step + j] * filter[(i * side + j) * filter_step + q] for x < positions and q < channels, and the
/// epilogue, whose bias is q's. Rows of the filter must be readable up to a whole register tile (as pack_panels leaves
/// them).
struct TapLine {
  int64_t positions, channels, side;
  int64_t step, pitch, filter_step, out_step;
  Epilogue<float> epilogue;
};
void multiply_taps(const TapLine& line, const float* image, const float* filter, float* out);

}  // namespace telaio::kernels
