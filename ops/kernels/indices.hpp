// How kernels read indices: all checked first, then resolved one by one.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

#include <telaio/autograd/runtime/parallel.hpp>

namespace telaio::kernels {

/// The position of the first index outside [-len, len), or -1.
template <class Index>
int64_t first_bad_index(const Index* idx, int64_t n, int64_t len) {
  std::atomic<int64_t> first{n};
  parallel_for(n, grain_for(1), [&](int64_t begin, int64_t end) {
    const auto good = [len](Index i) { return i >= -len && i < len; };
    bool all_good = true;
    for (int64_t j = begin; j < end; ++j) all_good &= good(idx[j]);
    if (all_good) return;
    const int64_t bad = std::find_if_not(idx + begin, idx + end, good) - idx;
    int64_t known = first;
    while (bad < known && !first.compare_exchange_weak(known, bad)) {
    }
  });
  return first == n ? -1 : first.load();
}

/// Negative indices count from the end.
template <class Index>
int64_t resolve_index(Index i, int64_t len) {
  return i < 0 ? i + len : static_cast<int64_t>(i);
}

}  // namespace telaio::kernels
