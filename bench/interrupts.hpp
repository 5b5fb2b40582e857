// What interrupts take of a benchmark's time.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

namespace telaio::bench {

/// The share of a long time that interrupts leave, given how many seconds each of many windows of some ten microseconds
/// took that did the same, one after the other. The best windows have none, but a loop of some milliseconds cannot do
/// without: the system's clock, and below a virtual machine another one, take up to a twentieth. A window with one is
/// slower than those before and after; slow ones in a row, or very slow ones, are another program. Of
/// stretches of eight milliseconds the one that has lost least, since another program that comes and goes within a
/// window looks the same. 1 where there is no such stretch.
inline double left_by_interrupts(std::span<const double> windows) {
  constexpr double as_fast = 0.97, longest = 2e-4, stretch = 8e-3;
  double all = 0, lost = 0, most = 0;
  for (size_t i = 1; i + 1 < windows.size(); ++i) {
    const double beside = std::max(windows[i - 1], windows[i + 1]), more = windows[i] - beside;
    if (more >= longest) continue;
    all += windows[i];
    if (beside < as_fast * windows[i]) lost += more;
    if (all < stretch) continue;
    most = std::max(most, 1 - lost / all);
    all = lost = 0;
  }
  return most > 0 ? most : 1;
}

}  // namespace telaio::bench
