#include <telaio/ops/kernels/conv2d_pool_planes.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/conv2d_pool_planes.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr int taps = 9;

// What a window contributes to one vector of channels: the gradients, and where in the window they go.
template <class D>
struct Chosen {
  hn::Vec<D> gy;
  hn::Vec<hn::RebindToSigned<D>> place;
};

// Bytes as integers as wide as the values.
template <class DI>
HWY_INLINE hn::Vec<DI> LoadPlaces(DI di, const uint8_t* argmax) {
  const hn::Rebind<uint8_t, DI> bytes;
  const hn::Rebind<int32_t, DI> d32;
  if constexpr (sizeof(hn::TFromD<DI>) == 4) {
    return hn::PromoteTo(di, hn::LoadU(bytes, argmax));
  } else {
    return hn::PromoteTo(di, hn::PromoteTo(d32, hn::LoadU(bytes, argmax)));
  }
}

template <class D, class T = hn::TFromD<D>>
HWY_INLINE Chosen<D> LoadChosen(D d, const T* gy, const uint8_t* argmax, int64_t count) {
  const hn::RebindToSigned<D> di;
  constexpr int64_t lanes = hn::MaxLanes(d);
  HWY_ALIGN T values[hn::MaxLanes(d)];
  uint8_t places[hn::MaxLanes(d)];
  if (HWY_UNLIKELY(count < lanes)) {
    std::fill(std::copy_n(gy, count, values), values + lanes, T(0));
    std::fill(std::copy_n(argmax, count, places), places + lanes, no_gradient);
    gy = values, argmax = places;
  }
  const auto place = LoadPlaces(di, argmax);
  const auto passes = hn::RebindMask(d, hn::Lt(place, hn::Set(di, hn::TFromD<decltype(di)>(no_gradient))));
  return {hn::IfThenElseZero(passes, hn::LoadU(d, gy)), place};
}

// Adds the products of one window with the pixels that its places see.
template <int vectors, class D, class T = hn::TFromD<D>>
HWY_INLINE void AddWindow(D d, const T* image, int64_t pitch, const Chosen<D>* chosen, hn::Vec<D> (*sum)[vectors]) {
  const hn::RebindToSigned<D> di;
  for (int place = 0; place < 4; ++place) {
    const T* corner = image + place / 2 * pitch + place % 2;
    for (int v = 0; v < vectors; ++v) {
      const auto here = hn::Eq(chosen[v].place, hn::Set(di, place));
      const auto gy = hn::IfThenElseZero(hn::RebindMask(d, here), chosen[v].gy);
      HWY_UNROLL(9)
      for (int tap = 0; tap < taps; ++tap) {
        sum[tap][v] = hn::MulAdd(gy, hn::Set(d, corner[tap / 3 * pitch + tap % 3]), sum[tap][v]);
      }
    }
  }
}

#if HWY_TARGET == HWY_AVX3
// The 4 x 4 pixels that a window sees are one vector, and what each channel needs of them for a tap is a permutation.
template <int vectors>
HWY_INLINE void AddWindow(hn::ScalableTag<float> d, const float* image, int64_t pitch,
                          const Chosen<hn::ScalableTag<float>>* chosen,
                          hn::Vec<hn::ScalableTag<float>> (*sum)[vectors]) {
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Half<decltype(d)> half;
  const hn::Half<decltype(half)> line;
  const auto upper = hn::Combine(half, hn::LoadU(line, image + pitch), hn::LoadU(line, image));
  const auto lower = hn::Combine(half, hn::LoadU(line, image + 3 * pitch), hn::LoadU(line, image + 2 * pitch));
  const auto pixels = hn::Combine(d, lower, upper);
  HWY_UNROLL(2)
  for (int v = 0; v < vectors; ++v) {
    // Place (y, x) is 2 y + x, its pixel 4 y + x.
    const auto place = hn::And(chosen[v].place, hn::Set(di, 3));
    const auto pixel = hn::Add(place, hn::And(place, hn::Set(di, 2)));
    HWY_UNROLL(9)
    for (int tap = 0; tap < taps; ++tap) {
      const auto of_tap = hn::Add(pixel, hn::Set(di, tap / 3 * 4 + tap % 3));
      const auto x = hn::TableLookupLanes(pixels, hn::IndicesFromVec(d, of_tap));
      sum[tap][v] = hn::MulAdd(chosen[v].gy, x, sum[tap][v]);
    }
  }
}
#endif

// Channels q, q + 1, ... as many as `vectors` vectors hold.
template <int vectors, class T>
HWY_NOINLINE void AddChannels(const Plane& p, const T* HWY_RESTRICT image, const T* HWY_RESTRICT gy,
                              const uint8_t* HWY_RESTRICT argmax, int64_t q, T* HWY_RESTRICT gw, T* HWY_RESTRICT gb) {
  using D = hn::ScalableTag<T>;
  const D d;
  constexpr int64_t lanes = hn::MaxLanes(d);
  hn::Vec<D> sum[taps][vectors], bias[vectors];
  HWY_UNROLL(2)
  for (int v = 0; v < vectors; ++v) {
    bias[v] = hn::LoadU(d, gb + q + v * lanes);
    HWY_UNROLL(9)
    for (int tap = 0; tap < taps; ++tap) sum[tap][v] = hn::LoadU(d, gw + tap * p.padded_o + q + v * lanes);
  }
  for (int64_t y = 0; y < p.rows; ++y) {
    const T* corner = image + 2 * y * p.pitch;
    for (int64_t x = 0; x < p.columns; ++x, corner += 2, gy += p.o, argmax += p.o) {
      Chosen<D> chosen[vectors];
      HWY_UNROLL(2)
      for (int v = 0; v < vectors; ++v) {
        const int64_t at = q + v * lanes;
        chosen[v] = LoadChosen(d, gy + at, argmax + at, p.o - at);
        bias[v] = hn::Add(bias[v], chosen[v].gy);
      }
      AddWindow<vectors>(d, corner, p.pitch, chosen, sum);
    }
  }
  HWY_UNROLL(2)
  for (int v = 0; v < vectors; ++v) {
    hn::StoreU(bias[v], d, gb + q + v * lanes);
    HWY_UNROLL(9)
    for (int tap = 0; tap < taps; ++tap) hn::StoreU(sum[tap][v], d, gw + tap * p.padded_o + q + v * lanes);
  }
}

template <class T>
void AddPlane(const Plane& p, const T* image, const T* gy, const uint8_t* argmax, T* gw, T* gb) {
  constexpr int64_t lanes = hn::MaxLanes(hn::ScalableTag<T>());
  constexpr int most = HWY_TARGET == HWY_AVX3 ? 2 : 1;  // 16 registers hold the sums of one vector
  int64_t q = 0;
  for (; q + (most - 1) * lanes < p.o; q += most * lanes) AddChannels<most>(p, image, gy, argmax, q, gw, gb);
  for (; q < p.o; q += lanes) AddChannels<1>(p, image, gy, argmax, q, gw, gb);
}

void AddPlaneF32(const Plane& p, const float* image, const float* gy, const uint8_t* argmax, float* gw, float* gb) {
  AddPlane(p, image, gy, argmax, gw, gb);
}
void AddPlaneF64(const Plane& p, const double* image, const double* gy, const uint8_t* argmax, double* gw, double* gb) {
  AddPlane(p, image, gy, argmax, gw, gb);
}

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(AddPlaneF32);
TELAIO_EXPORT(AddPlaneF64);

void add_plane(const Plane& p, const float* image, const float* gy, const uint8_t* argmax, float* gw, float* gb) {
  TELAIO_DISPATCH(AddPlaneF32)(p, image, gy, argmax, gw, gb);
}
void add_plane(const Plane& p, const double* image, const double* gy, const uint8_t* argmax, double* gw, double* gb) {
  TELAIO_DISPATCH(AddPlaneF64)(p, image, gy, argmax, gw, gb);
}

}  // namespace telaio::kernels
#endif  // HWY_ONCE
