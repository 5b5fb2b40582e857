// Where the windows of a convolution lie along each axis, forwards and for the input gradient.
#pragma once

#include <telaio/ops/kernels/conv2d.hpp>

#include <cstdint>
#include <numeric>

namespace telaio::kernels {

/// Windows along one axis: tap t of the window at position p lies at first + p * position_step + t * tap_step, and is
/// padding (zero) where that is outside [0, size).
struct WindowAxis {
  int64_t positions, taps;
  int64_t first, position_step, tap_step;
  int64_t size;

  int64_t at(int64_t position, int64_t tap) const { return first + position * position_step + tap * tap_step; }
};

inline WindowAxis forward_axis(int64_t size, int64_t out, int64_t taps, int64_t stride, int64_t pad, int64_t dilation) {
  return {.positions = out, .taps = taps, .first = -pad, .position_step = stride, .tap_step = dilation, .size = size};
}
inline WindowAxis forward_rows(const Conv2dGeometry& g) {
  return forward_axis(g.h, g.oh, g.kh, g.stride_h, g.pad_top, g.dilation_h);
}
inline WindowAxis forward_columns(const Conv2dGeometry& g) {
  return forward_axis(g.w, g.ow, g.kw, g.stride_w, g.pad_left, g.dilation_w);
}

// The input gradient gathers: position h receives from output (h + pad - t * dilation) / stride for each filter tap t
// where this divides. Which taps do depends on h modulo the stride alone, so the positions fall into `stride` classes;
// within one, the taps are evenly spaced and walked backwards, so that outputs are read forwards.
struct GradAxis {
  WindowAxis windows;            // over gy, for positions residue, residue + stride, ...
  int64_t filter_tap, tap_step;  // the filter tap of window tap t is filter_tap + t * tap_step
};

inline GradAxis grad_axis(int64_t residue, int64_t size, int64_t out, int64_t taps, int64_t stride, int64_t pad,
                          int64_t dilation) {
  const int64_t positions = residue < size ? (size - residue - 1) / stride + 1 : 0;
  const int64_t common = std::gcd(stride, dilation), period = stride / common;
  int64_t lowest = 0;  // the taps of this class: lowest, lowest + period, ...
  while (lowest < period && (residue + pad - lowest * dilation) % stride != 0) ++lowest;
  const int64_t count = lowest < period && lowest < taps ? (taps - 1 - lowest) / period + 1 : 0;
  const int64_t highest = lowest + (count - 1) * period;
  const int64_t first = count > 0 ? (residue + pad - highest * dilation) / stride : 0;
  return {.windows = {.positions = positions,
                      .taps = count,
                      .first = first,
                      .position_step = 1,
                      .tap_step = dilation / common,
                      .size = out},
          .filter_tap = highest,
          .tap_step = -period};
}

inline GradAxis grad_rows(const Conv2dGeometry& g, int64_t residue) {
  return grad_axis(residue, g.h, g.oh, g.kh, g.stride_h, g.pad_top, g.dilation_h);
}
inline GradAxis grad_columns(const Conv2dGeometry& g, int64_t residue) {
  return grad_axis(residue, g.w, g.ow, g.kw, g.stride_w, g.pad_left, g.dilation_w);
}

}  // namespace telaio::kernels
