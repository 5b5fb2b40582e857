#include <telaio/ops/kernels/gemm.hpp>

#include <algorithm>

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

// Copies a block of A as its rows lie.
template <class T>
void copy_block(const MatrixView<T>& a, int64_t m0, int64_t rows, int64_t k0, int64_t depth, T* dst) {
  const T* src = a.data + m0 * a.row_stride + k0 * a.column_stride;
  for (int64_t i = 0; i < rows; ++i, src += a.row_stride, dst += gemm_block_depth<T>) {
    if (a.column_stride == 1) {
      std::copy_n(src, depth, dst);
    } else {
      for (int64_t p = 0; p < depth; ++p) dst[p] = src[p * a.column_stride];
    }
  }
}

// A product of few rows would spend its time packing B, so where the rows of B are contiguous it reads B in place.
// Packing an element costs about as much as multiplying it with this many rows (measured).
constexpr int64_t few_rows = 16;

template <class T>
bool reads_b_in_place(const GemmShape& s, const MatrixView<T>& b) {
  return s.m <= few_rows && b.column_stride == 1 && s.k > 0;
}

// Columns [n0, n0 + n) of a product of few rows; only these columns of B are read.
template <class T>
void multiply_in_place(const GemmShape& s, const MatrixView<T>& a, const MatrixView<T>& b, T* c, int64_t n0, int64_t n,
                       int64_t panel) {
  alignas(64) T block[few_rows * gemm_block_depth<T>];
  alignas(64) T last_panel[gemm_block_depth<T> * widest_micro_tile<T>];
  T* c_rows[few_rows];
  for (int64_t i = 0; i < s.m; ++i) c_rows[i] = c + i * s.n;
  const int64_t whole = n / panel * panel;  // the rest is copied: a panel is read as a whole
  for (int64_t k0 = 0; k0 < s.k; k0 += gemm_block_depth<T>) {
    const int64_t depth = std::min(gemm_block_depth<T>, s.k - k0);
    const T* b_rows = b.data + k0 * b.row_stride + n0;
    copy_block(a, 0, s.m, k0, depth, block);
    BlockProduct<T> product{.m = s.m,
                            .n = whole,
                            .k = depth,
                            .a = block,
                            .a_order = BlockOrder::row_major,
                            .b = b_rows,
                            .b_panel_step = panel,
                            .b_row_step = b.row_stride,
                            .c_rows = c_rows,
                            .c_column = n0,
                            .accumulate = k0 > 0};
    multiply_block(product);
    if (whole == n) continue;
    std::fill_n(last_panel, depth * panel, T(0));
    for (int64_t p = 0; p < depth; ++p)
      std::copy_n(b_rows + p * b.row_stride + whole, n - whole, last_panel + p * panel);
    product.n = n - whole;
    product.b = last_panel;
    product.b_row_step = panel;
    product.c_column = n0 + whole;
    multiply_block(product);
  }
}

template <class T>
void matmul_of_few_rows(const GemmShape& s, const MatrixView<T>& a, const MatrixView<T>& b, T* c) {
  const int64_t panel = micro_tile<T>().columns, panels = (s.n + panel - 1) / panel;
  // Reading B bounds the speed: half a cycle an element.
  const int64_t grain = grain_for(static_cast<double>(panel) * static_cast<double>(s.k) / 2);
  parallel_for(panels, grain, [&](int64_t begin, int64_t end) {
    multiply_in_place(s, a, b, c, begin * panel, std::min(end * panel, s.n) - begin * panel, panel);
  });
}

int64_t offset_of(int64_t index, const Extents& batch) {
  int64_t offset = 0;
  for (int axis = batch.rank - 1; axis >= 0; --axis) {
    offset += index % batch.shape[axis] * batch.strides[axis];
    index /= batch.shape[axis];
  }
  return offset;
}

}  // namespace

template <class T>
int64_t matmul_scratch_bytes(const GemmShape& shape) {
  return gemm_scratch_bytes<T>(shape);
}

template <class T>
void matmul(const GemmShape& shape, const MatrixView<T>& a, const MatrixView<T>& b, T* c, void* scratch) {
  if (reads_b_in_place(shape, b)) return matmul_of_few_rows(shape, a, b, c);
  const BlockOrder order = a.row_stride == 1 && a.column_stride != 1 ? BlockOrder::column_major : BlockOrder::row_major;
  const auto fill_a = [&](int64_t m0, int64_t rows, int64_t k0, int64_t depth, T* dst) {
    if (order == BlockOrder::row_major) return copy_block(a, m0, rows, k0, depth, dst);
    const T* src = a.data + m0 * a.row_stride + k0 * a.column_stride;
    for (int64_t p = 0; p < depth; ++p) std::copy_n(src + p * a.column_stride, rows, dst + p * gemm_block_rows);
  };
  const auto fill_b = [&](int64_t k0, int64_t depth, int64_t n0, int64_t columns, T* dst, int64_t pitch) {
    const T* src = b.data + k0 * b.row_stride + n0 * b.column_stride;
    if (b.row_stride == 1 && b.column_stride != 1) {  // a transposed factor: read along its lines in memory
      for (int64_t j = 0; j < columns; ++j) {
        for (int64_t p = 0; p < depth; ++p) dst[p * pitch + j] = src[j * b.column_stride + p];
      }
      return;
    }
    for (int64_t p = 0; p < depth; ++p, src += b.row_stride, dst += pitch) {
      if (b.column_stride == 1) {
        std::copy_n(src, columns, dst);
      } else {
        for (int64_t j = 0; j < columns; ++j) dst[j] = src[j * b.column_stride];
      }
    }
  };
  const auto locate_c = [&](int64_t m0, int64_t rows, T** c_rows) {
    for (int64_t i = 0; i < rows; ++i) c_rows[i] = c + (m0 + i) * shape.n;
  };
  gemm<T>(shape, {order, fill_a, fill_b, locate_c}, scratch);
}

template <class T>
int64_t matmul_batched_scratch_bytes(const GemmShape& shape, int64_t batches) {
  return BatchPlan::make<T>(shape, batches).slots * gemm_scratch_bytes<T>(shape);
}

template <class T>
void matmul_batched(const GemmShape& shape, const Extents& a_batch, const MatrixView<T>& a, const Extents& b_batch,
                    const MatrixView<T>& b, T* c, void* scratch) {
  int64_t batches = 1;
  for (int axis = 0; axis < a_batch.rank; ++axis) batches *= a_batch.shape[axis];
  const BatchPlan plan = BatchPlan::make<T>(shape, batches);
  const int64_t slot_bytes = gemm_scratch_bytes<T>(shape);
  parallel_for(batches, plan.grain, [&](int64_t begin, int64_t end) {
    void* slot = static_cast<char*>(scratch) + begin / plan.grain * slot_bytes;
    for (int64_t i = begin; i < end; ++i) {
      matmul<T>(shape, {a.data + offset_of(i, a_batch), a.row_stride, a.column_stride},
                {b.data + offset_of(i, b_batch), b.row_stride, b.column_stride}, c + i * shape.m * shape.n, slot);
    }
  });
}

template int64_t matmul_scratch_bytes<float>(const GemmShape&);
template int64_t matmul_scratch_bytes<double>(const GemmShape&);
template void matmul(const GemmShape&, const MatrixView<float>&, const MatrixView<float>&, float*, void*);
template void matmul(const GemmShape&, const MatrixView<double>&, const MatrixView<double>&, double*, void*);
template int64_t matmul_batched_scratch_bytes<float>(const GemmShape&, int64_t);
template int64_t matmul_batched_scratch_bytes<double>(const GemmShape&, int64_t);
template void matmul_batched(const GemmShape&, const Extents&, const MatrixView<float>&, const Extents&,
                             const MatrixView<float>&, float*, void*);
template void matmul_batched(const GemmShape&, const Extents&, const MatrixView<double>&, const Extents&,
                             const MatrixView<double>&, double*, void*);

}  // namespace telaio::kernels
