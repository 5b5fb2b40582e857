#include <telaio/nn/data/sample_random.hpp>

#include <telaio/ops/kernels/random.hpp>

namespace telaio::nn {

RandomKey sample_key(RandomKey key, int64_t sample) {
  const auto number = static_cast<uint64_t>(sample);
  const uint32_t counter[] = {static_cast<uint32_t>(number), static_cast<uint32_t>(number >> 32),
                              static_cast<uint32_t>(key.stream), static_cast<uint32_t>(key.stream >> 32)};
  const uint32_t words[] = {static_cast<uint32_t>(key.seed), static_cast<uint32_t>(key.seed >> 32)};
  uint32_t out[4];
  kernels::philox4x32(counter, words, out);
  return {out[0] | uint64_t{out[1]} << 32, out[2] | uint64_t{out[3]} << 32};
}

void Draws::refill() {
  const auto count = static_cast<int64_t>(numbers_.size());
  kernels::uniform(key_, drawn_, count, numbers_.data());
  drawn_ += count;
  next_ = 0;
}

}  // namespace telaio::nn
