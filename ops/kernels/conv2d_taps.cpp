#include <telaio/ops/kernels/conv2d_taps.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

#include <algorithm>
#include <type_traits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/conv2d_taps.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Enough sums that none waits for the one before it: a multiply-add takes four cycles, and two begin in each.
#if HWY_TARGET == HWY_AVX3
constexpr int tap_positions = 8;
#else
constexpr int tap_positions = 4;
#endif

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;
constexpr int64_t lanes = hn::MaxLanes(D());

// The taps of some neighbouring channels. Nine stay in registers: loads would be taken for those of results that are
// still on their way to memory, which the processor tells apart by a part of the address.
template <int side, int vectors>
struct Taps {
  static constexpr bool in_registers = side == 3 && (HWY_TARGET == HWY_AVX3 || vectors == 1);
  V held[in_registers ? side * side : 1][vectors];
  const float* filter;
  int64_t step;

  HWY_INLINE Taps(const float* a_filter, int64_t a_step) : filter(a_filter), step(a_step) {
    if constexpr (in_registers) {
      HWY_UNROLL(9)
      for (int t = 0; t < side * side; ++t) {
        HWY_UNROLL(2)
        for (int v = 0; v < vectors; ++v) held[t][v] = load(t, v);
      }
    }
  }
  HWY_INLINE V load(int t, int v) const { return hn::LoadU(D(), filter + t * step + v * lanes); }
};

// Some neighbouring positions and the channels from `first` on. With a known step the addresses are constants, which
// need no units of the processor.
template <int side, int vectors, int positions, bool step_is_1>
HWY_INLINE void MultiplyPositions(const TapLines& line, const float* HWY_RESTRICT image,
                                  const Taps<side, vectors>& taps, int64_t first, float* HWY_RESTRICT out) {
  const D d;
  const int64_t step = step_is_1 ? 1 : line.step;
  V sum[positions][vectors];
  HWY_UNROLL(8)
  for (int i = 0; i < positions; ++i) {
    HWY_UNROLL(2)
    for (int v = 0; v < vectors; ++v) sum[i][v] = hn::Zero(d);
  }
  const auto add = [&](const float* HWY_RESTRICT at, const V(&weights)[vectors]) HWY_ATTR {
    HWY_UNROLL(8)
    for (int i = 0; i < positions; ++i) {
      const V pixel = hn::Set(d, at[i * step]);
      HWY_UNROLL(2)
      for (int v = 0; v < vectors; ++v) sum[i][v] = hn::MulAdd(pixel, weights[v], sum[i][v]);
    }
  };
  if constexpr (Taps<side, vectors>::in_registers) {
    HWY_UNROLL(9)
    for (int t = 0; t < side * side; ++t) add(image + t / side * line.pitch + t % side, taps.held[t]);
  } else {
    HWY_UNROLL(1)
    for (int row = 0; row < side; ++row, image += line.pitch) {
      HWY_UNROLL(5)
      for (int column = 0; column < side; ++column) {
        V weights[vectors];
        HWY_UNROLL(2)
        for (int v = 0; v < vectors; ++v) weights[v] = taps.load(row * side + column, v);
        add(image + column, weights);
      }
    }
  }
  const auto each = [&](const auto& body) HWY_ATTR {
    HWY_UNROLL(8)
    for (int i = 0; i < positions; ++i) {
      HWY_UNROLL(2)
      for (int v = 0; v < vectors; ++v) body(sum[i][v], out + i * line.out_step + first + v * lanes, v);
    }
  };
  // Channels behind the last are neither read nor written.
  hn::Mask<D> stored[vectors];
  HWY_UNROLL(2)
  for (int v = 0; v < vectors; ++v)
    stored[v] = hn::FirstN(d, static_cast<size_t>(std::clamp<int64_t>(line.channels - first - v * lanes, 0, lanes)));
  if (const float* bias = line.epilogue.bias; bias != nullptr) {
    V b[vectors];
    HWY_UNROLL(2)
    for (int v = 0; v < vectors; ++v) b[v] = hn::MaskedLoad(stored[v], d, bias + first + v * lanes);
    each([&](V& x, float*, int v) HWY_ATTR { x = hn::Add(x, b[v]); });
  }
  if (line.epilogue.relu) each([&](V& x, float*, int) HWY_ATTR { x = hn::IfThenZeroElse(hn::Lt(x, hn::Zero(d)), x); });
  if (line.channels - first >= vectors * lanes) each([&](V& x, float* to, int) HWY_ATTR { hn::StoreU(x, d, to); });
  else each([&](V& x, float* to, int v) HWY_ATTR { hn::BlendedStore(x, stored[v], d, to); });
}

template <int side, int vectors, bool step_is_1>
HWY_NOINLINE void MultiplyChannels(const TapLines& line, const float* HWY_RESTRICT image,
                                   const float* HWY_RESTRICT filter, int64_t first, float* HWY_RESTRICT out) {
  const Taps<side, vectors> taps(filter + first, line.filter_step);
  const auto multiply = [&](auto positions, int64_t x) HWY_ATTR {
    MultiplyPositions<side, vectors, positions(), step_is_1>(line, image + x * line.step, taps, first,
                                                             out + x * line.out_step);
  };
  // Two vectors of four positions are as many sums; longer runs of results wait for memory.
  constexpr bool fewer = Taps<side, vectors>::in_registers && vectors == 2;
  using Many = std::integral_constant<int, fewer ? 4 : tap_positions>;
  using Some = std::integral_constant<int, 4>;
  for (int64_t y = 0; y < line.lines; ++y, image += line.line_step, out += line.out_line_step) {
    int64_t x = 0;
    for (; x + Many() <= line.positions; x += Many()) multiply(Many(), x);
    for (; x + Some() <= line.positions; x += Some()) multiply(Some(), x);
    if (x == line.positions) continue;
    // Some positions once more, to the same bits, take less time than the last ones one by one.
    if (line.positions >= Some()) {
      multiply(Some(), line.positions - Some());
      continue;
    }
    for (; x < line.positions; ++x) multiply(std::integral_constant<int, 1>(), x);
  }
}

bool HasTaps(int64_t height, int64_t width) {
  return HWY_TARGET != HWY_SCALAR && height == width && (width == 3 || width == 5);
}

template <int side>
void MultiplySide(const TapLines& line, const float* image, const float* filter, float* out) {
  for (int64_t q = 0; q < line.channels;) {
    const bool two = line.channels - q > lanes;
    const auto multiply = line.step == 1 ? two ? MultiplyChannels<side, 2, true> : MultiplyChannels<side, 1, true>
                          : two ? MultiplyChannels<side, 2, false>
                                         : MultiplyChannels<side, 1, false>;
    multiply(line, image, filter, q, out);
    q += two ? 2 * lanes : lanes;
  }
}
void MultiplyTaps(const TapLines& line, const float* image, const float* filter, float* out) {
  line.side == 3 ? MultiplySide<3>(line, image, filter, out) : MultiplySide<5>(line, image, filter, out);
}

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(HasTaps);
TELAIO_EXPORT(MultiplyTaps);

bool has_taps(int64_t height, int64_t width) { return TELAIO_DISPATCH(HasTaps)(height, width); }
void multiply_taps(const TapLines& line, const float* image, const float* filter, float* out) {
  TELAIO_DISPATCH(MultiplyTaps)(line, image, filter, out);
}

}  // namespace telaio::kernels
#endif  // HWY_ONCE
