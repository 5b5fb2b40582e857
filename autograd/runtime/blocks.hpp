// Strided operands a block at a time: for computations of many inputs and outputs that keep a block in the nearest
// cache.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/autograd/runtime/strided.hpp>

namespace telaio {

/// What for_each_block takes: inputs, and bytes of scratch an element.
inline constexpr int max_block_inputs = 24;
inline constexpr int max_block_scratch = 384;

struct Block {
  const void* const* in;  ///< for each input n contiguous elements
  int64_t first;          ///< the first one's place in row-major order
  int64_t n;              ///< 1…capacity
  int64_t capacity;
  std::byte* scratch;  ///< for `capacity` elements, aligned to a cache line; kept from block to block of one thread
};

/// Cuts `shape` into blocks, row-major, and calls body for each, in parallel and in no order. A block's length is such
/// that what it touches stays in the nearest cache: the inputs, `out_bytes` of output an element (which body writes
/// where it likes, contiguous at `first`) and `scratch_bytes` an element. Cuts depend on sizes, strides and `cycles`
/// (the cost of an element), never on threads. A contiguous input is read where it is, and only elements of the block:
/// it may be overwritten by body. Others are packed.
void for_each_block(int rank, const int64_t* shape, std::span<const ChunkInput> inputs, int out_bytes,
                    int scratch_bytes, double cycles, FunctionRef<void(const Block&)> body);

}  // namespace telaio
