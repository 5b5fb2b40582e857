// Strided memory: runs contiguous kernels over strided, broadcast and transposed operands, in parallel; copies; fills.
#pragma once

#include <cstdint>
#include <span>

#include <telaio/autograd/runtime/parallel.hpp>

namespace telaio {

/// An input of for_each_chunk: `strides` has one entry an axis, in elements of `elem_size` (1, 4 or 8) bytes; 0 repeats
/// and a negative one walks backwards. `data` is the element at index 0 of every axis.
struct ChunkInput {
  const void* data;
  int elem_size;
  const int64_t* strides;
};

/// The largest number of inputs.
inline constexpr int max_chunk_inputs = 3;

/// Calls chunk(in, out, n) until every element of `shape` (rank ≤ 8) is covered once: in[k] points to n contiguous
/// elements of inputs[k], out to the matching n of the output, which is contiguous in row-major order and has elements
/// of out_elem_size bytes. Chunks run in parallel and in no order; how the elements are cut depends on sizes, strides
/// and cycles_per_element (the cost of chunk an element), never on threads. An input that is not contiguous over a
/// chunk is packed into a stack buffer first; a large transposed one is cheaper through copy_strided.
/// The output may be exactly an input (same pointer and element size) if that input is contiguous; it must not overlap
/// an input otherwise. With no inputs, `in` is not to be read.
void for_each_chunk(int rank, const int64_t* shape, std::span<const ChunkInput> inputs, void* out, int out_elem_size,
                    double cycles_per_element, FunctionRef<void(const void* const* in, void* out, int64_t n)> chunk);

/// Copies a strided view to contiguous row-major memory. elem_size is 1, 4 or 8; src and dst do not overlap.
void copy_strided(int elem_size, int rank, const int64_t* shape, const int64_t* strides, const void* src, void* dst);

/// dst[i] = the element at `pattern`, for n elements of elem_size (1, 4 or 8) bytes.
void fill_elements(int elem_size, const void* pattern, void* dst, int64_t n);

}  // namespace telaio
