#include <telaio/ops/kernels/gemm.hpp>
#include <telaio/ops/kernels/gemm_packed.hpp>
#include <telaio/ops/kernels/transpose.hpp>

#include <algorithm>
#include <cstring>

namespace telaio::kernels {
namespace {

// A batch of matrices this small is cut between matrices, one chunk of them a task; larger ones go one after the
// other, each in parallel within. Each task needs scratch of its own, so the number of chunks has a limit as well.
constexpr int64_t most_chunks = 64;
constexpr int64_t small_scratch_bytes = 256 * 1024;

struct BatchPlan {
  int64_t grain, slots;  // matrices in a chunk, chunks that run at once

  template <class T>
  static BatchPlan make(const GemmShape& s, int64_t batches) {
    // Two 512-bit multiply-adds a cycle, a cycle for each packed element, and some hundred to get going.
    const double cycles = static_cast<double>(s.m) * static_cast<double>(s.n) * static_cast<double>(s.k) *
                              static_cast<double>(sizeof(T)) / 128 +
                          static_cast<double>(s.k) * static_cast<double>(s.n) + 300;
    if (cycles > 100'000 || gemm_scratch_bytes<T>(s) > small_scratch_bytes) return {batches, 1};
    const int64_t grain = std::max(grain_for(cycles), (batches + most_chunks - 1) / most_chunks);
    return {grain, (batches + grain - 1) / grain};
  }
};

// Copies a block of A as its rows lie, and asks for the next `next` elements of each.
template <class T>
void copy_block(const MatrixView<T>& a, int64_t m0, int64_t rows, int64_t k0, int64_t depth, int64_t next, T* dst) {
  const T* src = a.data + m0 * a.row_stride + k0 * a.column_stride;
  for (int64_t i = 0; i < rows; ++i, src += a.row_stride, dst += gemm_block_depth<T>) {
    if (a.column_stride == 1) {
      std::copy_n(src, depth, dst);
      // What the next block takes, while this one is multiplied: each row is on its own page.
      for (int64_t p = 0; p < next; p += 64 / int64_t{sizeof(T)}) __builtin_prefetch(src + depth + p, 0, 2);
    } else {
      for (int64_t p = 0; p < depth; ++p) dst[p] = src[p * a.column_stride];
    }
  }
}

// Rows whose distance is a multiple of this lie in the same few lines of a first-level cache, which does not hold a
// register tile's rows then.
constexpr int64_t same_lines_bytes = 4096;
// Columns of A, mostly on pages of their own, that a register tile reads where they lie faster than they are copied.
constexpr int64_t most_pages = 128;
// Columns that are multiplied with a block of A, at least: in place, after a copy. One of rows so far apart is copied
// twice at most.
constexpr int64_t narrowest_task = 32, copying_task = 128;
// Rows that are packed side by side: as many as a core reads at a time.
constexpr int64_t few_rows = 16;
// How far ahead a row of B is asked for while it is packed: what is next but three of the same rows.
constexpr int64_t columns_ahead = 128;
// Rows of A for which to pack a B that is in memory.
constexpr int64_t many_rows = 1024;

int64_t offset_of(int64_t index, const Extents& batch) {
  int64_t offset = 0;
  for (int axis = batch.rank - 1; axis >= 0; --axis) {
    offset += index % batch.shape[axis] * batch.strides[axis];
    index /= batch.shape[axis];
  }
  return offset;
}

// How two matrices in memory are read.
template <class T>
class Factors {
 public:
  Factors(const MatrixView<T>& a, const MatrixView<T>& b, int64_t k)
      : a_(a),
        b_(b),
        order_(a.row_stride == 1 && a.column_stride != 1 ? BlockOrder::column_major : BlockOrder::row_major),
        in_place_(order_ == BlockOrder::column_major
                      ? k <= most_pages
                      : a.column_stride == 1 && a.row_stride * sizeof(T) % same_lines_bytes != 0) {}

  BlockOrder order() const { return order_; }
  bool in_place() const { return in_place_; }

  // Asks for the next block, too, where that will be the next k.
  int64_t locate_a(int64_t m0, int64_t rows, int64_t k0, int64_t depth, bool next, T* block, const T** a_rows) const {
    const T* src = a_.data + m0 * a_.row_stride + k0 * a_.column_stride;
    if (in_place_) {
      for (int64_t i = 0; i < rows; ++i) a_rows[i] = src + i * a_.row_stride;
      return a_.column_stride;
    }
    if (order_ == BlockOrder::row_major) {
      copy_block(a_, m0, rows, k0, depth, next ? depth : 0, block);
    } else {
      for (int64_t p = 0; p < depth; ++p)
        std::copy_n(src + p * a_.column_stride, rows, block + p * gemm_block_pitch<T>);
    }
    return rows_of_block(order_, rows, block, a_rows);
  }

  // Of a column-major A, a register tile's rows: whole lines of them for each step along k, which the core loads faster
  // than from pages far apart.
  int64_t copy_tile(int64_t m, int64_t m0, int64_t rows, int64_t depth, T* block, const T** a_rows) const {
    constexpr int64_t line = 64 / sizeof(T), widest = 2 * line;
    const int64_t pitch = rows <= line ? line : widest;
    const T* src = a_.data + m0;
    const bool whole = m0 + pitch <= m;
    for (int64_t p = 0; p < depth; ++p, src += a_.column_stride) {
      if (!whole) std::copy_n(src, rows, block + p * pitch);
      else if (pitch == line) std::memcpy(block + p * pitch, src, line * sizeof(T));
      else std::memcpy(block + p * pitch, src, widest * sizeof(T));
    }
    for (int64_t i = 0; i < rows; ++i) a_rows[i] = block + i;
    return pitch;
  }

  void fill_b(int64_t k0, int64_t depth, int64_t n0, int64_t columns, T* dst, int64_t pitch) const {
    const T* src = b_.data + k0 * b_.row_stride + n0 * b_.column_stride;
    if (b_.row_stride == 1) return transpose(src, b_.column_stride, columns, depth, dst, pitch);
    for (int64_t p = 0; p < depth; ++p, src += b_.row_stride, dst += pitch) {
      if (b_.column_stride == 1) {
        std::copy_n(src, columns, dst);
        for (int64_t line = 0; line < 2; ++line) __builtin_prefetch(src + columns_ahead + line * 64 / sizeof(T), 0, 2);
      } else {
        for (int64_t j = 0; j < columns; ++j) dst[j] = src[j * b_.column_stride];
      }
    }
  }
  int64_t fill_depth() const { return b_.column_stride == 1 ? few_rows : gemm_block_depth<T>; }

 private:
  MatrixView<T> a_, b_;
  BlockOrder order_;
  bool in_place_;
};

}  // namespace

template <class T>
int64_t matmul_scratch_bytes(const GemmShape& shape) {
  return gemm_scratch_bytes<T>(shape);
}

template <class T>
void matmul(const GemmShape& shape, const MatrixView<T>& a, const MatrixView<T>& b, T* c, void* scratch,
            const Epilogue<T>& epilogue, bool accumulate) {
  const Factors<T> factors(a, b, shape.k);
  const int64_t task = factors.in_place()                            ? narrowest_task
                       : factors.order() == BlockOrder::column_major ? copying_task
                                                                     : std::max<int64_t>(1024, shape.n / 2);
  // Rows on pages of their own are read many times faster if each is read as a whole, and once. Elsewhere to pack takes
  // as long as to multiply with some thirty rows, and saves most where k is long.
  const bool far_apart = b.row_stride * sizeof(T) >= same_lines_bytes && shape.m > 2 * gemm_block_rows;
  const bool packs = far_apart || (shape.m >= many_rows && shape.k > most_pages);
  const auto locate_a = [&](int64_t m0, int64_t rows, int64_t k0, int64_t depth, T* block, const T** a_rows) {
    return factors.locate_a(m0, rows, k0, depth, !packs, block, a_rows);
  };
  const auto fill_b = [&](int64_t k0, int64_t depth, int64_t n0, int64_t columns, T* dst, int64_t pitch) {
    factors.fill_b(k0, depth, n0, columns, dst, pitch);
  };
  const auto locate_c = [&](int64_t m0, int64_t rows, T** c_rows) {
    for (int64_t i = 0; i < rows; ++i) c_rows[i] = c + (m0 + i) * shape.n;
  };
  const T* b_rows = b.column_stride == 1 && !packs ? b.data : nullptr;
  gemm<T>(shape,
          {locate_a, factors.in_place() ? gemm_block_rows : gemm_copied_rows, task, b_rows, b.row_stride, fill_b,
           locate_c, factors.fill_depth(), epilogue, a.column_stride == 1 ? a.data : nullptr, a.row_stride,
           b.column_stride == 1 ? b.data : nullptr, accumulate},
          scratch);
}

template <class T>
bool matmul_fits_in_pieces(const GemmShape& shape) {
  return gemm_fits_in_pieces<T>(shape);
}

template <class T>
int64_t matmul_in_pieces_scratch_bytes(const GemmShape& shape) {
  return gemm_in_pieces_scratch_bytes<T>(shape);
}

template <class T>
void matmul_in_pieces(const GemmShape& shape, const MatrixView<T>& a, const MatrixView<T>& b,
                      std::span<const T* const> beside, TakePiece<T> take, void* scratch) {
  const Factors<T> factors(a, b, shape.k);
  const auto locate_a = [&](int64_t m0, int64_t rows, int64_t k0, int64_t depth, T* block, const T** a_rows) {
    if (factors.order() == BlockOrder::column_major) return factors.copy_tile(shape.m, m0, rows, depth, block, a_rows);
    return factors.locate_a(m0, rows, k0, depth, false, block, a_rows);
  };
  const auto fill_b = [&](int64_t k0, int64_t depth, int64_t n0, int64_t columns, T* dst, int64_t pitch) {
    factors.fill_b(k0, depth, n0, columns, dst, pitch);
  };
  // Where a column's lines lie in all sets of the nearest cache.
  const bool there = b.column_stride == 1 && shape.n % micro_tile<T>().columns == 0 &&
                     b.row_stride * static_cast<int64_t>(sizeof(T)) % same_lines_bytes != 0;
  gemm_in_pieces<T>(shape, {locate_a, fill_b, factors.fill_depth(), there ? b.data : nullptr, b.row_stride}, beside,
                    take, scratch);
}

template <class T>
int64_t matmul_batched_scratch_bytes(const GemmShape& shape, int64_t batches) {
  return BatchPlan::make<T>(shape, batches).slots * gemm_scratch_bytes<T>(shape);
}

template <class T>
void matmul_batched(const GemmShape& shape, const Extents& a_batch, const MatrixView<T>& a, const Extents& b_batch,
                    const MatrixView<T>& b, T* c, void* scratch, bool accumulate) {
  int64_t batches = 1;
  for (int axis = 0; axis < a_batch.rank; ++axis) batches *= a_batch.shape[axis];
  const BatchPlan plan = BatchPlan::make<T>(shape, batches);
  const int64_t slot_bytes = gemm_scratch_bytes<T>(shape);
  parallel_for(batches, plan.grain, [&](int64_t begin, int64_t end) {
    void* slot = static_cast<char*>(scratch) + begin / plan.grain * slot_bytes;
    for (int64_t i = begin; i < end; ++i) {
      matmul<T>(shape, {a.data + offset_of(i, a_batch), a.row_stride, a.column_stride},
                {b.data + offset_of(i, b_batch), b.row_stride, b.column_stride}, c + i * shape.m * shape.n, slot, {},
                accumulate);
    }
  });
}

template int64_t matmul_scratch_bytes<float>(const GemmShape&);
template int64_t matmul_scratch_bytes<double>(const GemmShape&);
template void matmul(const GemmShape&, const MatrixView<float>&, const MatrixView<float>&, float*, void*,
                     const Epilogue<float>&, bool);
template void matmul(const GemmShape&, const MatrixView<double>&, const MatrixView<double>&, double*, void*,
                     const Epilogue<double>&, bool);
template bool matmul_fits_in_pieces<float>(const GemmShape&);
template bool matmul_fits_in_pieces<double>(const GemmShape&);
template int64_t matmul_in_pieces_scratch_bytes<float>(const GemmShape&);
template int64_t matmul_in_pieces_scratch_bytes<double>(const GemmShape&);
template void matmul_in_pieces(const GemmShape&, const MatrixView<float>&, const MatrixView<float>&,
                               std::span<const float* const>, TakePiece<float>, void*);
template void matmul_in_pieces(const GemmShape&, const MatrixView<double>&, const MatrixView<double>&,
                               std::span<const double* const>, TakePiece<double>, void*);
template int64_t matmul_batched_scratch_bytes<float>(const GemmShape&, int64_t);
template int64_t matmul_batched_scratch_bytes<double>(const GemmShape&, int64_t);
template void matmul_batched(const GemmShape&, const Extents&, const MatrixView<float>&, const Extents&,
                             const MatrixView<float>&, float*, void*, bool);
template void matmul_batched(const GemmShape&, const Extents&, const MatrixView<double>&, const Extents&,
                             const MatrixView<double>&, double*, void*, bool);

}  // namespace telaio::kernels
