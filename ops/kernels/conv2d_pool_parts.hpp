// What the kernels of conv2d_pool.hpp share: sizes, the padded image, and the dense gradient for the rare cases.
#pragma once

#include <telaio/ops/kernels/conv2d_pool.hpp>

#include <algorithm>
#include <cstdint>

namespace telaio::kernels {

inline int64_t pooled_rows(const Conv2dPoolGeometry& g) { return g.conv.oh / g.pool_h; }
inline int64_t pooled_columns(const Conv2dPoolGeometry& g) { return g.conv.ow / g.pool_w; }
/// Pooled values of an image.
inline int64_t pooled_size(const Conv2dPoolGeometry& g) { return pooled_rows(g) * pooled_columns(g) * g.conv.o; }
inline int64_t filter_size(const Conv2dPoolGeometry& g) { return g.conv.kh * g.conv.kw * g.conv.c * g.conv.o; }

/// Whether neighbouring outputs read neighbouring pixels: then each line of a window is contiguous in the image.
inline bool is_compact(const Conv2dPoolGeometry& g) {
  const Conv2dGeometry& conv = g.conv;
  return conv.stride_h == 1 && conv.stride_w == 1 && conv.dilation_h == 1 && conv.dilation_w == 1;
}

/// The part of an image that the pooled windows of a compact convolution see, its padding included.
struct Canvas {
  int64_t h, w, c;
  int64_t top, left;  // its first row and column in the image
  int64_t image_h, image_w;

  bool inside() const { return top >= 0 && left >= 0 && top + h <= image_h && left + w <= image_w; }

  /// Copies rows [begin, end) of the canvas to dst, zeros where it is outside the image.
  template <class T>
  void copy_rows(const T* image, int64_t begin, int64_t end, T* dst) const {
    // Columns [first, last) of the canvas lie in the image.
    const int64_t first = std::clamp<int64_t>(-left, 0, w), last = std::clamp<int64_t>(image_w - left, first, w);
    for (int64_t row = begin; row < end; ++row, dst += w * c) {
      const int64_t y = row + top;
      if (y < 0 || y >= image_h || first == last) {
        std::fill_n(dst, w * c, T(0));
        continue;
      }
      std::fill_n(dst, first * c, T(0));
      std::copy_n(image + (y * image_w + left + first) * c, (last - first) * c, dst + first * c);
      std::fill_n(dst + last * c, (w - last) * c, T(0));
    }
  }
  /// One channel of the canvas, [h, w].
  template <class T>
  void copy_plane(const T* image, int64_t channel, T* dst) const {
    const int64_t first = std::clamp<int64_t>(-left, 0, w), last = std::clamp<int64_t>(image_w - left, first, w);
    for (int64_t row = 0; row < h; ++row, dst += w) {
      const int64_t y = row + top;
      std::fill_n(dst, w, T(0));
      if (y < 0 || y >= image_h) continue;
      const T* line = image + (y * image_w + left) * c + channel;
      for (int64_t x = first; x < last; ++x) dst[x] = line[x * c];
    }
  }
  /// The reverse of copy_rows: the image's part of `src`, zeros where the canvas does not reach.
  template <class T>
  void copy_back(const T* src, T* image) const {
    const int64_t first = std::clamp<int64_t>(left, 0, image_w);
    const int64_t last = std::clamp<int64_t>(left + w, first, image_w);
    for (int64_t y = 0; y < image_h; ++y, image += image_w * c) {
      if (y < top || y >= top + h) {
        std::fill_n(image, image_w * c, T(0));
        continue;
      }
      std::fill_n(image, first * c, T(0));
      std::copy_n(src + ((y - top) * w + first - left) * c, (last - first) * c, image + first * c);
      std::fill_n(image + last * c, (image_w - last) * c, T(0));
    }
  }
};

inline Canvas canvas_of(const Conv2dPoolGeometry& g) {
  const Conv2dGeometry& conv = g.conv;
  return {.h = pooled_rows(g) * g.pool_h + conv.kh - 1,
          .w = pooled_columns(g) * g.pool_w + conv.kw - 1,
          .c = conv.c,
          .top = -conv.pad_top,
          .left = -conv.pad_left,
          .image_h = conv.h,
          .image_w = conv.w};
}

/// Up to this many images whose work is below `small_work` cycles are one piece of work: callers that cut batches
/// themselves pay for no second cut.
constexpr int64_t few_images = 16;
constexpr double small_work = 2e6;

inline int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

/// Elements of a vector of the target that kernels run on.
template <class T>
int64_t vector_lanes();
template <>
int64_t vector_lanes<float>();
template <>
int64_t vector_lanes<double>();

/// The slow roads, through conv2d.hpp, for every geometry; a block of images at a time.
template <class T>
int64_t dense_pool_scratch_bytes(const Conv2dPoolGeometry& g);
template <class T>
void dense_pool(const Conv2dPoolGeometry& g, const T* image, const T* filter, const T* bias, T* pooled, uint8_t* argmax,
                void* scratch);
template <class T>
int64_t dense_input_grad_scratch_bytes(const Conv2dPoolGeometry& g);
template <class T>
void dense_input_grad(const Conv2dPoolGeometry& g, const T* gy, const uint8_t* argmax, const T* filter, T* gx,
                      void* scratch);
template <class T>
int64_t dense_weight_grad_scratch_bytes(const Conv2dPoolGeometry& g);
template <class T>
void dense_weight_grad(const Conv2dPoolGeometry& g, const T* image, const T* gy, const uint8_t* argmax, T* gw,
                       void* scratch);

}  // namespace telaio::kernels
