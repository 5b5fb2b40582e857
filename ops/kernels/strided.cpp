#include <telaio/ops/kernels/strided.hpp>

#include <algorithm>
#include <array>
#include <cstring>

#include <telaio/ops/kernels/extents.hpp>

namespace telaio::kernels {
namespace {

// Enough elements to forget a call's price, few enough that three buffers of 8-byte elements stay in the L1 cache.
constexpr int64_t buffer_elements = 512;
// Shorter runs are packed several to a chunk.
constexpr int64_t short_run = 64;
// Costs of moving an element, in cycles: from the cache or memory in order, and element by element.
constexpr double copy_cycles = 0.5;
constexpr double pack_cycles = 2;

/// The axes that are left after dropping those of size 1 and merging neighbours over which every operand walks evenly.
/// Axis 0 is the innermost.
struct Loops {
  int rank = 0;
  int operands = 0;
  int64_t count = 1;  // of all elements
  std::array<int64_t, max_rank> shape{};
  std::array<std::array<int64_t, max_inputs>, max_rank> strides{};  // [axis][operand], in elements

  int64_t inner() const { return rank == 0 ? 1 : shape[0]; }
  int64_t inner_stride(int k) const { return rank == 0 ? 1 : strides[0][k]; }
};

Loops normalise(int rank, const int64_t* shape, std::span<const Operand> inputs) {
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

bool contiguous(const Loops& loops, int k) {
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
  std::array<int64_t, max_inputs> offset{};

  Position(const Loops& loops, int64_t flat) {
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

template <class T>
void gather(const void* src, int64_t stride, void* dst, int64_t n) {
  const T* from = static_cast<const T*>(src);
  T* to = static_cast<T*>(dst);
  if (stride == 0) std::fill_n(to, n, *from);
  else if (stride == 1) std::copy_n(from, n, to);
  else
    for (int64_t i = 0; i < n; ++i) to[i] = from[i * stride];
}

/// dst[i] = src[i * stride]; only sizes matter, so elements travel as unsigned integers.
void gather(int elem_size, const void* src, int64_t stride, void* dst, int64_t n) {
  switch (elem_size) {
    case 1:
      return gather<uint8_t>(src, stride, dst, n);
    case 4:
      return gather<uint32_t>(src, stride, dst, n);
    default:
      return gather<uint64_t>(src, stride, dst, n);
  }
}

const char* at(const void* data, int64_t elements, int elem_size) {
  return static_cast<const char*>(data) + elements * elem_size;
}
char* at(void* data, int64_t elements, int elem_size) { return static_cast<char*>(data) + elements * elem_size; }

using Chunk = FunctionRef<void(const void* const*, void*, int64_t)>;

/// What the tasks of one for_each_chunk share.
struct Job {
  Loops loops;
  std::span<const Operand> inputs;
  std::array<bool, max_inputs> whole{};  // contiguous from the first element to the last
  void* out;
  int out_elem_size;
  Chunk chunk;

  void run(int64_t begin, int64_t end) const { loops.inner() >= short_run ? by_run(begin, end) : by_block(begin, end); }

 private:
  using Buffers = std::array<std::array<uint64_t, buffer_elements>, max_inputs>;

  /// Long inner runs: each is one chunk, or several if an operand must be packed.
  void by_run(int64_t begin, int64_t end) const {
    alignas(64) Buffers buffers;
    std::array<const void*, max_inputs> in{};
    std::array<const void*, max_inputs> repeated{};  // the element that the buffer is full of
    bool packs = false;
    for (int k = 0; k < loops.operands; ++k) packs |= loops.inner_stride(k) != 1;

    Position position(loops, begin);
    while (begin < end) {
      int64_t n = std::min(end - begin, loops.inner() - position.index[0]);
      if (packs) n = std::min(n, buffer_elements);
      for (int k = 0; k < loops.operands; ++k) {
        const int64_t stride = loops.inner_stride(k);
        const void* src = at(inputs[k].data, position.offset[k], inputs[k].elem_size);
        if (stride == 1) {
          in[k] = src;
          continue;
        }
        in[k] = buffers[k].data();
        if (stride != 0) {
          gather(inputs[k].elem_size, src, stride, buffers[k].data(), n);
        } else if (repeated[k] != src) {
          // The whole run's worth, so that the chunks after this one find it done.
          gather(inputs[k].elem_size, src, 0, buffers[k].data(), std::min(loops.inner(), buffer_elements));
          repeated[k] = src;
        }
      }
      chunk(in.data(), at(out, begin, out_elem_size), n);
      begin += n;
      position.advance(loops, n);
    }
  }

  /// Short inner runs: every operand that is not contiguous as a whole is packed, many runs to a chunk.
  void by_block(int64_t begin, int64_t end) const {
    alignas(64) Buffers buffers;
    std::array<const void*, max_inputs> in{};
    Position position(loops, begin);
    while (begin < end) {
      const int64_t n = std::min(end - begin, buffer_elements);
      for (int k = 0; k < loops.operands; ++k)
        in[k] = whole[k] ? at(inputs[k].data, begin, inputs[k].elem_size) : static_cast<const void*>(buffers[k].data());
      for (int64_t done = 0; done < n;) {
        const int64_t step = std::min(n - done, loops.inner() - position.index[0]);
        for (int k = 0; k < loops.operands; ++k) {
          if (whole[k]) continue;
          const int size = inputs[k].elem_size;
          gather(size, at(inputs[k].data, position.offset[k], size), loops.inner_stride(k),
                 at(buffers[k].data(), done, size), step);
        }
        done += step;
        position.advance(loops, step);
      }
      chunk(in.data(), at(out, begin, out_elem_size), n);
      begin += n;
    }
  }
};

}  // namespace

void for_each_chunk(int rank, const int64_t* shape, std::span<const Operand> inputs, void* out, int out_elem_size,
                    double cycles_per_element, Chunk chunk) {
  const Loops loops = normalise(rank, shape, inputs);
  if (loops.count == 0) return;

  std::array<bool, max_inputs> whole{};
  bool all_whole = true;
  double cycles = cycles_per_element;
  for (int k = 0; k < loops.operands; ++k) {
    whole[k] = contiguous(loops, k);
    all_whole &= whole[k];
    if (!whole[k]) cycles += pack_cycles;
  }

  if (all_whole) {
    parallel_for(loops.count, grain_for(cycles), [&](int64_t begin, int64_t end) {
      std::array<const void*, max_inputs> in{};
      for (int k = 0; k < loops.operands; ++k) in[k] = at(inputs[k].data, begin, inputs[k].elem_size);
      chunk(in.data(), at(out, begin, out_elem_size), end - begin);
    });
    return;
  }

  const Job job{loops, inputs, whole, out, out_elem_size, chunk};
  // Whole inner runs, where a task has more than one.
  int64_t grain = grain_for(cycles);
  if (grain > loops.inner()) grain -= grain % loops.inner();
  parallel_for(loops.count, grain, [&](int64_t begin, int64_t end) { job.run(begin, end); });
}

namespace {

/// A copy whose source is contiguous along `axis`, not along the innermost: transposes it tile by tile.
template <class T>
void transpose(const Loops& loops, int axis, const T* src, T* dst) {
  // A tile is read in whole cache lines along `axis`, kept here, and written in whole lines along the innermost axis:
  // powers of two as row lengths then do not evict a line between its uses.
  constexpr int64_t tile = 64 / sizeof(T);
  const int64_t rows = loops.shape[axis];
  const int64_t columns = loops.shape[0];
  const int64_t column_stride = loops.strides[0][0];
  int64_t row_stride = 1;  // of dst
  for (int a = 0; a < axis; ++a) row_stride *= loops.shape[a];

  // The two tiled axes and all others.
  const int64_t row_tiles = (rows + tile - 1) / tile;
  const int64_t others = loops.count / (rows * columns);
  const double cycles = pack_cycles * static_cast<double>(tile * columns);
  parallel_for(others * row_tiles, grain_for(cycles), [&](int64_t begin, int64_t end) {
    for (int64_t band = begin; band < end; ++band) {
      const int64_t row = band % row_tiles * tile;
      const int64_t height = std::min(tile, rows - row);
      int64_t from = row;
      int64_t to = row * row_stride;
      int64_t rest = band / row_tiles;
      int64_t dst_stride = 1;
      for (int a = 0; a < loops.rank; ++a) {
        if (a != 0 && a != axis) {
          const int64_t i = rest % loops.shape[a];
          rest /= loops.shape[a];
          from += i * loops.strides[a][0];
          to += i * dst_stride;
        }
        dst_stride *= loops.shape[a];
      }
      for (int64_t column = 0; column < columns; column += tile) {
        const int64_t width = std::min(tile, columns - column);
        alignas(64) T block[tile][tile];
        const T* source = src + from + column * column_stride;
        T* target = dst + to + column;
        if (height == tile && width == tile) {
          for (int64_t c = 0; c < tile; ++c) std::copy_n(source + c * column_stride, tile, block[c]);
          for (int64_t r = 0; r < tile; ++r)
            for (int64_t c = 0; c < tile; ++c) target[r * row_stride + c] = block[c][r];
        } else {
          for (int64_t r = 0; r < height; ++r)
            for (int64_t c = 0; c < width; ++c) target[r * row_stride + c] = source[c * column_stride + r];
        }
      }
    }
  });
}

template <class T>
void copy(const Loops& loops, const T* src, T* dst) {
  if (loops.inner_stride(0) != 1 && loops.inner_stride(0) != 0)
    for (int axis = 1; axis < loops.rank; ++axis)
      if (loops.strides[axis][0] == 1) return transpose(loops, axis, src, dst);

  const double cycles = loops.inner_stride(0) == 1 ? copy_cycles : pack_cycles;
  parallel_for(loops.count, grain_for(cycles), [&](int64_t begin, int64_t end) {
    Position position(loops, begin);
    while (begin < end) {
      const int64_t n = std::min(end - begin, loops.inner() - position.index[0]);
      gather<T>(src + position.offset[0], loops.inner_stride(0), dst + begin, n);
      begin += n;
      position.advance(loops, n);
    }
  });
}

template <class T>
void fill(const void* pattern, void* dst, int64_t n) {
  T value;
  std::memcpy(&value, pattern, sizeof(T));
  parallel_for(n, grain_for(copy_cycles),
               [&](int64_t begin, int64_t end) { std::fill_n(static_cast<T*>(dst) + begin, end - begin, value); });
}

}  // namespace

void copy_strided(int elem_size, int rank, const int64_t* shape, const int64_t* strides, const void* src, void* dst) {
  const Operand operand{src, elem_size, strides};
  const Loops loops = normalise(rank, shape, std::span(&operand, 1));
  if (loops.count == 0) return;
  switch (elem_size) {
    case 1:
      return copy(loops, static_cast<const uint8_t*>(src), static_cast<uint8_t*>(dst));
    case 4:
      return copy(loops, static_cast<const uint32_t*>(src), static_cast<uint32_t*>(dst));
    default:
      return copy(loops, static_cast<const uint64_t*>(src), static_cast<uint64_t*>(dst));
  }
}

void fill(int elem_size, const void* pattern, void* dst, int64_t n) {
  switch (elem_size) {
    case 1:
      return fill<uint8_t>(pattern, dst, n);
    case 4:
      return fill<uint32_t>(pattern, dst, n);
    default:
      return fill<uint64_t>(pattern, dst, n);
  }
}

}  // namespace telaio::kernels
