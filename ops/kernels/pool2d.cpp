#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/kernels/pool2d.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/pool2d.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef TELAIO_OPS_KERNELS_POOL2D_CPP  // shared by all targets
#define TELAIO_OPS_KERNELS_POOL2D_CPP
namespace telaio::kernels {
namespace {

struct Span {
  int64_t begin, end;
};

// The part of window `index` that lies in the image, along one axis.
inline Span clip_window(int64_t index, int64_t window, int64_t stride, int64_t pad, int64_t size) {
  const int64_t start = index * stride - pad;
  return {std::clamp<int64_t>(start, 0, size), std::clamp<int64_t>(start + window, 0, size)};
}
inline Span clip_rows(const Pool2dGeometry& g, int64_t oy) {
  return clip_window(oy, g.window_h, g.stride_h, g.pad_top, g.h);
}
inline Span clip_columns(const Pool2dGeometry& g, int64_t ox) {
  return clip_window(ox, g.window_w, g.stride_w, g.pad_left, g.w);
}

// How many places of window (oy, ox) count in its mean.
inline int64_t count_places(const Pool2dGeometry& g, int64_t oy, int64_t ox, bool include_pad) {
  if (!include_pad) {
    const Span rows = clip_rows(g, oy), columns = clip_columns(g, ox);
    return (rows.end - rows.begin) * (columns.end - columns.begin);
  }
  const int64_t top = oy * g.stride_h - g.pad_top, left = ox * g.stride_w - g.pad_left;
  return (std::min(top + g.window_h, g.h + g.pad_bottom) - top) *
         (std::min(left + g.window_w, g.w + g.pad_right) - left);
}

// Whether all windows count as many places.
inline bool is_inside(const Pool2dGeometry& g) {
  return g.pad_top == 0 && g.pad_left == 0 && (g.oh - 1) * g.stride_h + g.window_h <= g.h &&
         (g.ow - 1) * g.stride_w + g.window_w <= g.w;
}

// The windows [begin, end) that cover `position`, along one axis.
inline Span covering_windows(int64_t position, int64_t window, int64_t stride, int64_t pad, int64_t out) {
  const int64_t end = (position + pad) / stride + 1, before = position + pad - window;
  const int64_t begin = before < 0 ? 0 : before / stride + 1;
  return {std::min(begin, out), std::min(end, out)};
}

}  // namespace
}  // namespace telaio::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// A vector of neighbouring channels.
template <class T>
struct Whole {
  hn::ScalableTag<T> d;
  static constexpr int64_t count = hn::MaxLanes(hn::ScalableTag<T>());
  HWY_INLINE auto load(const T* from) const { return hn::LoadU(d, from); }
  template <class V>
  HWY_INLINE void store(V x, T* to) const {
    hn::StoreU(x, d, to);
  }
};
// The first ones of it: what lies behind is neither read nor written.
template <class T>
struct Part {
  hn::ScalableTag<T> d;
  int64_t count;
  hn::Mask<hn::ScalableTag<T>> mask;
  HWY_INLINE explicit Part(int64_t channels) : count(channels), mask(hn::FirstN(d, static_cast<size_t>(channels))) {}
  HWY_INLINE auto load(const T* from) const { return hn::MaskedLoad(mask, d, from); }
  template <class V>
  HWY_INLINE void store(V x, T* to) const {
    hn::BlendedStore(x, mask, d, to);
  }
};
// body(part, c) for all channels: a few are not taken one by one, as networks begin with them.
template <class T, class Body>
HWY_INLINE void ForChannels(int64_t channels, const Body& body) {
  constexpr int64_t lanes = hn::MaxLanes(hn::ScalableTag<T>());
  int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) body(Whole<T>(), c);
  if (c < channels) body(Part<T>(channels - c), c);
}

// Each of these handles the channels of `part`. x, y and so on point at the first of them in their image (n).

template <class P, class T>
HWY_INLINE void MaxOfWindow(const P& part, const Pool2dGeometry& g, Span rows, Span columns, const T* x, T* y,
                            int32_t* argmax) {
  const auto d = part.d;
  const hn::RebindToSigned<decltype(d)> di;  // positions as wide as the values, so that one mask serves both
  using Index = hn::TFromD<decltype(di)>;
  auto best = part.load(x + (rows.begin * g.w + columns.begin) * g.c);
  auto place = hn::Set(di, static_cast<Index>(rows.begin * g.w + columns.begin));
  for (int64_t h = rows.begin; h < rows.end; ++h) {
    for (int64_t w = columns.begin; w < columns.end; ++w) {
      const auto value = part.load(x + (h * g.w + w) * g.c);
      const auto first_nan = hn::AndNot(hn::IsNaN(best), hn::IsNaN(value));
      const auto wins = hn::Or(hn::Gt(value, best), first_nan);
      best = hn::IfThenElse(wins, value, best);
      place = hn::IfThenElse(hn::RebindMask(di, wins), hn::Set(di, static_cast<Index>(h * g.w + w)), place);
    }
  }
  part.store(best, y);
  HWY_ALIGN Index places[hn::MaxLanes(di)];
  hn::Store(place, di, places);
  for (int64_t i = 0; i < part.count; ++i) argmax[i] = static_cast<int32_t>(places[i]);
}

template <class P, class T>
HWY_INLINE void MeanOfWindow(const P& part, const Pool2dGeometry& g, Span rows, Span columns, T count, const T* x,
                             T* y) {
  auto sum = hn::Zero(part.d);
  for (int64_t h = rows.begin; h < rows.end; ++h) {
    for (int64_t w = columns.begin; w < columns.end; ++w) sum = hn::Add(sum, part.load(x + (h * g.w + w) * g.c));
  }
  part.store(hn::Div(sum, hn::Set(part.d, count)), y);
}

template <class P, class T>
HWY_INLINE void ShareOfWindows(const P& part, const Pool2dGeometry& g, Span rows, Span columns, bool inside,
                               bool include_pad, const T* gy, T* gx) {
  auto sum = hn::Zero(part.d);
  auto count = hn::Set(part.d, static_cast<T>(g.window_h * g.window_w));
  for (int64_t oy = rows.begin; oy < rows.end; ++oy) {
    for (int64_t ox = columns.begin; ox < columns.end; ++ox) {
      if (!inside) count = hn::Set(part.d, static_cast<T>(count_places(g, oy, ox, include_pad)));
      sum = hn::Add(sum, hn::Div(part.load(gy + (oy * g.ow + ox) * g.c), count));
    }
  }
  part.store(sum, gx);
}

// Rows [begin, end) of all images' outputs (inputs, for the gradient).

template <class T>
void MaxRows(const Pool2dGeometry& g, const T* x, T* y, int32_t* argmax, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const T* image = x + row / g.oh * g.h * g.w * g.c;
    const Span rows = clip_rows(g, row % g.oh);
    for (int64_t ox = 0; ox < g.ow; ++ox) {
      const Span columns = clip_columns(g, ox);
      const int64_t at = (row * g.ow + ox) * g.c;
      ForChannels<T>(g.c, [&](const auto& part, int64_t c) HWY_ATTR {
        MaxOfWindow(part, g, rows, columns, image + c, y + at + c, argmax + at + c);
      });
    }
  }
}

template <class T>
void MeanRows(const Pool2dGeometry& g, const T* x, T* y, bool include_pad, int64_t begin, int64_t end) {
  const bool inside = is_inside(g);
  for (int64_t row = begin; row < end; ++row) {
    const T* image = x + row / g.oh * g.h * g.w * g.c;
    const Span rows = clip_rows(g, row % g.oh);
    for (int64_t ox = 0; ox < g.ow; ++ox) {
      const Span columns = clip_columns(g, ox);
      // A window wholly outside has the sum 0 and may have the count 0.
      const int64_t places = inside ? g.window_h * g.window_w : count_places(g, row % g.oh, ox, include_pad);
      const auto count = static_cast<T>(std::max<int64_t>(places, 1));
      T* out = y + (row * g.ow + ox) * g.c;
      ForChannels<T>(g.c, [&](const auto& part, int64_t c)
                              HWY_ATTR { MeanOfWindow(part, g, rows, columns, count, image + c, out + c); });
    }
  }
}

// The gradient's rows where windows tile the image: each value goes to the places of its window, nothing to the rest.
template <class T>
void SpreadRows(const Pool2dGeometry& g, const T* gy, T* gx, int64_t begin, int64_t end) {
  const hn::ScalableTag<T> d;
  const auto count = hn::Set(d, static_cast<T>(g.window_h * g.window_w));
  for (int64_t row = begin; row < end; ++row) {
    const int64_t n = row / g.h, oy = row % g.h / g.window_h, ow = oy < g.oh ? g.ow : 0;
    const T* from = gy + (n * g.oh + oy) * g.ow * g.c;
    T* to = gx + row * g.w * g.c;
    for (int64_t ox = 0; ox < ow; ++ox, from += g.c, to += g.window_w * g.c) {
      ForChannels<T>(g.c, [&](const auto& part, int64_t c) HWY_ATTR {
        const auto share = hn::Add(hn::Zero(d), hn::Div(part.load(from + c), count));  // no -0, as sums have none
        for (int64_t i = 0; i < g.window_w; ++i) part.store(share, to + i * g.c + c);
      });
    }
    std::fill(to, gx + (row + 1) * g.w * g.c, T(0));
  }
}

template <class T>
void ShareRows(const Pool2dGeometry& g, const T* gy, T* gx, bool include_pad, int64_t begin, int64_t end) {
  const bool inside = is_inside(g);
  if (inside && g.stride_h == g.window_h && g.stride_w == g.window_w) return SpreadRows(g, gy, gx, begin, end);
  for (int64_t row = begin; row < end; ++row) {
    const T* image = gy + row / g.h * g.oh * g.ow * g.c;
    const Span rows = covering_windows(row % g.h, g.window_h, g.stride_h, g.pad_top, g.oh);
    for (int64_t w = 0; w < g.w; ++w) {
      const Span columns = covering_windows(w, g.window_w, g.stride_w, g.pad_left, g.ow);
      T* out = gx + (row * g.w + w) * g.c;
      ForChannels<T>(g.c, [&](const auto& part, int64_t c) HWY_ATTR {
        ShareOfWindows(part, g, rows, columns, inside, include_pad, image + c, out + c);
      });
    }
  }
}

void MaxRowsF32(const Pool2dGeometry& g, const float* x, float* y, int32_t* argmax, int64_t begin, int64_t end) {
  MaxRows(g, x, y, argmax, begin, end);
}
void MaxRowsF64(const Pool2dGeometry& g, const double* x, double* y, int32_t* argmax, int64_t begin, int64_t end) {
  MaxRows(g, x, y, argmax, begin, end);
}
void MeanRowsF32(const Pool2dGeometry& g, const float* x, float* y, bool include_pad, int64_t begin, int64_t end) {
  MeanRows(g, x, y, include_pad, begin, end);
}
void MeanRowsF64(const Pool2dGeometry& g, const double* x, double* y, bool include_pad, int64_t begin, int64_t end) {
  MeanRows(g, x, y, include_pad, begin, end);
}
void ShareRowsF32(const Pool2dGeometry& g, const float* gy, float* gx, bool include_pad, int64_t begin, int64_t end) {
  ShareRows(g, gy, gx, include_pad, begin, end);
}
void ShareRowsF64(const Pool2dGeometry& g, const double* gy, double* gx, bool include_pad, int64_t begin, int64_t end) {
  ShareRows(g, gy, gx, include_pad, begin, end);
}

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(MaxRowsF32);
TELAIO_EXPORT(MaxRowsF64);
TELAIO_EXPORT(MeanRowsF32);
TELAIO_EXPORT(MeanRowsF64);
TELAIO_EXPORT(ShareRowsF32);
TELAIO_EXPORT(ShareRowsF64);

namespace {

// Cycles for a row of `width` results from windows of `places`: about four operations for each place and 8 channels.
double row_cycles(int64_t width, double places, int64_t channels) {
  return static_cast<double>(width) * (20 + 4 * places * (static_cast<double>(channels) / 8 + 1));
}
double window_places(const Pool2dGeometry& g) { return static_cast<double>(g.window_h * g.window_w); }
// How many windows cover a position, on average.
double covers(const Pool2dGeometry& g) { return 1 + window_places(g) / static_cast<double>(g.stride_h * g.stride_w); }

// Calls body(image, first channel, channels) for all images, each cut into blocks of channels: a cache line of floats
// is the narrowest block, so that no two tasks share a line more than at its ends.
constexpr int64_t block_channels = 16;
template <class Body>
void for_each_channel_block(const Pool2dGeometry& g, const Body& body) {
  const int64_t blocks = (g.c + block_channels - 1) / block_channels;
  const double cycles = static_cast<double>((g.oh * g.ow * 2 + g.h * g.w) * std::min(g.c, block_channels));
  parallel_for(g.n * blocks, grain_for(cycles), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t c = i % blocks * block_channels;
      body(i / blocks, c, std::min(block_channels, g.c - c));
    }
  });
}

}  // namespace

template <class T>
void max_pool2d(const Pool2dGeometry& g, const T* x, T* y, int32_t* argmax) {
  parallel_for(g.n * g.oh, grain_for(row_cycles(g.ow, window_places(g), g.c)), [&](int64_t begin, int64_t end) {
    if constexpr (sizeof(T) == 4) {
      TELAIO_DISPATCH(MaxRowsF32)(g, x, y, argmax, begin, end);
    } else {
      TELAIO_DISPATCH(MaxRowsF64)(g, x, y, argmax, begin, end);
    }
  });
}

template <class T>
void max_pool2d_scatter(const Pool2dGeometry& g, const T* gy, const int32_t* argmax, T* gx) {
  for_each_channel_block(g, [&](int64_t n, int64_t c0, int64_t channels) {
    T* image = gx + n * g.h * g.w * g.c + c0;
    for (int64_t i = 0; i < g.h * g.w; ++i) std::fill_n(image + i * g.c, channels, T(0));
    for (int64_t i = n * g.oh * g.ow; i < (n + 1) * g.oh * g.ow; ++i) {
      for (int64_t c = 0; c < channels; ++c) image[argmax[i * g.c + c0 + c] * g.c + c] += gy[i * g.c + c0 + c];
    }
  });
}

template <class T>
void max_pool2d_gather(const Pool2dGeometry& g, const T* x, const int32_t* argmax, T* y) {
  for_each_channel_block(g, [&](int64_t n, int64_t c0, int64_t channels) {
    const T* image = x + n * g.h * g.w * g.c + c0;
    for (int64_t i = n * g.oh * g.ow; i < (n + 1) * g.oh * g.ow; ++i) {
      for (int64_t c = 0; c < channels; ++c) y[i * g.c + c0 + c] = image[argmax[i * g.c + c0 + c] * g.c + c];
    }
  });
}

template <class T>
void avg_pool2d(const Pool2dGeometry& g, const T* x, T* y, bool count_include_pad) {
  parallel_for(g.n * g.oh, grain_for(row_cycles(g.ow, window_places(g), g.c)), [&](int64_t begin, int64_t end) {
    if constexpr (sizeof(T) == 4) {
      TELAIO_DISPATCH(MeanRowsF32)(g, x, y, count_include_pad, begin, end);
    } else {
      TELAIO_DISPATCH(MeanRowsF64)(g, x, y, count_include_pad, begin, end);
    }
  });
}

template <class T>
void avg_pool2d_grad(const Pool2dGeometry& g, const T* gy, T* gx, bool count_include_pad) {
  parallel_for(g.n * g.h, grain_for(row_cycles(g.w, covers(g), g.c)), [&](int64_t begin, int64_t end) {
    if constexpr (sizeof(T) == 4) {
      TELAIO_DISPATCH(ShareRowsF32)(g, gy, gx, count_include_pad, begin, end);
    } else {
      TELAIO_DISPATCH(ShareRowsF64)(g, gy, gx, count_include_pad, begin, end);
    }
  });
}

#define TELAIO_INSTANTIATE(T)                                                            \
  template void max_pool2d(const Pool2dGeometry&, const T*, T*, int32_t*);               \
  template void max_pool2d_scatter(const Pool2dGeometry&, const T*, const int32_t*, T*); \
  template void max_pool2d_gather(const Pool2dGeometry&, const T*, const int32_t*, T*);  \
  template void avg_pool2d(const Pool2dGeometry&, const T*, T*, bool);                   \
  template void avg_pool2d_grad(const Pool2dGeometry&, const T*, T*, bool);
TELAIO_INSTANTIATE(float)
TELAIO_INSTANTIATE(double)
#undef TELAIO_INSTANTIATE

}  // namespace telaio::kernels
#endif  // HWY_ONCE
