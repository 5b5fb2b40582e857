#include <telaio/ops/kernels/indexing.hpp>

#include <algorithm>
#include <cstring>
#include <type_traits>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/kernels/elem_size.hpp>
#include <telaio/ops/kernels/indices.hpp>

namespace telaio::kernels {
namespace {

/// Integers add as unsigned: the same bits, and wrapping around is defined.
template <class T>
void add_to(T& y, T v) {
  if constexpr (std::is_integral_v<T>)
    y = static_cast<T>(static_cast<std::make_unsigned_t<T>>(y) + static_cast<std::make_unsigned_t<T>>(v));
  else y += v;
}

/// How a scatter into y [outer, len, inner] is cut: over outer, blocks of inner, and where those are few, ranges of
/// the destination axis, each of which reads all indices and keeps its own. Every element of y belongs to one task,
/// which adds to it in the order of j.
struct ScatterCut {
  int64_t len, inner;
  int64_t blocks, ranges;  // per position of outer
  int64_t tasks;
  double cycles;

  ScatterCut(int64_t outer, int64_t len_, int64_t inner_, int64_t count) : len(len_), inner(inner_) {
    const int64_t work = len + 2 * count;
    blocks = std::max<int64_t>(1, std::min((inner + block - 1) / block, inner * work / 65536));
    // A range must win back what reading all indices costs: about four additions' worth each.
    const int64_t most = std::max<int64_t>(1, std::min(len, inner / blocks / 4));
    ranges = std::clamp<int64_t>(8 / std::max<int64_t>(1, outer * blocks), 1, most);
    if (work * inner * outer < 65536) ranges = 1;
    tasks = outer * blocks * ranges;
    const double width = static_cast<double>(inner) / static_cast<double>(blocks);
    cycles = static_cast<double>(work) * (2 + width / static_cast<double>(ranges));
  }

  struct Task {
    int64_t outer, column, width, low, high;
  };
  Task task(int64_t t) const {
    const int64_t range = t % ranges, b = t / ranges % blocks, o = t / ranges / blocks;
    const int64_t column = b * inner / blocks;
    return {o, column, (b + 1) * inner / blocks - column, range * len / ranges, (range + 1) * len / ranges};
  }

  static constexpr int64_t block = 64;  // elements: a few cache lines, so that tasks do not share them
};

/// Zeroes each task's part of y and calls body(task).
template <class T, class Body>
void scatter(const ScatterCut& cut, T* y, const Body& body) {
  parallel_for(cut.tasks, grain_for(cut.cycles), [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const ScatterCut::Task task = cut.task(t);
      for (int64_t k = task.low; k < task.high; ++k)
        std::fill_n(y + (task.outer * cut.len + k) * cut.inner + task.column, task.width, T{0});
      body(task);
    }
  });
}

}  // namespace

template <class Index>
int64_t take(int elem_size, int64_t outer, int64_t len, int64_t inner, int64_t count, const Index* idx, const void* x,
             void* y) {
  if (const int64_t bad = first_bad_index(idx, count, len); bad >= 0) return bad;
  if (inner == 0) return -1;
  const int64_t bytes = inner * elem_size;
  const double cycles = 5 + static_cast<double>(bytes) / 8;
  const auto rows = [&](auto copy) {
    parallel_for(outer * count, grain_for(cycles), [&](int64_t begin, int64_t end) {
      int64_t o = begin / count, j = begin % count;
      for (int64_t r = begin; r < end; ++r) {
        copy(r, o * len + resolve_index(idx[j], len));
        if (++j == count) j = 0, ++o;
      }
    });
  };
  if (inner == 1) {
    by_elem_size(elem_size, [&]<class U>(U) {
      const U* from = static_cast<const U*>(x);
      U* to = static_cast<U*>(y);
      rows([=](int64_t r, int64_t source) { to[r] = from[source]; });
    });
  } else {
    const char* from = static_cast<const char*>(x);
    char* to = static_cast<char*>(y);
    rows([=](int64_t r, int64_t source) {
      std::memcpy(to + r * bytes, from + source * bytes, static_cast<size_t>(bytes));
    });
  }
  return -1;
}

template <class T, class Index>
int64_t scatter_add(int64_t outer, int64_t len, int64_t inner, int64_t count, const Index* idx, const T* updates,
                    T* y) {
  if (const int64_t bad = first_bad_index(idx, count, len); bad >= 0) return bad;
  scatter(ScatterCut(outer, len, inner, count), y, [&](const ScatterCut::Task& task) {
    for (int64_t j = 0; j < count; ++j) {
      const int64_t k = resolve_index(idx[j], len);
      if (k < task.low || k >= task.high) continue;
      const T* from = updates + (task.outer * count + j) * inner + task.column;
      T* to = y + (task.outer * len + k) * inner + task.column;
      for (int64_t i = 0; i < task.width; ++i) add_to(to[i], from[i]);
    }
  });
  return -1;
}

template <class Index>
int64_t gather_along(int elem_size, int64_t outer, int64_t len, int64_t inner, int64_t count, const Index* idx,
                     const void* x, void* y) {
  if (const int64_t bad = first_bad_index(idx, outer * count * inner, len); bad >= 0) return bad;
  by_elem_size(elem_size, [&]<class U>(U) {
    const U* from = static_cast<const U*>(x);
    U* to = static_cast<U*>(y);
    parallel_for(outer * count, grain_for(3.0 * static_cast<double>(inner)), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const U* slab = from + r / count * len * inner;
        for (int64_t i = 0; i < inner; ++i)
          to[r * inner + i] = slab[resolve_index(idx[r * inner + i], len) * inner + i];
      }
    });
  });
  return -1;
}

template <class T, class Index>
int64_t scatter_add_along(int64_t outer, int64_t len, int64_t inner, int64_t count, const Index* idx, const T* updates,
                          T* y) {
  if (const int64_t bad = first_bad_index(idx, outer * count * inner, len); bad >= 0) return bad;
  scatter(ScatterCut(outer, len, inner, count), y, [&](const ScatterCut::Task& task) {
    T* slab = y + task.outer * len * inner;
    for (int64_t j = 0; j < count; ++j) {
      const int64_t row = (task.outer * count + j) * inner;
      for (int64_t i = task.column; i < task.column + task.width; ++i) {
        const int64_t k = resolve_index(idx[row + i], len);
        if (k >= task.low && k < task.high) add_to(slab[k * inner + i], updates[row + i]);
      }
    }
  });
  return -1;
}

#define TELAIO_INDEXING(Index)                                                                              \
  template int64_t take(int, int64_t, int64_t, int64_t, int64_t, const Index*, const void*, void*);         \
  template int64_t gather_along(int, int64_t, int64_t, int64_t, int64_t, const Index*, const void*, void*); \
  TELAIO_SCATTER(float, Index);                                                                             \
  TELAIO_SCATTER(double, Index);                                                                            \
  TELAIO_SCATTER(int32_t, Index);                                                                           \
  TELAIO_SCATTER(int64_t, Index);                                                                           \
  TELAIO_SCATTER(uint8_t, Index)
#define TELAIO_SCATTER(T, Index)                                                                \
  template int64_t scatter_add(int64_t, int64_t, int64_t, int64_t, const Index*, const T*, T*); \
  template int64_t scatter_add_along(int64_t, int64_t, int64_t, int64_t, const Index*, const T*, T*)
TELAIO_INDEXING(int32_t);
TELAIO_INDEXING(int64_t);
#undef TELAIO_SCATTER
#undef TELAIO_INDEXING

}  // namespace telaio::kernels
