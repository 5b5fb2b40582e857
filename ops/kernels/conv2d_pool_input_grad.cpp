#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/kernels/conv2d_pool_parts.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/conv2d_pool_input_grad.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <telaio/ops/kernels/conv2d_pool_blocks-inl.hpp>

#ifndef TELAIO_OPS_KERNELS_CONV2D_POOL_INPUT_GRAD_CPP  // shared by all targets
#define TELAIO_OPS_KERNELS_CONV2D_POOL_INPUT_GRAD_CPP
namespace telaio::kernels {
namespace {

// One image of a compact convolution.
template <class T>
struct InputGrad {
  int64_t rows, columns;  // pooled
  int64_t pool_h, pool_w;
  int64_t c, o, kh, line_vectors;
  const T* filter;  // [o, kh, line_vectors * lanes], a line ends with zeros
  int64_t pitch;    // from a line of the gradient to the next
};

// Channels are looked at in words of bits; so many words at a time.
constexpr int64_t word_channels = 32, most_words = 32;

}  // namespace
}  // namespace telaio::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Bit i: whether places[i] == place, for i < 32.
HWY_INLINE uint32_t ChannelsAt(const uint8_t* places, uint8_t place) {
  const hn::CappedTag<uint8_t, word_channels> d;
  constexpr int64_t lanes = hn::MaxLanes(d);
  uint32_t bits = 0;
  if constexpr (lanes < 8) {
    for (int64_t i = 0; i < word_channels; ++i) bits |= static_cast<uint32_t>(places[i] == place) << i;
  } else {
    uint8_t bytes[word_channels / 8 + 8];  // StoreMaskBits may write a whole word
    for (int64_t i = 0; i < word_channels; i += lanes) {
      hn::StoreMaskBits(d, hn::Eq(hn::LoadU(d, places + i), hn::Set(d, place)), bytes + i / 8);
    }
    std::memcpy(&bits, bytes, sizeof(bits));
  }
  return bits;
}

// Adds gy[q] times the filter of channel q to gx, for the channels whose bits are set.
template <int lines, int vectors, class T>
HWY_INLINE void AddFilters(const InputGrad<T>& p, const uint32_t* words, int64_t word_count, const T* gy,
                           const T* HWY_RESTRICT filter, T* HWY_RESTRICT gx) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int64_t lanes = hn::MaxLanes(d);
  const int64_t filter_line = p.line_vectors * lanes, filter_size = p.kh * filter_line;
  V sum[lines][vectors];
  HWY_UNROLL(3)
  for (int i = 0; i < lines; ++i) {
    HWY_UNROLL(8)
    for (int v = 0; v < vectors; ++v) sum[i][v] = hn::LoadU(d, gx + i * p.pitch + v * lanes);
  }
  for (int64_t word = 0; word < word_count; ++word) {
    for (uint32_t bits = words[word]; bits != 0; bits &= bits - 1) {
      const int64_t q = word * word_channels + std::countr_zero(bits);
      const V g = hn::Set(d, gy[q]);
      const T* HWY_RESTRICT f = filter + q * filter_size;
      HWY_UNROLL(3)
      for (int i = 0; i < lines; ++i) {
        HWY_UNROLL(8)
        for (int v = 0; v < vectors; ++v) {
          sum[i][v] = hn::MulAdd(g, hn::LoadU(d, f + i * filter_line + v * lanes), sum[i][v]);
        }
      }
    }
  }
  HWY_UNROLL(3)
  for (int i = 0; i < lines; ++i) {
    HWY_UNROLL(8)
    for (int v = 0; v < vectors; ++v) hn::StoreU(sum[i][v], d, gx + i * p.pitch + v * lanes);
  }
}

// Adds the gradient of one image to gx. Whole vectors are read and written at the end of a line.
template <class T>
void AddInputGrad(const InputGrad<T>& p, const T* gy, const uint8_t* argmax, T* gx) {
  constexpr int64_t lanes = hn::MaxLanes(hn::ScalableTag<T>());
  uint32_t words[most_words];
  for (int64_t window = 0; window < p.rows * p.columns; ++window, gy += p.o, argmax += p.o) {
    T* corner = gx + window / p.columns * p.pool_h * p.pitch + window % p.columns * p.pool_w * p.c;
    for (int64_t first = 0; first < p.o; first += most_words * word_channels) {
      const int64_t channels = std::min(most_words * word_channels, p.o - first);
      const int64_t word_count = (channels + word_channels - 1) / word_channels;
      const uint8_t* places = argmax + first;
      HWY_ALIGN uint8_t padded[most_words * word_channels];
      if (channels % word_channels != 0) {
        std::memcpy(padded, places, static_cast<size_t>(channels));
        std::memset(padded + channels, no_gradient, static_cast<size_t>(word_count * word_channels - channels));
        places = padded;
      }
      for (int64_t place = 0; place < p.pool_h * p.pool_w; ++place) {
        uint32_t any = 0;
        for (int64_t i = 0; i < word_count; ++i) {
          any |= words[i] = ChannelsAt(places + i * word_channels, static_cast<uint8_t>(place));
        }
        if (any == 0) continue;
        T* at = corner + place / p.pool_w * p.pitch + place % p.pool_w * p.c;
        const T* filter = p.filter + first * p.kh * p.line_vectors * lanes;
        ForBlocks(p.kh, p.line_vectors, [&](auto lines, auto vectors, int64_t line, int64_t v) HWY_ATTR {
          AddFilters<lines(), vectors()>(p, words, word_count, gy + first, filter + (line * p.line_vectors + v) * lanes,
                                         at + line * p.pitch + v * lanes);
        });
      }
    }
  }
}

void AddInputGradF32(const InputGrad<float>& p, const float* gy, const uint8_t* argmax, float* gx) {
  AddInputGrad(p, gy, argmax, gx);
}
void AddInputGradF64(const InputGrad<double>& p, const double* gy, const uint8_t* argmax, double* gx) {
  AddInputGrad(p, gy, argmax, gx);
}

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

HWY_EXPORT(AddInputGradF32);
HWY_EXPORT(AddInputGradF64);

namespace {

void add_input_grad(const InputGrad<float>& p, const float* gy, const uint8_t* argmax, float* gx) {
  TELAIO_DISPATCH(AddInputGradF32)(p, gy, argmax, gx);
}
void add_input_grad(const InputGrad<double>& p, const double* gy, const uint8_t* argmax, double* gx) {
  TELAIO_DISPATCH(AddInputGradF64)(p, gy, argmax, gx);
}

template <class T>
struct Plan {
  int64_t grain;           // images of a chunk
  int64_t line_vectors;    // of a filter's line, kw * c elements
  bool in_place;           // gx itself takes the sums; else each chunk has a canvas
  int64_t filter, canvas;  // elements

  explicit Plan(const Conv2dPoolGeometry& g) {
    const Conv2dGeometry& conv = g.conv;
    const int64_t run = conv.kw * conv.c;
    line_vectors = (run + vector_lanes<T>() - 1) / vector_lanes<T>();
    const Canvas whole = canvas_of(g);
    in_place = whole.inside() && run % vector_lanes<T>() == 0;
    filter = conv.o * conv.kh * line_vectors * vector_lanes<T>();
    canvas = in_place ? 0 : aligned((whole.h * whole.w * whole.c + vector_lanes<T>()) * sizeof(T)) / sizeof(T);
    // Half of the places pass a gradient.
    const double cycles = static_cast<double>(pooled_size(g)) * (2 + static_cast<double>(conv.kh * line_vectors));
    constexpr int64_t most_chunks = 64;
    const bool small = conv.n <= few_images && cycles * static_cast<double>(conv.n) <= small_work;
    grain =
        std::max<int64_t>(small ? conv.n : std::max(grain_for(cycles), (conv.n + most_chunks - 1) / most_chunks), 1);
  }
  int64_t bytes(const Conv2dPoolGeometry& g) const {
    return aligned(filter * sizeof(T)) + (g.conv.n + grain - 1) / grain * canvas * sizeof(T);
  }
};

// [kh, kw * c, o] → [o, kh, line_vectors * lanes]
template <class T>
void transpose_filter(const Conv2dGeometry& conv, const T* filter, int64_t line_size, T* out) {
  const int64_t run = conv.kw * conv.c;
  for (int64_t ky = 0; ky < conv.kh; ++ky) {
    for (int64_t q = 0; q < conv.o; ++q) {
      T* line = out + (q * conv.kh + ky) * line_size;
      for (int64_t j = 0; j < run; ++j) line[j] = filter[(ky * run + j) * conv.o + q];
      std::fill_n(line + run, line_size - run, T(0));
    }
  }
}

}  // namespace

template <class T>
int64_t conv2d_pool_input_grad_scratch_bytes(const Conv2dPoolGeometry& g) {
  return std::max(is_compact(g) ? Plan<T>(g).bytes(g) : 0, dense_input_grad_scratch_bytes<T>(g));
}

template <class T>
void conv2d_pool_input_grad(const Conv2dPoolGeometry& g, const T* gy, const uint8_t* argmax, const T* filter, T* gx,
                            void* scratch) {
  const Conv2dGeometry& conv = g.conv;
  const int64_t image_size = conv.h * conv.w * conv.c, gy_size = pooled_size(g);
  if (conv.n * image_size == 0) return;
  if (!is_compact(g) || !all_finite(filter, filter_size(g))) {
    return dense_input_grad(g, gy, argmax, filter, gx, scratch);
  }
  const Plan<T> plan(g);
  const Canvas whole = canvas_of(g);
  T* transposed = static_cast<T*>(scratch);
  T* canvases = transposed + aligned(plan.filter * sizeof(T)) / sizeof(T);
  transpose_filter(conv, filter, plan.line_vectors * vector_lanes<T>(), transposed);
  const InputGrad<T> one{.rows = pooled_rows(g),
                         .columns = pooled_columns(g),
                         .pool_h = g.pool_h,
                         .pool_w = g.pool_w,
                         .c = conv.c,
                         .o = conv.o,
                         .kh = conv.kh,
                         .line_vectors = plan.line_vectors,
                         .filter = transposed,
                         .pitch = (plan.in_place ? conv.w : whole.w) * conv.c};
  std::atomic<bool> finite = true;
  parallel_for(conv.n, plan.grain, [&](int64_t begin, int64_t end) {
    // An infinity would meet the zeros behind the filter's lines.
    if (!all_finite(gy + begin * gy_size, (end - begin) * gy_size)) finite = false;
    T* canvas = canvases + begin / plan.grain * plan.canvas;
    for (int64_t n = begin; n < end; ++n) {
      T* to = plan.in_place ? gx + n * image_size : canvas;
      std::fill_n(to, plan.in_place ? image_size : plan.canvas, T(0));
      add_input_grad(one, gy + n * gy_size, argmax + n * gy_size, to);
      if (!plan.in_place) whole.copy_back(canvas, gx + n * image_size);
    }
  });
  if (!finite) dense_input_grad(g, gy, argmax, filter, gx, scratch);
}

#define TELAIO_INSTANTIATE(T)                                                          \
  template int64_t conv2d_pool_input_grad_scratch_bytes<T>(const Conv2dPoolGeometry&); \
  template void conv2d_pool_input_grad(const Conv2dPoolGeometry&, const T*, const uint8_t*, const T*, T*, void*);
TELAIO_INSTANTIATE(float)
TELAIO_INSTANTIATE(double)
#undef TELAIO_INSTANTIATE

}  // namespace telaio::kernels
#endif  // HWY_ONCE
