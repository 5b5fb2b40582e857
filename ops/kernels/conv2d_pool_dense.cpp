#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/kernels/conv2d_pool_parts.hpp>

#include <algorithm>

namespace telaio::kernels {
namespace {

Conv2dGeometry with_images(Conv2dGeometry g, int64_t n) {
  g.n = n;
  return g;
}

// Images are taken together while the convolution's output stays within this many bytes.
constexpr int64_t block_bytes = 4 << 20;

template <class T>
struct Blocks {
  Conv2dGeometry conv;
  int64_t image_outs, images;

  explicit Blocks(const Conv2dGeometry& g)
      : conv(g),
        image_outs(g.oh * g.ow * g.o),
        images(std::clamp<int64_t>(block_bytes / std::max<int64_t>(image_outs * sizeof(T), 1), 1,
                                   std::max<int64_t>(g.n, 1))) {}

  int64_t out_bytes() const { return aligned(images * image_outs * sizeof(T)); }
  // The largest of what the full blocks and the last one need.
  template <class Bytes>
  int64_t most(const Bytes& bytes) const {
    return std::max(bytes(with_images(conv, images)), bytes(with_images(conv, conv.n % images)));
  }
  template <class Body>
  void for_each(const Body& body) const {
    for (int64_t first = 0; first < conv.n; first += images) {
      body(first, with_images(conv, std::min(images, conv.n - first)));
    }
  }
};

Conv2dGeometry covered(const Conv2dPoolGeometry& g) {
  Conv2dGeometry conv = g.conv;
  conv.oh = pooled_rows(g) * g.pool_h;
  conv.ow = pooled_columns(g) * g.pool_w;
  return conv;
}

// One window of the convolution's output, whose channel 0 is at x, a line being `line` elements.
template <class T>
void pool_window(const Conv2dPoolGeometry& g, const T* x, int64_t line, const T* bias, T* pooled, uint8_t* argmax) {
  for (int64_t q = 0; q < g.conv.o; ++q) {
    T best = 0;
    uint8_t place = 0;
    for (int64_t i = 0; i < g.pool_h * g.pool_w; ++i) {
      T value = x[i / g.pool_w * line + i % g.pool_w * g.conv.o + q];
      if (bias != nullptr) value += bias[q];
      if (i == 0 || value > best || (value != value && best == best)) best = value, place = static_cast<uint8_t>(i);
    }
    if (g.relu && !(best > 0)) place = no_gradient;
    pooled[q] = g.relu && best < 0 ? T(0) : best;
    if (argmax != nullptr) argmax[q] = place;
  }
}

// The gradient of the convolution's output, for some images.
template <class T>
void spread(const Conv2dPoolGeometry& g, int64_t images, const T* gy, const uint8_t* argmax, T* dense) {
  const int64_t rows = pooled_rows(g), columns = pooled_columns(g), o = g.conv.o;
  std::fill_n(dense, images * g.conv.oh * g.conv.ow * o, T(0));
  for (int64_t window = 0; window < images * rows * columns; ++window, gy += o, argmax += o) {
    const int64_t y = window / columns % rows * g.pool_h, x = window % columns * g.pool_w;
    T* at = dense + ((window / columns / rows * g.conv.oh + y) * g.conv.ow + x) * o;
    for (int64_t q = 0; q < o; ++q) {
      if (argmax[q] != no_gradient) at[(argmax[q] / g.pool_w * g.conv.ow + argmax[q] % g.pool_w) * o + q] = gy[q];
    }
  }
}

}  // namespace

template <class T>
int64_t dense_pool_scratch_bytes(const Conv2dPoolGeometry& g) {
  const Blocks<T> blocks(covered(g));
  return blocks.out_bytes() + blocks.most(conv2d_scratch_bytes<T>);
}

template <class T>
void dense_pool(const Conv2dPoolGeometry& g, const T* image, const T* filter, const T* bias, T* pooled, uint8_t* argmax,
                void* scratch) {
  const Blocks<T> blocks(covered(g));
  T* outs = static_cast<T*>(scratch);
  void* rest = static_cast<char*>(scratch) + blocks.out_bytes();
  const int64_t rows = pooled_rows(g), columns = pooled_columns(g), o = g.conv.o;
  blocks.for_each([&](int64_t first, const Conv2dGeometry& conv) {
    conv2d<T>(conv, image + first * conv.h * conv.w * conv.c, filter, outs, rest);
    const int64_t line = conv.ow * o;
    parallel_for(conv.n * rows, grain_for(3.0 * static_cast<double>(g.pool_h * line)), [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        for (int64_t x = 0; x < columns; ++x) {
          const int64_t to = ((first * rows + row) * columns + x) * o;
          pool_window(g, outs + row * g.pool_h * line + x * g.pool_w * o, line, bias, pooled + to,
                      argmax == nullptr ? nullptr : argmax + to);
        }
      }
    });
  });
}

template <class T>
int64_t dense_input_grad_scratch_bytes(const Conv2dPoolGeometry& g) {
  const Blocks<T> blocks(g.conv);
  return blocks.out_bytes() + blocks.most(conv2d_input_grad_scratch_bytes<T>);
}

template <class T>
void dense_input_grad(const Conv2dPoolGeometry& g, const T* gy, const uint8_t* argmax, const T* filter, T* gx,
                      void* scratch) {
  const Blocks<T> blocks(g.conv);
  T* dense = static_cast<T*>(scratch);
  void* rest = static_cast<char*>(scratch) + blocks.out_bytes();
  blocks.for_each([&](int64_t first, const Conv2dGeometry& conv) {
    spread(g, conv.n, gy + first * pooled_size(g), argmax + first * pooled_size(g), dense);
    conv2d_input_grad<T>(conv, dense, filter, gx + first * conv.h * conv.w * conv.c, rest);
  });
}

template <class T>
int64_t dense_weight_grad_scratch_bytes(const Conv2dPoolGeometry& g) {
  const Blocks<T> blocks(g.conv);
  return blocks.out_bytes() + aligned(filter_size(g) * sizeof(T)) + blocks.most(conv2d_weight_grad_scratch_bytes<T>);
}

template <class T>
void dense_weight_grad(const Conv2dPoolGeometry& g, const T* image, const T* gy, const uint8_t* argmax, T* gw,
                       void* scratch) {
  const Blocks<T> blocks(g.conv);
  T* dense = static_cast<T*>(scratch);
  T* part = reinterpret_cast<T*>(static_cast<char*>(scratch) + blocks.out_bytes());
  void* rest = reinterpret_cast<char*>(part) + aligned(filter_size(g) * sizeof(T));
  if (g.conv.n == 0) std::fill_n(gw, filter_size(g), T(0));
  blocks.for_each([&](int64_t first, const Conv2dGeometry& conv) {
    spread(g, conv.n, gy + first * pooled_size(g), argmax + first * pooled_size(g), dense);
    conv2d_weight_grad<T>(conv, image + first * conv.h * conv.w * conv.c, dense, first == 0 ? gw : part, rest);
    if (first == 0) return;
    for (int64_t i = 0; i < filter_size(g); ++i) gw[i] += part[i];
  });
}

#define TELAIO_INSTANTIATE(T)                                                                               \
  template int64_t dense_pool_scratch_bytes<T>(const Conv2dPoolGeometry&);                                  \
  template void dense_pool(const Conv2dPoolGeometry&, const T*, const T*, const T*, T*, uint8_t*, void*);   \
  template int64_t dense_input_grad_scratch_bytes<T>(const Conv2dPoolGeometry&);                            \
  template void dense_input_grad(const Conv2dPoolGeometry&, const T*, const uint8_t*, const T*, T*, void*); \
  template int64_t dense_weight_grad_scratch_bytes<T>(const Conv2dPoolGeometry&);                           \
  template void dense_weight_grad(const Conv2dPoolGeometry&, const T*, const T*, const uint8_t*, T*, void*);
TELAIO_INSTANTIATE(float)
TELAIO_INSTANTIATE(double)
#undef TELAIO_INSTANTIATE

}  // namespace telaio::kernels
