#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/kernels/conv2d_pool_parts.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/conv2d_pool.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <telaio/ops/kernels/mul_add-inl.hpp>

#ifndef TELAIO_OPS_KERNELS_CONV2D_POOL_CPP  // shared by all targets
#define TELAIO_OPS_KERNELS_CONV2D_POOL_CPP
namespace telaio::kernels {
namespace {

// Pooled rows [begin, end) of all images' rows, for a compact convolution and windows of 2 x 2.
template <class T>
struct PooledRows {
  Canvas canvas;
  const T* image;
  int64_t rows, columns;  // pooled, of an image
  int64_t kh, run, o;     // run: elements of a window's line, kw * c
  const T* filter;        // [kh * run, filter_step]; whole vectors may be read
  int64_t filter_step;
  const T* bias;  // whole vectors may be read
  bool relu;
  T* pooled;
  uint8_t* argmax;  // may be null
};

}  // namespace
}  // namespace telaio::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// The register tile is some windows of four positions, and two vectors of output channels: 24 sums of 32 registers,
// or 8 of 16.
#if HWY_TARGET == HWY_AVX3
constexpr int tile_windows = 3;
#else
constexpr int tile_windows = 1;
#endif
constexpr int tile_vectors = 2;

// Stores the first `count` lanes of a vector, and their places as bytes. Only the last channels need it.
template <class D, class V, class VI, class T = hn::TFromD<D>>
HWY_NOINLINE void StoreSome(D d, V best, VI place, int64_t count, T* pooled, uint8_t* argmax) {
  const hn::RebindToSigned<D> di;
  HWY_ALIGN T values[hn::MaxLanes(d)];
  HWY_ALIGN hn::TFromD<decltype(di)> places[hn::MaxLanes(d)];
  hn::Store(best, d, values);
  hn::Store(place, di, places);
  for (int64_t i = 0; i < count; ++i) {
    pooled[i] = values[i];
    if (argmax != nullptr) argmax[i] = static_cast<uint8_t>(places[i]);
  }
}

template <class D, class V, class VI, class T = hn::TFromD<D>>
HWY_INLINE void StoreBest(D d, V best, VI place, int64_t count, T* pooled, uint8_t* argmax) {
  const hn::RebindToUnsigned<D> du;
  const hn::Rebind<uint8_t, D> bytes;
  if (count < static_cast<int64_t>(hn::MaxLanes(d))) return StoreSome(d, best, place, count, pooled, argmax);
  hn::StoreU(best, d, pooled);
  if (argmax != nullptr) hn::StoreU(hn::TruncateTo(bytes, hn::BitCast(du, place)), bytes, argmax);
}

// The largest of four, where a NaN counts as larger than all numbers. Rarely called, hence kept apart.
template <class D, class V, class T = hn::TFromD<D>>
HWY_NOINLINE void PoolNaNs(D d, V a, V b, V c, V e, bool relu, int64_t count, T* pooled, uint8_t* argmax) {
  const hn::RebindToSigned<D> di;
  using Place = hn::TFromD<decltype(di)>;
  const V values[4] = {a, b, c, e};
  auto best = a;
  auto place = hn::Zero(di);
  for (int i = 1; i < 4; ++i) {
    const auto wins = hn::Or(hn::Gt(values[i], best), hn::AndNot(hn::IsNaN(best), hn::IsNaN(values[i])));
    best = hn::IfThenElse(wins, values[i], best);
    place = hn::IfThenElse(hn::RebindMask(di, wins), hn::Set(di, static_cast<Place>(i)), place);
  }
  if (relu) {
    place = hn::IfThenElse(hn::RebindMask(di, hn::Gt(best, hn::Zero(d))), place, hn::Set(di, Place(no_gradient)));
    best = hn::IfThenElse(hn::Lt(best, hn::Zero(d)), hn::Zero(d), best);
  }
  StoreBest(d, best, place, count, pooled, argmax);
}

// The largest of four, relu and where it was.
template <class D, class V, class T = hn::TFromD<D>>
HWY_INLINE void PoolFour(D d, V a, V b, V c, V e, bool relu, int64_t count, T* pooled, uint8_t* argmax) {
  const hn::RebindToSigned<D> di;
  using Place = hn::TFromD<decltype(di)>;
  // One comparison finds whether any is NaN (or infinities of both signs meet, which only costs time).
  const auto sum = hn::Add(hn::Add(a, b), hn::Add(c, e));
  if (HWY_UNLIKELY(!hn::AllFalse(d, hn::IsNaN(sum)))) return PoolNaNs(d, a, b, c, e, relu, count, pooled, argmax);
  auto best = hn::Max(hn::Max(a, b), hn::Max(c, e));
  auto place = hn::Zero(di);
  if (argmax != nullptr) {
    place = hn::IfThenElse(hn::RebindMask(di, hn::Eq(best, c)), hn::Set(di, Place(2)), hn::Set(di, Place(3)));
    place = hn::IfThenElse(hn::RebindMask(di, hn::Eq(best, b)), hn::Set(di, Place(1)), place);
    place = hn::IfThenElse(hn::RebindMask(di, hn::Eq(best, a)), hn::Zero(di), place);
    if (relu) {
      place = hn::IfThenElse(hn::RebindMask(di, hn::Gt(best, hn::Zero(d))), place, hn::Set(di, Place(no_gradient)));
    }
  }
  if (relu) best = hn::Max(best, hn::Zero(d));
  StoreBest(d, best, place, count, pooled, argmax);
}

// An element of the filter times what all positions of some windows see of it: at[line][window], and a pixel of c
// elements further.
template <int windows, int vectors, class T, class V>
HWY_INLINE void AddElement(const T* const (&at)[2][windows], int64_t ahead, int64_t c, const T* filter,
                           V (&sum)[2][2 * windows][vectors]) {
  const hn::ScalableTag<T> d;
  V weights[vectors];
  HWY_UNROLL(2)
  for (int v = 0; v < vectors; ++v) weights[v] = hn::LoadU(d, filter + v * hn::MaxLanes(d));
  HWY_UNROLL(2)
  for (int line = 0; line < 2; ++line) {
    HWY_UNROLL(4)
    for (int w = 0; w < windows; ++w) {
      MulAddFromMemory(at[line][w] + ahead, weights, sum[line][2 * w]);
      MulAddLoaded(at[line][w] + c + ahead, weights, sum[line][2 * w + 1]);
    }
  }
}

// `windows` neighbouring windows, whose first line in the image starts at `top`, and `vectors` vectors of channels from
// q on.
template <int windows, int vectors, class T>
HWY_NOINLINE void PoolTile(const PooledRows<T>& p, const T* HWY_RESTRICT top, int64_t pitch, int64_t q, T* pooled,
                           uint8_t* argmax) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr int64_t lanes = hn::MaxLanes(d);
  constexpr int columns = 2 * windows;
  V sum[2][columns][vectors];
  HWY_UNROLL(2)
  for (int v = 0; v < vectors; ++v) {
    const V bias = hn::LoadU(d, p.bias + q + v * lanes);
    HWY_UNROLL(8)
    for (int i = 0; i < columns; ++i) sum[0][i][v] = sum[1][i][v] = bias;
  }
  const int64_t c = p.canvas.c, run = p.run, filter_step = p.filter_step;
  const T* HWY_RESTRICT filter = p.filter + q;
  if (multiplies_from_memory && c > 1) {
    for (int64_t ky = 0; ky < p.kh; ++ky, top += pitch) {
      const T* at[2][windows];
      HWY_UNROLL(4)
      for (int w = 0; w < windows; ++w) at[0][w] = top + 2 * w * c, at[1][w] = top + pitch + 2 * w * c;
      int64_t j = run;
      for (; j >= 2; j -= 2, filter += 2 * filter_step) {
        AddElement(at, 0, c, filter, sum);
        AddElement(at, 1, c, filter + filter_step, sum);
        HWY_UNROLL(4)
        for (int w = 0; w < windows; ++w) at[0][w] += 2, at[1][w] += 2;
      }
      for (; j > 0; --j, filter += filter_step) AddElement(at, 0, c, filter, sum);
    }
  } else {
    const int64_t pixel = multiplies_from_memory ? 1 : c;  // a constant is part of an address
    for (int64_t ky = 0; ky < p.kh; ++ky, top += pitch) {
      const T* HWY_RESTRICT upper = top;
      const T* HWY_RESTRICT lower = top + pitch;
      for (int64_t j = 0; j < run; ++j, ++upper, ++lower, filter += filter_step) {
        V weights[vectors];
        HWY_UNROLL(2)
        for (int v = 0; v < vectors; ++v) weights[v] = hn::LoadU(d, filter + v * lanes);
        HWY_UNROLL(8)
        for (int i = 0; i < columns; ++i) {
          MulAddFromMemory(upper + i * pixel, weights, sum[0][i]);
          MulAddLoaded(lower + i * pixel, weights, sum[1][i]);
        }
      }
    }
  }
  HWY_UNROLL(4)
  for (int w = 0; w < windows; ++w) {
    HWY_UNROLL(2)
    for (int v = 0; v < vectors; ++v) {
      const int64_t to = w * p.o + q + v * lanes;
      PoolFour(d, sum[0][2 * w][v], sum[0][2 * w + 1][v], sum[1][2 * w][v], sum[1][2 * w + 1][v], p.relu,
               p.o - q - v * lanes, pooled + to, argmax == nullptr ? nullptr : argmax + to);
    }
  }
}

template <int windows, int vectors, class T>
void PoolTiles(const PooledRows<T>& p, const T* band, int64_t pitch, int64_t q, T* pooled, uint8_t* argmax, int64_t x) {
  for (; x + windows <= p.columns; x += windows) {
    PoolTile<windows, vectors>(p, band + 2 * x * p.canvas.c, pitch, q, pooled + x * p.o,
                               argmax == nullptr ? nullptr : argmax + x * p.o);
  }
  if constexpr (windows > 1) {
    if (x < p.columns) PoolTiles<windows - 1, vectors>(p, band, pitch, q, pooled, argmax, x);
  }
}

template <class T>
void PoolRows(const PooledRows<T>& p, int64_t begin, int64_t end, T* band) {
  constexpr int64_t lanes = hn::MaxLanes(hn::ScalableTag<T>());
  const Canvas& canvas = p.canvas;
  const bool inside = canvas.inside();
  for (int64_t row = begin; row < end; ++row) {
    const int64_t n = row / p.rows, y = row % p.rows * 2;
    const T* image = p.image + n * canvas.image_h * canvas.image_w * canvas.c;
    const T* lines = inside ? image + ((y + canvas.top) * canvas.image_w + canvas.left) * canvas.c : band;
    if (!inside) canvas.copy_rows(image, y, y + p.kh + 1, band);
    const int64_t pitch = (inside ? canvas.image_w : canvas.w) * canvas.c;
    T* pooled = p.pooled + row * p.columns * p.o;
    uint8_t* argmax = p.argmax == nullptr ? nullptr : p.argmax + row * p.columns * p.o;
    for (int64_t q = 0; q < p.o; q += tile_vectors * lanes) {
      if (p.o - q > lanes) {
        PoolTiles<tile_windows, tile_vectors>(p, lines, pitch, q, pooled, argmax, 0);
      } else {
        PoolTiles<tile_windows, 1>(p, lines, pitch, q, pooled, argmax, 0);
      }
    }
  }
}

void PoolRowsF32(const PooledRows<float>& p, int64_t begin, int64_t end, float* band) { PoolRows(p, begin, end, band); }
void PoolRowsF64(const PooledRows<double>& p, int64_t begin, int64_t end, double* band) {
  PoolRows(p, begin, end, band);
}

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(PoolRowsF32);
TELAIO_EXPORT(PoolRowsF64);

namespace {

void pool_rows(const PooledRows<float>& p, int64_t begin, int64_t end, float* band) {
  TELAIO_DISPATCH(PoolRowsF32)(p, begin, end, band);
}
void pool_rows(const PooledRows<double>& p, int64_t begin, int64_t end, double* band) {
  TELAIO_DISPATCH(PoolRowsF64)(p, begin, end, band);
}

bool has_fast_road(const Conv2dPoolGeometry& g) { return is_compact(g) && g.pool_h == 2 && g.pool_w == 2; }

// How the scratch is divided.
template <class T>
struct Plan {
  int64_t rows, grain;         // pooled rows of all images, and of a chunk
  int64_t padded_o;            // whole vectors
  bool pack;                   // the filter must be copied
  int64_t filter, bias, band;  // elements

  explicit Plan(const Conv2dPoolGeometry& g) {
    const Conv2dGeometry& conv = g.conv;
    const Canvas canvas = canvas_of(g);
    rows = conv.n * pooled_rows(g);
    padded_o = (conv.o + vector_lanes<T>() - 1) / vector_lanes<T>() * vector_lanes<T>();
    const double cycles = static_cast<double>(pooled_columns(g) * padded_o) *
                          (4.0 * static_cast<double>(conv.kh * conv.kw * conv.c) + 20) /
                          static_cast<double>(64 / sizeof(T));
    const bool whole = conv.n <= few_images && cycles * static_cast<double>(rows) <= small_work;
    constexpr int64_t most_chunks = 64;  // each has a band
    grain = std::max<int64_t>(whole ? rows : std::max(grain_for(cycles), (rows + most_chunks - 1) / most_chunks), 1);
    pack = padded_o != conv.o;
    const int64_t line = 64 / static_cast<int64_t>(sizeof(T));
    const auto round = [&](int64_t elements) { return (elements + line - 1) / line * line; };
    filter = pack ? round(conv.kh * conv.kw * conv.c * padded_o) : 0;
    bias = round(padded_o);
    band = canvas.inside() ? 0 : round((conv.kh + 1) * canvas.w * canvas.c);
  }
  int64_t elements() const { return filter + bias + (rows + grain - 1) / grain * band; }
};

}  // namespace

template <class T>
int64_t conv2d_pool_scratch_bytes(const Conv2dPoolGeometry& g) {
  if (!has_fast_road(g)) return dense_pool_scratch_bytes<T>(g);
  return Plan<T>(g).elements() * static_cast<int64_t>(sizeof(T));
}

template <class T>
void conv2d_pool(const Conv2dPoolGeometry& g, const T* image, const T* filter, const T* bias, T* pooled,
                 uint8_t* argmax, void* scratch) {
  const Conv2dGeometry& conv = g.conv;
  if (conv.n * pooled_size(g) == 0) return;
  if (!has_fast_road(g)) return dense_pool(g, image, filter, bias, pooled, argmax, scratch);
  const Plan<T> plan(g);
  T* packed = static_cast<T*>(scratch);
  T* padded_bias = packed + plan.filter;
  T* bands = padded_bias + plan.bias;
  if (plan.pack) {
    for (int64_t k = 0; k < conv.kh * conv.kw * conv.c; ++k) {
      std::copy_n(filter + k * conv.o, conv.o, packed + k * plan.padded_o);
      std::fill_n(packed + k * plan.padded_o + conv.o, plan.padded_o - conv.o, T(0));
    }
  }
  std::fill_n(padded_bias, plan.padded_o, T(0));
  if (bias != nullptr) std::copy_n(bias, conv.o, padded_bias);
  const PooledRows<T> all{.canvas = canvas_of(g),
                          .image = image,
                          .rows = pooled_rows(g),
                          .columns = pooled_columns(g),
                          .kh = conv.kh,
                          .run = conv.kw * conv.c,
                          .o = conv.o,
                          .filter = plan.pack ? packed : filter,
                          .filter_step = plan.padded_o,
                          .bias = padded_bias,
                          .relu = g.relu,
                          .pooled = pooled,
                          .argmax = argmax};
  parallel_for(plan.rows, plan.grain,
               [&](int64_t begin, int64_t end) { pool_rows(all, begin, end, bands + begin / plan.grain * plan.band); });
}

#define TELAIO_INSTANTIATE(T)                                               \
  template int64_t conv2d_pool_scratch_bytes<T>(const Conv2dPoolGeometry&); \
  template void conv2d_pool(const Conv2dPoolGeometry&, const T*, const T*, const T*, T*, uint8_t*, void*);
TELAIO_INSTANTIATE(float)
TELAIO_INSTANTIATE(double)
#undef TELAIO_INSTANTIATE

}  // namespace telaio::kernels
#endif  // HWY_ONCE
