// What the tests of kernels share: seeded inputs, outputs that no kernel has written, thread counts, bitwise equality.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

namespace telaio::kernels {

/// Random numbers from the seed in TELAIO_TEST_SEED, or always the same ones, so that a failure can be repeated;
/// SCOPED_TRACE(random.seed) prints the seed with every failure.
class Random {
 public:
  const uint32_t seed = chosen_seed();

  std::mt19937& engine() { return engine_; }
  uint32_t bits() { return static_cast<uint32_t>(engine_()); }
  int64_t below(int64_t n) { return static_cast<int64_t>(bits()) % n; }
  double unit() { return static_cast<double>(bits()) / 4294967296.0; }

  /// Numbers in [0, 1) for floats, any bits for integers.
  template <class T>
  T value() {
    if constexpr (std::is_floating_point_v<T>) return static_cast<T>(unit());
    return static_cast<T>(bits());
  }

 private:
  static uint32_t chosen_seed() {
    const char* given = std::getenv("TELAIO_TEST_SEED");
    return given ? static_cast<uint32_t>(std::strtoul(given, nullptr, 10)) : 20240229;
  }

  std::mt19937 engine_{seed};
};

/// What an output holds before the kernel runs: nothing that could pass for a result.
template <class T>
std::vector<T> unwritten(int64_t n) {
  T value = static_cast<T>(77);
  if constexpr (std::is_floating_point_v<T>) value = std::numeric_limits<T>::quiet_NaN();
  return std::vector<T>(static_cast<size_t>(n), value);
}

/// Runs the body with so many threads, even on a smaller machine.
template <class Body>
void with_threads(int threads, const Body& body) {
  tbb::global_control limit(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(threads));
  tbb::task_arena(threads).execute(body);
}

/// Whether two arrays hold the same bits (NaNs included).
template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

}  // namespace telaio::kernels
