#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/kernels/conv2d_pool_parts.hpp>
#include <telaio/ops/kernels/conv2d_pool_planes.hpp>
#include <telaio/ops/kernels/finite.hpp>
#include <telaio/ops/kernels/simd_target.hpp>
#include <telaio/ops/kernels/transpose.hpp>

#include <algorithm>
#include <atomic>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/conv2d_pool_weight_grad.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <telaio/ops/kernels/conv2d_pool_blocks-inl.hpp>

#ifndef TELAIO_OPS_KERNELS_CONV2D_POOL_WEIGHT_GRAD_CPP  // shared by all targets
#define TELAIO_OPS_KERNELS_CONV2D_POOL_WEIGHT_GRAD_CPP
namespace telaio::kernels {
namespace {

// Images of a compact convolution, one behind the other, that stay in the cache while all channels walk over them.
template <class T>
struct WeightGrad {
  int64_t images, image_step;  // elements from an image to the next
  int64_t pitch;               // elements from a line of an image to the next
  int64_t rows, columns;       // pooled, of an image
  int64_t pool_h, pool_w;
  int64_t c, o, kh, line_vectors;
  bool slabs;  // the layout of gw, see AddWeightGrad
  // The places that pass a gradient, a list for each channel of at most images * rows * columns of them: where the
  // window of the place starts, and the gradient.
  int32_t* starts;
  T* values;
  int64_t* ends;  // [o], of the lists
};

}  // namespace
}  // namespace telaio::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class T>
void ListPlaces(const WeightGrad<T>& p, const T* gy, const uint8_t* argmax) {
  int32_t place_start[256] = {}, kept[256] = {};
  for (int64_t place = 0; place < p.pool_h * p.pool_w; ++place) {
    place_start[place] = static_cast<int32_t>(place / p.pool_w * p.pitch + place % p.pool_w * p.c);
    kept[place] = 1;
  }
  const int64_t outs = p.o, capacity = p.images * p.rows * p.columns;
  int64_t* HWY_RESTRICT ends = p.ends;
  int32_t* HWY_RESTRICT starts = p.starts;
  T* HWY_RESTRICT values = p.values;
  for (int64_t q = 0; q < outs; ++q) ends[q] = q * capacity;
  for (int64_t n = 0; n < p.images; ++n) {
    for (int64_t y = 0; y < p.rows; ++y) {
      for (int64_t x = 0; x < p.columns; ++x, gy += outs, argmax += outs) {
        const int32_t corner = static_cast<int32_t>(n * p.image_step + y * p.pool_h * p.pitch + x * p.pool_w * p.c);
        for (int64_t q = 0; q < outs; ++q) {
          const int64_t place = argmax[q], end = ends[q];
          starts[end] = corner + place_start[place];  // always written, not always kept: no branch to mispredict
          values[end] = gy[q];
          ends[q] = end + kept[place];
        }
      }
    }
  }
}

// Adds the products of one channel's places with some vectors of their windows, which are x_step and gw_line apart.
template <int lines, int vectors, class T>
HWY_INLINE void AddWindows(const T* HWY_RESTRICT image, int64_t pitch, int64_t x_step, const int32_t* starts,
                           const T* values, int64_t count, T* HWY_RESTRICT gw, int64_t gw_line) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int64_t lanes = hn::MaxLanes(d);
  V sum[lines][vectors];
  HWY_UNROLL(3)
  for (int i = 0; i < lines; ++i) {
    HWY_UNROLL(8)
    for (int v = 0; v < vectors; ++v) sum[i][v] = hn::LoadU(d, gw + i * gw_line + v * lanes);
  }
  for (int64_t at = 0; at < count; ++at) {
    const V g = hn::Set(d, values[at]);
    const T* HWY_RESTRICT x = image + starts[at];
    HWY_UNROLL(3)
    for (int i = 0; i < lines; ++i) {
      HWY_UNROLL(8)
      for (int v = 0; v < vectors; ++v) {
        sum[i][v] = hn::MulAdd(g, hn::LoadU(d, x + i * pitch + v * x_step), sum[i][v]);
      }
    }
  }
  HWY_UNROLL(3)
  for (int i = 0; i < lines; ++i) {
    HWY_UNROLL(8)
    for (int v = 0; v < vectors; ++v) hn::StoreU(sum[i][v], d, gw + i * gw_line + v * lanes);
  }
}

// gw: with slabs (kh and kw are 3, c is whole vectors) [c / lanes, o, 3, 3, lanes], so that what is walked over at a
// time is small; else [o, kh, line_vectors * lanes], and whole vectors are read at the end of a line.
template <class T>
void AddWeightGrad(const WeightGrad<T>& p, const T* image, const T* gy, const uint8_t* argmax, T* gw) {
  constexpr int64_t lanes = hn::MaxLanes(hn::ScalableTag<T>());
  ListPlaces(p, gy, argmax);
  const int64_t capacity = p.images * p.rows * p.columns, gw_line = p.line_vectors * lanes;
  if (p.slabs) {
    for (int64_t c = 0; c < p.c; c += lanes) {
      for (int64_t q = 0; q < p.o; ++q, gw += 9 * lanes) {
        AddWindows<3, 3>(image + c, p.pitch, p.c, p.starts + q * capacity, p.values + q * capacity,
                         p.ends[q] - q * capacity, gw, 3 * lanes);
      }
    }
    return;
  }
  for (int64_t q = 0; q < p.o; ++q, gw += p.kh * gw_line) {
    ForBlocks(p.kh, p.line_vectors, [&](auto lines, auto vectors, int64_t line, int64_t v) HWY_ATTR {
      AddWindows<lines(), vectors()>(image + line * p.pitch + v * lanes, p.pitch, lanes, p.starts + q * capacity,
                                     p.values + q * capacity, p.ends[q] - q * capacity, gw + line * gw_line + v * lanes,
                                     gw_line);
    });
  }
}

// Adds the gradients of `windows` windows to gb, [o].
template <class T>
void AddBiasGrad(int64_t windows, int64_t o, const T* gy, const uint8_t* argmax, T* gb) {
  for (int64_t window = 0; window < windows; ++window, gy += o, argmax += o) {
    for (int64_t q = 0; q < o; ++q) gb[q] += argmax[q] == no_gradient ? T(0) : gy[q];
  }
}

void AddWeightGradF32(const WeightGrad<float>& p, const float* image, const float* gy, const uint8_t* argmax,
                      float* gw) {
  AddWeightGrad(p, image, gy, argmax, gw);
}
void AddWeightGradF64(const WeightGrad<double>& p, const double* image, const double* gy, const uint8_t* argmax,
                      double* gw) {
  AddWeightGrad(p, image, gy, argmax, gw);
}
void AddBiasGradF32(int64_t windows, int64_t o, const float* gy, const uint8_t* argmax, float* gb) {
  AddBiasGrad(windows, o, gy, argmax, gb);
}
void AddBiasGradF64(int64_t windows, int64_t o, const double* gy, const uint8_t* argmax, double* gb) {
  AddBiasGrad(windows, o, gy, argmax, gb);
}

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(AddWeightGradF32);
TELAIO_EXPORT(AddWeightGradF64);
TELAIO_EXPORT(AddBiasGradF32);
TELAIO_EXPORT(AddBiasGradF64);

namespace {

void add_weight_grad(const WeightGrad<float>& p, const float* image, const float* gy, const uint8_t* argmax,
                     float* gw) {
  TELAIO_DISPATCH(AddWeightGradF32)(p, image, gy, argmax, gw);
}
void add_weight_grad(const WeightGrad<double>& p, const double* image, const double* gy, const uint8_t* argmax,
                     double* gw) {
  TELAIO_DISPATCH(AddWeightGradF64)(p, image, gy, argmax, gw);
}
void add_bias_grad(int64_t windows, int64_t o, const float* gy, const uint8_t* argmax, float* gb) {
  TELAIO_DISPATCH(AddBiasGradF32)(windows, o, gy, argmax, gb);
}
void add_bias_grad(int64_t windows, int64_t o, const double* gy, const uint8_t* argmax, double* gb) {
  TELAIO_DISPATCH(AddBiasGradF64)(windows, o, gy, argmax, gb);
}

// The images are cut into slices, whose sums are added in order.
template <class T>
struct Plan {
  int64_t slices;
  int64_t group;         // images that are walked over together
  int64_t line_vectors;  // of a window's line, kw * c elements
  bool planes;           // the road of conv2d_pool_planes.hpp
  bool slabs;            // see AddWeightGrad
  bool in_place;         // the images themselves are read; else copies
  int64_t padded_o;
  // Bytes of a slice's parts.
  int64_t sums, bias, copies, starts, values, ends;

  explicit Plan(const Conv2dPoolGeometry& g) {
    const Conv2dGeometry& conv = g.conv;
    const int64_t run = conv.kw * conv.c, size = sizeof(T);
    line_vectors = (run + vector_lanes<T>() - 1) / vector_lanes<T>();
    const Canvas canvas = canvas_of(g);
    planes = has_planes(g);
    slabs = !planes && conv.kh == 3 && conv.kw == 3 && conv.c % vector_lanes<T>() == 0;
    in_place = canvas.inside() && (planes ? conv.c == 1 : run % vector_lanes<T>() == 0);
    padded_o = (conv.o + vector_lanes<T>() - 1) / vector_lanes<T>() * vector_lanes<T>();
    const double cycles =
        static_cast<double>(conv.n * pooled_size(g)) * (2 + 0.5 * static_cast<double>(conv.kh * line_vectors));
    constexpr int64_t most_slices = 8;
    const bool small = conv.n <= few_images && cycles <= small_work;
    slices = small ? 1
                   : std::clamp<int64_t>(static_cast<int64_t>(cycles / 200'000), 1,
                                         std::clamp<int64_t>(conv.n, 1, most_slices));
    constexpr int64_t cached_bytes = 48 << 10;
    group = std::clamp<int64_t>(cached_bytes / std::max<int64_t>(canvas.h * canvas.w * canvas.c * size, 1), 1,
                                std::max<int64_t>((conv.n + slices - 1) / slices, 1));
    const int64_t places = group * pooled_size(g);
    sums = aligned((planes ? conv.kh * run * padded_o : conv.o * conv.kh * line_vectors * vector_lanes<T>()) * size);
    bias = aligned(2 * padded_o * size);
    copies = in_place ? 0 : aligned((group * canvas.h * canvas.w * canvas.c + vector_lanes<T>()) * size);
    starts = planes ? 0 : aligned(places * static_cast<int64_t>(sizeof(int32_t)));
    values = planes ? 0 : aligned(places * size);
    ends = planes ? 0 : aligned(conv.o * static_cast<int64_t>(sizeof(int64_t)));
  }
  int64_t slice_bytes() const { return sums + bias + copies + starts + values + ends; }
};

// Adds the gradients of one image to sums [c, 9, padded_o] and bias [padded_o].
template <class T>
void sum_planes(const Conv2dPoolGeometry& g, const Plan<T>& plan, const T* image, const T* gy, const uint8_t* argmax,
                T* copy, T* sums, T* bias) {
  const Canvas canvas = canvas_of(g);
  const Plane plane{.rows = pooled_rows(g),
                    .columns = pooled_columns(g),
                    .pitch = plan.in_place ? g.conv.w : canvas.w,
                    .o = g.conv.o,
                    .padded_o = plan.padded_o};
  for (int64_t c = 0; c < g.conv.c; ++c, sums += 9 * plan.padded_o) {
    if (!plan.in_place) canvas.copy_plane(image, c, copy);
    // The bias has no channels: what the other planes add to it lands beside it.
    add_plane(plane, plan.in_place ? image : copy, gy, argmax, sums, c == 0 ? bias : bias + plan.padded_o);
  }
}

// The sums of images [begin, end); false if a product that the sparse road leaves out might be a NaN.
template <class T>
bool sum_images(const Conv2dPoolGeometry& g, const Plan<T>& plan, int64_t begin, int64_t end, const T* image,
                const T* gy, const uint8_t* argmax, char* memory) {
  const Conv2dGeometry& conv = g.conv;
  const Canvas canvas = canvas_of(g);
  const int64_t image_size = conv.h * conv.w * conv.c, canvas_size = canvas.h * canvas.w * canvas.c;
  const int64_t gy_size = pooled_size(g);
  T* sums = reinterpret_cast<T*>(memory);
  T* bias = reinterpret_cast<T*>(memory + plan.sums);
  T* copies = reinterpret_cast<T*>(memory + plan.sums + plan.bias);
  char* lists = memory + plan.sums + plan.bias + plan.copies;
  std::fill_n(sums, plan.sums / sizeof(T), T(0));
  std::fill_n(bias, 2 * plan.padded_o, T(0));
  if (!plan.in_place) std::fill_n(copies, plan.copies / sizeof(T), T(0));
  bool finite = true;
  for (int64_t first = begin; first < end; first += plan.group) {
    const int64_t images = std::min(plan.group, end - first);
    const T* from = image + first * image_size;
    if (!all_finite(from, images * image_size)) finite = false;
    if (plan.planes) {
      for (int64_t n = first; n < first + images; ++n) {
        sum_planes(g, plan, image + n * image_size, gy + n * gy_size, argmax + n * gy_size, copies, sums, bias);
      }
      continue;
    }
    for (int64_t n = 0; !plan.in_place && n < images; ++n) {
      canvas.copy_rows(from + n * image_size, 0, canvas.h, copies + n * canvas_size);
    }
    const T* read = plan.in_place ? from : copies;
    const int64_t read_size = plan.in_place ? image_size : canvas_size;
    const int64_t pitch = (plan.in_place ? conv.w : canvas.w) * conv.c;
    add_bias_grad(images * pooled_rows(g) * pooled_columns(g), conv.o, gy + first * gy_size, argmax + first * gy_size,
                  bias);
    if (!finite) continue;
    add_weight_grad({.images = images,
                     .image_step = read_size,
                     .pitch = pitch,
                     .rows = pooled_rows(g),
                     .columns = pooled_columns(g),
                     .pool_h = g.pool_h,
                     .pool_w = g.pool_w,
                     .c = conv.c,
                     .o = conv.o,
                     .kh = conv.kh,
                     .line_vectors = plan.line_vectors,
                     .slabs = plan.slabs,
                     .starts = reinterpret_cast<int32_t*>(lists),
                     .values = reinterpret_cast<T*>(lists + plan.starts),
                     .ends = reinterpret_cast<int64_t*>(lists + plan.starts + plan.values)},
                    read, gy + first * gy_size, argmax + first * gy_size, sums);
  }
  return finite;
}

// The slices' sums, in one of three layouts, are added to the first slice's, which → gw [kh, kw, c, o].
template <class T>
void add_slices(const Conv2dPoolGeometry& g, const Plan<T>& plan, char* memory, T* gw) {
  const Conv2dGeometry& conv = g.conv;
  const int64_t lanes = vector_lanes<T>(), line = plan.line_vectors * lanes;
  // The first element of an input channel and a tap; from it on a block of channels is contiguous.
  const int64_t block = plan.planes ? 1 : plan.slabs ? lanes : conv.c;
  const auto element = [&](int64_t tap, int64_t c) {
    if (plan.planes) return (c * 9 + tap) * plan.padded_o;
    if (plan.slabs) return c * conv.o * 9 + tap * lanes;
    return tap / conv.kw * line + tap % conv.kw * conv.c;
  };
  const int64_t out_step = plan.planes ? 1 : plan.slabs ? 9 * lanes : conv.kh * line;
  T* const sums = reinterpret_cast<T*>(memory);
  if (plan.slices > 1) {
    const int64_t count = plan.sums / static_cast<int64_t>(sizeof(T));
    parallel_for(count, grain_for(static_cast<double>(plan.slices)), [&](int64_t begin, int64_t end) {
      for (int64_t slice = 1; slice < plan.slices; ++slice) {
        const T* from = reinterpret_cast<const T*>(memory + slice * plan.slice_bytes());
        for (int64_t i = begin; i < end; ++i) sums[i] += from[i];
      }
    });
  }
  const double elements = static_cast<double>(conv.c * conv.o);
  parallel_for(conv.kh * conv.kw, grain_for(elements), [&](int64_t begin, int64_t end) {
    for (int64_t tap = begin; tap < end; ++tap) {
      for (int64_t c = 0; c < conv.c; c += block)
        transpose(sums + element(tap, c), out_step, conv.o, block, gw + (tap * conv.c + c) * conv.o, conv.o);
    }
  });
}

}  // namespace

template <class T>
int64_t conv2d_pool_weight_grad_scratch_bytes(const Conv2dPoolGeometry& g) {
  const Plan<T> plan(g);
  return std::max(plan.slices * plan.slice_bytes(), dense_weight_grad_scratch_bytes<T>(g));
}

template <class T>
void conv2d_pool_weight_grad(const Conv2dPoolGeometry& g, const T* image, const T* gy, const uint8_t* argmax, T* gw,
                             T* gb, void* scratch) {
  const Conv2dGeometry& conv = g.conv;
  const Plan<T> plan(g);
  char* memory = static_cast<char*>(scratch);
  // The lists hold 32-bit offsets into an image or its canvas.
  const Canvas canvas = canvas_of(g);
  constexpr int64_t most_elements = int64_t{1} << 31;
  const bool listable = std::max(conv.h * conv.w, canvas.h * canvas.w) * conv.c < most_elements;
  const bool has_sparse_road = is_compact(g) && listable;
  std::atomic<bool> sparse = has_sparse_road;
  if (sparse) {
    parallel_for(plan.slices, 1, [&](int64_t begin, int64_t end) {
      for (int64_t slice = begin; slice < end; ++slice) {
        const int64_t first = conv.n * slice / plan.slices, last = conv.n * (slice + 1) / plan.slices;
        if (!sum_images(g, plan, first, last, image, gy, argmax, memory + slice * plan.slice_bytes())) sparse = false;
      }
    });
    if (sparse) add_slices(g, plan, memory, gw);
  }
  if (gb != nullptr && has_sparse_road) {
    for (int64_t slice = 0; slice < plan.slices; ++slice) {
      const T* part = reinterpret_cast<const T*>(memory + slice * plan.slice_bytes() + plan.sums);
      for (int64_t q = 0; q < conv.o; ++q) gb[q] = slice == 0 ? part[q] : gb[q] + part[q];
    }
  } else if (gb != nullptr) {
    std::fill_n(gb, conv.o, T(0));
    add_bias_grad(conv.n * pooled_rows(g) * pooled_columns(g), conv.o, gy, argmax, gb);
  }
  if (!sparse) dense_weight_grad(g, image, gy, argmax, gw, scratch);
}

#define TELAIO_INSTANTIATE(T)                                                           \
  template int64_t conv2d_pool_weight_grad_scratch_bytes<T>(const Conv2dPoolGeometry&); \
  template void conv2d_pool_weight_grad(const Conv2dPoolGeometry&, const T*, const T*, const uint8_t*, T*, T*, void*);
TELAIO_INSTANTIATE(float)
TELAIO_INSTANTIATE(double)
#undef TELAIO_INSTANTIATE

}  // namespace telaio::kernels
#endif  // HWY_ONCE
