// Elementwise kernels against plain scalar formulas, for every SIMD target and every length from 0 to past two vectors.
#include <gtest/gtest.h>

#include <telaio/ops/kernels/elementwise.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <stdexcept>
#include <type_traits>

#include "for_each_simd_target.hpp"

namespace telaio::kernels {
namespace {

constexpr uint64_t seed = 20240612;

// std::vector<bool> has no data().
template <class T>
class Array {
 public:
  explicit Array(int64_t n) : size_(n) {}
  Array(std::initializer_list<T> values) : size_(static_cast<int64_t>(values.size())) {
    std::copy(values.begin(), values.end(), begin());
  }
  int64_t size() const { return size_; }
  T* data() { return data_.data(); }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  T& operator[](int64_t i) { return data_[i]; }

 private:
  int64_t size_;
  std::array<T, 512> data_{};
};

template <class T>
Array<T> random_values(int64_t n, uint64_t salt = 0) {
  using Limits = std::numeric_limits<T>;
  std::mt19937_64 random(seed + salt);
  Array<T> values(n);
  for (T& v : values) {
    if constexpr (std::is_floating_point_v<T>) {
      constexpr std::array special = {T(0),
                                      -T(0),
                                      Limits::infinity(),
                                      -Limits::infinity(),
                                      Limits::quiet_NaN(),
                                      T(0.5),
                                      T(1.5),
                                      T(2.5),
                                      T(-0.5),
                                      Limits::max(),
                                      Limits::denorm_min(),
                                      std::is_same_v<T, float> ? T(0.49999997f) : T(0.49999999999999994)};
      v = random() % 4 == 0 ? special[random() % special.size()]
                            : static_cast<T>(std::uniform_real_distribution<double>(-8, 8)(random));
    } else if constexpr (std::is_same_v<T, bool>) {
      v = random() % 2 == 0;
    } else {
      constexpr std::array special = {T(0), T(1), T(-1), Limits::min(), Limits::max()};
      v = random() % 4 == 0 ? special[random() % special.size()] : static_cast<T>(random() >> (random() % 64));
    }
  }
  return values;
}

/// Equal as values, with NaN equal to NaN and 0 not to -0.
template <class T>
bool same(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    if (std::isnan(a) || std::isnan(b)) return std::isnan(a) && std::isnan(b);
    return a == b && std::signbit(a) == std::signbit(b);
  } else {
    return a == b;
  }
}

/// Runs kernel(x, y, n) and, in place, kernel(y, y, n) for many n; every y[i] must accept want(x[i]).
template <class T, class Kernel, class Want, class Accept>
void check_unary(const char* name, Kernel kernel, Want want, Accept accept) {
  Array<T> x = random_values<T>(300);
  for_each_simd_target([&] {
    for (int64_t n : {0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 129, 300}) {
      Array<T> out(n + 1), in_place(n + 1);
      std::copy_n(x.data(), n, in_place.data());
      out[n] = in_place[n] = T(42);
      kernel(x.data(), out.data(), n);
      kernel(in_place.data(), in_place.data(), n);
      for (int64_t i = 0; i < n; ++i) {
        ASSERT_TRUE(accept(out[i], want(x[i])))
            << name << "(" << x[i] << ") = " << out[i] << ", not " << want(x[i]) << "; element " << i << " of " << n;
        ASSERT_TRUE(same(out[i], in_place[i])) << name << " in place, element " << i << " of " << n;
      }
      ASSERT_EQ(out[n], T(42)) << name << " wrote past the end of " << n;
      ASSERT_EQ(in_place[n], T(42)) << name << " wrote past the end of " << n;
    }
  });
}

/// The same for two inputs; the output goes over each of them in turn where the types allow.
template <class T, class Out, class Kernel, class Want>
void check_binary(const char* name, Kernel kernel, Want want) {
  Array<T> a = random_values<T>(300, 1), b = random_values<T>(300, 2);
  for_each_simd_target([&] {
    for (int64_t n : {0, 1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 33, 63, 65, 129, 300}) {
      Array<Out> out(n + 1);
      out[n] = Out(42);
      kernel(a.data(), b.data(), out.data(), n);
      for (int64_t i = 0; i < n; ++i)
        ASSERT_TRUE(same<Out>(out[i], want(a[i], b[i])))
            << name << "(" << a[i] << ", " << b[i] << ") = " << out[i] << ", not " << want(a[i], b[i]) << "; element "
            << i << " of " << n;
      ASSERT_EQ(out[n], Out(42)) << name << " wrote past the end of " << n;
      if constexpr (std::is_same_v<T, Out>) {
        Array<T> over_a(n), over_b(n);
        std::copy_n(a.data(), n, over_a.data());
        std::copy_n(b.data(), n, over_b.data());
        kernel(over_a.data(), b.data(), over_a.data(), n);
        kernel(a.data(), over_b.data(), over_b.data(), n);
        for (int64_t i = 0; i < n; ++i)
          ASSERT_TRUE(same<T>(over_a[i], out[i]) && same<T>(over_b[i], out[i])) << name << " in place, element " << i;
      }
    }
  });
}

/// Equal, or within a few roundings of `want`'s formula; near a zero of the formula the terms' size counts.
template <class T>
auto close_to(double scale = 1) {
  return [scale](T got, T want) {
    if (!std::isfinite(want) || !std::isfinite(got)) return same(got, want);
    const T bound = 8 * std::numeric_limits<T>::epsilon();
    return std::fabs(got - want) <= bound * std::max(std::fabs(want), static_cast<T>(scale));
  };
}

template <class T>
class ElementwiseFloat : public testing::Test {};
using Floats = testing::Types<float, double>;
TYPED_TEST_SUITE(ElementwiseFloat, Floats);

TYPED_TEST(ElementwiseFloat, ExactUnaryOps) {
  using T = TypeParam;
  const auto check = [](const char* name, UnaryOp op, auto want, double a = 0, double b = 0) {
    check_unary<T>(
        name, [&](const T* x, T* y, int64_t n) { unary(op, x, y, n, a, b); }, want, same<T>);
  };
  check("neg", UnaryOp::neg, [](T x) { return -x; });
  check("abs", UnaryOp::abs, [](T x) { return std::fabs(x); });
  check("sign", UnaryOp::sign, [](T x) { return x > 0 ? T(1) : x < 0 ? T(-1) : x; });
  check("square", UnaryOp::square, [](T x) { return x * x; });
  check("sqrt", UnaryOp::sqrt, [](T x) { return std::sqrt(x); });
  check("rsqrt", UnaryOp::rsqrt, [](T x) { return 1 / std::sqrt(x); });
  check("reciprocal", UnaryOp::reciprocal, [](T x) { return 1 / x; });
  check("floor", UnaryOp::floor, [](T x) { return std::floor(x); });
  check("ceil", UnaryOp::ceil, [](T x) { return std::ceil(x); });
  check("round", UnaryOp::round, [](T x) { return std::nearbyint(x); });
  check("relu", UnaryOp::relu, [](T x) { return x < 0 ? T(0) : x; });
  check(
      "leaky_relu", UnaryOp::leaky_relu, [](T x) { return x < 0 ? T(0.125) * x : x; }, 0.125);
  check(
      "hardtanh", UnaryOp::hardtanh, [](T x) { return x > 2         ? T(2)
                                                      : x < T(-0.5) ? T(-0.5)
                                                                    : x; }, -0.5, 2);
}

TYPED_TEST(ElementwiseFloat, ComposedUnaryOps) {
  using T = TypeParam;
  const auto check = [](const char* name, UnaryOp op, auto want, double a = 0) {
    check_unary<T>(
        name, [&](const T* x, T* y, int64_t n) { unary(op, x, y, n, a); }, want, close_to<T>());
  };
  const auto sigmoid = [](T x) { return x < 0 ? std::exp(x) / (1 + std::exp(x)) : 1 / (1 + std::exp(-x)); };
  check("sigmoid", UnaryOp::sigmoid, sigmoid);
  check("silu", UnaryOp::silu, [&](T x) { return x * sigmoid(x); });
  for (const double beta : {1.0, 2.5}) {
    const T t = static_cast<T>(beta);
    check(
        "softplus", UnaryOp::softplus,
        [t](T x) { return (std::log1p(std::exp(-std::fabs(t * x))) + (t * x < 0 ? 0 : t * x)) / t; }, beta);
  }
  check(
      "elu", UnaryOp::elu, [](T x) { return x < 0 ? T(0.75) * std::expm1(x) : x; }, 0.75);
  check("selu", UnaryOp::selu, [](T x) {
    constexpr T scale = T(1.0507009873554805), alpha = T(1.6732632423543773);
    return x < 0 ? scale * alpha * std::expm1(x) : scale * x;
  });
  check("gelu", UnaryOp::gelu, [](T x) { return T(0.5) * x * (1 + std::erf(x * T(0.7071067811865476))); });
  check(
      "gelu, tanh", UnaryOp::gelu,
      [](T x) { return T(0.5) * x * (1 + std::tanh(T(0.7978845608028654) * (x + T(0.044715) * x * x * x))); }, 1);
}

TYPED_TEST(ElementwiseFloat, BinaryOps) {
  using T = TypeParam;
  const auto check = [](const char* name, BinaryOp op, auto want) {
    check_binary<T, T>(
        name, [&](const T* a, const T* b, T* y, int64_t n) { binary(op, a, b, y, n); }, want);
  };
  check("add", BinaryOp::add, [](T a, T b) { return a + b; });
  check("sub", BinaryOp::sub, [](T a, T b) { return a - b; });
  check("mul", BinaryOp::mul, [](T a, T b) { return a * b; });
  check("div", BinaryOp::div, [](T a, T b) { return a / b; });
  check("maximum", BinaryOp::maximum, [](T a, T b) { return std::isnan(a) ? a : a >= b ? a : b; });
  check("minimum", BinaryOp::minimum, [](T a, T b) { return std::isnan(a) ? a : a <= b ? a : b; });
}

TYPED_TEST(ElementwiseFloat, IsNanAndIsFinite) {
  using T = TypeParam;
  Array<T> x = random_values<T>(300);
  for_each_simd_target([&] {
    Array<bool> nan(300), finite(300);
    is_nan(x.data(), nan.data(), 300);
    is_finite(x.data(), finite.data(), 300);
    for (int64_t i = 0; i < 300; ++i) {
      EXPECT_EQ(nan[i], std::isnan(x[i])) << x[i];
      EXPECT_EQ(finite[i], std::isfinite(x[i])) << x[i];
    }
  });
}

template <class T>
class ElementwiseInteger : public testing::Test {};
using Integers = testing::Types<int32_t, int64_t, uint8_t>;
TYPED_TEST_SUITE(ElementwiseInteger, Integers);

/// The low bits of a result computed modulo 2^64, which is what wrapping around means.
template <class T>
T wrapped(uint64_t value) {
  return static_cast<T>(value);
}

TYPED_TEST(ElementwiseInteger, UnaryOps) {
  using T = TypeParam;
  const auto check = [](const char* name, UnaryOp op, auto want, double a = 0, double b = 0) {
    check_unary<T>(
        name, [&](const T* x, T* y, int64_t n) { unary(op, x, y, n, a, b); }, want, same<T>);
  };
  if constexpr (std::is_signed_v<T>)
    check("neg", UnaryOp::neg, [](T x) { return wrapped<T>(0 - static_cast<uint64_t>(x)); });
  check("abs", UnaryOp::abs, [](T x) { return wrapped<T>(x < 0 ? 0 - static_cast<uint64_t>(x) : x); });
  check("sign", UnaryOp::sign, [](T x) { return x > 0 ? T(1) : x < 0 ? T(-1) : T(0); });
  check("square", UnaryOp::square, [](T x) { return wrapped<T>(static_cast<uint64_t>(x) * static_cast<uint64_t>(x)); });
  check("relu", UnaryOp::relu, [](T x) { return x < 0 ? T(0) : x; });
  check(
      "hardtanh", UnaryOp::hardtanh, [](T x) { return std::clamp<T>(x, 1, 6); }, 1, 6.9);
  check(
      "hardtanh without an upper bound", UnaryOp::hardtanh, [](T x) { return std::max<T>(x, 0); }, 0, 1e30);
  for (UnaryOp op : {UnaryOp::floor, UnaryOp::round, UnaryOp::ceil}) check("identity", op, [](T x) { return x; });

  T x = 1;
  EXPECT_THROW(unary(UnaryOp::exp, &x, &x, 1), std::invalid_argument);
  if constexpr (std::is_unsigned_v<T>) {
    EXPECT_THROW(unary(UnaryOp::neg, &x, &x, 1), std::invalid_argument);
  }
}

TYPED_TEST(ElementwiseInteger, BinaryOps) {
  using T = TypeParam;
  const auto check = [](const char* name, BinaryOp op, auto want) {
    check_binary<T, T>(
        name, [&](const T* a, const T* b, T* y, int64_t n) { binary(op, a, b, y, n); }, want);
  };
  using U = uint64_t;
  check("add", BinaryOp::add, [](T a, T b) { return wrapped<T>(static_cast<U>(a) + static_cast<U>(b)); });
  check("sub", BinaryOp::sub, [](T a, T b) { return wrapped<T>(static_cast<U>(a) - static_cast<U>(b)); });
  check("mul", BinaryOp::mul, [](T a, T b) { return wrapped<T>(static_cast<U>(a) * static_cast<U>(b)); });
  check("maximum", BinaryOp::maximum, [](T a, T b) { return std::max(a, b); });
  check("minimum", BinaryOp::minimum, [](T a, T b) { return std::min(a, b); });
  T x = 1;
  EXPECT_THROW(binary(BinaryOp::div, &x, &x, &x, 1), std::invalid_argument);
}

TYPED_TEST(ElementwiseInteger, Pow) {
  using T = TypeParam;
  Array<T> a = {0, 0, 3, 2, 7, 10, 1, 255}, b = {0, 5, 4, 7, 1, 2, 200, 2};
  Array<T> want = {1, 0, 81, wrapped<T>(128), 7, 100, 1, wrapped<T>(65025)};
  for_each_simd_target([&] {
    Array<T> y(a.size());
    binary(BinaryOp::pow, a.data(), b.data(), y.data(), a.size());
    for (int64_t i = 0; i < a.size(); ++i) EXPECT_EQ(y[i], want[i]) << +a[i] << " to the power " << +b[i];
  });
}

TEST(Elementwise, SignedPow) {
  Array<int32_t> a = {-2, -1, -1, -1, 1, 2, 0, -2, 2, 3}, b = {3, 5, -3, -4, -9, -1, -1, 31, 32, 41};
  Array<int32_t> want = {-8, -1, -1, 1, 1, 0, 0, std::numeric_limits<int32_t>::min(), 0, 0};
  uint32_t power = 1;
  for (int i = 0; i < 41; ++i) power *= 3;
  want[9] = static_cast<int32_t>(power);
  for_each_simd_target([&] {
    Array<int32_t> y(a.size());
    binary(BinaryOp::pow, a.data(), b.data(), y.data(), a.size());
    for (int64_t i = 0; i < a.size(); ++i) EXPECT_EQ(y[i], want[i]) << a[i] << " to the power " << b[i];
  });
}

template <class T>
class ElementwiseAny : public testing::Test {};
using AllTypes = testing::Types<float, double, int32_t, int64_t, uint8_t, bool>;
TYPED_TEST_SUITE(ElementwiseAny, AllTypes);

TYPED_TEST(ElementwiseAny, Compare) {
  using T = TypeParam;
  const auto check = [](const char* name, CompareOp op, auto want) {
    check_binary<T, bool>(
        name, [&](const T* a, const T* b, bool* y, int64_t n) { compare(op, a, b, y, n); }, want);
  };
  check("eq", CompareOp::eq, [](T a, T b) { return a == b; });
  check("ne", CompareOp::ne, [](T a, T b) { return a != b; });
  check("lt", CompareOp::lt, [](T a, T b) { return a < b; });
  check("le", CompareOp::le, [](T a, T b) { return a <= b; });
  check("gt", CompareOp::gt, [](T a, T b) { return a > b; });
  check("ge", CompareOp::ge, [](T a, T b) { return a >= b; });
}

TYPED_TEST(ElementwiseAny, Where) {
  using T = TypeParam;
  Array<bool> c = random_values<bool>(300, 3);
  check_binary<T, T>(
      "where(true)",
      [](const T* a, const T* b, T* y, int64_t n) {
        Array<bool> yes(n);
        std::fill(yes.begin(), yes.end(), true);
        where(yes.data(), a, b, y, n);
      },
      [](T a, T) { return a; });
  Array<T> a = random_values<T>(300, 4), b = random_values<T>(300, 5);
  for_each_simd_target([&] {
    Array<T> y(300);
    where(c.data(), a.data(), b.data(), y.data(), 300);
    for (int64_t i = 0; i < 300; ++i) EXPECT_TRUE(same<T>(y[i], c[i] ? a[i] : b[i])) << i;
  });
}

TEST(Elementwise, Logic) {
  check_binary<bool, bool>(
      "and", [](auto a, auto b, auto y, int64_t n) { logic(LogicOp::land, a, b, y, n); },
      [](bool a, bool b) { return a && b; });
  check_binary<bool, bool>(
      "or", [](auto a, auto b, auto y, int64_t n) { logic(LogicOp::lor, a, b, y, n); },
      [](bool a, bool b) { return a || b; });
  check_binary<bool, bool>(
      "xor", [](auto a, auto b, auto y, int64_t n) { logic(LogicOp::lxor, a, b, y, n); },
      [](bool a, bool b) { return a != b; });
  check_unary<bool>(
      "not", [](auto x, auto y, int64_t n) { logic_not(x, y, n); }, [](bool x) { return !x; }, same<bool>);
}

/// The contract of cast, spelled out in long double, which holds every value of every type.
template <class To, class From>
To cast_reference(From x) {
  using Limits = std::numeric_limits<To>;
  const long double wide = x;
  if constexpr (std::is_same_v<To, bool>) {
    return wide != 0;
  } else if constexpr (std::is_floating_point_v<To>) {
    return static_cast<To>(x);
  } else if constexpr (std::is_floating_point_v<From>) {
    if (std::isnan(x)) return 0;
    if (wide <= static_cast<long double>(Limits::min())) return Limits::min();
    if (wide >= static_cast<long double>(Limits::max())) return Limits::max();
    return static_cast<To>(std::trunc(wide));
  } else {
    return static_cast<To>(static_cast<uint64_t>(x));
  }
}

template <class From, class To>
void check_cast() {
  Array<From> x = random_values<From>(300);
  if constexpr (std::is_floating_point_v<From>) {
    const From edges[] = {From(255),
                          From(255.5),
                          From(256),
                          From(-0.75),
                          From(2147483520),
                          From(2147483647.0),
                          From(2147483648.0),
                          From(-2147483648.0),
                          From(-2147483904.0),
                          From(9.2233714e18),
                          From(9223372036854775808.0),
                          From(-9223372036854775808.0),
                          From(-1e19),
                          From(1e19)};
    std::copy(std::begin(edges), std::end(edges), x.begin());
  }
  for_each_simd_target([&] {
    for (int64_t n : {0, 1, 5, 17, 300}) {
      Array<To> y(n + 1);
      y[n] = To(42);
      cast(x.data(), y.data(), n);
      for (int64_t i = 0; i < n; ++i)
        ASSERT_TRUE(same<To>(y[i], cast_reference<To>(x[i]))) << +x[i] << " became " << +y[i];
      ASSERT_EQ(y[n], To(42)) << "wrote past the end";
    }
  });
}

TYPED_TEST(ElementwiseAny, Cast) {
  check_cast<TypeParam, float>();
  check_cast<TypeParam, double>();
  check_cast<TypeParam, int32_t>();
  check_cast<TypeParam, int64_t>();
  check_cast<TypeParam, uint8_t>();
  check_cast<TypeParam, bool>();
}

}  // namespace
}  // namespace telaio::kernels
