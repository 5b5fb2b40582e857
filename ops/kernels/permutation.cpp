#include <algorithm>
#include <bit>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/kernels/random.hpp>

namespace telaio::kernels {
namespace {

struct Entry {
  uint64_t draw;
  int64_t number;
  friend auto operator<=>(const Entry&, const Entry&) = default;
};

// Draws are evenly spread, so their top bits cut them into buckets of about 32.
int bucket_bits(int64_t n) { return static_cast<int>(std::bit_width(static_cast<uint64_t>(n) / 32)); }
int64_t bucket_count(int64_t n) { return int64_t{1} << bucket_bits(n); }

}  // namespace

size_t permutation_scratch_bytes(int64_t n) {
  return static_cast<size_t>(n) * sizeof(Entry) + static_cast<size_t>(bucket_count(n) + 1) * sizeof(int64_t);
}

void permutation(RandomKey key, int64_t n, int64_t* y, void* scratch) {
  if (n <= 0) return;
  auto* entries = static_cast<Entry*>(scratch);
  auto* ends = reinterpret_cast<int64_t*>(entries + n);  // of bucket b: ends[b]; its start is the end of the one before
  const int64_t buckets = bucket_count(n);
  const auto bucket = [bits = bucket_bits(n)](uint64_t draw) { return bits == 0 ? 0 : draw >> (64 - bits); };

  auto* draws = reinterpret_cast<uint64_t*>(y);  // until the entries have them
  random_bits(key, 0, n, draws);
  std::fill_n(ends, buckets + 1, 0);
  for (int64_t i = 0; i < n; ++i) ++ends[bucket(draws[i]) + 1];
  for (int64_t b = 1; b < buckets; ++b) ends[b] += ends[b - 1];
  for (int64_t i = 0; i < n; ++i) entries[ends[bucket(draws[i])]++] = {draws[i], i};

  parallel_for(buckets, grain_for(2000), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const int64_t start = b == 0 ? 0 : ends[b - 1];
      std::sort(entries + start, entries + ends[b]);
      for (int64_t i = start; i < ends[b]; ++i) y[i] = entries[i].number;
    }
  });
}

}  // namespace telaio::kernels
