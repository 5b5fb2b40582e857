#include <gtest/gtest.h>

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

}  // namespace
}  // namespace telaio::kernels
