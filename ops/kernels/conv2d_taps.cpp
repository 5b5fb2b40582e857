#include <telaio/ops/kernels/conv2d_taps.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/conv2d_taps.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// 32 registers hold the taps of two vectors of channels and the sums of four positions, 16 those of one and the sums of
// four.
#if HWY_TARGET == HWY_AVX3
constexpr int tap_vectors = 2;
#else
constexpr int tap_vectors = 1;
#endif
constexpr int tap_positions = 4, taps = 9;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr int64_t lanes = hn::MaxLanes(D());

int64_t TapLanes() { return HWY_TARGET == HWY_SCALAR ? 0 : tap_vectors * lanes; }

template <int positions>
HWY_INLINE void MultiplyPositions(const V (&weights)[taps][tap_vectors], const TapLine& line,
                                  const float* HWY_RESTRICT image, float* HWY_RESTRICT out) {
  const D d;
  V sum[positions][tap_vectors];
  HWY_UNROLL(9)
  for (int t = 0; t < taps; ++t) {
    const float* HWY_RESTRICT at = image + t / 3 * line.pitch + t % 3;
    HWY_UNROLL(5)
    for (int i = 0; i < positions; ++i) {
      const V pixel = hn::Set(d, at[i * line.step]);
      HWY_UNROLL(2)
      for (int v = 0; v < tap_vectors; ++v)
        sum[i][v] = t == 0 ? hn::Mul(pixel, weights[0][v]) : hn::MulAdd(pixel, weights[t][v], sum[i][v]);
    }
  }
  HWY_UNROLL(5)
  for (int i = 0; i < positions; ++i) {
    HWY_UNROLL(2)
    for (int v = 0; v < tap_vectors; ++v) hn::StoreU(sum[i][v], d, out + i * line.out_step + v * lanes);
  }
}

void MultiplyTaps(const TapLine& line, const float* HWY_RESTRICT image, const float* HWY_RESTRICT filter,
                  float* HWY_RESTRICT out) {
  const D d;
  V weights[taps][tap_vectors];
  for (int64_t q = 0; q < line.channels; q += tap_vectors * lanes) {
    HWY_UNROLL(9)
    for (int t = 0; t < taps; ++t) {
      HWY_UNROLL(2)
      for (int v = 0; v < tap_vectors; ++v) weights[t][v] = hn::LoadU(d, filter + t * line.filter_step + q + v * lanes);
    }
    int64_t x = 0;
    for (; x + tap_positions <= line.positions; x += tap_positions)
      MultiplyPositions<tap_positions>(weights, line, image + x * line.step, out + x * line.out_step + q);
    for (; x < line.positions; ++x)
      MultiplyPositions<1>(weights, line, image + x * line.step, out + x * line.out_step + q);
  }
}

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(TapLanes);
TELAIO_EXPORT(MultiplyTaps);

int64_t tap_lanes() { return TELAIO_DISPATCH(TapLanes)(); }
void multiply_taps(const TapLine& line, const float* image, const float* filter, float* out) {
  TELAIO_DISPATCH(MultiplyTaps)(line, image, filter, out);
}

}  // namespace telaio::kernels
#endif  // HWY_ONCE
