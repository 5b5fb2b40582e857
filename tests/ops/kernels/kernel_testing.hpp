// What the tests of matrix, convolution and pooling kernels share.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <new>
#include <random>
#include <string>
#include <vector>

#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

namespace telaio::kernels::testing {

/// Runs the body with this many threads, whatever the machine has.
template <class Body>
void with_threads(int threads, const Body& body) {
  const tbb::global_control limit(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(threads));
  tbb::task_arena(threads).execute(body);
}

/// Random numbers from a seed that a failing test prints.
class Random {
 public:
  explicit Random(uint64_t seed) : trace_(__FILE__, __LINE__, "seed " + std::to_string(seed)), engine_(seed) {}

  int64_t in(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine_); }
  bool coin() { return in(0, 1) == 1; }

  /// Small whole numbers: their products and sums are exact in float, in every order, so tests compare with ==.
  template <class T>
  std::vector<T> whole_numbers(int64_t count) {
    std::vector<T> values(static_cast<size_t>(count));
    for (T& v : values) v = static_cast<T>(in(-4, 4));
    return values;
  }
  template <class T>
  std::vector<T> reals(int64_t count) {
    std::vector<T> values(static_cast<size_t>(count));
    for (T& v : values) v = std::uniform_real_distribution<T>(-1, 1)(engine_);
    return values;
  }

 private:
  ::testing::ScopedTrace trace_;
  std::mt19937_64 engine_;
};

template <class T>
std::vector<T> nans(int64_t count) {
  return std::vector<T>(static_cast<size_t>(count), std::numeric_limits<T>::quiet_NaN());
}

/// Exactly as many aligned bytes as a kernel asked for, filled with what reads as NaN.
class Scratch {
 public:
  explicit Scratch(int64_t bytes) : data_(::operator new(static_cast<size_t>(bytes), std::align_val_t(64))) {
    std::memset(data_, 0xff, static_cast<size_t>(bytes));
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() { ::operator delete(data_, std::align_val_t(64)); }

  operator void*() const { return data_; }

 private:
  void* data_;
};

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

}  // namespace telaio::kernels::testing
