#include <telaio/autograd/runtime/strided_loops.hpp>

namespace telaio {

using namespace strided;

namespace {

// Enough elements to forget a call's price, few enough that three buffers of 8-byte elements stay in the L1 cache.
constexpr int64_t buffer_elements = 512;
// Shorter runs are packed several to a chunk.
constexpr int64_t short_run = 64;
// The cost of moving an element in order, in cycles.
constexpr double copy_cycles = 0.5;

using Chunk = FunctionRef<void(const void* const*, void*, int64_t)>;

/// What the tasks of one for_each_chunk share.
struct Job {
  const Loops& loops;
  std::span<const ChunkInput> inputs;
  const std::array<bool, max_chunk_inputs>& whole;  // contiguous from the first element to the last
  void* out;
  int out_elem_size;
  Chunk chunk;

  void run(int64_t begin, int64_t end) const { loops.inner() >= short_run ? by_run(begin, end) : by_block(begin, end); }

 private:
  // One more short run than a chunk needs, so that a repeated run can be entered anywhere.
  using Buffers = std::array<std::array<uint64_t, buffer_elements + short_run>, max_chunk_inputs>;

  /// Long inner runs: each is one chunk, or several if an operand must be packed.
  void by_run(int64_t begin, int64_t end) const {
    alignas(64) Buffers buffers;
    std::array<const void*, max_chunk_inputs> in{};
    std::array<const void*, max_chunk_inputs> repeated{};  // the element that the buffer is full of
    bool packs = false;
    for (int k = 0; k < loops.operands; ++k) packs |= loops.inner_stride(k) != 1;

    Position position(loops, begin);
    while (begin < end) {
      int64_t n = std::min(end - begin, loops.inner() - position.index[0]);
      if (packs) n = std::min(n, buffer_elements);
      for (int k = 0; k < loops.operands; ++k) {
        const int size = inputs[k].elem_size;
        const int64_t stride = loops.inner_stride(k);
        const void* src = at(inputs[k].data, position.offset[k], size);
        in[k] = stride == 1 ? src : buffers[k].data();
        if (stride == 0) {
          // The whole run's worth, so that the chunks after this one find it done.
          if (repeated[k] != src) gather(size, src, 0, buffers[k].data(), std::min(loops.inner(), buffer_elements));
          repeated[k] = src;
        } else if (stride != 1) {
          gather(size, src, stride, buffers[k].data(), n);
        }
      }
      chunk(in.data(), at(out, begin, out_elem_size), n);
      begin += n;
      position.advance(loops, n);
    }
  }

  /// Short inner runs: every operand that is not contiguous as a whole is packed, many runs to a chunk. One that
  /// repeats the same run all over (a bias) is packed once.
  void by_block(int64_t begin, int64_t end) const {
    alignas(64) Buffers buffers;
    std::array<const void*, max_chunk_inputs> in{};
    std::array<bool, max_chunk_inputs> periodic{};
    const int64_t period = loops.inner();
    for (int k = 0; k < loops.operands; ++k) {
      periodic[k] = !whole[k];
      for (int axis = 1; axis < loops.rank; ++axis) periodic[k] &= loops.strides[axis][k] == 0;
      const int64_t needed = std::min(loops.count, period + std::min(end - begin, buffer_elements));
      if (periodic[k]) pack(loops, k, Position(loops, 0), inputs[k], buffers[k].data(), needed);
    }

    Position position(loops, begin);
    while (begin < end) {
      const int64_t n = std::min(end - begin, buffer_elements);
      for (int k = 0; k < loops.operands; ++k) {
        if (whole[k]) {
          in[k] = at(inputs[k].data, begin, inputs[k].elem_size);
        } else if (periodic[k]) {
          in[k] = at(static_cast<const void*>(buffers[k].data()), begin % period, inputs[k].elem_size);
        } else {
          pack(loops, k, position, inputs[k], buffers[k].data(), n);
          in[k] = buffers[k].data();
        }
      }
      chunk(in.data(), at(out, begin, out_elem_size), n);
      begin += n;
      if (begin < end) position = Position(loops, begin);
    }
  }
};

}  // namespace

void for_each_chunk(int rank, const int64_t* shape, std::span<const ChunkInput> inputs, void* out, int out_elem_size,
                    double cycles_per_element, Chunk chunk) {
  const Loops loops = normalise(rank, shape, inputs);
  if (loops.count == 0) return;

  std::array<bool, max_chunk_inputs> whole{};
  bool all_whole = true;
  double cycles = cycles_per_element;
  for (int k = 0; k < loops.operands; ++k) {
    whole[k] = contiguous(loops, k);
    all_whole &= whole[k];
    if (!whole[k]) cycles += pack_cycles;
  }

  if (all_whole) {
    parallel_for(loops.count, grain_for(cycles), [&](int64_t begin, int64_t end) {
      std::array<const void*, max_chunk_inputs> in{};
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

/// A cache line's worth of elements.
template <class T>
constexpr int64_t tile_size = 64 / sizeof(T);

/// dst[r * row_stride + c] = src[c * column_stride + r] for at most tile_size rows and columns. A full tile is read in
/// whole cache lines, kept here, and written in whole lines: with powers of two as strides, lines that compete for one
/// place in the cache then do not evict each other between their uses.
template <class T>
void transpose_tile(int64_t rows, int64_t columns, const void* src, int64_t column_stride, void* dst,
                    int64_t row_stride) {
  constexpr int64_t tile = tile_size<T>;
  if (rows == tile && columns == tile) {
    alignas(64) T block[tile][tile];
    for (int64_t c = 0; c < tile; ++c) std::memcpy(block[c], at(src, c * column_stride, sizeof(T)), sizeof(block[c]));
    for (int64_t r = 0; r < tile; ++r)
      for (int64_t c = 0; c < tile; ++c) store(block[c][r], dst, r * row_stride + c);
  } else {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < columns; ++c) store(load<T>(src, c * column_stride + r), dst, r * row_stride + c);
  }
}

/// A copy whose source is contiguous along `axis`, not along the innermost: transposes it tile by tile.
template <class T>
void transpose(const Loops& loops, int axis, const void* src, void* dst) {
  constexpr int64_t tile = tile_size<T>;
  const int64_t rows = loops.shape[axis];
  const int64_t columns = loops.shape[0];
  const int64_t column_stride = loops.strides[0][0];
  int64_t row_stride = 1;  // of dst
  for (int a = 0; a < axis; ++a) row_stride *= loops.shape[a];

  // A band of a few tiles' rows, so that a page of src is not left after a single cache line.
  constexpr int64_t band_rows = 4 * tile;
  const int64_t bands = (rows + band_rows - 1) / band_rows;
  const int64_t others = loops.count / (rows * columns);  // positions along all other axes
  const double cycles = pack_cycles * static_cast<double>(band_rows * columns);
  parallel_for(others * bands, grain_for(cycles), [&](int64_t begin, int64_t end) {
    for (int64_t band = begin; band < end; ++band) {
      const int64_t first_row = band % bands * band_rows;
      const int64_t last_row = std::min(rows, first_row + band_rows);
      int64_t from = 0;
      int64_t to = 0;
      int64_t rest = band / bands;
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
      for (int64_t column = 0; column < columns; column += tile)
        for (int64_t row = first_row; row < last_row; row += tile)
          transpose_tile<T>(std::min(tile, last_row - row), std::min(tile, columns - column),
                            at(src, from + row + column * column_stride, sizeof(T)), column_stride,
                            at(dst, to + row * row_stride + column, sizeof(T)), row_stride);
    }
  });
}

template <class T>
void copy(const Loops& loops, const void* src, void* dst) {
  if (loops.inner_stride(0) != 1 && loops.inner_stride(0) != 0)
    for (int axis = 1; axis < loops.rank; ++axis)
      if (loops.strides[axis][0] == 1) return transpose<T>(loops, axis, src, dst);

  const double cycles = loops.inner_stride(0) == 1 ? copy_cycles : pack_cycles;
  parallel_for(loops.count, grain_for(cycles), [&](int64_t begin, int64_t end) {
    Position position(loops, begin);
    while (begin < end) {
      const int64_t n = std::min(end - begin, loops.inner() - position.index[0]);
      gather<T>(at(src, position.offset[0], sizeof(T)), loops.inner_stride(0), at(dst, begin, sizeof(T)), n);
      begin += n;
      position.advance(loops, n);
    }
  });
}

template <class T>
void fill_with(const void* pattern, void* dst, int64_t n) {
  T value;
  std::memcpy(&value, pattern, sizeof(T));
  parallel_for(n, grain_for(copy_cycles),
               [&](int64_t begin, int64_t end) { std::fill_n(static_cast<T*>(dst) + begin, end - begin, value); });
}

}  // namespace

void copy_strided(int elem_size, int rank, const int64_t* shape, const int64_t* strides, const void* src, void* dst) {
  const ChunkInput operand{src, elem_size, strides};
  const Loops loops = normalise(rank, shape, std::span(&operand, 1));
  if (loops.count == 0) return;
  switch (elem_size) {
    case 1:
      return copy<uint8_t>(loops, src, dst);
    case 4:
      return copy<uint32_t>(loops, src, dst);
    default:
      return copy<uint64_t>(loops, src, dst);
  }
}

void fill_elements(int elem_size, const void* pattern, void* dst, int64_t n) {
  switch (elem_size) {
    case 1:
      return fill_with<uint8_t>(pattern, dst, n);
    case 4:
      return fill_with<uint32_t>(pattern, dst, n);
    default:
      return fill_with<uint64_t>(pattern, dst, n);
  }
}

}  // namespace telaio
