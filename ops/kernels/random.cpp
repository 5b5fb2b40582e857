#include <telaio/ops/kernels/simd_target.hpp>

#include <telaio/ops/kernels/random.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

#include <telaio/autograd/runtime/parallel.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/random.cpp"
#include <hwy/foreach_target.h>

#include <hwy/highway.h>

#include <telaio/ops/kernels/math-inl.hpp>

// Multipliers and Weyl increments of the paper, section 4.3 and Random123's philox.h; shared by all targets.
#ifndef TELAIO_PHILOX_CONSTANTS
#define TELAIO_PHILOX_CONSTANTS
namespace telaio::kernels::philox {
inline constexpr uint32_t multiplier0 = 0xD2511F53, multiplier1 = 0xCD9E8D57;
inline constexpr uint32_t increment0 = 0x9E3779B9, increment1 = 0xBB67AE85;
inline constexpr int rounds = 10;
/// Blocks that are drawn at a time: they and what becomes of them fit a page of the stack, and a new page costs a
/// process more than to draw what it holds.
inline constexpr int64_t batch = 64;
}  // namespace telaio::kernels::philox
#endif

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels {
namespace HWY_NAMESPACE {

using U64 = hn::ScalableTag<uint64_t>;
using VU64 = hn::Vec<U64>;

/// The 64-bit products of the low halves of the lanes.
HWY_INLINE VU64 MulLow32(U64 d, VU64 a, uint32_t b) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Mul(hn::And(a, hn::Set(d, uint64_t{0xFFFFFFFF})), hn::Set(d, uint64_t{b}));
#else
  const hn::Repartition<uint32_t, U64> d32;
  return hn::MulEven(hn::BitCast(d32, a), hn::Set(d32, b));
#endif
}

/// Philox on as many blocks as vectors have 64-bit lanes. Each word of a block has a lane; only a lane's low half
/// counts, so that a product's low word needs no masking.
struct Philox {
  VU64 c0, c1, c2, c3;

  HWY_INLINE Philox(U64 d, uint64_t block, uint64_t stream) {
    c0 = hn::Add(hn::Set(d, block), hn::Iota(d, uint64_t{0}));
    c1 = hn::ShiftRight<32>(c0);
    c2 = hn::Set(d, stream);
    c3 = hn::Set(d, stream >> 32);
  }
  HWY_INLINE void Round(U64 d, uint32_t k0, uint32_t k1) {
    const VU64 p0 = MulLow32(d, c0, philox::multiplier0);
    const VU64 p1 = MulLow32(d, c2, philox::multiplier1);
    c0 = hn::Xor(hn::Xor(hn::ShiftRight<32>(p1), c1), hn::Set(d, uint64_t{k0}));
    c1 = p1;
    c2 = hn::Xor(hn::Xor(hn::ShiftRight<32>(p0), c3), hn::Set(d, uint64_t{k1}));
    c3 = p0;
  }
  HWY_INLINE void Store(U64 d, uint64_t* out) const {
    const VU64 low = hn::Set(d, uint64_t{0xFFFFFFFF});
    hn::StoreInterleaved2(hn::Or(hn::And(c0, low), hn::ShiftLeft<32>(c1)),
                          hn::Or(hn::And(c2, low), hn::ShiftLeft<32>(c3)), d, out);
  }
};

/// Writes `blocks` blocks, rounded up to whole vectors, two 64-bit draws each. Two vectors at a time hide latencies.
HWY_INLINE void DrawBlocks(RandomKey key, uint64_t block, int64_t blocks, uint64_t* out) {
  const U64 d;
  const size_t lanes = hn::Lanes(d);
  for (int64_t done = 0; done < blocks; done += static_cast<int64_t>(2 * lanes), block += 2 * lanes, out += 4 * lanes) {
    Philox a(d, block, key.stream), b(d, block + lanes, key.stream);
    auto k0 = static_cast<uint32_t>(key.seed), k1 = static_cast<uint32_t>(key.seed >> 32);
    for (int round = 0; round < philox::rounds; ++round) {
      a.Round(d, k0, k1);
      b.Round(d, k0, k1);
      k0 += philox::increment0;
      k1 += philox::increment1;
    }
    a.Store(d, out);
    b.Store(d, out + 2 * lanes);
  }
}

/// The draws of a batch as a number's type sees them: y[i] from draw i, for i < n rounded up to whole vectors.
template <class T>
struct ToUniform {
  using D = hn::ScalableTag<T>;
  using Bits = hwy::MakeUnsigned<T>;
  static constexpr int mantissa = sizeof(T) == 4 ? 24 : 53;

  static HWY_INLINE void Map(const Bits* bits, int64_t n, T* y) {
    const D d;
    const hn::RebindToUnsigned<D> du;
    const hn::RebindToSigned<D> di;
    const auto unit = hn::Set(d, static_cast<T>(1) / static_cast<T>(uint64_t{1} << mantissa));
    for (int64_t i = 0; i < n; i += static_cast<int64_t>(hn::Lanes(d))) {
      const auto k = hn::ShiftRight<8 * sizeof(T) - mantissa>(hn::Load(du, bits + i));
      hn::Store(hn::Mul(hn::ConvertTo(d, hn::BitCast(di, k)), unit), d, y + i);
    }
  }
};

/// sin(x) and cos(x) for |x| ≤ π/4. float: Cephes' sinf.c; double: fdlibm's k_sin.c and k_cos.c.
template <class D, class V>
HWY_INLINE void SinCosOctant(D d, V x, V& sin, V& cos) {
  const V z = hn::Mul(x, x);
  const V one_less =
      hn::NegMulAdd(z, hn::Set(d, static_cast<hn::TFromD<D>>(0.5)), hn::Set(d, static_cast<hn::TFromD<D>>(1)));
  if constexpr (is_f32<hn::TFromD<D>>) {
    constexpr float s[] = {-1.6666654611e-1f, 8.3321608736e-3f, -1.9515295891e-4f};
    constexpr float c[] = {4.166664568298827e-2f, -1.388731625493765e-3f, 2.443315711809948e-5f};
    sin = hn::MulAdd(hn::Mul(x, z), Poly(d, z, s), x);
    cos = hn::MulAdd(hn::Mul(z, z), Poly(d, z, c), one_less);
  } else {
    constexpr double s[] = {-1.66666666666666324348e-01, 8.33333333332248946124e-03,  -1.98412698298579493134e-04,
                            2.75573137070700676789e-06,  -2.50507602534068634195e-08, 1.58969099521155010221e-10};
    constexpr double c[] = {4.16666666666666019037e-02,  -1.38888888888741095749e-03, 2.48015872894767294178e-05,
                            -2.75573143513906633035e-07, 2.08757232129817482790e-09,  -1.13596475577881948265e-11};
    sin = hn::MulAdd(hn::Mul(x, z), Poly(d, z, s), x);
    cos = hn::MulAdd(hn::Mul(z, z), Poly(d, z, c), one_less);
  }
}

/// Box–Muller on neighbours: the even draw gives the radius, the odd one the angle, whose top two bits are the
/// quadrant, so that no reduction of the argument is needed.
template <class T>
struct ToNormal {
  using D = hn::ScalableTag<T>;
  using Bits = hwy::MakeUnsigned<T>;
  static constexpr int width = 8 * sizeof(T);
  static constexpr int radius_bits = sizeof(T) == 4 ? 31 : 53;  // more than float's precision: they reach far out
  static constexpr int angle_bits = sizeof(T) == 4 ? 24 : 53;

  static HWY_INLINE void Map(const Bits* bits, int64_t n, T* y) {
    const D d;
    const hn::RebindToUnsigned<D> du;
    const hn::RebindToSigned<D> di;
    const auto number = [&](auto k) HWY_ATTR { return hn::ConvertTo(d, hn::BitCast(di, k)); };
    const auto half = hn::Set(d, static_cast<T>(0.5));
    const auto radius_unit = hn::Set(d, static_cast<T>(1) / static_cast<T>(uint64_t{1} << radius_bits));
    const auto middle = hn::Set(d, static_cast<T>(uint64_t{1} << (angle_bits - 1)));
    const auto angle_unit =
        hn::Set(d, static_cast<T>(0.78539816339744830962 / static_cast<double>(uint64_t{1} << (angle_bits - 1))));
    const auto one = hn::Set(du, Bits{1}), two = hn::Set(du, Bits{2});
    for (int64_t i = 0; i < n; i += static_cast<int64_t>(2 * hn::Lanes(d))) {
      hn::Vec<decltype(du)> even, odd;
      hn::LoadInterleaved2(du, bits + i, even, odd);

      // In (0, 1]: the logarithm is finite.
      const auto u = hn::Mul(hn::Add(number(hn::ShiftRight<width - radius_bits>(even)), half), radius_unit);
      const auto square = hn::Mul(hn::Set(d, static_cast<T>(-2)), Log(d, u));
      const auto radius = hn::Sqrt(hn::Max(square, hn::Zero(d)));  // Max: -2·log(1) may be -0

      const auto k = hn::ShiftRight<width - angle_bits>(hn::ShiftLeft<2>(odd));
      const auto angle = hn::Mul(hn::Add(hn::Sub(number(k), middle), half), angle_unit);
      hn::Vec<D> sin, cos;
      SinCosOctant(d, angle, sin, cos);
      // Turned by the quadrant: (c, s), (-s, c), (-c, -s), (s, -c).
      const auto quadrant = hn::ShiftRight<width - 2>(odd);
      const auto swap = hn::RebindMask(d, hn::Eq(hn::And(quadrant, one), one));
      const auto sign = [&](auto q) HWY_ATTR { return hn::BitCast(d, hn::ShiftLeft<width - 2>(hn::And(q, two))); };
      const auto x = hn::Xor(hn::IfThenElse(swap, sin, cos), sign(hn::Add(quadrant, one)));
      const auto z = hn::Xor(hn::IfThenElse(swap, cos, sin), sign(quadrant));
      hn::StoreInterleaved2(hn::Mul(radius, x), hn::Mul(radius, z), d, y + i);
    }
  }
};

template <class T>
struct ToBits {
  static HWY_INLINE void Map(const T* bits, int64_t n, T* y) { std::copy_n(bits, n, y); }
};

/// y[k] = element first + k, for k < n: draws whole batches and keeps what lies in the range.
template <template <class> class Mapping, class T>
HWY_INLINE void Generate(RandomKey key, int64_t first, int64_t n, T* y) {
  using Draw = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  constexpr int64_t per_block = 16 / static_cast<int64_t>(sizeof(T));
  HWY_ALIGN uint64_t draws[2 * philox::batch];
  HWY_ALIGN Draw words[per_block * philox::batch];  // the draws as the type sees them
  HWY_ALIGN T values[per_block * philox::batch];
  for (int64_t done = 0; done < n;) {
    const int64_t block = (first + done) / per_block, skip = (first + done) % per_block;
    const int64_t count = std::min(n - done, per_block * philox::batch - skip);
    const int64_t blocks = (skip + count - 1) / per_block + 1;
    DrawBlocks(key, static_cast<uint64_t>(block), blocks, draws);
    std::memcpy(words, draws, sizeof(words));
    Mapping<T>::Map(words, blocks * per_block, values);
    std::copy_n(values + skip, count, y + done);
    done += count;
  }
}

void BitsU32(RandomKey key, int64_t first, int64_t n, uint32_t* y) { Generate<ToBits>(key, first, n, y); }
void BitsU64(RandomKey key, int64_t first, int64_t n, uint64_t* y) { Generate<ToBits>(key, first, n, y); }
void UniformF32(RandomKey key, int64_t first, int64_t n, float* y) { Generate<ToUniform>(key, first, n, y); }
void UniformF64(RandomKey key, int64_t first, int64_t n, double* y) { Generate<ToUniform>(key, first, n, y); }
void NormalF32(RandomKey key, int64_t first, int64_t n, float* y) { Generate<ToNormal>(key, first, n, y); }
void NormalF64(RandomKey key, int64_t first, int64_t n, double* y) { Generate<ToNormal>(key, first, n, y); }

}  // namespace HWY_NAMESPACE
}  // namespace telaio::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {
namespace {

TELAIO_EXPORT(BitsU32);
TELAIO_EXPORT(BitsU64);
TELAIO_EXPORT(UniformF32);
TELAIO_EXPORT(UniformF64);
TELAIO_EXPORT(NormalF32);
TELAIO_EXPORT(NormalF64);

/// Runs one of the above in parallel on chunks of whole batches.
template <class T>
void generate(RandomKey key, int64_t first, int64_t n, T* y, double cycles,
              void (*kernel)(RandomKey, int64_t, int64_t, T*)) {
  parallel_for(n, grain_for(cycles),
               [&](int64_t begin, int64_t end) { kernel(key, first + begin, end - begin, y + begin); });
}

}  // namespace

void philox4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]) {
  uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
  for (int round = 0; round < philox::rounds; ++round) {
    const uint64_t p0 = uint64_t{philox::multiplier0} * c0, p1 = uint64_t{philox::multiplier1} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += philox::increment0;
    k1 += philox::increment1;
  }
  out[0] = c0, out[1] = c1, out[2] = c2, out[3] = c3;
}

template <>
void random_bits(RandomKey key, int64_t first, int64_t n, uint32_t* y) {
  generate(key, first, n, y, 2, TELAIO_DISPATCH(BitsU32));
}
template <>
void random_bits(RandomKey key, int64_t first, int64_t n, uint64_t* y) {
  generate(key, first, n, y, 4, TELAIO_DISPATCH(BitsU64));
}
template <>
void uniform(RandomKey key, int64_t first, int64_t n, float* y) {
  generate(key, first, n, y, 2, TELAIO_DISPATCH(UniformF32));
}
template <>
void uniform(RandomKey key, int64_t first, int64_t n, double* y) {
  generate(key, first, n, y, 4, TELAIO_DISPATCH(UniformF64));
}
template <>
void normal(RandomKey key, int64_t first, int64_t n, float* y) {
  generate(key, first, n, y, 6, TELAIO_DISPATCH(NormalF32));
}
template <>
void normal(RandomKey key, int64_t first, int64_t n, double* y) {
  generate(key, first, n, y, 12, TELAIO_DISPATCH(NormalF64));
}

void bernoulli(RandomKey key, double p, int64_t first, int64_t n, bool* y) {
  const auto threshold = p > 0 ? static_cast<uint64_t>(std::ceil(std::min(p, 1.0) * 0x1p32)) : 0;
  const auto draw = TELAIO_DISPATCH(BitsU32);
  parallel_for(n, grain_for(3), [&](int64_t begin, int64_t end) {
    uint32_t draws[1024];
    for (int64_t at = begin; at < end; at += 1024) {
      const int64_t count = std::min<int64_t>(1024, end - at);
      draw(key, first + at, count, draws);
      for (int64_t i = 0; i < count; ++i) y[at + i] = draws[i] < threshold;
    }
  });
}

}  // namespace telaio::kernels
#endif  // HWY_ONCE
