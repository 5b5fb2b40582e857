#include <telaio/ops/kernels/gemm.hpp>
#include <telaio/ops/kernels/gemm_packed.hpp>

#include <algorithm>

namespace telaio::kernels {
namespace {

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
constexpr int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }
constexpr int64_t scratch_alignment = 64;

// More tasks than this do not balance better; partial products cost memory, so a long k is cut last and into few parts,
// as many as if the other tasks were no smaller than this. Where threads are awake, even a small product is shared out.
constexpr int64_t few_tasks = 16, most_tasks = 64, most_parts = 16, part_rows = 64, part_columns = 64;
// A block of B that stays in the nearest cache where it lies, beside a register tile's rows of A.
template <class T>
constexpr int64_t near_elements = 16 * 1024 / sizeof(T);
// Reading an element of B takes as long as multiplying it with this many rows.
constexpr int64_t few_rows = 16;
// Rows that one task has at least, where tasks can be no narrower.
constexpr int64_t fewest_rows = 28;

// How the work is cut. The parts of k change the order of additions, so they follow from the shape alone; rows and
// columns may follow the SIMD target's register tile.
template <class T>
struct Plan {
  int64_t panel;          // columns of a packed panel of B
  int64_t rows, columns;  // of C in one task
  int64_t row_tasks, column_tasks, parts;
  int64_t blocks, depth;  // blocks along k, and the depth of all but the last

  explicit Plan(const GemmShape& s, int64_t most_rows = gemm_block_rows, int64_t narrowest_task = 64) {
    panel = micro_tile<T>().columns;
    blocks = std::max<int64_t>(divide_up(s.k, gemm_block_depth<T>), 1);
    depth = std::max<int64_t>(divide_up(s.k, blocks), 1);
    blocks = std::max<int64_t>(divide_up(s.k, depth), 1);

    const double products =
        static_cast<double>(std::max(s.m, few_rows)) * static_cast<double>(s.n) * static_cast<double>(s.k);
    const auto by_size = static_cast<int64_t>(std::min<double>(most_tasks, products / gemm_task_products<T>));
    int64_t wanted = by_size;
    if (others_awake()) {  // vectors of few columns, and tiles of a short k, take longer
      const double taken =
          products * static_cast<double>(round_up(s.n, panel) * (s.k + 20)) / static_cast<double>(s.n * s.k);
      wanted = std::max(wanted, static_cast<int64_t>(std::min<double>(few_tasks, 4 * taken / gemm_task_products<T>)));
    }
    const int64_t most_columns = std::max<int64_t>(s.n / (s.m <= few_rows ? panel : narrowest_task), 1);
    // Blocks of A as large as may be, so that a panel of B serves many rows, or smaller ones for more tasks.
    row_tasks = divide_up(s.m, most_rows);
    if (2 * row_tasks * most_columns < wanted) row_tasks = divide_up(s.m, gemm_copied_rows);
    if (most_columns == 1) row_tasks = std::max(row_tasks, std::min(wanted, s.m / fewest_rows));
    rows = round_up(divide_up(s.m, std::max<int64_t>(row_tasks, 1)), 2);  // even: so that tiles fit
    row_tasks = rows > 0 ? divide_up(s.m, rows) : 0;
    column_tasks = std::clamp<int64_t>(divide_up(wanted, std::max<int64_t>(row_tasks, 1)), 1, most_columns);
    columns = round_up(divide_up(s.n, column_tasks), panel);
    column_tasks = columns > 0 ? divide_up(s.n, columns) : 0;

    const int64_t tiles = divide_up(s.m, part_rows) * std::max<int64_t>(s.n / part_columns, 1);
    parts =
        tiles > 0 ? std::clamp<int64_t>(by_size / tiles, 1, std::min(most_parts, std::max<int64_t>(blocks / 2, 1))) : 1;
  }

  int64_t partial_elements(const GemmShape& s) const { return parts > 1 ? parts * s.m * s.n : 0; }
};

// The product of a block of A with rows k0.. and columns n0.. of a B that nobody else needs: packed a panel at a time.
template <class T>
void multiply_and_pack(BlockProduct<T> product, const GemmOperands<T>& operands, int64_t k0, int64_t n0) {
  alignas(scratch_alignment) T panel[gemm_block_depth<T> * widest_micro_tile<T>];
  const int64_t width = product.b_row_step, end = n0 + product.n;
  product.b = panel;
  for (; n0 < end; n0 += width) {
    product.n = std::min(width, end - n0);
    product.c_column = n0;
    pack_panels(k0, product.run_length, n0, product.n, product.run_length, operands.fill_b, panel);
    multiply_block(product);
  }
}

// One task: rows m0.., columns n0.. of C, summed over part `part` of k, into C itself or into a partial product.
template <class T>
void run_task(const GemmShape& s, const Plan<T>& plan, const GemmOperands<T>& operands, T* partial, int64_t part,
              int64_t m0, int64_t n0) {
  alignas(scratch_alignment) T a[gemm_block_pitch<T> * gemm_block_depth<T>];
  const T* a_rows[gemm_block_rows];
  T* c_rows[gemm_block_rows];
  const int64_t rows = std::min(plan.rows, s.m - m0), columns = std::min(plan.columns, s.n - n0);
  if (partial) {
    for (int64_t i = 0; i < rows; ++i) c_rows[i] = partial + (part * s.m + m0 + i) * s.n;
  } else {
    operands.locate_c(m0, rows, c_rows);
  }
  const int64_t first = plan.blocks * part / plan.parts, last = plan.blocks * (part + 1) / plan.parts;
  for (int64_t block = first; block < last; ++block) {
    const int64_t k0 = block * plan.depth, depth = std::min(plan.depth, s.k - k0);
    const int64_t a_step = operands.locate_a(m0, rows, k0, depth, a, a_rows);
    BlockProduct<T> product{.m = rows,
                            .n = columns,
                            .run_length = depth,
                            .a_rows = a_rows,
                            .a_step = a_step,
                            .b = nullptr,
                            .b_row_step = plan.panel,
                            .c_rows = c_rows,
                            .c_column = n0,
                            .accumulate = block > first || (operands.accumulate && !partial)};
    if (plan.parts == 1 && block + 1 == last) product.epilogue = operands.epilogue;
    if (operands.b != nullptr) {
      // What this thread is likely to need next: further rows of B, or the next task's columns.
      const bool more_rows = block + 1 < last, more_columns = n0 + columns < s.n;
      const int64_t next_k = more_rows ? k0 + depth : first * plan.depth, next_n = more_rows ? n0 : n0 + columns;
      product.b = operands.b + k0 * operands.b_row_stride + n0;
      product.b_row_step = operands.b_row_stride;
      if (more_rows || more_columns) product.b_after = operands.b + next_k * operands.b_row_stride + next_n;
      multiply_block_in_place(product);
    } else {
      multiply_and_pack(product, operands, k0, n0);
    }
  }
}

template <class T>
void add_parts(const GemmShape& s, const Plan<T>& plan, const GemmOperands<T>& operands, const T* partial) {
  parallel_for(s.m, grain_for(static_cast<double>(s.n * plan.parts)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T* c;
      operands.locate_c(i, 1, &c);
      if (!operands.accumulate) std::copy_n(partial + i * s.n, s.n, c);
      for (int64_t part = operands.accumulate ? 0 : 1; part < plan.parts; ++part) {
        const T* row = partial + (part * s.m + i) * s.n;
        for (int64_t j = 0; j < s.n; ++j) c[j] += row[j];
      }
      finish(operands.epilogue, 0, c, s.n);
    }
  });
}

}  // namespace

template <class T>
void multiply_block_in_place(BlockProduct<T> product) {
  alignas(scratch_alignment) T panel[gemm_block_depth<T> * widest_micro_tile<T>];
  const int64_t width = micro_tile<T>().columns, n = product.n, whole = n / width * width;
  const int64_t k = product.runs * product.run_length, stride = product.b_row_step;
  product.b_panel_step = width;
  product.b_copy = stride == width || k * stride <= near_elements<T> ? nullptr : panel;
  product.n = whole;
  product.rows_first = product.b_copy == nullptr && product.m > 1;  // nothing to copy, and all is near
  if (whole != n) product.b_after = nullptr;
  multiply_block(product);
  if (whole == n) return;
  // The last columns are copied beforehand: a panel is read as a whole.
  copy_narrow_panel(product.b + whole, stride, k, n - whole, panel);
  product.n = n - whole;
  product.b = panel;
  product.b_row_step = width;
  product.b_copy = nullptr;
  product.c_column += whole;
  product.rows_first = false;
  multiply_block(product);
}

namespace {

// Where packing pays, which is done before any product.
template <class T>
bool is_packed(const GemmShape& s, const Plan<T>& plan, bool b_in_memory) {
  return !b_in_memory && s.m > gemm_copied_rows && plan.parts == 1;
}

}  // namespace

template <class T>
int64_t gemm_scratch_bytes(const GemmShape& s, bool b_in_memory) {
  if (s.m == 0 || s.n == 0 || s.k == 0) return 0;
  const Plan<T> plan(s);
  const int64_t packed = is_packed(s, plan, b_in_memory) ? gemm_packed_scratch_bytes<T>(s) : 0;
  return std::max(packed, plan.partial_elements(s) * int64_t{sizeof(T)});
}

template <class T>
void gemm(const GemmShape& s, const GemmOperands<T>& operands, void* scratch) {
  if (s.m == 0 || s.n == 0) return;
  if (s.k == 0) {
    for (int64_t i = 0; i < s.m; ++i) {
      T* c;
      operands.locate_c(i, 1, &c);
      if (!operands.accumulate) std::fill_n(c, s.n, T(0));
      finish(operands.epilogue, 0, c, s.n);
    }
    return;
  }
  const Plan<T> plan(s, operands.most_rows, operands.narrowest_task);
  if (is_packed(s, plan, operands.b != nullptr)) return gemm_packed(s, operands, scratch);
  T* const partial = plan.parts > 1 ? static_cast<T*>(scratch) : nullptr;

  const double products = static_cast<double>(plan.rows * plan.columns) * static_cast<double>(s.k / plan.parts + 1);
  const int64_t tiles = plan.row_tasks * plan.column_tasks;
  auto grain = static_cast<int64_t>(gemm_task_products<T> / products);
  if (others_awake()) grain = std::min(grain, tiles * plan.parts / few_tasks);
  parallel_for(tiles * plan.parts, std::max<int64_t>(grain, 1), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t tile = task % tiles;  // neighbouring tasks share a part of k, hence of B, in the cache
      run_task(s, plan, operands, partial, task / tiles, tile / plan.column_tasks * plan.rows,
               tile % plan.column_tasks * plan.columns);
    }
  });
  if (partial) add_parts(s, plan, operands, partial);
}

#define TELAIO_INSTANTIATE(T)                                     \
  template void multiply_block_in_place(BlockProduct<T>);         \
  template int64_t gemm_scratch_bytes<T>(const GemmShape&, bool); \
  template void gemm(const GemmShape&, const GemmOperands<T>&, void*);
TELAIO_INSTANTIATE(float)
TELAIO_INSTANTIATE(double)
#undef TELAIO_INSTANTIATE

}  // namespace telaio::kernels
