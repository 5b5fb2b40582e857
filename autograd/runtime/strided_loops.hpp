// How strided operands are walked: what strided.cpp and blocks.cpp share.
#pragma once

#include <algorithm>
#include <array>
#include <cstring>

#include <telaio/autograd/runtime/strided.hpp>
#include <telaio/autograd/shape.hpp>

namespace telaio::strided {

// What packing an element costs, in cycles.
inline constexpr double pack_cycles = 2;

/// The axes that are left after dropping those of size 1 and merging neighbours over which every operand walks evenly.
/// Axis 0 is the innermost.
struct Loops {
  int rank = 0;
  int operands = 0;
  int64_t count = 1;  // of all elements
  std::array<int64_t, max_rank> shape{};
  std::array<std::array<int64_t, max_chunk_inputs>, max_rank> strides{};  // [axis][operand], in elements

  int64_t inner() const { return rank == 0 ? 1 : shape[0]; }
  int64_t inner_stride(int k) const { return rank == 0 ? 1 : strides[0][k]; }
};

inline Loops normalise(int rank, const int64_t* shape, std::span<const ChunkInput> inputs) {
  Loops loops;
  loops.operands = static_cast<int>(inputs.size());
  for (int axis = rank - 1; axis >= 0; --axis) {
    const int64_t size = shape[axis];
    loops.count *= size;
    if (size == 1) continue;
    bool merge = loops.rank > 0;
    if (merge) {
      const int last = loops.rank - 1;
      for (int k = 0; k < loops.operands; ++k)
        merge &= inputs[k].strides[axis] == loops.strides[last][k] * loops.shape[last];
    }
    if (merge) {
      loops.shape[loops.rank - 1] *= size;
      continue;
    }
    loops.shape[loops.rank] = size;
    for (int k = 0; k < loops.operands; ++k) loops.strides[loops.rank][k] = inputs[k].strides[axis];
    ++loops.rank;
  }
  return loops;
}

inline bool contiguous(const Loops& loops, int k) {
  int64_t expected = 1;
  for (int axis = 0; axis < loops.rank; ++axis) {
    if (loops.strides[axis][k] != expected) return false;
    expected *= loops.shape[axis];
  }
  return true;
}

/// A place in the loops: the index along every axis and the offset of every operand there.
struct Position {
  std::array<int64_t, max_rank> index{};
  std::array<int64_t, max_chunk_inputs> offset{};

  Position(const Loops& loops, int64_t flat) {
    if (flat == 0) return;  // spares a small call the divisions
    for (int axis = 0; axis < loops.rank; ++axis) {
      index[axis] = flat % loops.shape[axis];
      flat /= loops.shape[axis];
      for (int k = 0; k < loops.operands; ++k) offset[k] += index[axis] * loops.strides[axis][k];
    }
  }

  /// Moves on by `step` elements, which do not go past the end of the innermost run.
  void advance(const Loops& loops, int64_t step) {
    if (loops.rank == 0) return;
    index[0] += step;
    for (int k = 0; k < loops.operands; ++k) offset[k] += step * loops.strides[0][k];
    for (int axis = 0; index[axis] == loops.shape[axis] && axis + 1 < loops.rank; ++axis) {
      index[axis] = 0;
      ++index[axis + 1];
      for (int k = 0; k < loops.operands; ++k)
        offset[k] += loops.strides[axis + 1][k] - loops.shape[axis] * loops.strides[axis][k];
    }
  }
};

// Elements travel as bits: as unsigned integers of their size, in and out by memcpy, whatever their type.
template <class T>
T load(const void* data, int64_t index) {
  T value;
  std::memcpy(&value, static_cast<const char*>(data) + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}
template <class T>
void store(T value, void* data, int64_t index) {
  std::memcpy(static_cast<char*>(data) + index * static_cast<int64_t>(sizeof(T)), &value, sizeof(T));
}

template <class T>
void fill_run(T value, void* dst, int64_t n) {
  for (int64_t i = 0; i < n; ++i) store(value, dst, i);
}

template <class T>
void gather(const void* src, int64_t stride, void* dst, int64_t n) {
  if (stride == 0) {
    fill_run(load<T>(src, 0), dst, n);
  } else if (stride == 1 && n >= 16) {  // below that the call costs more than the loop
    std::memcpy(dst, src, static_cast<size_t>(n) * sizeof(T));
  } else {
    for (int64_t i = 0; i < n; ++i) store(load<T>(src, i * stride), dst, i);
  }
}

/// dst[i] = src[i * stride]
inline void gather(int elem_size, const void* src, int64_t stride, void* dst, int64_t n) {
  switch (elem_size) {
    case 1:
      return gather<uint8_t>(src, stride, dst, n);
    case 4:
      return gather<uint32_t>(src, stride, dst, n);
    default:
      return gather<uint64_t>(src, stride, dst, n);
  }
}

inline const char* at(const void* data, int64_t elements, int elem_size) {
  return static_cast<const char*>(data) + elements * elem_size;
}
inline char* at(void* data, int64_t elements, int elem_size) { return static_cast<char*>(data) + elements * elem_size; }

template <class T>
inline void pack(const Loops& loops, int k, Position position, const void* data, void* dst, int64_t n) {
  const int64_t stride = loops.inner_stride(k);
  while (n > 0) {
    const int64_t step = std::min(n, loops.inner() - position.index[0]);
    gather<T>(at(data, position.offset[k], sizeof(T)), stride, dst, step);
    dst = at(dst, step, sizeof(T));
    n -= step;
    position.advance(loops, step);
  }
}

/// Writes operand k's n elements from `position` on, in row-major order, to dst.
inline void pack(const Loops& loops, int k, const Position& position, const ChunkInput& operand, void* dst, int64_t n) {
  switch (operand.elem_size) {
    case 1:
      return pack<uint8_t>(loops, k, position, operand.data, dst, n);
    case 4:
      return pack<uint32_t>(loops, k, position, operand.data, dst, n);
    default:
      return pack<uint64_t>(loops, k, position, operand.data, dst, n);
  }
}

}  // namespace telaio::strided
