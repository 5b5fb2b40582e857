// Elementary functions on vectors of float and double. Included once per SIMD target.
//
// Every function agrees with <cmath> on ±0, ±inf, NaN, subnormals and overflow, and within 3 units in the last place
// elsewhere (measured; simd_math_test.cpp states a bound for each). D is a vector tag of float or double, V its vector;
// a float D may be a part of a vector only where said so.
//
// Nothing here converts between floating point and integers, which Highway's targets do not do alike out of range:
// adding 1.5·2^52 (double) or 1.5·2^23 (float) leaves the nearest integer in the low bits of the sum.
#if defined(TELAIO_MATH_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef TELAIO_MATH_INL_HPP
#undef TELAIO_MATH_INL_HPP
#else
#define TELAIO_MATH_INL_HPP
#endif

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

template <class T>
inline constexpr bool is_f32 = sizeof(T) == 4;

/// c[0] + c[1]·x + … + c[N-1]·x^(N-1), by Horner's rule.
template <class D, class V, size_t N>
HWY_INLINE V Poly(D d, V x, const hn::TFromD<D> (&c)[N]) {
  V sum = hn::Set(d, c[N - 1]);
  for (size_t i = N - 1; i-- > 0;) sum = hn::MulAdd(sum, x, hn::Set(d, c[i]));
  return sum;
}

/// The nearest integer to |x| < 2^22 (float) or 2^51 (double), ties to even: as a number and, in the low bits, as one.
template <class D, class V>
struct Nearest {
  V value;
  hn::Vec<hn::RebindToUnsigned<D>> bits;  // two's complement
};
template <class D>
HWY_INLINE hn::Vec<D> NearestMagic(D d) {
  using T = hn::TFromD<D>;
  return hn::Set(d, static_cast<T>(is_f32<T> ? 0x1.8p23 : 0x1.8p52));
}
template <class D, class V>
HWY_INLINE Nearest<D, V> NearestInteger(D d, V x) {
  const hn::RebindToUnsigned<D> du;
  const V magic = NearestMagic(d);
  const V shifted = hn::Add(x, magic);
  return {hn::Sub(shifted, magic), hn::Sub(hn::BitCast(du, shifted), hn::BitCast(du, magic))};
}

/// Rounds to the nearest integer, ties to even, for every x. (Highway's scalar Round takes 0.49999997f to 1.)
template <class D, class V>
HWY_INLINE V RoundHalfEven(D d, V x) {
  using T = hn::TFromD<D>;
  const V big = hn::Set(d, static_cast<T>(is_f32<T> ? 0x1p23 : 0x1p52));  // from here on every x is an integer
  const V a = hn::Abs(x);
  const V rounded = hn::Sub(hn::Add(a, big), big);
  return hn::IfThenElse(hn::Lt(a, big), hn::CopySignToAbs(rounded, x), x);
}

// ---------------------------------------------------------------------------------------------- exp, expm1 and kin

/// x = k·ln2 + r with |r| ≤ ln2/2, for finite x of the exponential's range. ln2's upper part has so many trailing
/// zeros that k times it is exact (fdlibm's e_exp.c and e_expf.c).
template <class D, class V>
struct ExpReduced {
  V r;
  Nearest<D, V> k;
};
template <class D, class V>
HWY_INLINE ExpReduced<D, V> ReduceExp(D d, V x) {
  using T = hn::TFromD<D>;
  const V inv_ln2 = hn::Set(d, static_cast<T>(1.44269504088896338700));
  const V ln2_hi = hn::Set(d, static_cast<T>(is_f32<T> ? 6.9314575195e-01 : 6.93147180369123816490e-01));
  const V ln2_lo = hn::Set(d, static_cast<T>(is_f32<T> ? 1.4286067653e-06 : 1.90821492927058770002e-10));
  const Nearest<D, V> k = NearestInteger(d, hn::Mul(x, inv_ln2));
  const V r = hn::NegMulAdd(k.value, ln2_lo, hn::NegMulAdd(k.value, ln2_hi, x));
  return {r, k};
}

/// (exp(r) - 1 - r) / r² for |r| ≤ ln2/2: Taylor's series, whose first omitted term is below 2^-27 (float) or 2^-57
/// (double) of exp(r).
template <class D, class V>
HWY_INLINE V ExpTail(D d, V r) {
  if constexpr (is_f32<hn::TFromD<D>>) {
    constexpr float c[] = {1.f / 2, 1.f / 6, 1.f / 24, 1.f / 120, 1.f / 720, 1.f / 5040};
    return Poly(d, r, c);
  } else {
    constexpr double c[] = {1. / 2,     1. / 6,      1. / 24,      1. / 120,      1. / 720,       1. / 5040,
                            1. / 40320, 1. / 362880, 1. / 3628800, 1. / 39916800, 1. / 479001600, 1. / 6227020800};
    return Poly(d, r, c);
  }
}

/// 2^(e - bias), given the biased exponent e.
template <class D, class VU>
HWY_INLINE hn::Vec<D> PowerOfTwo(D d, VU e) {
  return hn::BitCast(d, hn::ShiftLeft < is_f32<hn::TFromD<D>> ? 23 : 52 > (e));
}

template <class D, class V>
HWY_INLINE V Clamp(D d, V x, double low, double high) {  // keeps NaN
  using T = hn::TFromD<D>;
  const V lo = hn::Set(d, static_cast<T>(low));
  const V hi = hn::Set(d, static_cast<T>(high));
  x = hn::IfThenElse(hn::Lt(x, lo), lo, x);
  return hn::IfThenElse(hn::Gt(x, hi), hi, x);
}

template <class D, class V>
HWY_INLINE V Exp(D d, V x) {
  using T = hn::TFromD<D>;
  const hn::RebindToUnsigned<D> du;
  using TU = hn::TFromD<decltype(du)>;
  // Beyond these the result is 0 or inf, and comes about by underflow and overflow below. A NaN stays one through r.
  x = is_f32<T> ? Clamp(d, x, -104.5, 89.0) : Clamp(d, x, -746.0, 710.0);
  const auto [r, k] = ReduceExp(d, x);
  const V y = hn::Add(hn::Set(d, T(1)), hn::MulAdd(hn::Mul(r, r), ExpTail(d, r), r));
  // 2^k in two halves, so that both are normal numbers and the one rounding of a subnormal result is the last step.
  const auto e = hn::Add(k.bits, hn::Set(du, TU(is_f32<T> ? 2 * 127 : 2 * 1023)));
  const auto half = hn::ShiftRight<1>(e);
  return hn::Mul(hn::Mul(y, PowerOfTwo(d, half)), PowerOfTwo(d, hn::Sub(e, half)));
}

template <class D, class V>
HWY_INLINE V Expm1(D d, V x0) {
  using T = hn::TFromD<D>;
  const hn::RebindToUnsigned<D> du;
  using TU = hn::TFromD<decltype(du)>;
  // Below the lower bound the result is -1 to the last bit.
  const V x = is_f32<T> ? Clamp(d, x0, -18.0, 89.0) : Clamp(d, x0, -38.0, 710.0);
  const auto [r, k] = ReduceExp(d, x);
  const V p = hn::MulAdd(hn::Mul(r, r), ExpTail(d, r), r);  // expm1(r)
  // expm1(x) = 2^k·p + (2^k - 1), of which half is formed first: 2^(k-1) never overflows.
  const V s = PowerOfTwo(d, hn::Add(k.bits, hn::Set(du, TU(is_f32<T> ? 126 : 1022))));
  const V half = hn::MulAdd(s, p, hn::Sub(s, hn::Set(d, T(0.5))));
  const V y = hn::Add(half, half);
  // A tiny x is its own result; that also keeps -0 and subnormals.
  const V tiny = hn::Set(d, static_cast<T>(is_f32<T> ? 0x1p-25 : 0x1p-54));
  return hn::IfThenElse(hn::Lt(hn::Abs(x0), tiny), x0, y);
}

/// By expm1, as fdlibm's s_tanh.c.
template <class D, class V>
HWY_INLINE V Tanh(D d, V x) {
  using T = hn::TFromD<D>;
  const V two = hn::Set(d, T(2));
  const V limit = hn::Set(d, T(22));  // from here on 1 to the last bit
  V a = hn::Abs(x);
  a = hn::IfThenElse(hn::Gt(a, limit), limit, a);
  const V t = Expm1(d, hn::Add(a, a));
  return hn::CopySignToAbs(hn::Div(t, hn::Add(t, two)), x);
}

/// 1 / (1 + exp(-x)), without overflow and with full relative accuracy for very negative x.
template <class D, class V>
HWY_INLINE V Sigmoid(D d, V x) {
  const V one = hn::Set(d, hn::TFromD<D>(1));
  const V e = Exp(d, hn::Neg(hn::Abs(x)));
  return hn::Div(hn::IfThenElse(hn::Lt(x, hn::Zero(d)), e, one), hn::Add(one, e));
}

// ---------------------------------------------------------------------------------------------------- logarithms

/// log(u + c) for u > 0 (normal, finite) and c the tiny rest of u, plus k0·ln2. After fdlibm's s_log1p.c, e_log.c and
/// e_logf.c: u = 2^k·(1+f) with 1+f in [√½, √2), then an odd series in f/(2+f). For k = 0 the caller's f0 stands for
/// u - 1 + c, so that nothing is lost near 1.
template <class D, class V>
HWY_INLINE V LogCore(D d, V u, V c, V k0, V f0) {
  using T = hn::TFromD<D>;
  constexpr bool f32 = is_f32<T>;
  const hn::RebindToUnsigned<D> du;
  using TU = hn::TFromD<decltype(du)>;
  constexpr int mantissa_bits = f32 ? 23 : 52;
  const V one = hn::Set(d, T(1));

  const auto one_bits = hn::BitCast(du, one);
  const auto sqrt_half_bits = hn::BitCast(du, hn::Set(d, static_cast<T>(0.70710678118654752440)));
  // The exponent field of `shifted` is k + bias, and its low bits those of 1+f counted from √½.
  const auto shifted = hn::Add(hn::BitCast(du, u), hn::Sub(one_bits, sqrt_half_bits));
  const auto biased = hn::ShiftRight<mantissa_bits>(shifted);
  const V magic = NearestMagic(d);
  const V bias = hn::Set(d, static_cast<T>(f32 ? 127 : 1023));
  const V k_u = hn::Sub(hn::Sub(hn::BitCast(d, hn::Add(biased, hn::BitCast(du, magic))), magic), bias);
  const auto mantissa = hn::And(shifted, hn::Set(du, (TU(1) << mantissa_bits) - 1));
  const V m = hn::BitCast(d, hn::Add(mantissa, sqrt_half_bits));

  const auto near_one = hn::Eq(k_u, hn::Zero(d));
  const V f = hn::IfThenElse(near_one, f0, hn::Sub(m, one));
  // c / 2^k is c / u to the accuracy that it needs; here u stands for both.
  c = hn::IfThenZeroElse(near_one, hn::Div(c, u));
  const V k = hn::Add(k_u, k0);

  const V s = hn::Div(f, hn::Add(f, hn::Set(d, T(2))));
  const V z = hn::Mul(s, s);
  V series;
  if constexpr (f32) {
    constexpr float lg[] = {0xaaaaaa.0p-24f, 0xccce13.0p-25f, 0x91e9ee.0p-25f, 0xf89e26.0p-26f};
    series = Poly(d, z, lg);
  } else {
    constexpr double lg[] = {6.666666666666735130e-01, 3.999999999940941908e-01, 2.857142874366239149e-01,
                             2.222219843214978396e-01, 1.818357216161805012e-01, 1.531383769920937332e-01,
                             1.479819860511658591e-01};
    series = Poly(d, z, lg);
  }
  const V half_ff = hn::Mul(hn::Mul(hn::Set(d, T(0.5)), f), f);
  const V ln2_hi = hn::Set(d, static_cast<T>(f32 ? 6.9313812256e-01 : 6.93147180369123816490e-01));
  const V ln2_lo = hn::Set(d, static_cast<T>(f32 ? 9.0580006145e-06 : 1.90821492927058770002e-10));
  // s·(f²/2 + R) + (k·ln2_lo + c) - f²/2 + f + k·ln2_hi, small terms first.
  const V small = hn::MulAdd(s, hn::MulAdd(z, series, half_ff), hn::MulAdd(k, ln2_lo, c));
  return hn::MulAdd(k, ln2_hi, hn::Add(hn::Sub(small, half_ff), f));
}

/// The values of a logarithm that arithmetic does not give: log(0) = -inf, log(<0) = NaN, log(inf) = inf, log(NaN).
template <class D, class V>
HWY_INLINE V LogSpecial(D d, V x, V y) {
  using T = hn::TFromD<D>;
  const V inf = hn::Inf(d);
  y = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), hn::Neg(inf), y);
  y = hn::IfThenElse(hn::Lt(x, hn::Zero(d)), hn::Set(d, std::numeric_limits<T>::quiet_NaN()), y);
  return hn::IfThenElse(hn::Or(hn::Eq(x, inf), hn::IsNaN(x)), x, y);
}

template <class D, class V>
HWY_INLINE V Log(D d, V x) {
  using T = hn::TFromD<D>;
  constexpr bool f32 = is_f32<T>;
  const V zero = hn::Zero(d);
  const auto subnormal = hn::Lt(x, hn::Set(d, std::numeric_limits<T>::min()));
  const V u = hn::IfThenElse(subnormal, hn::Mul(x, hn::Set(d, static_cast<T>(f32 ? 0x1p25 : 0x1p54))), x);
  const V k0 = hn::IfThenElseZero(subnormal, hn::Set(d, static_cast<T>(f32 ? -25 : -54)));
  return LogSpecial(d, x, LogCore(d, u, zero, k0, hn::Sub(u, hn::Set(d, T(1)))));
}

template <class D, class V>
HWY_INLINE V Log1p(D d, V x) {
  using T = hn::TFromD<D>;
  const V one = hn::Set(d, T(1));
  const V u = hn::Add(one, x);
  // What rounding took from 1 + x: 1 - (u - x) if x is the larger, else x - (u - 1).
  const V rest = hn::IfThenElse(hn::Gt(x, one), hn::Sub(one, hn::Sub(u, x)), hn::Sub(x, hn::Sub(u, one)));
  const V y = LogSpecial(d, u, LogCore(d, u, rest, hn::Zero(d), x));
  // A tiny x is its own result; that also keeps -0 and subnormals.
  const V tiny = hn::Set(d, static_cast<T>(is_f32<T> ? 0x1p-25 : 0x1p-54));
  return hn::IfThenElse(hn::Lt(hn::Abs(x), tiny), x, y);
}

// ----------------------------------------------------------------------------------------------------------- erf

/// float: Cephes ndtrf.c (erff, erfcf). double: fdlibm s_erf.c, with exp(-x²) taken in one piece: erfc is at most 0.08
/// where that is used, so the error of a large exponent does not reach erf.
template <class D, class V>
HWY_INLINE V Erf(D d, V x) {
  using T = hn::TFromD<D>;
  const V one = hn::Set(d, T(1));
  const V a = hn::Abs(x);
  V y;
  if constexpr (is_f32<T>) {
    constexpr float near[] = {1.128379165726710e+0f,  -3.761262582423300e-1f, 1.128358514861418e-1f,
                              -2.685381193529856e-2f, 5.188327685732524e-3f,  -8.010193625184903e-4f,
                              7.853861353153693e-5f};
    const V z = hn::Mul(x, x);
    y = hn::Mul(a, Poly(d, z, near));
    const auto far = hn::Gt(a, one);
    if (!hn::AllFalse(d, far)) {
      constexpr float p[] = {5.638259427386472e-1f,  -2.741127028184656e-1f, 3.404879937665872e-1f,
                             -4.944515323274145e-1f, 6.210004621745983e-1f,  -5.824733027278666e-1f,
                             3.687424674597105e-1f,  -1.387039388740657e-1f, 2.326819970068386e-2f};
      // From 4 on erf is 1 to the last bit. Cephes changes to another polynomial at 2, but there erfc is below 0.005,
      // and this one is still accurate enough for 1 - erfc.
      const V b = hn::IfThenElse(hn::Gt(a, hn::Set(d, T(4))), hn::Set(d, T(4)), a);
      const V q = hn::Div(one, b);
      const V erfc = hn::Mul(hn::Mul(Exp(d, hn::Neg(hn::Mul(b, b))), q), Poly(d, hn::Mul(q, q), p));
      y = hn::IfThenElse(far, hn::Sub(one, erfc), y);
    }
  } else {
    constexpr double pp[] = {1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02,
                             -5.77027029648944159157e-03, -2.37630166566501626084e-05};
    constexpr double qq[] = {1.0,
                             3.97917223959155352819e-01,
                             6.50222499887672944485e-02,
                             5.08130628187576562776e-03,
                             1.32494738004321644526e-04,
                             -3.96022827877536812320e-06};
    const V z = hn::Mul(x, x);
    y = hn::MulAdd(a, hn::Div(Poly(d, z, pp), Poly(d, z, qq)), a);

    const auto middle = hn::Ge(a, hn::Set(d, 0.84375));
    if (!hn::AllFalse(d, middle)) {
      constexpr double pa[] = {-2.36211856075265944077e-03, 4.14856118683748331666e-01,  -3.72207876035701323847e-01,
                               3.18346619901161753674e-01,  -1.10894694282396677476e-01, 3.54783043256182359371e-02,
                               -2.16637559486879084300e-03};
      constexpr double qa[] = {1.0,
                               1.06420880400844228286e-01,
                               5.40397917702171048937e-01,
                               7.18286544141962662868e-02,
                               1.26171219808761642112e-01,
                               1.36370839120290507362e-02,
                               1.19844998467991074170e-02};
      const V s = hn::Sub(a, one);
      const V erx = hn::Set(d, 8.45062911510467529297e-01);
      y = hn::IfThenElse(middle, hn::Add(erx, hn::Div(Poly(d, s, pa), Poly(d, s, qa))), y);
    }

    const auto far = hn::Ge(a, hn::Set(d, 1.25));
    if (!hn::AllFalse(d, far)) {
      const V b = hn::IfThenElse(hn::Gt(a, hn::Set(d, 6.0)), hn::Set(d, 6.0), a);  // past 6 erf is 1 to the last bit
      const V bb = hn::Mul(b, b);
      const V s = hn::Div(one, bb);
      constexpr double ra[] = {-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e+01,
                               -6.23753324503260060396e+01, -1.62396669462573470355e+02, -1.84605092906711035994e+02,
                               -8.12874355063065934246e+01, -9.81432934416914548592e+00};
      constexpr double sa[] = {1.0,
                               1.96512716674392571292e+01,
                               1.37657754143519042600e+02,
                               4.34565877475229228821e+02,
                               6.45387271733267880336e+02,
                               4.29008140027567833386e+02,
                               1.08635005541779435134e+02,
                               6.57024977031928170135e+00,
                               -6.04244152148580987438e-02};
      constexpr double rb[] = {-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e+01,
                               -1.60636384855821916062e+02, -6.37566443368389627722e+02, -1.02509513161107724954e+03,
                               -4.83519191608651397019e+02};
      constexpr double sb[] = {1.0,
                               3.03380607434824582924e+01,
                               3.25792512996573918826e+02,
                               1.53672958608443695994e+03,
                               3.19985821950859553908e+03,
                               2.55305040643316442583e+03,
                               4.74528541206955367215e+02,
                               -2.24409524465858183362e+01};
      const V ratio_a = hn::Div(Poly(d, s, ra), Poly(d, s, sa));
      const V ratio_b = hn::Div(Poly(d, s, rb), Poly(d, s, sb));
      const V ratio = hn::IfThenElse(hn::Lt(b, hn::Set(d, 1 / 0.35)), ratio_a, ratio_b);
      const V erfc = hn::Div(Exp(d, hn::Sub(hn::Sub(ratio, hn::Set(d, 0.5625)), bb)), b);
      y = hn::IfThenElse(far, hn::Sub(one, erfc), y);
    }
  }
  return hn::CopySignToAbs(y, x);
}

// ----------------------------------------------------------------------------------------- double underneath float

/// A float tag with the lanes of a full double vector: for the functions that compute a float result in double.
using HalfFloatTag = hn::Rebind<float, hn::ScalableTag<double>>;

/// Rounds to float, overflowing to infinity. (Highway's scalar DemoteTo saturates.)
template <class DF, class VD>
HWY_INLINE hn::Vec<DF> ToFloat(DF df, VD v) {
#if HWY_TARGET == HWY_SCALAR
  return hn::Set(df, static_cast<float>(hn::GetLane(v)));
#else
  return hn::DemoteTo(df, v);
#endif
}

/// Replaces the lanes of y that the mask marks by f(x), one at a time.
template <class D, class V, class M>
HWY_INLINE V PatchLanes(D d, M lanes, V x, V y, hn::TFromD<D> (*f)(hn::TFromD<D>)) {
  using T = hn::TFromD<D>;
  constexpr size_t n = HWY_MAX_BYTES / sizeof(T) > 0 ? HWY_MAX_BYTES / sizeof(T) : 1;
  alignas(64) T xs[n];
  alignas(64) T ys[n];
  alignas(64) T marks[n];
  hn::Store(x, d, xs);
  hn::Store(y, d, ys);
  hn::Store(hn::IfThenElseZero(lanes, hn::Set(d, T(1))), d, marks);
  for (size_t i = 0; i < hn::Lanes(d); ++i)
    if (marks[i] != 0) ys[i] = f(xs[i]);
  return hn::Load(d, ys);
}

// ---------------------------------------------------------------------------------------------------- sine, cosine

/// Sine (quarter = 0) or cosine (quarter = 1) of double, after fdlibm's e_rem_pio2.c, k_sin.c and k_cos.c: x minus a
/// multiple of π/2 in three parts, good to 118 bits. Arguments past 2^20·π/2, and the rare ones so near a multiple of
/// π/2 that 118 bits are too few, go to <cmath>.
template <int quarter, class D, class V>
HWY_INLINE V SinCos(D d, V x) {
  static_assert(!is_f32<hn::TFromD<D>>);
  const hn::RebindToUnsigned<D> du;
  const V one = hn::Set(d, 1.0);
  const V half = hn::Set(d, 0.5);
  const V limit = hn::Set(d, 1647099.0);  // 2^20·π/2
  const auto beyond = hn::Not(hn::Le(hn::Abs(x), limit));
  const V v = hn::IfThenZeroElse(beyond, x);

  const auto [n, bits] = NearestInteger(d, hn::Mul(v, hn::Set(d, 6.36619772367581382433e-01)));
  const V t = hn::NegMulAdd(n, hn::Set(d, 1.57079632673412561417e+00), v);
  const V w = hn::Mul(n, hn::Set(d, 6.07710050630396597660e-11));
  const V r = hn::Sub(t, w);
  const V w2 = hn::Sub(hn::Mul(n, hn::Set(d, 2.02226624879595063154e-21)), hn::Sub(hn::Sub(t, r), w));
  const V y0 = hn::Sub(r, w2);
  const V y1 = hn::Sub(hn::Sub(r, y0), w2);  // x = n·π/2 + y0 + y1

  const V z = hn::Mul(y0, y0);
  constexpr double s[] = {8.33333333332248946124e-03, -1.98412698298579493134e-04, 2.75573137070700676789e-06,
                          -2.50507602534068634195e-08, 1.58969099521155010221e-10};
  const V z_y0 = hn::Mul(z, y0);
  const V sin_part = hn::NegMulAdd(z, hn::NegMulAdd(z_y0, Poly(d, z, s), hn::Mul(half, y1)), y1);
  const V sin = hn::Add(y0, hn::MulAdd(z_y0, hn::Set(d, -1.66666666666666324348e-01), sin_part));

  constexpr double c[] = {4.16666666666666019037e-02,  -1.38888888888741095749e-03, 2.48015872894767294178e-05,
                          -2.75573143513906633035e-07, 2.08757232129817482790e-09,  -1.13596475577881948265e-11};
  const V half_z = hn::Mul(half, z);
  const V cos_head = hn::Sub(one, half_z);
  const V cos_rest = hn::MulSub(hn::Mul(z, z), Poly(d, z, c), hn::Mul(y0, y1));
  const V cos = hn::Add(cos_head, hn::Add(hn::Sub(hn::Sub(one, cos_head), half_z), cos_rest));

  const auto q = hn::Add(bits, hn::Set(du, uint64_t{quarter}));
  const auto odd = hn::RebindMask(d, hn::Eq(hn::And(q, hn::Set(du, uint64_t{1})), hn::Set(du, uint64_t{1})));
  const V sign = hn::BitCast(d, hn::ShiftLeft<62>(hn::And(q, hn::Set(du, uint64_t{2}))));
  V y = hn::Xor(hn::IfThenElse(odd, cos, sin), sign);
  if constexpr (quarter == 0) y = hn::IfThenElse(hn::Eq(x, hn::Zero(d)), x, y);  // keeps -0

  const auto cancelled = hn::And(hn::Ne(n, hn::Zero(d)), hn::Lt(hn::Mul(hn::Abs(y0), hn::Set(d, 0x1p49)), hn::Abs(v)));
  const auto patch = hn::Or(beyond, cancelled);
  if (!hn::AllFalse(d, patch)) {
    using Function = double (*)(double);
    y = PatchLanes(d, patch, x, y, quarter == 0 ? static_cast<Function>(std::sin) : static_cast<Function>(std::cos));
  }
  return y;
}

/// Of double, or of float with D = HalfFloatTag.
template <int quarter, class D, class V>
HWY_INLINE V SinOrCos(D d, V x) {
  if constexpr (is_f32<hn::TFromD<D>>) {
    const hn::Rebind<double, D> dd;
    return ToFloat(d, SinCos<quarter>(dd, hn::PromoteTo(dd, x)));
  } else {
    return SinCos<quarter>(d, x);
  }
}
template <class D, class V>
HWY_INLINE V Sin(D d, V x) {
  return SinOrCos<0>(d, x);
}
template <class D, class V>
HWY_INLINE V Cos(D d, V x) {
  return SinOrCos<1>(d, x);
}

// ----------------------------------------------------------------------------------------------------------- pow

/// x^y of float, D = HalfFloatTag: exp(y·log|x|) in double, where the product's relative error of 2^-52, times at most
/// 104, is far below float's last bit; then the special cases of C's Annex F.
template <class D, class V>
HWY_INLINE V Pow(D d, V xf, V yf) {
  static_assert(is_f32<hn::TFromD<D>>, "double goes to std::pow");
  const hn::Rebind<double, D> dd;
  const auto x = hn::PromoteTo(dd, xf);
  const auto y = hn::PromoteTo(dd, yf);
  const auto zero = hn::Zero(dd);
  const auto one = hn::Set(dd, 1.0);
  const auto half_y = hn::Mul(y, hn::Set(dd, 0.5));
  const auto a = hn::Abs(x);
  auto z = Exp(dd, hn::Mul(y, Log(dd, a)));

  const auto integer = hn::Eq(RoundHalfEven(dd, y), y);  // ±inf counts as an even one
  const auto odd = hn::AndNot(hn::Eq(RoundHalfEven(dd, half_y), half_y), integer);
  z = hn::IfThenElse(odd, hn::CopySignToAbs(z, x), z);
  const auto negative = hn::And(hn::Lt(x, zero), hn::Lt(a, hn::Inf(dd)));
  z = hn::IfThenElse(hn::AndNot(integer, negative), hn::Set(dd, std::numeric_limits<double>::quiet_NaN()), z);
  // 1 to any power, anything (NaN too) to the power 0, and -1 to the power ±inf.
  const auto is_one =
      hn::Or(hn::Or(hn::Eq(x, one), hn::Eq(y, zero)), hn::And(hn::Eq(a, one), hn::Eq(hn::Abs(y), hn::Inf(dd))));
  return ToFloat(d, hn::IfThenElse(is_one, one, z));
}

}  // namespace HWY_NAMESPACE
}  // namespace telaio::kernels
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
