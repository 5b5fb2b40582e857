// Random numbers that belong to a sample: the same wherever, whenever and beside whatever else it is processed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <telaio/ops/random_key.hpp>

namespace telaio::nn {

/// What random numbers are for. Each purpose has streams of its own, far from those that telaio::Rng counts up from 0.
enum class RandomPurpose : uint64_t {
  digits_train = 1,
  digits_test = 2,
  shuffle = 3,
  augment = 4,
  initialize = 5,
  copies = 6,
  maximize = 7,
  layers = 15
};

/// The key for a purpose and, say, an epoch.
constexpr RandomKey data_key(uint64_t seed, RandomPurpose purpose, uint64_t number = 0) {
  return {seed, (0xDA7A'0000 + static_cast<uint64_t>(purpose)) << 32 | (number & 0xFFFF'FFFF)};
}

/// A key for each sample of a key: one block of Philox as a hash.
RandomKey sample_key(RandomKey key, int64_t sample);

/// Draws one after the other from the start of a key's stream.
class Draws {
 public:
  explicit Draws(RandomKey key) : key_(key) {}

  /// In [0, 1).
  double unit() {
    if (next_ == numbers_.size()) refill();
    return numbers_[next_++];
  }
  double between(double low, double high) { return low + (high - low) * unit(); }
  /// In [−reach, reach).
  double around(double reach) { return reach * (2 * unit() - 1); }
  /// Bell-shaped with deviation 1 and no tails: the sum of four uniforms, within ±3.47.
  double bell() { return 1.7320508075688772 * (unit() + unit() + unit() + unit() - 2); }
  bool chance(double probability) { return unit() < probability; }
  /// 0 … n−1.
  int64_t below(int64_t n) { return static_cast<int64_t>(unit() * static_cast<double>(n)); }

 private:
  void refill();

  RandomKey key_;
  int64_t drawn_ = 0;
  std::array<double, 64> numbers_;
  size_t next_ = 64;
};

}  // namespace telaio::nn
