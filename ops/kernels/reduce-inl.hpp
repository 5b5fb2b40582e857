// The loops of reductions, once for each SIMD target: included by the files that make them for some types.
//
// How a reduction is cut into tiles and rows is the plan's (reduce_plan.hpp), and the same for every target.
#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include <hwy/highway.h>

#include <telaio/ops/kernels/reduce.hpp>
#include <telaio/ops/kernels/reduce_plan.hpp>

#if defined(TELAIO_OPS_KERNELS_REDUCE_INL_HPP) == defined(HWY_TARGET_TOGGLE)
#ifdef TELAIO_OPS_KERNELS_REDUCE_INL_HPP
#undef TELAIO_OPS_KERNELS_REDUCE_INL_HPP
#else
#define TELAIO_OPS_KERNELS_REDUCE_INL_HPP
#endif

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

// Each operation: its neutral element, and the same function of two scalars and of two vectors.

struct Sum {
  // -0, not 0: -0 + -0 is -0, so it alone changes no sum.
  template <class T>
  static constexpr T neutral = std::is_floating_point_v<T> ? static_cast<T>(-0.0) : T{0};
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a + b);
  }
  template <class D, class V = hn::Vec<D>>
  static V apply(D, V a, V b) {
    return hn::Add(a, b);
  }
};

struct Prod {
  template <class T>
  static constexpr T neutral = T{1};
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a * b);
  }
  template <class D, class V = hn::Vec<D>>
  static V apply(D, V a, V b) {
    return hn::Mul(a, b);
  }
};

struct Max {
  template <class T>
  static constexpr T neutral = std::is_floating_point_v<T> ? -std::numeric_limits<T>::infinity()
                                                           : std::numeric_limits<T>::lowest();
  // Takes b if it is a NaN; keeps a if a is one, because no comparison with it holds.
  template <class T>
  static T apply(T a, T b) {
    return b > a || b != b ? b : a;
  }
  template <class D, class V = hn::Vec<D>>
  static V apply(D, V a, V b) {
    if constexpr (std::is_floating_point_v<hn::TFromD<D>>)
      return hn::IfThenElse(hn::Or(hn::Gt(b, a), hn::IsNaN(b)), b, a);
    else return hn::Max(a, b);
  }
};

struct Min {
  template <class T>
  static constexpr T neutral = std::is_floating_point_v<T> ? std::numeric_limits<T>::infinity()
                                                           : std::numeric_limits<T>::max();
  template <class T>
  static T apply(T a, T b) {
    return b < a || b != b ? b : a;
  }
  template <class D, class V = hn::Vec<D>>
  static V apply(D, V a, V b) {
    if constexpr (std::is_floating_point_v<hn::TFromD<D>>)
      return hn::IfThenElse(hn::Or(hn::Lt(b, a), hn::IsNaN(b)), b, a);
    else return hn::Min(a, b);
  }
};

struct Any {
  template <class T>
  static constexpr T neutral = T{0};
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a | b);
  }
  template <class D, class V = hn::Vec<D>>
  static V apply(D, V a, V b) {
    return hn::Or(a, b);
  }
};

struct All {
  template <class T>
  static constexpr T neutral = T{1};
  template <class T>
  static T apply(T a, T b) {
    return static_cast<T>(a & b);
  }
  template <class D, class V = hn::Vec<D>>
  static V apply(D, V a, V b) {
    return hn::And(a, b);
  }
};

// Highway 1.0.3 multiplies no 8-bit lanes, and 64-bit ones not on every target.
template <class Op, class T>
constexpr bool has_vectors = !(std::is_same_v<Op, Prod> && (sizeof(T) == 1 || std::is_same_v<T, uint64_t>));

/// acc[i] = acc[i] op x[r·stride + i] over the rows r, eight at a time as a tree: acc is loaded and stored once for
/// them, and the tree keeps additions independent. Not inlined: it is called in five places, and there is one for every
/// operation, type and target.
template <class Op, class T>
HWY_NOINLINE void add_rows(const T* x, int64_t stride, int64_t rows, int64_t width, T* acc) {
  const hn::ScalableTag<T> d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const int64_t vectors = has_vectors<Op, T> ? width / lanes * lanes : 0;
  int64_t r = 0;
  for (; r + 8 <= rows; r += 8, x += 8 * stride) {
    if constexpr (has_vectors<Op, T>) {
      for (int64_t i = 0; i < vectors; i += lanes) {
        const T* p = x + i;
        const auto ab = Op::apply(d, hn::LoadU(d, p), hn::LoadU(d, p + stride));
        const auto cd = Op::apply(d, hn::LoadU(d, p + 2 * stride), hn::LoadU(d, p + 3 * stride));
        const auto ef = Op::apply(d, hn::LoadU(d, p + 4 * stride), hn::LoadU(d, p + 5 * stride));
        const auto gh = Op::apply(d, hn::LoadU(d, p + 6 * stride), hn::LoadU(d, p + 7 * stride));
        const auto sum = Op::apply(d, Op::apply(d, ab, cd), Op::apply(d, ef, gh));
        hn::StoreU(Op::apply(d, hn::LoadU(d, acc + i), sum), d, acc + i);
      }
    }
    for (int64_t i = vectors; i < width; ++i) {
      const T* p = x + i;
      const T ab = Op::apply(p[0], p[stride]), cd = Op::apply(p[2 * stride], p[3 * stride]);
      const T ef = Op::apply(p[4 * stride], p[5 * stride]), gh = Op::apply(p[6 * stride], p[7 * stride]);
      acc[i] = Op::apply(acc[i], Op::apply(Op::apply(ab, cd), Op::apply(ef, gh)));
    }
  }
  for (; r < rows; ++r, x += stride) {
    if constexpr (has_vectors<Op, T>)
      for (int64_t i = 0; i < vectors; i += lanes)
        hn::StoreU(Op::apply(d, hn::LoadU(d, acc + i), hn::LoadU(d, x + i)), d, acc + i);
    for (int64_t i = vectors; i < width; ++i) acc[i] = Op::apply(acc[i], x[i]);
  }
}

#if HWY_TARGET != HWY_SCALAR
/// The halves of a vector combined, and theirs, down to one lane.
template <class Op, class D>
hn::TFromD<D> fold_vector(D d, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(D()) == 1) {
    return hn::GetLane(v);
  } else {
    const hn::Half<D> half;
    return fold_vector<Op>(half, Op::apply(half, hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}
#endif

/// Combines a row of groups of `lanes` elements, a power of two of them, into the first group: by halves, in vectors
/// and out of them, so that the order of the additions does not depend on the length of vectors.
template <class Op, class T>
void fold_row(int64_t groups, int64_t lanes, T* row) {
  for (int64_t half = groups / 2; half > 0; half /= 2) {
#if HWY_TARGET != HWY_SCALAR
    if constexpr (has_vectors<Op, T>) {
      const hn::ScalableTag<T> d;
      if (lanes == 1 && 2 * half == static_cast<int64_t>(hn::Lanes(d))) {
        row[0] = fold_vector<Op>(d, hn::LoadU(d, row));
        return;
      }
    }
#endif
    add_rows<Op>(row + half * lanes, 0, 1, half * lanes, row);
  }
}

/// Rows combined in a cascade: 64 rows make a leaf, 16 leaves a branch, 16 branches the next, and so on. Each level
/// has its own accumulators, so no sum takes in more than 64 addends (8 trees of 8 rows, where rows come in runs) and
/// errors grow with the logarithm of the number of rows.
template <class Op, class T>
class Cascade {
 public:
  void start(int64_t width) {
    width_ = width;
    rows_ = 0;
    top_ = 0;
    std::fill_n(levels_[0], width, Op::template neutral<T>);
  }

  void add(const T* x, int64_t stride, int64_t rows) {
    while (rows > 0) {
      const int64_t count = std::min(rows, leaf_rows - rows_);
      add_rows<Op>(x, stride, count, width_, levels_[0]);
      x += count * stride;
      rows -= count;
      rows_ += count;
      if (rows_ == leaf_rows) carry();
    }
  }

  /// The total of all rows since start().
  T* finish() {
    for (int level = 1; level <= top_; ++level)
      if (filled_[level] > 0) add_rows<Op>(levels_[level], 0, 1, width_, levels_[0]);
    return levels_[0];
  }

 private:
  static constexpr int64_t leaf_rows = 64;
  static constexpr int branches = 16;
  static constexpr int max_levels = 15;  // 64·16¹⁴ rows

  void carry() {
    int level = 0;
    do {
      T* from = levels_[level++];
      if (level > top_) filled_[top_ = level] = 0;
      if (filled_[level]++ == 0) std::copy_n(from, width_, levels_[level]);
      else add_rows<Op>(from, 0, 1, width_, levels_[level]);
      if (level > 1) filled_[level - 1] = 0;
    } while (filled_[level] == branches);
    std::fill_n(levels_[0], width_, Op::template neutral<T>);
    rows_ = 0;
  }

  alignas(64) T levels_[max_levels][ReducePlan::row_bytes / sizeof(T)];
  int filled_[max_levels];
  int64_t width_, rows_;
  int top_;
};

/// The walk of one tile of outputs through its rows.
template <class Op, class T>
class Tile {
 public:
  explicit Tile(const ReducePlan& plan) : plan_(plan) {}

  void run(const T* x, T* y, int64_t task) {
    // task = part, position along each kept axis, tile: from the last digit to the first
    const int64_t tile = last_digit(task, plan_.tiles);
    for (int a = plan_.kept_rank; a-- > 0;) {
      const ReducePlan::Axis& axis = plan_.kept[a];
      const int64_t i = last_digit(task, axis.size);
      x += i * axis.x;
      y += i * axis.y;
    }
    const int64_t part = task;
    y += part * plan_.outputs;
    x += tile * plan_.tile * plan_.lane.x;
    y += tile * plan_.tile * plan_.lane.y;
    lanes_ = std::min(plan_.tile, plan_.lane.size - tile * plan_.tile);

    int64_t first[max_rank] = {}, count[max_rank];
    for (int a = 0; a < plan_.reduced_rank; ++a) count[a] = plan_.reduced[a].size;
    if (plan_.parts > 1) {
      const int64_t size = count[plan_.split];
      first[plan_.split] = part * size / plan_.parts;
      count[plan_.split] = (part + 1) * size / plan_.parts - first[plan_.split];
    }

    cascade_.start(lanes_ * plan_.glue);
    for (int a = 0; a < plan_.reduced_rank; ++a) x += first[a] * plan_.reduced[a].x;
    const int inner = plan_.reduced_rank - 1;
    int64_t index[max_rank] = {};
    for (int a = inner; a >= 0;) {
      add_run(x, count[inner], plan_.reduced[inner].x);
      for (a = inner - 1; a >= 0; --a) {
        x += plan_.reduced[a].x;
        if (++index[a] < count[a]) break;
        x -= count[a] * plan_.reduced[a].x;
        index[a] = 0;
      }
    }
    T* total = cascade_.finish();
    fold_row<Op>(plan_.glue, lanes_, total);
    for (int64_t i = 0; i < lanes_; ++i) y[i * plan_.lane.y] = total[i];
  }

 private:
  /// Takes the last digit off a number whose digits count to different sizes. Divides only where it must: a division
  /// costs as much as the sum of a short row.
  static int64_t last_digit(int64_t& number, int64_t size) {
    if (number < size) return std::exchange(number, 0);
    const int64_t digit = number % size;
    number /= size;
    return digit;
  }

  /// Adds the run x[i·stride + lane], i < count.
  void add_run(const T* x, int64_t count, int64_t stride) {
    const int64_t glue = plan_.glue, width = lanes_ * glue;
    if (plan_.packed) {
      for (int64_t i = 0; i < count;) {
        int64_t rows = 0;
        for (; rows < buffer_rows && i < count; ++rows, i += glue)
          pack(x + i * stride, std::min(glue, count - i), stride, buffer_ + rows * width);
        cascade_.add(buffer_, width, rows);
      }
      return;
    }
    const int64_t whole = count / glue;
    cascade_.add(x, stride * glue, whole);
    if (whole * glue == count) return;
    T* end = std::copy_n(x + whole * glue * stride, (count - whole * glue) * lanes_, buffer_);
    std::fill(end, buffer_ + width, Op::template neutral<T>);
    cascade_.add(buffer_, 0, 1);
  }

  /// One row from `count` ≤ glue indices of the run; the rest of it is neutral.
  void pack(const T* x, int64_t count, int64_t stride, T* row) const {
    const int64_t step = plan_.lane.x;
    if (lanes_ == 1) {
      for (int64_t g = 0; g < count; ++g) row[g] = x[g * stride];
    } else {
      for (int64_t g = 0; g < count; ++g)
        for (int64_t i = 0; i < lanes_; ++i) row[g * lanes_ + i] = x[g * stride + i * step];
    }
    std::fill(row + count * lanes_, row + plan_.glue * lanes_, Op::template neutral<T>);
  }

  static constexpr int64_t buffer_rows = 8;
  const ReducePlan& plan_;
  int64_t lanes_ = 0;
  alignas(64) T buffer_[buffer_rows * ReducePlan::row_bytes / sizeof(T)];
  Cascade<Op, T> cascade_;
};

template <class Op, class T>
void run_tiles(const ReducePlan& plan, const T* x, T* y, int64_t begin, int64_t end) {
  Tile<Op, T> tile(plan);
  for (int64_t task = begin; task < end; ++task) tile.run(x, y, task);
}

// Integers add and multiply as unsigned: the same bits, and wrapping around is defined.
template <class T>
struct Wrapping {
  using type = T;
};
template <class T>
requires std::is_integral_v<T>
struct Wrapping<T> {
  using type = std::make_unsigned_t<T>;
};

template <class T>
void run(ReduceOp op, const ReducePlan& plan, const T* x, T* y, int64_t begin, int64_t end) {
  using W = typename Wrapping<T>::type;
  const W* wx = reinterpret_cast<const W*>(x);
  W* wy = reinterpret_cast<W*>(y);
  switch (op) {
    case ReduceOp::sum:
      return run_tiles<Sum>(plan, wx, wy, begin, end);
    case ReduceOp::prod:
      return run_tiles<Prod>(plan, wx, wy, begin, end);
    case ReduceOp::max:
      return run_tiles<Max>(plan, x, y, begin, end);
    case ReduceOp::min:
      return run_tiles<Min>(plan, x, y, begin, end);
    case ReduceOp::any:
    case ReduceOp::all:
      if constexpr (std::is_same_v<T, uint8_t>)
        return op == ReduceOp::any ? run_tiles<Any>(plan, x, y, begin, end) : run_tiles<All>(plan, x, y, begin, end);
  }
}

}  // namespace
}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // the toggle
