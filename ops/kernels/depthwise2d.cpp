#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/kernels/conv2d_axes.hpp>
#include <telaio/ops/kernels/depthwise2d.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

#include <algorithm>
#include <type_traits>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/depthwise2d.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#ifndef TELAIO_OPS_KERNELS_DEPTHWISE2D_CPP  // shared by all targets
#define TELAIO_OPS_KERNELS_DEPTHWISE2D_CPP
namespace telaio::kernels {
namespace {

// Forward and input gradient are one loop: every result is the sum over a window of source times filter.
//   forward         result[c, q] = sum over taps               of source[c]    * filter[tap, c, q]
//   input gradient  result[c]    = sum over taps and outputs q of source[c, q] * filter[tap, c, q]
template <class T>
struct WindowSums {
  const T* source;  // [n, y.size, x.size, channels, source_copies]
  WindowAxis y, x;
  const T* filter;  // of window tap (0, 0); [..., channels, copies]
  int64_t filter_y_step, filter_x_step;
  int64_t channels, source_copies, result_copies;  // one of the two copies is o / c, the other 1
  T* result;                                       // of position (0, 0, 0)
  int64_t result_n_step, result_y_step, result_x_step;
};

// The weight gradient of rows [begin, end) of the output: gw[tap, c, q] = sum of image[c] * gy[c, q].
template <class T>
struct WeightSums {
  const T* image;  // [n, y.size, x.size, channels]
  WindowAxis y, x;
  const T* gy;  // [n, y.positions, x.positions, channels, copies]
  int64_t channels, copies;
};

}  // namespace
}  // namespace telaio::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Every `step`-th element; a whole vector where the step is known to be 1.
template <bool unit, class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> LoadStrided(D d, const T* p, int64_t step) {
  if constexpr (unit) return hn::LoadU(d, p);
  HWY_ALIGN T lanes[hn::MaxLanes(d)];
  for (size_t i = 0; i < hn::MaxLanes(d); ++i) lanes[i] = p[static_cast<int64_t>(i) * step];
  return hn::Load(d, lanes);
}
template <bool unit, class D, class T = hn::TFromD<D>>
HWY_INLINE void StoreStrided(hn::Vec<D> v, D d, T* p, int64_t step) {
  if constexpr (unit) return hn::StoreU(v, d, p);
  HWY_ALIGN T lanes[hn::MaxLanes(d)];
  hn::Store(v, d, lanes);
  for (size_t i = 0; i < hn::MaxLanes(d); ++i) p[static_cast<int64_t>(i) * step] = lanes[i];
}

// Calls body(d, vectors, c) for all channels: four vectors at a time, one at a time, and single channels. `vectors` is
// a compile-time constant; four chains of sums hide the latency of the additions and share the work per tap.
template <class T, class Body>
HWY_INLINE void ForChannels(int64_t channels, const Body& body) {
  const hn::ScalableTag<T> d;
  const hn::CappedTag<T, 1> single;
  constexpr int64_t lanes = hn::MaxLanes(d);
  int64_t c = 0;
  for (; c + 4 * lanes <= channels; c += 4 * lanes) body(d, std::integral_constant<int, 4>(), c);
  for (; c + lanes <= channels; c += lanes) body(d, std::integral_constant<int, 1>(), c);
  for (; c < channels; ++c) body(single, std::integral_constant<int, 1>(), c);
}

// The results of channels c, c + 1, ... (as many as `vectors` vectors hold) at position (n, py, px). `unit`: one copy.
template <bool unit, int vectors, class D, class T = hn::TFromD<D>>
HWY_INLINE void SumWindow(D d, const WindowSums<T>& s, int64_t n, int64_t py, int64_t px, int64_t c) {
  constexpr int64_t lanes = hn::MaxLanes(d);
  const int64_t sources = unit ? 1 : s.source_copies, results = unit ? 1 : s.result_copies;
  const int64_t copies = std::max(sources, results);
  T* result = s.result + n * s.result_n_step + py * s.result_y_step + px * s.result_x_step + c * results;
  for (int64_t to = 0; to < results; ++to) {
    hn::Vec<D> sum[vectors];
    for (int v = 0; v < vectors; ++v) sum[v] = hn::Zero(d);
    for (int64_t ty = 0; ty < s.y.taps; ++ty) {
      const int64_t sy = s.y.at(py, ty);
      const bool row_inside = sy >= 0 && sy < s.y.size;
      const T* line = s.source + ((n * s.y.size + sy) * s.x.size * s.channels + c) * sources;
      const T* filter = s.filter + ty * s.filter_y_step + c * copies + to;
      for (int64_t tx = 0; tx < s.x.taps; ++tx, filter += s.filter_x_step) {
        const int64_t sx = s.x.at(px, tx);
        const bool inside = row_inside && sx >= 0 && sx < s.x.size;
        const T* source = line + sx * s.channels * sources;
        for (int64_t from = 0; from < sources; ++from) {
          for (int v = 0; v < vectors; ++v) {
            const int64_t channel = v * lanes;
            const auto value = inside ? LoadStrided<unit>(d, source + channel * sources + from, sources) : hn::Zero(d);
            sum[v] = hn::MulAdd(value, LoadStrided<unit>(d, filter + channel * copies + from, copies), sum[v]);
          }
        }
      }
    }
    for (int v = 0; v < vectors; ++v) StoreStrided<unit>(sum[v], d, result + v * lanes * results + to, results);
  }
}

// The same for as many positions from px on, whose windows lie inside the image along x, and one copy: an element of
// the filter serves all of them, and their sums hide the latency of the additions. Where not `whole`, the last
// channels.
constexpr int neighbours = 8;
template <bool whole, class T>
HWY_INLINE void SumNeighbours(const WindowSums<T>& s, int64_t n, int64_t py, int64_t px, int64_t c) {
  const hn::ScalableTag<T> d;
  const auto there = hn::FirstN(d, static_cast<size_t>(s.channels - c));
  const auto load = [&](const T* p) HWY_ATTR {
    if constexpr (whole) return hn::LoadU(d, p);
    else return hn::MaskedLoad(there, d, p);
  };
  const int64_t step = s.x.position_step * s.channels;
  hn::Vec<decltype(d)> sum[neighbours];
  HWY_UNROLL(8)
  for (int i = 0; i < neighbours; ++i) sum[i] = hn::Zero(d);
  for (int64_t ty = 0; ty < s.y.taps; ++ty) {
    const int64_t sy = s.y.at(py, ty);
    const T* filter = s.filter + ty * s.filter_y_step + c;
    if (sy < 0 || sy >= s.y.size) {
      for (int64_t tx = 0; tx < s.x.taps; ++tx, filter += s.filter_x_step) {
        const auto f = load(filter);
        HWY_UNROLL(8)
        for (int i = 0; i < neighbours; ++i) sum[i] = hn::MulAdd(hn::Zero(d), f, sum[i]);
      }
      continue;
    }
    const T* source = s.source + ((n * s.y.size + sy) * s.x.size + s.x.at(px, 0)) * s.channels + c;
    for (int64_t tx = 0; tx < s.x.taps; ++tx, filter += s.filter_x_step, source += s.x.tap_step * s.channels) {
      const auto f = load(filter);
      HWY_UNROLL(8)
      for (int i = 0; i < neighbours; ++i) sum[i] = hn::MulAdd(load(source + i * step), f, sum[i]);
    }
  }
  T* result = s.result + n * s.result_n_step + py * s.result_y_step + px * s.result_x_step + c;
  HWY_UNROLL(8)
  for (int i = 0; i < neighbours; ++i) {
    if constexpr (whole) hn::StoreU(sum[i], d, result + i * s.result_x_step);
    else hn::BlendedStore(sum[i], there, d, result + i * s.result_x_step);
  }
}

// Positions [first, second) along an axis whose windows lie inside the image.
std::pair<int64_t, int64_t> InsideOf(const WindowAxis& axis) {
  const auto inside = [&](int64_t position) {
    const int64_t first = axis.at(position, 0), last = axis.at(position, axis.taps - 1);
    return std::min(first, last) >= 0 && std::max(first, last) < axis.size;
  };
  int64_t begin = 0, end = axis.positions;
  while (begin < end && !inside(begin)) ++begin;
  while (end > begin && !inside(end - 1)) --end;
  return {begin, end};
}

template <bool unit, class T>
void SumWindows(const WindowSums<T>& s, int64_t begin, int64_t end) {
  constexpr int64_t lanes = hn::MaxLanes(hn::ScalableTag<T>());
  const auto [inside, outside] = InsideOf(s.x);
  const bool together = unit && outside - inside >= neighbours;
  for (int64_t row = begin, last; row < end; row = last) {
    const int64_t n = row / s.y.positions, first = row % s.y.positions;
    last = std::min(end, (n + 1) * s.y.positions);
    const int64_t until = first + last - row;
    const auto one_by_one = [&](int64_t from, int64_t to) HWY_ATTR {
      for (int64_t py = first; py < until; ++py) {
        for (int64_t px = from; px < to; ++px) {
          ForChannels<T>(s.channels, [&](auto of, auto vectors, int64_t c)
                                         HWY_ATTR { SumWindow<unit, vectors()>(of, s, n, py, px, c); });
        }
      }
    };
    if (!together) {
      one_by_one(0, s.x.positions);
      continue;
    }
    one_by_one(0, inside);
    for (int64_t px = inside; px < outside; px += neighbours) {
      px = std::min(px, outside - neighbours);  // the last ones again, rather than one by one
      // Downwards, so that what a row shares with the next is in the nearest cache.
      for (int64_t py = first; py < until; ++py) {
        int64_t c = 0;
        for (; c + lanes <= s.channels; c += lanes) SumNeighbours<true>(s, n, py, px, c);
        if (c < s.channels) SumNeighbours<false>(s, n, py, px, c);
      }
    }
    one_by_one(outside, s.x.positions);
  }
}

// Adds what position (n, py, px) contributes to the weights of channels c, c + 1, ...
template <bool unit, int vectors, class D, class T = hn::TFromD<D>>
HWY_INLINE void AddOuter(D d, const WeightSums<T>& s, int64_t n, int64_t py, int64_t px, int64_t c, T* gw) {
  constexpr int64_t lanes = hn::MaxLanes(d);
  const int64_t copies = unit ? 1 : s.copies, outs = s.channels * copies;
  const T* gy = s.gy + ((n * s.y.positions + py) * s.x.positions + px) * outs + c * copies;
  for (int64_t q = 0; q < copies; ++q) {
    hn::Vec<D> g[vectors];
    for (int v = 0; v < vectors; ++v) g[v] = LoadStrided<unit>(d, gy + v * lanes * copies + q, copies);
    T* to = gw + c * copies + q;
    for (int64_t ty = 0; ty < s.y.taps; ++ty) {
      const int64_t sy = s.y.at(py, ty);
      const bool row_inside = sy >= 0 && sy < s.y.size;
      const T* line = s.image + (n * s.y.size + sy) * s.x.size * s.channels + c;
      for (int64_t tx = 0; tx < s.x.taps; ++tx, to += outs) {
        const int64_t sx = s.x.at(px, tx);
        const bool inside = row_inside && sx >= 0 && sx < s.x.size;
        for (int v = 0; v < vectors; ++v) {
          const auto value = inside ? hn::LoadU(d, line + sx * s.channels + v * lanes) : hn::Zero(d);
          T* weight = to + v * lanes * copies;
          StoreStrided<unit>(hn::MulAdd(value, g[v], LoadStrided<unit>(d, weight, copies)), d, weight, copies);
        }
      }
    }
  }
}

template <bool unit, class T>
void SumWeights(const WeightSums<T>& s, int64_t begin, int64_t end, T* gw) {
  std::fill_n(gw, s.y.taps * s.x.taps * s.channels * s.copies, T(0));
  for (int64_t row = begin; row < end; ++row) {
    const int64_t n = row / s.y.positions, py = row % s.y.positions;
    for (int64_t px = 0; px < s.x.positions; ++px) {
      ForChannels<T>(s.channels, [&](auto d, auto vectors, int64_t c)
                                     HWY_ATTR { AddOuter<unit, vectors()>(d, s, n, py, px, c, gw); });
    }
  }
}

template <class T>
void SumWindowsOf(const WindowSums<T>& s, int64_t begin, int64_t end) {
  if (s.source_copies == 1 && s.result_copies == 1) return SumWindows<true>(s, begin, end);
  return SumWindows<false>(s, begin, end);
}
template <class T>
void SumWeightsOf(const WeightSums<T>& s, int64_t begin, int64_t end, T* gw) {
  if (s.copies == 1) return SumWeights<true>(s, begin, end, gw);
  return SumWeights<false>(s, begin, end, gw);
}

void SumWindowsF32(const WindowSums<float>& s, int64_t begin, int64_t end) { SumWindowsOf(s, begin, end); }
void SumWindowsF64(const WindowSums<double>& s, int64_t begin, int64_t end) { SumWindowsOf(s, begin, end); }
void SumWeightsF32(const WeightSums<float>& s, int64_t begin, int64_t end, float* gw) {
  SumWeightsOf(s, begin, end, gw);
}
void SumWeightsF64(const WeightSums<double>& s, int64_t begin, int64_t end, double* gw) {
  SumWeightsOf(s, begin, end, gw);
}

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(SumWindowsF32);
TELAIO_EXPORT(SumWindowsF64);
TELAIO_EXPORT(SumWeightsF32);
TELAIO_EXPORT(SumWeightsF64);

namespace {

void sum_windows(const WindowSums<float>& s, int64_t begin, int64_t end) {
  TELAIO_DISPATCH(SumWindowsF32)(s, begin, end);
}
void sum_windows(const WindowSums<double>& s, int64_t begin, int64_t end) {
  TELAIO_DISPATCH(SumWindowsF64)(s, begin, end);
}
void sum_weights(const WeightSums<float>& s, int64_t begin, int64_t end, float* gw) {
  TELAIO_DISPATCH(SumWeightsF32)(s, begin, end, gw);
}
void sum_weights(const WeightSums<double>& s, int64_t begin, int64_t end, double* gw) {
  TELAIO_DISPATCH(SumWeightsF64)(s, begin, end, gw);
}

// Cycles for one output row: two vector operations a tap and vector of 16 channels, and some for each position.
double row_cycles(const WindowAxis& y, const WindowAxis& x, int64_t outs) {
  return static_cast<double>(x.positions) * (20 + static_cast<double>(y.taps * x.taps * (outs / 8 + 1)));
}

template <class T>
void sum_all_windows(const Conv2dGeometry& g, const WindowSums<T>& s) {
  parallel_for(g.n * s.y.positions, grain_for(row_cycles(s.y, s.x, g.o)),
               [&](int64_t begin, int64_t end) { sum_windows(s, begin, end); });
}

// The output rows are summed in this many slices, chosen from sizes alone; each has its own copy of the weights.
constexpr int64_t most_slices = 32;
int64_t weight_slices(const Conv2dGeometry& g) {
  const double cycles = row_cycles(forward_rows(g), forward_columns(g), g.o) * static_cast<double>(g.n * g.oh);
  return std::clamp<int64_t>(static_cast<int64_t>(cycles / 100'000), 1,
                             std::clamp<int64_t>(g.n * g.oh, 1, most_slices));
}

}  // namespace

template <class T>
void depthwise2d(const Conv2dGeometry& g, const T* image, const T* filter, T* out) {
  sum_all_windows<T>(g, {.source = image,
                         .y = forward_rows(g),
                         .x = forward_columns(g),
                         .filter = filter,
                         .filter_y_step = g.kw * g.o,
                         .filter_x_step = g.o,
                         .channels = g.c,
                         .source_copies = 1,
                         .result_copies = g.o / g.c,
                         .result = out,
                         .result_n_step = g.oh * g.ow * g.o,
                         .result_y_step = g.ow * g.o,
                         .result_x_step = g.o});
}

template <class T>
void depthwise2d_input_grad(const Conv2dGeometry& g, const T* gy, const T* filter, T* gx) {
  for (int64_t ry = 0; ry < std::min(g.stride_h, g.h); ++ry) {
    for (int64_t rx = 0; rx < std::min(g.stride_w, g.w); ++rx) {
      const GradAxis y = grad_rows(g, ry), x = grad_columns(g, rx);
      sum_all_windows<T>(g, {.source = gy,
                             .y = y.windows,
                             .x = x.windows,
                             .filter = filter + (y.filter_tap * g.kw + x.filter_tap) * g.o,
                             .filter_y_step = y.tap_step * g.kw * g.o,
                             .filter_x_step = x.tap_step * g.o,
                             .channels = g.c,
                             .source_copies = g.o / g.c,
                             .result_copies = 1,
                             .result = gx + (ry * g.w + rx) * g.c,
                             .result_n_step = g.h * g.w * g.c,
                             .result_y_step = g.stride_h * g.w * g.c,
                             .result_x_step = g.stride_w * g.c});
    }
  }
}

template <class T>
int64_t depthwise2d_weight_grad_scratch_bytes(const Conv2dGeometry& g) {
  const int64_t slices = weight_slices(g);
  return slices > 1 ? slices * g.kh * g.kw * g.o * static_cast<int64_t>(sizeof(T)) : 0;
}

template <class T>
void depthwise2d_weight_grad(const Conv2dGeometry& g, const T* image, const T* gy, T* gw, void* scratch) {
  const WeightSums<T> s{
      .image = image, .y = forward_rows(g), .x = forward_columns(g), .gy = gy, .channels = g.c, .copies = g.o / g.c};
  const int64_t rows = g.n * g.oh, slices = weight_slices(g), weights = g.kh * g.kw * g.o;
  if (slices == 1) return sum_weights(s, 0, rows, gw);
  T* partial = static_cast<T*>(scratch);
  parallel_for(slices, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      sum_weights(s, rows * i / slices, rows * (i + 1) / slices, partial + i * weights);
  });
  std::copy_n(partial, weights, gw);
  for (int64_t i = 1; i < slices; ++i) {
    for (int64_t j = 0; j < weights; ++j) gw[j] += partial[i * weights + j];
  }
}

#define TELAIO_INSTANTIATE(T)                                                          \
  template void depthwise2d(const Conv2dGeometry&, const T*, const T*, T*);            \
  template void depthwise2d_input_grad(const Conv2dGeometry&, const T*, const T*, T*); \
  template int64_t depthwise2d_weight_grad_scratch_bytes<T>(const Conv2dGeometry&);    \
  template void depthwise2d_weight_grad(const Conv2dGeometry&, const T*, const T*, T*, void*);
TELAIO_INSTANTIATE(float)
TELAIO_INSTANTIATE(double)
#undef TELAIO_INSTANTIATE

}  // namespace telaio::kernels
#endif  // HWY_ONCE
