// Where windows lie, for the references of convolutions and pools.
#pragma once

#include <algorithm>
#include <string>

#include <telaio/ops/window2d.hpp>

namespace telaio::samples {

/// One axis: how many windows, and how much padding comes before the first element.
struct Windows {
  int64_t count, before;
};

inline Windows windows(int64_t size, int64_t extent, int64_t stride, Padding::Kind kind, int64_t before,
                       int64_t after) {
  if (kind == Padding::Kind::same) {
    const int64_t count = (size + stride - 1) / stride;
    return {count, std::max<int64_t>((count - 1) * stride + extent - size, 0) / 2};
  }
  if (kind == Padding::Kind::valid) before = after = 0;
  return {(size + before + after - extent) / stride + 1, before};
}

inline Windows rows(int64_t size, int64_t extent, int64_t stride, const Padding& p) {
  return windows(size, extent, stride, p.kind, p.top, p.bottom);
}
inline Windows columns(int64_t size, int64_t extent, int64_t stride, const Padding& p) {
  return windows(size, extent, stride, p.kind, p.left, p.right);
}

inline std::string describe(const Size2d& size) {
  return std::to_string(size.height) + "x" + std::to_string(size.width);
}
inline std::string describe(const Padding& p) {
  return p.kind == Padding::Kind::valid  ? "valid"
         : p.kind == Padding::Kind::same ? "same"
                                         : "padded " + std::to_string(p.top) + " " + std::to_string(p.bottom) + " " +
                                               std::to_string(p.left) + " " + std::to_string(p.right);
}

}  // namespace telaio::samples
