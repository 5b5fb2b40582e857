// One value from one element type to another: the meaning of kernels::cast.
#pragma once

#include <limits>
#include <type_traits>

namespace telaio::kernels {

/// Float to integer cuts towards zero and saturates, NaN gives 0; integer to integer wraps around; anything to bool is
/// x ≠ 0; the rest as C++ converts.
template <class To, class From>
constexpr To scalar_cast(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != From(0);
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // Both bounds are powers of two (or 0 and 256), exact in From; the upper one is the first value past To.
    constexpr From low = static_cast<From>(std::numeric_limits<To>::min());
    constexpr From past = static_cast<From>(std::numeric_limits<To>::max() / 2 + 1) * From(2);
    if (x != x) return To(0);
    if (x < low) return std::numeric_limits<To>::min();
    if (x >= past) return std::numeric_limits<To>::max();
    return static_cast<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

}  // namespace telaio::kernels
