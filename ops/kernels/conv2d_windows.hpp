// The rows of the matrix that a convolution multiplies its filter with, copied out of the image as they are needed.
#pragma once

#include <telaio/ops/kernels/conv2d_axes.hpp>

#include <algorithm>
#include <cstdint>

namespace telaio::kernels {

/// A matrix [images * y.positions * x.positions, y.taps * x.taps * channels] over channels-last images
/// [images, y.size, x.size, pixel]: row (n, py, px) is the window there, its elements ordered (ty, tx, channel).
template <class T>
struct Windows {
  const T* images;
  WindowAxis y, x;
  int64_t channels;  ///< the leading ones of each pixel are read; `images` may start at a later channel (groups)
  int64_t pixel;     ///< elements from a pixel to the next

  int64_t row_size() const { return y.taps * x.taps * channels; }

  /// Copies elements [begin, begin + count) of rows [row, row + rows), each to dst + i * pitch.
  void copy(int64_t row, int64_t rows, int64_t begin, int64_t count, T* dst, int64_t pitch) const {
    // A run is contiguous in the image: the channels of one tap, or of all taps of a window row if they are neighbours.
    const bool neighbours = pixel == channels && x.tap_step == 1;
    const int64_t run_taps = neighbours ? x.taps : 1, run_size = run_taps * channels;
    while (count > 0) {
      const int64_t run = begin / run_size, offset = begin % run_size, length = std::min(count, run_size - offset);
      const int64_t tap = run * run_taps;
      copy_run(row, rows, tap / x.taps, tap % x.taps, offset, length, dst, pitch);
      begin += length;
      count -= length;
      dst += length;
    }
  }

 private:
  void copy_run(int64_t row, int64_t rows, int64_t ty, int64_t tx, int64_t offset, int64_t length, T* dst,
                int64_t pitch) const {
    int64_t px = row % x.positions, py = row / x.positions % y.positions, n = row / x.positions / y.positions;
    while (rows > 0) {  // positions that share an image row
      const int64_t line_positions = std::min(rows, x.positions - px), sy = y.at(py, ty);
      const T* line = images + (n * y.size + sy) * x.size * pixel;
      const bool inside = sy >= 0 && sy < y.size;
      int64_t sx = x.at(px, tx);
      for (int64_t i = 0; i < line_positions; ++i, sx += x.position_step, dst += pitch) {
        // [from, to) of the run lies in the image line. A run over several taps may start left of it or end beyond.
        const int64_t from = inside ? std::clamp<int64_t>(-sx * pixel - offset, 0, length) : length;
        const int64_t to = inside ? std::clamp<int64_t>((x.size - sx) * pixel - offset, from, length) : length;
        std::fill_n(dst, from, T(0));
        if (from < to) std::copy_n(line + sx * pixel + offset + from, to - from, dst + from);
        std::fill_n(dst + to, length - to, T(0));
      }
      rows -= line_positions;
      px = 0;
      if (++py == y.positions) py = 0, ++n;
    }
  }
};

}  // namespace telaio::kernels
