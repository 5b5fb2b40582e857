// The vector functions against <cmath>, for every SIMD target: special values exactly, the rest within a bound in units
// in the last place that each row states (1.2 to 1.6 times the worst measured over the targets and, for float, every
// 101st bit pattern).
#include <gtest/gtest.h>

#include <telaio/ops/kernels/elementwise.hpp>

#include <bit>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <vector>

#include "for_each_simd_target.hpp"

namespace telaio::kernels {
namespace {

constexpr uint64_t seed = 20240611;

template <class T>
using Wide = std::conditional_t<std::is_same_v<T, float>, double, long double>;

template <class T>
struct Row {
  const char* name;
  UnaryOp op;
  Wide<T> (*reference)(Wide<T>);
  double low, high;  // the sweep; all finite values are swept besides
  double ulps;
};

template <class W>
W sigmoid(W x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

#define TELAIO_STD(f) [](Wide<T> x) -> Wide<T> { return std::f(x); }

template <class T>
std::vector<Row<T>> rows() {
  constexpr bool f32 = std::is_same_v<T, float>;
  return {
      {"exp", UnaryOp::exp, TELAIO_STD(exp), f32 ? -104 : -746, f32 ? 89 : 710, 2},
      {"expm1", UnaryOp::expm1, TELAIO_STD(expm1), -20, f32 ? 89 : 710, 2.5},
      {"log", UnaryOp::log, TELAIO_STD(log), 0, 4, 2},
      {"log1p", UnaryOp::log1p, TELAIO_STD(log1p), -1, 4, 2.5},
      {"tanh", UnaryOp::tanh, TELAIO_STD(tanh), -22, 22, 3.5},
      {"erf", UnaryOp::erf, TELAIO_STD(erf), -6.5, 6.5, 3},
      {"sin", UnaryOp::sin, TELAIO_STD(sin), -100, 100, 1},
      {"cos", UnaryOp::cos, TELAIO_STD(cos), -100, 100, 1},
      {"sigmoid", UnaryOp::sigmoid, sigmoid<Wide<T>>, f32 ? -104 : -746, 40, 3.5},
      {"sqrt", UnaryOp::sqrt, TELAIO_STD(sqrt), 0, 100, 0.5001},
  };
}

/// |got - want| in units of the last place of T at `want` (of the smallest subnormal below the normal range).
template <class T>
double ulp_distance(T got, Wide<T> want) {
  const T rounded = static_cast<T>(want);
  if (std::isnan(rounded) || std::isnan(got)) return std::isnan(rounded) && std::isnan(got) ? 0 : HUGE_VAL;
  if (std::isinf(rounded) || std::isinf(got)) return rounded == got ? 0 : HUGE_VAL;
  if (rounded == 0 && got == 0) return std::signbit(rounded) == std::signbit(got) ? 0 : HUGE_VAL;
  const int exponent = std::max(std::ilogb(want), std::numeric_limits<T>::min_exponent - 1);
  const Wide<T> unit = std::ldexp(Wide<T>(1), exponent - (std::numeric_limits<T>::digits - 1));
  return static_cast<double>(std::fabs(static_cast<Wide<T>>(got) - want) / unit);
}

template <class T>
std::vector<T> special_values() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> values;
  for (T x : {T(0),
              Limits::denorm_min(),
              3 * Limits::denorm_min(),
              Limits::min() / 2,
              Limits::min(),
              3 * Limits::min(),
              Limits::epsilon() / 4,
              Limits::epsilon(),
              T(0.1),
              T(0.25),
              T(0.34),
              T(0.35),
              T(0.5),
              T(0.7071),
              T(0.84375),
              T(1),
              std::nextafter(T(1), T(0)),
              std::nextafter(T(1), T(2)),
              T(1.25),
              T(1.4143),
              T(2),
              T(2.857142),
              T(3),
              T(6),
              T(10),
              T(17.5),
              T(18),
              T(22),
              T(37),
              T(40),
              T(87),
              T(88.5),
              T(88.7228394),
              T(89),
              T(103.97),
              T(104),
              T(104.6),
              T(200),
              T(709.7),
              T(710),
              T(745),
              T(746),
              T(800),
              T(39000),
              T(1e6),
              T(1647099),
              T(1e7),
              T(1e15),
              T(3.14159265358979323846),
              T(1.57079632679489661923),
              T(6381956970095103.0) /* ~ k·π/2 to 2^-60 */,
              Limits::max() / 2,
              Limits::max(),
              Limits::infinity(),
              Limits::quiet_NaN()}) {
    values.push_back(x);
    values.push_back(-x);
  }
  return values;
}

/// Special values, a sweep of [low, high] and finite values of random bits.
template <class T>
std::vector<T> arguments(double low, double high) {
  std::vector<T> values = special_values<T>();
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> range(low, high);
  for (int i = 0; i < 20000; ++i) values.push_back(static_cast<T>(range(random)));
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  for (int i = 0; i < 20000; ++i) {
    const T x = std::bit_cast<T>(static_cast<Bits>(random()));
    if (std::isfinite(x)) values.push_back(x);
  }
  return values;
}

template <class T>
class SimdMath : public testing::Test {};
using Floats = testing::Types<float, double>;
TYPED_TEST_SUITE(SimdMath, Floats);

TYPED_TEST(SimdMath, AgreesWithCmath) {
  using T = TypeParam;
  for (const Row<T>& row : rows<T>()) {
    const std::vector<T> x = arguments<T>(row.low, row.high);
    std::vector<Wide<T>> want(x.size());
    std::transform(x.begin(), x.end(), want.begin(), [&](T v) { return row.reference(static_cast<Wide<T>>(v)); });
    for_each_simd_target([&] {
      std::vector<T> y(x.size(), T(-77));
      unary(row.op, x.data(), y.data(), static_cast<int64_t>(x.size()));
      double worst = 0;
      size_t where = 0;
      for (size_t i = 0; i < x.size(); ++i) {
        const double distance = ulp_distance(y[i], want[i]);
        if (distance > worst) worst = distance, where = i;
      }
      EXPECT_LE(worst, row.ulps) << row.name << "(" << x[where] << ") = " << y[where] << ", not "
                                 << static_cast<T>(want[where]);
      this->RecordProperty(std::string(row.name) + "_" + simd_target(), std::to_string(worst));
    });
  }
}

TYPED_TEST(SimdMath, PowAgreesWithCmath) {
  using T = TypeParam;
  const T inf = std::numeric_limits<T>::infinity();
  std::vector<T> bases = {
      0,    1,     0.5,   2,   3,   std::numeric_limits<T>::denorm_min(), std::numeric_limits<T>::max(),
      1.5f, 1e-3f, 1e30f, inf, 10.f};
  std::vector<T> powers = {0, 1, 2, 3, 0.5, 1.5, 7, 8388607, 8388608, 16777216, 1e20f, 1e-20f, inf};
  for (std::vector<T>* list : {&bases, &powers}) {
    const size_t count = list->size();
    for (size_t i = 0; i < count; ++i) list->push_back(-(*list)[i]);
    list->push_back(std::numeric_limits<T>::quiet_NaN());
  }
  std::vector<T> a, b;
  for (T base : bases)
    for (T power : powers) a.push_back(base), b.push_back(power);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> base(0, 20), power(-30, 30);
  for (int i = 0; i < 20000; ++i) a.push_back(static_cast<T>(base(random))), b.push_back(static_cast<T>(power(random)));

  for_each_simd_target([&] {
    std::vector<T> y(a.size(), T(-77));
    binary(BinaryOp::pow, a.data(), b.data(), y.data(), static_cast<int64_t>(a.size()));
    for (size_t i = 0; i < a.size(); ++i)
      ASSERT_LE(ulp_distance(y[i], std::pow(static_cast<Wide<T>>(a[i]), static_cast<Wide<T>>(b[i]))), 1.0)
          << "pow(" << a[i] << ", " << b[i] << ") = " << y[i];
  });
}

// A value's result is the same bits wherever it stands: in any lane, in the tail, alone.
TYPED_TEST(SimdMath, AResultDoesNotDependOnThePosition) {
  using T = TypeParam;
  std::vector<T> x = special_values<T>();
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> range(-10, 10);
  while (x.size() < 301) x.push_back(static_cast<T>(range(random)));
  const int64_t n = static_cast<int64_t>(x.size());
  for_each_simd_target([&] {
    for (int op = 0; op <= static_cast<int>(UnaryOp::reciprocal); ++op) {
      std::vector<T> whole(x.size());
      unary(static_cast<UnaryOp>(op), x.data(), whole.data(), n, 0.25, 2);
      for (int64_t length : {1, 2, 3, 5, 7, 8, 13, 17, 31})
        for (int64_t begin = 0; begin + length <= n; begin += length) {
          std::vector<T> part(length + 1, T(-77));
          unary(static_cast<UnaryOp>(op), x.data() + begin, part.data(), length, 0.25, 2);
          ASSERT_EQ(std::memcmp(part.data(), whole.data() + begin, length * sizeof(T)), 0)
              << "op " << op << ", length " << length << " at " << begin;
          ASSERT_EQ(part[length], T(-77)) << "op " << op << " wrote past the end";
        }
    }
  });
}

}  // namespace
}  // namespace telaio::kernels
