#include <telaio/autograd/runtime/blocks.hpp>

#include <algorithm>
#include <array>
#include <optional>

#include <telaio/autograd/runtime/strided_loops.hpp>

namespace telaio {

using namespace strided;

namespace {

// Larger than some L1 caches: a block that just fits costs more for its calls than a longer one for its misses.
constexpr int64_t cache_bytes = 48 << 10;
constexpr int64_t smallest_block = 64;
constexpr int64_t largest_block = 1024;
// A packed input needs room for two blocks: one that repeats a short run can then be entered anywhere in it.
constexpr int64_t memory_bytes = std::max(smallest_block * (max_block_inputs * 2 * 8 + max_block_scratch), cache_bytes);

/// An input by itself, so that it has as few axes as can be.
struct Reader {
  enum class Way : uint8_t {
    direct,  // contiguous
    one,     // one element over and over: packed once
    run,     // a short run over and over: packed once
    packed,
  };
  Way way = Way::packed;
  ChunkInput input{};
  std::optional<Loops> loops;  // of the last two ways

  void set(int rank, const int64_t* shape, const ChunkInput& from) {
    input = from;
    bool whole = true;
    bool repeats = true;
    int64_t expected = 1;
    for (int axis = rank - 1; axis >= 0; --axis) {
      if (shape[axis] == 1) continue;
      whole &= from.strides[axis] == expected;
      repeats &= from.strides[axis] == 0;
      expected *= shape[axis];
    }
    way = whole ? Way::direct : repeats ? Way::one : Way::packed;
    if (way == Way::packed) loops = normalise(rank, shape, {&from, 1});
  }

  // Once the length of the blocks is known.
  void choose(int64_t block) {
    if (way == Way::packed && loops->rank == 2 && loops->strides[1][0] == 0 && loops->shape[0] <= block) way = Way::run;
  }

  // What `fill` packs, for blocks of at most n elements.
  int64_t room(int64_t n) const { return way == Way::run ? std::min(loops->count, n + loops->shape[0] - 1) : n; }

  void fill(void* buffer, int64_t n) const {
    if (way == Way::one) gather(input.elem_size, input.data, 0, buffer, n);
    if (way == Way::run) pack(*loops, 0, Position(*loops, 0), input, buffer, n);
  }

  const void* read(int64_t first, int64_t n, void* buffer) const {
    if (way == Way::direct) return at(input.data, first, input.elem_size);
    if (way == Way::one) return buffer;
    if (way == Way::run) return at(static_cast<const void*>(buffer), first % loops->shape[0], input.elem_size);
    const Position position(*loops, first);
    if (loops->inner_stride(0) == 1 && position.index[0] + n <= loops->inner())
      return at(input.data, position.offset[0], input.elem_size);
    pack(*loops, 0, position, input, buffer, n);
    return buffer;
  }
};

int64_t in_lines(int64_t bytes) { return (bytes + 63) / 64 * 64; }

}  // namespace

void for_each_block(int rank, const int64_t* shape, std::span<const ChunkInput> inputs, int out_bytes,
                    int scratch_bytes, double cycles, FunctionRef<void(const Block&)> body) {
  int64_t count = 1;
  for (int axis = 0; axis < rank; ++axis) count *= shape[axis];
  if (count == 0) return;

  std::array<Reader, max_block_inputs> all;
  const std::span<Reader> readers(all.data(), inputs.size());
  int64_t bytes = out_bytes + scratch_bytes;
  for (size_t k = 0; k < inputs.size(); ++k) {
    readers[k].set(rank, shape, inputs[k]);
    bytes += inputs[k].elem_size * (readers[k].way == Reader::Way::packed ? 2 : 1);
  }
  int64_t block = std::clamp(cache_bytes / bytes, smallest_block, largest_block);
  block -= block % smallest_block;
  for (Reader& reader : readers) {
    reader.choose(block);
    if (reader.way == Reader::Way::packed && reader.loops->inner_stride(0) != 1) cycles += pack_cycles;
  }

  // Whole blocks; a task fills what it repeats anew, so it has several.
  const int64_t grain = std::max(grain_here(cycles) / block, int64_t{4}) * block;
  parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    alignas(64) std::byte memory[memory_bytes];
    const int64_t most = std::min(block, end - begin);
    std::array<std::byte*, max_block_inputs> buffers{};
    std::byte* next = memory;
    for (size_t k = 0; k < readers.size(); ++k) {
      if (readers[k].way == Reader::Way::direct) continue;
      const int64_t room = readers[k].room(most);
      readers[k].fill(next, room);
      buffers[k] = next;
      next += in_lines(room * inputs[k].elem_size);
    }
    std::array<const void*, max_block_inputs> in;
    for (int64_t first = begin; first < end; first += block) {
      const int64_t n = std::min(block, end - first);
      for (size_t k = 0; k < readers.size(); ++k) in[k] = readers[k].read(first, n, buffers[k]);
      body({in.data(), first, n, block, next});
    }
  });
}

}  // namespace telaio
