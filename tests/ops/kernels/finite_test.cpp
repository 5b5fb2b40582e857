#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <telaio/ops/kernels/finite.hpp>

#include "for_each_simd_target.hpp"

namespace telaio::kernels {
namespace {

template <class T>
void check_every_place() {
  using Limits = std::numeric_limits<T>;
  const T finite[] = {0, -T(0), 1, Limits::max(), Limits::lowest(), Limits::denorm_min(), Limits::min()};
  for (size_t n = 0; n <= 150; ++n) {
    std::vector<T> values(n);
    for (size_t i = 0; i < n; ++i) values[i] = finite[(i + n) % std::size(finite)];
    EXPECT_TRUE(all_finite(values.data(), std::ssize(values))) << n;
    for (T& value : values) {
      const T before = value;
      for (const T special : {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN()}) {
        value = special;
        EXPECT_FALSE(all_finite(values.data(), std::ssize(values))) << special << " at " << &value - values.data();
      }
      value = before;
    }
  }
}

TEST(AllFinite, FindsWhatIsNotAtEveryPlace) {
  for_each_simd_target([] {
    check_every_place<float>();
    check_every_place<double>();
  });
}

template <class T>
void check_every_magnitude() {
  using Limits = std::numeric_limits<T>;
  for (const int64_t step : {1, 2, -3}) {
    for (int64_t n : {0, 1, 2, 7, 15, 16, 17, 31, 33, 64, 255, 256, 257, 600}) {
      std::vector<T> values(static_cast<size_t>(3 * n + 1));
      T* const first = values.data() + (step < 0 ? 3 * (n - 1) : 0);
      for (int64_t i = 0; i < n; ++i) first[i * step] = (i % 2 == 0 ? T(1) : T(-1)) * static_cast<T>(i % 11) / 4;
      EXPECT_EQ(largest_magnitude(first, step, n),
                static_cast<T>(std::min<int64_t>(std::max<int64_t>(n - 1, 0), 10)) / 4);
      for (int64_t i = 0; i < n; ++i) {
        T& value = first[i * step];
        const T before = value;
        for (const T special : {T(3), T(-5), Limits::max(), -Limits::infinity()}) {
          value = special;
          EXPECT_EQ(largest_magnitude(first, step, n), std::abs(special)) << i << " of " << n;
        }
        value = -Limits::quiet_NaN();
        EXPECT_TRUE(std::isnan(largest_magnitude(first, step, n))) << i << " of " << n;
        value = before;
      }
    }
  }
}

TEST(LargestMagnitude, IsFoundAtEveryPlace) {
  for_each_simd_target([] {
    check_every_magnitude<float>();
    check_every_magnitude<double>();
  });
}

}  // namespace
}  // namespace telaio::kernels
