#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/kernels/conv2d_pool_parts.hpp>
#include <telaio/ops/kernels/finite.hpp>
#include <telaio/ops/kernels/simd_target.hpp>
#include <telaio/ops/kernels/transpose.hpp>

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

// The images of a compact convolution.
template <class T>
struct InputGrad {
  int64_t rows, columns;  // pooled, of an image
  int64_t pool_h, pool_w;
  int64_t c, o, kh, line_vectors;
  const T* filter;  // [o, kh, line_vectors * lanes], a line ends with zeros; for slabs [c / lanes, o, 3, 3, lanes]
  int64_t pitch;    // from a line of the gradient to the next
  Canvas canvas;
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

// Which channels chose each place of each window: words[window, place, word].
template <class T>
void FindChannels(const InputGrad<T>& p, int64_t windows, const uint8_t* argmax, uint32_t* words) {
  HWY_ALIGN uint8_t padded[word_channels];
  for (int64_t window = 0; window < windows; ++window, argmax += p.o) {
    const int64_t word_count = (p.o + word_channels - 1) / word_channels, places = p.pool_h * p.pool_w;
    for (int64_t word = 0; word < word_count; ++word, ++words) {
      const uint8_t* chosen = argmax + word * word_channels;
      const int64_t channels = p.o - word * word_channels;
      if (channels < word_channels) {
        std::memset(padded, no_gradient, word_channels);
        std::memcpy(padded, chosen, static_cast<size_t>(channels));
        chosen = padded;
      }
      for (int64_t place = 0; place < places; ++place) {
        words[place * word_count] = ChannelsAt(chosen, static_cast<uint8_t>(place));
      }
    }
    words += (places - 1) * word_count;
  }
}

// Adds the contributions of the channels that chose place (y, x) to the sums of what the whole window sees.
template <int y, int x, int patch_w, class D, class T = hn::TFromD<D>>
HWY_INLINE void AddPlace(D d, const uint32_t* words, int64_t word_count, const T* HWY_RESTRICT gy,
                         const T* HWY_RESTRICT filter, hn::Vec<D> (*HWY_RESTRICT sum)[patch_w]) {
  constexpr int64_t lanes = hn::MaxLanes(d);
  for (int64_t word = 0; word < word_count; ++word) {
    for (uint32_t bits = words[word]; bits != 0; bits &= bits - 1) {
      const int64_t q = word * word_channels + std::countr_zero(bits);
      const auto g = hn::Set(d, gy[q]);
      const T* HWY_RESTRICT f = filter + q * 9 * lanes;
      HWY_UNROLL(3)
      for (int i = 0; i < 3; ++i) {
        HWY_UNROLL(3)
        for (int j = 0; j < 3; ++j) {
          sum[y + i][x + j] = hn::MulAdd(g, hn::LoadU(d, f + (i * 3 + j) * lanes), sum[y + i][x + j]);
        }
      }
    }
  }
}

// `size` x `size` pixels of a slab, to which sums are added.
template <int size, class D, class T = hn::TFromD<D>>
HWY_INLINE void AddToSlab(D d, const hn::Vec<D> (*sum)[size], int64_t slab_w, T* HWY_RESTRICT slab) {
  constexpr int64_t lanes = hn::MaxLanes(d);
  HWY_UNROLL(4)
  for (int i = 0; i < size; ++i) {
    HWY_UNROLL(4)
    for (int j = 0; j < size; ++j) {
      T* at = slab + (i * slab_w + j) * lanes;
      hn::StoreU(hn::Add(hn::LoadU(d, at), sum[i][j]), d, at);
    }
  }
}

// Adds one window's gradient to a slab. Filter and windows of 3 x 3 and 2 x 2 see 4 x 4 pixels: where there are
// registers for them all, they are written once for all four places.
template <class T>
HWY_INLINE void AddWindow(const InputGrad<T>& p, const uint32_t* words, int64_t word_count, const T* gy,
                          const T* filter, T* slab) {
  using D = hn::ScalableTag<T>;
  const D d;
  constexpr int64_t lanes = hn::MaxLanes(d);
#if HWY_TARGET == HWY_AVX3
  if (p.pool_h == 2 && p.pool_w == 2) {
    hn::Vec<D> sum[4][4];
    HWY_UNROLL(16)
    for (int i = 0; i < 16; ++i) sum[i / 4][i % 4] = hn::Zero(d);
    AddPlace<0, 0, 4>(d, words, word_count, gy, filter, sum);
    AddPlace<0, 1, 4>(d, words + word_count, word_count, gy, filter, sum);
    AddPlace<1, 0, 4>(d, words + 2 * word_count, word_count, gy, filter, sum);
    AddPlace<1, 1, 4>(d, words + 3 * word_count, word_count, gy, filter, sum);
    return AddToSlab<4>(d, sum, p.canvas.w, slab);
  }
#endif
  for (int64_t place = 0; place < p.pool_h * p.pool_w; ++place, words += word_count) {
    if (std::all_of(words, words + word_count, [](uint32_t word) { return word == 0; })) continue;
    hn::Vec<D> sum[3][3];
    HWY_UNROLL(9)
    for (int i = 0; i < 9; ++i) sum[i / 3][i % 3] = hn::Zero(d);
    AddPlace<0, 0, 3>(d, words, word_count, gy, filter, sum);
    AddToSlab<3>(d, sum, p.canvas.w, slab + (place / p.pool_w * p.canvas.w + place % p.pool_w) * lanes);
  }
}

// Writes a slab (a vector of channels of each pixel of the canvas) to its channels of the image.
template <class T>
void StoreSlab(const Canvas& canvas, const T* slab, T* gx) {
  const hn::ScalableTag<T> d;
  constexpr int64_t lanes = hn::MaxLanes(d);
  const int64_t first = std::clamp<int64_t>(canvas.left, 0, canvas.image_w);
  const int64_t last = std::clamp<int64_t>(canvas.left + canvas.w, first, canvas.image_w);
  for (int64_t y = 0; y < canvas.image_h; ++y) {
    const bool inside = y >= canvas.top && y < canvas.top + canvas.h;
    const T* from = slab + ((y - canvas.top) * canvas.w - canvas.left) * lanes;
    for (int64_t x = 0; x < canvas.image_w; ++x, gx += canvas.c) {
      hn::StoreU(inside && x >= first && x < last ? hn::LoadU(d, from + x * lanes) : hn::Zero(d), d, gx);
    }
  }
}

// The gradient of some images, for filters of 3 x 3 and channels that are whole vectors. `words` and `slab` are
// scratch. Of filter and gradient, only one vector of channels is worked on at a time: these stay in the nearest cache.
template <class T>
void SumSlabs(const InputGrad<T>& p, int64_t images, const T* gy, const uint8_t* argmax, uint32_t* words, T* slab,
              T* gx) {
  const hn::ScalableTag<T> d;
  constexpr int64_t lanes = hn::MaxLanes(d);
  const int64_t word_count = (p.o + word_channels - 1) / word_channels;
  const int64_t window_words = p.pool_h * p.pool_w * word_count, windows = p.rows * p.columns;
  FindChannels(p, images * windows, argmax, words);
  const int64_t slab_size = p.canvas.h * p.canvas.w * lanes, image_size = p.canvas.image_h * p.canvas.image_w * p.c;
  for (int64_t c = 0; c < p.c; c += lanes) {
    const T* filter = p.filter + c * 9 * p.o;
    for (int64_t n = 0; n < images; ++n) {
      for (int64_t i = 0; i < slab_size; i += lanes) hn::StoreU(hn::Zero(d), d, slab + i);
      const uint32_t* of_window = words + n * windows * window_words;
      const T* of_gy = gy + n * windows * p.o;
      for (int64_t y = 0; y < p.rows; ++y) {
        T* corner = slab + y * p.pool_h * p.canvas.w * lanes;
        for (int64_t x = 0; x < p.columns; ++x) {
          AddWindow(p, of_window, word_count, of_gy, filter, corner);
          of_window += window_words;
          of_gy += p.o;
          corner += p.pool_w * lanes;
        }
      }
      StoreSlab(p.canvas, slab, gx + n * image_size + c);
    }
  }
}

void AddInputGradF32(const InputGrad<float>& p, const float* gy, const uint8_t* argmax, float* gx) {
  AddInputGrad(p, gy, argmax, gx);
}
void AddInputGradF64(const InputGrad<double>& p, const double* gy, const uint8_t* argmax, double* gx) {
  AddInputGrad(p, gy, argmax, gx);
}

void SumSlabsF32(const InputGrad<float>& p, int64_t images, const float* gy, const uint8_t* argmax, uint32_t* words,
                 float* slab, float* gx) {
  SumSlabs(p, images, gy, argmax, words, slab, gx);
}
void SumSlabsF64(const InputGrad<double>& p, int64_t images, const double* gy, const uint8_t* argmax, uint32_t* words,
                 double* slab, double* gx) {
  SumSlabs(p, images, gy, argmax, words, slab, gx);
}

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(AddInputGradF32);
TELAIO_EXPORT(AddInputGradF64);
TELAIO_EXPORT(SumSlabsF32);
TELAIO_EXPORT(SumSlabsF64);

namespace {

void add_input_grad(const InputGrad<float>& p, const float* gy, const uint8_t* argmax, float* gx) {
  TELAIO_DISPATCH(AddInputGradF32)(p, gy, argmax, gx);
}
void add_input_grad(const InputGrad<double>& p, const double* gy, const uint8_t* argmax, double* gx) {
  TELAIO_DISPATCH(AddInputGradF64)(p, gy, argmax, gx);
}

void sum_slabs(const InputGrad<float>& p, int64_t images, const float* gy, const uint8_t* argmax, uint32_t* words,
               float* slab, float* gx) {
  TELAIO_DISPATCH(SumSlabsF32)(p, images, gy, argmax, words, slab, gx);
}
void sum_slabs(const InputGrad<double>& p, int64_t images, const double* gy, const uint8_t* argmax, uint32_t* words,
               double* slab, double* gx) {
  TELAIO_DISPATCH(SumSlabsF64)(p, images, gy, argmax, words, slab, gx);
}

// How the images are cut, and the parts of the scratch.
template <class T>
struct Plan {
  int64_t grain;                  // images of a chunk
  int64_t line_vectors;           // of a filter's line, kw * c elements
  bool slabs;                     // see SumSlabs
  bool in_place;                  // gx itself takes the sums; else each chunk has a canvas
  int64_t filter, canvas, words;  // bytes, the latter two of a chunk

  explicit Plan(const Conv2dPoolGeometry& g) {
    const Conv2dGeometry& conv = g.conv;
    const int64_t run = conv.kw * conv.c, lanes = vector_lanes<T>(), size = sizeof(T);
    line_vectors = (run + lanes - 1) / lanes;
    const Canvas whole = canvas_of(g);
    slabs = conv.kh == 3 && conv.kw == 3 && conv.c % lanes == 0;
    in_place = !slabs && whole.inside() && run % lanes == 0;
    // Half of the places pass a gradient.
    const double cycles = static_cast<double>(pooled_size(g)) * (2 + static_cast<double>(conv.kh * line_vectors));
    constexpr int64_t most_chunks = 64;
    const bool small = conv.n <= few_images && cycles * static_cast<double>(conv.n) <= small_work;
    grain =
        std::max<int64_t>(small ? conv.n : std::max(grain_for(cycles), (conv.n + most_chunks - 1) / most_chunks), 1);
    filter = aligned(conv.o * conv.kh * line_vectors * lanes * size);
    canvas = in_place ? 0 : aligned((whole.h * whole.w * (slabs ? lanes : whole.c) + lanes) * size);
    const int64_t window_words = g.pool_h * g.pool_w * ((conv.o + word_channels - 1) / word_channels);
    words = slabs ? aligned(grain * pooled_rows(g) * pooled_columns(g) * window_words *
                            static_cast<int64_t>(sizeof(uint32_t)))
                  : 0;
  }
  int64_t bytes(int64_t n) const { return filter + (n + grain - 1) / grain * (canvas + words); }
};

// [kh, kw * c, o] → [o, kh, line_vectors * lanes]
template <class T>
void transpose_filter(const Conv2dGeometry& conv, const T* filter, int64_t line_size, T* out) {
  const int64_t run = conv.kw * conv.c;
  for (int64_t ky = 0; ky < conv.kh; ++ky) {
    T* lines = out + ky * line_size;
    const int64_t step = conv.kh * line_size;
    transpose(filter + ky * run * conv.o, conv.o, run, conv.o, lines, step);
    for (int64_t q = 0; q < conv.o; ++q) std::fill_n(lines + q * step + run, line_size - run, T(0));
  }
}

// [9, c, o] → [c / lanes, o, 9, lanes]
template <class T>
void cut_filter(const Conv2dGeometry& conv, const T* filter, T* out) {
  const int64_t lanes = vector_lanes<T>();
  for (int64_t tap = 0; tap < 9; ++tap) {
    for (int64_t c = 0; c < conv.c; c += lanes, filter += lanes * conv.o)
      transpose(filter, conv.o, lanes, conv.o, out + c * conv.o * 9 + tap * lanes, 9 * lanes);
  }
}

}  // namespace

template <class T>
int64_t conv2d_pool_input_grad_scratch_bytes(const Conv2dPoolGeometry& g) {
  return std::max(is_compact(g) ? Plan<T>(g).bytes(g.conv.n) : 0, dense_input_grad_scratch_bytes<T>(g));
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
  T* packed = static_cast<T*>(scratch);
  char* chunks = static_cast<char*>(scratch) + plan.filter;
  if (plan.slabs) {
    cut_filter(conv, filter, packed);
  } else {
    transpose_filter(conv, filter, plan.line_vectors * vector_lanes<T>(), packed);
  }
  const InputGrad<T> all{.rows = pooled_rows(g),
                         .columns = pooled_columns(g),
                         .pool_h = g.pool_h,
                         .pool_w = g.pool_w,
                         .c = conv.c,
                         .o = conv.o,
                         .kh = conv.kh,
                         .line_vectors = plan.line_vectors,
                         .filter = packed,
                         .pitch = (plan.in_place ? conv.w : whole.w) * conv.c,
                         .canvas = whole};
  std::atomic<bool> finite = true;
  parallel_for(conv.n, plan.grain, [&](int64_t begin, int64_t end) {
    // An infinity would meet the zeros behind the filter's lines.
    if (!all_finite(gy + begin * gy_size, (end - begin) * gy_size)) finite = false;
    char* chunk = chunks + begin / plan.grain * (plan.canvas + plan.words);
    T* canvas = reinterpret_cast<T*>(chunk);
    if (plan.slabs) {
      return sum_slabs(all, end - begin, gy + begin * gy_size, argmax + begin * gy_size,
                       reinterpret_cast<uint32_t*>(chunk + plan.canvas), canvas, gx + begin * image_size);
    }
    for (int64_t n = begin; n < end; ++n) {
      T* to = plan.in_place ? gx + n * image_size : canvas;
      std::fill_n(to, plan.in_place ? image_size : plan.canvas / static_cast<int64_t>(sizeof(T)), T(0));
      add_input_grad(all, gy + n * gy_size, argmax + n * gy_size, to);
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
