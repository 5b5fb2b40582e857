#include <telaio/ops/kernels/conv2d.hpp>
#include <telaio/ops/kernels/conv2d_axes.hpp>
#include <telaio/ops/kernels/conv2d_direct.hpp>
#include <telaio/ops/kernels/conv2d_windows.hpp>
#include <telaio/ops/kernels/depthwise2d.hpp>
#include <telaio/ops/kernels/finite.hpp>
#include <telaio/ops/kernels/gemm_packed.hpp>
#include <telaio/ops/kernels/transpose.hpp>

#include <algorithm>

namespace telaio::kernels {
namespace {

// [positions, window] · [window, out channels of a group] → [positions, out channels of a group]
GemmShape forward_shape(const Conv2dGeometry& g) {
  return {g.n * g.oh * g.ow, g.o / g.groups, g.kh * g.kw * (g.c / g.groups)};
}
// [positions of a class, window over gy] · [window over gy, in channels] → [positions of a class, in channels]
GemmShape input_grad_shape(const Conv2dGeometry& g, const GradAxis& y, const GradAxis& x) {
  return {g.n * y.windows.positions * x.windows.positions, g.c / g.groups,
          y.windows.taps * x.windows.taps * (g.o / g.groups)};
}
// [positions, window]ᵀ · [positions, out channels] → [window, out channels]
GemmShape weight_grad_shape(const Conv2dGeometry& g) {
  const GemmShape forward = forward_shape(g);
  return {forward.k, forward.n, forward.m};
}

// Copying a window costs as much as multiplying it with a few of these columns.
constexpr int64_t copying_task = 256;
// For a B that is read where it is.
constexpr auto nothing_to_fill = [](int64_t, int64_t, int64_t, int64_t, void*, int64_t) {};

template <class T>
Windows<T> forward_windows(const Conv2dGeometry& g, const T* image, int64_t group) {
  const int64_t channels = g.c / g.groups;
  return {image + group * channels, forward_rows(g), forward_columns(g), channels, g.c};
}

// Zeros of the padding times a filter that is finite are zeros. With few channels it is not worth looking.
template <class T>
bool may_skip_padding(const Conv2dGeometry& g, const T* filter) {
  return g.c >= 8 && all_finite(filter, g.kh * g.kw * g.c / g.groups * g.o);
}

bool is_depthwise(const Conv2dGeometry& g) { return g.groups == g.c && g.groups > 1; }

}  // namespace

int64_t conv2d_flops(const Conv2dGeometry& g) {
  if (g.groups == 0) return 0;
  return 2 * g.n * g.oh * g.ow * g.o * g.kh * g.kw * (g.c / g.groups);
}

template <class T>
int64_t conv2d_scratch_bytes(const Conv2dGeometry& g) {
  if (is_depthwise(g)) return 0;
  const GemmShape shape = forward_shape(g);
  if (is_direct(forward_windows<T>(g, nullptr, 0))) return packed_elements<T>(shape.n, shape.k) * int64_t{sizeof(T)};
  return gemm_scratch_bytes<T>(shape, true);
}

template <class T>
void conv2d(const Conv2dGeometry& g, const T* image, const T* filter, T* out, void* scratch,
            const Epilogue<T>& epilogue) {
  if (g.n == 0) return;  // what is empty has no address to count from
  if (is_depthwise(g)) return depthwise2d(g, image, filter, out);
  const GemmShape shape = forward_shape(g);
  for (int64_t group = 0; group < g.groups; ++group) {
    const Windows<T> windows = forward_windows(g, image, group);
    const int64_t first_out = group * shape.n;
    const auto locate_out = [&](int64_t m0, int64_t rows, T** c_rows) {
      for (int64_t i = 0; i < rows; ++i) c_rows[i] = out + (m0 + i) * g.o + first_out;
    };
    if (is_direct(windows)) {
      const T* packed = filter;
      if (is_narrow<T>(shape.n, window_line(windows))) {
        transpose(filter + first_out, g.o, shape.k, shape.n, static_cast<T*>(scratch), shape.k);
        packed = static_cast<const T*>(scratch);
      } else if (g.o != micro_tile<T>().columns) {
        const auto fill = [&](int64_t k0, int64_t depth, int64_t n0, int64_t columns, T* dst, int64_t pitch) {
          for (int64_t p = 0; p < depth; ++p) std::copy_n(filter + (k0 + p) * g.o + n0, columns, dst + p * pitch);
        };
        pack_panels<T>(0, shape.k, 0, shape.n, gemm_block_depth<T>, fill, static_cast<T*>(scratch));
        packed = static_cast<const T*>(scratch);
      }
      multiply_windows<T>({windows, g.n, shape.n, packed, may_skip_padding(g, filter), locate_out, epilogue});
      continue;
    }
    gemm<T>(shape,
            {[&](int64_t m0, int64_t rows, int64_t k0, int64_t depth, T* block, const T** a_rows) {
               windows.copy(m0, rows, k0, depth, block, gemm_block_depth<T>);
               return rows_of_block(BlockOrder::row_major, rows, block, a_rows);
             },
             gemm_copied_rows, copying_task, filter + first_out, g.o, nothing_to_fill, locate_out, gemm_block_depth<T>,
             epilogue},
            scratch);
  }
}

template <class T>
int64_t conv2d_input_grad_scratch_bytes(const Conv2dGeometry& g) {
  if (is_depthwise(g)) return 0;
  int64_t bytes = 0;
  for (int64_t ry = 0; ry < g.stride_h; ++ry) {
    for (int64_t rx = 0; rx < g.stride_w; ++rx) {
      const GemmShape shape = input_grad_shape(g, grad_rows(g, ry), grad_columns(g, rx));
      bytes =
          std::max({bytes, gemm_scratch_bytes<T>(shape), packed_elements<T>(shape.n, shape.k) * int64_t{sizeof(T)}});
    }
  }
  return bytes;
}

namespace {

// The gradient of the image positions of one class, for one group.
template <class T>
void input_grad_class(const Conv2dGeometry& g, int64_t group, int64_t ry, int64_t rx, const T* gy, const T* filter,
                      T* gx, void* scratch) {
  const GradAxis y = grad_rows(g, ry), x = grad_columns(g, rx);
  const int64_t channels = g.c / g.groups, outs = g.o / g.groups;
  const Windows<T> windows{gy + group * outs, y.windows, x.windows, outs, g.o};
  const GemmShape shape = input_grad_shape(g, y, x);
  const auto fill_filter = [&](int64_t k0, int64_t depth, int64_t n0, int64_t columns, T* dst, int64_t pitch) {
    while (depth > 0) {  // a tap at a time
      const int64_t tap = k0 / outs, q = k0 % outs, length = std::min(depth, outs - q);
      const int64_t i = y.filter_tap + tap / x.windows.taps * y.tap_step;
      const int64_t j = x.filter_tap + tap % x.windows.taps * x.tap_step;
      transpose(filter + ((i * g.kw + j) * channels + n0) * g.o + group * outs + q, g.o, columns, length, dst, pitch);
      k0 += length;
      depth -= length;
      dst += length * pitch;
    }
  };
  const auto locate_gx = [&](int64_t m0, int64_t rows, T** c_rows) {
    const int64_t xs = x.windows.positions, ys = y.windows.positions;
    int64_t px = m0 % xs, py = m0 / xs % ys, image = m0 / xs / ys;
    for (int64_t i = 0; i < rows; ++py, px = 0) {
      if (py == ys) py = 0, ++image;
      T* line = gx + ((image * g.h + ry + py * g.stride_h) * g.w + rx) * g.c + group * channels;
      for (; i < rows && px < xs; ++px, ++i) c_rows[i] = line + px * g.stride_w * g.c;
    }
  };
  if (shape.m > 0 && is_direct(windows)) {
    if (is_narrow<T>(channels, window_line(windows))) {
      T* column = static_cast<T*>(scratch);
      for (int64_t c = 0; c < channels; ++c)
        for (int64_t tap = 0; tap < y.windows.taps * x.windows.taps; ++tap, column += outs) {
          const int64_t i = y.filter_tap + tap / x.windows.taps * y.tap_step;
          const int64_t j = x.filter_tap + tap % x.windows.taps * x.tap_step;
          std::copy_n(filter + ((i * g.kw + j) * channels + c) * g.o + group * outs, outs, column);
        }
    } else {
      pack_panels<T>(0, shape.k, 0, shape.n, gemm_block_depth<T>, fill_filter, static_cast<T*>(scratch));
    }
    return multiply_windows<T>(
        {windows, g.n, shape.n, static_cast<const T*>(scratch), may_skip_padding(g, filter), locate_gx});
  }
  gemm<T>(shape,
          {[&](int64_t m0, int64_t rows, int64_t k0, int64_t depth, T* block, const T** a_rows) {
             windows.copy(m0, rows, k0, depth, block, gemm_block_depth<T>);
             return rows_of_block(BlockOrder::row_major, rows, block, a_rows);
           },
           gemm_copied_rows, copying_task, nullptr, 0, fill_filter, locate_gx},
          scratch);
}

}  // namespace

template <class T>
void conv2d_input_grad(const Conv2dGeometry& g, const T* gy, const T* filter, T* gx, void* scratch) {
  if (g.n == 0) return;
  if (is_depthwise(g)) return depthwise2d_input_grad(g, gy, filter, gx);
  for (int64_t group = 0; group < g.groups; ++group) {
    for (int64_t ry = 0; ry < g.stride_h; ++ry) {
      for (int64_t rx = 0; rx < g.stride_w; ++rx) input_grad_class(g, group, ry, rx, gy, filter, gx, scratch);
    }
  }
}

template <class T>
int64_t conv2d_weight_grad_scratch_bytes(const Conv2dGeometry& g) {
  if (is_depthwise(g)) return depthwise2d_weight_grad_scratch_bytes<T>(g);
  const Windows<T> windows = forward_windows<T>(g, nullptr, 0);
  if (is_direct_transposed(windows)) return multiply_windows_transposed_scratch_bytes(windows, g.n, g.o);
  return gemm_scratch_bytes<T>(weight_grad_shape(g), true);
}

template <class T>
void conv2d_weight_grad(const Conv2dGeometry& g, const T* image, const T* gy, T* gw, void* scratch) {
  if (g.n == 0) {
    std::fill_n(gw, g.kh * g.kw * (g.c / std::max<int64_t>(g.groups, 1)) * g.o, T(0));
    return;
  }
  if (is_depthwise(g)) return depthwise2d_weight_grad(g, image, gy, gw, scratch);
  const GemmShape shape = weight_grad_shape(g);
  for (int64_t group = 0; group < g.groups; ++group) {
    const Windows<T> windows = forward_windows(g, image, group);
    if (is_direct_transposed(windows)) return multiply_windows_transposed(windows, g.n, g.o, gy, gw, scratch);
    const int64_t first_out = group * shape.n;
    gemm<T>(shape,
            {[&](int64_t m0, int64_t rows, int64_t k0, int64_t depth, T* block, const T** a_rows) {
               windows.copy(k0, depth, m0, rows, block, gemm_block_pitch<T>);
               return rows_of_block(BlockOrder::column_major, rows, block, a_rows);
             },
             gemm_copied_rows, copying_task, gy + first_out, g.o, nothing_to_fill,
             [&](int64_t m0, int64_t rows, T** c_rows) {
               for (int64_t i = 0; i < rows; ++i) c_rows[i] = gw + (m0 + i) * g.o + first_out;
             }},
            scratch);
  }
}

#define TELAIO_INSTANTIATE(T)                                                                     \
  template int64_t conv2d_scratch_bytes<T>(const Conv2dGeometry&);                                \
  template void conv2d(const Conv2dGeometry&, const T*, const T*, T*, void*, const Epilogue<T>&); \
  template int64_t conv2d_input_grad_scratch_bytes<T>(const Conv2dGeometry&);                     \
  template void conv2d_input_grad(const Conv2dGeometry&, const T*, const T*, T*, void*);          \
  template int64_t conv2d_weight_grad_scratch_bytes<T>(const Conv2dGeometry&);                    \
  template void conv2d_weight_grad(const Conv2dGeometry&, const T*, const T*, T*, void*);
TELAIO_INSTANTIATE(float)
TELAIO_INSTANTIATE(double)
#undef TELAIO_INSTANTIATE

}  // namespace telaio::kernels
