#include <telaio/autograd/runtime/blocks.hpp>

#include <algorithm>
#include <array>
#include <optional>

#include <telaio/autograd/runtime/strided_loops.hpp>

namespace telaio {

using namespace strided;

namespace {

// Three quarters of a usual L1 cache.
constexpr int64_t cache_bytes = 24 << 10;
constexpr int64_t smallest_block = 64;
constexpr int64_t largest_block = 1024;
// A packed input needs room for two blocks: one that repeats a short run can then be entered anywhere in it.
constexpr int64_t memory_bytes =
    std::max(smallest_block * (max_block_inputs * 2 * 8 + max_block_scratch), 2 * cache_bytes);

/// An input by itself: so it has as few axes as can be.
struct Reader {
  enum class Way : uint8_t {
    direct,    // contiguous
    repeated,  // one element, or a short run, over and over: packed once
    packed,
  };
  Way way = Way::packed;
  ChunkInput input;
  Loops loops;

  Reader(int rank, const int64_t* shape, const ChunkInput& from)
      : input(from), loops(normalise(rank, shape, {&from, 1})) {
    if (contiguous(loops, 0)) way = Way::direct;
  }

  // Once the length of the blocks is known.
  void choose(int64_t block) {
    if (way == Way::direct) return;
    const bool runs = loops.rank == 2 && loops.strides[1][0] == 0 && loops.shape[0] <= block;
    if (one_element() || runs) way = Way::repeated;
  }

  bool one_element() const { return loops.rank == 1 && loops.strides[0][0] == 0; }

  int64_t period() const { return loops.rank == 1 ? 1 : loops.shape[0]; }

  const void* read(int64_t first, int64_t n, void* buffer) const {
    if (way == Way::direct) return at(input.data, first, input.elem_size);
    if (way == Way::repeated) return at(static_cast<const void*>(buffer), first % period(), input.elem_size);
    const Position position(loops, first);
    if (loops.inner_stride(0) == 1 && position.index[0] + n <= loops.inner())
      return at(input.data, position.offset[0], input.elem_size);
    pack(loops, 0, position, input, buffer, n);
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

  std::array<std::optional<Reader>, max_block_inputs> readers;
  int64_t bytes = out_bytes + scratch_bytes;
  for (size_t k = 0; k < inputs.size(); ++k) {
    const Reader& reader = readers[k].emplace(rank, shape, inputs[k]);
    const bool simple = reader.way == Reader::Way::direct || reader.one_element();
    bytes += inputs[k].elem_size * (simple ? 1 : 2);
    if (!simple) cycles += pack_cycles;
  }
  int64_t block = std::clamp(cache_bytes / bytes, smallest_block, largest_block);
  block -= block % smallest_block;
  for (size_t k = 0; k < inputs.size(); ++k) readers[k]->choose(block);

  // Whole blocks; a task fills what it repeats anew, so it has several.
  const int64_t grain = std::max(grain_for(cycles) / block, int64_t{4}) * block;
  parallel_for(count, grain, [&](int64_t begin, int64_t end) {
    alignas(64) std::byte memory[memory_bytes];
    const int64_t most = std::min(block, end - begin);
    std::array<std::byte*, max_block_inputs> buffers{};
    std::byte* next = memory;
    for (size_t k = 0; k < inputs.size(); ++k) {
      const Reader& reader = *readers[k];
      if (reader.way == Reader::Way::direct) continue;
      buffers[k] = next;
      const bool repeated = reader.way == Reader::Way::repeated;
      const int64_t room = std::min(count, repeated ? most + reader.period() - 1 : most);
      if (repeated) pack(reader.loops, 0, Position(reader.loops, 0), inputs[k], next, room);
      next += in_lines(room * inputs[k].elem_size);
    }
    std::array<const void*, max_block_inputs> in{};
    for (int64_t first = begin; first < end; first += block) {
      const int64_t n = std::min(block, end - first);
      for (size_t k = 0; k < inputs.size(); ++k) in[k] = readers[k]->read(first, n, buffers[k]);
      body({in.data(), first, n, block, next});
    }
  });
}

}  // namespace telaio
