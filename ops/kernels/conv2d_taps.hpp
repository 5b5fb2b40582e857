// Convolutions of images with one channel by filters of 3 x 3 or 5 x 5: the first layer of many networks. A product of
// nine columns would spend its time between the tiles; so here all taps of some positions are one run of instructions.
#pragma once

#include <telaio/ops/kernels/gemm_micro.hpp>

#include <cstdint>

namespace telaio::kernels {

/// Whether there is a kernel for windows of these sides.
bool has_taps(int64_t height, int64_t width);

/// Lines of positions: out[y * out_line_step + x * out_step + q] = sum over (i, j) < side of
/// image[y * line_step + i * pitch + x * step + j] * filter[(i * side + j) * filter_step + q] for y < lines,
/// x < positions and q < channels, and the epilogue, whose bias is q's. Rows of the filter must be readable up to a
/// whole register tile (as pack_panels leaves them).
struct TapLines {
  int64_t lines, positions, channels, side;
  int64_t line_step, step, pitch, filter_step, out_line_step, out_step;
  Epilogue<float> epilogue;
};
void multiply_taps(const TapLines& lines, const float* image, const float* filter, float* out);

}  // namespace telaio::kernels
