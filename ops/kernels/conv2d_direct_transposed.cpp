#include <telaio/ops/kernels/conv2d_direct.hpp>
#include <telaio/ops/kernels/conv2d_lines.hpp>
#include <telaio/ops/kernels/finite.hpp>

#include <algorithm>

namespace telaio::kernels {
namespace {

// Positions in a group that are multiplied with the panels of a gradient: one as deep stays in the nearest cache.
template <class T>
constexpr int64_t most_positions = 1024 / sizeof(T);
// The same where padding is left out: twice as deep a panel streams from the second-level cache, and what the products
// are added to is read and written half as often.
template <class T>
constexpr int64_t most_positions_inside = 1600 / sizeof(T);
constexpr int64_t most_copying_tasks = 16, most_parts = 16;
constexpr int64_t most_partial_bytes = 5 << 20;
// Rows of the product that are multiplied with a panel while it is in the nearest cache.
constexpr int64_t most_transposed_rows = 1280;
// To leave out the padding along lines.
constexpr int64_t fewest_channels_of_tap = 32, fewest_inside = 2;

// Whether most positions see no padding, and a tap has rows for whole register tiles.
template <class T>
bool is_mostly_inside(const Windows<T>& w, int64_t n) {
  if (all_inside(w.x) && all_inside(w.y)) return false;
  return w.channels >= fewest_channels_of_tap && n > 0 && positions_inside(w.x).size() >= fewest_inside &&
         w.x.positions * 2 <= most_positions_inside<T>;
}

// How the transposed product is cut: parts of the positions, and rows of C, which are the elements of a window.
struct TransposedPlan {
  bool mostly_inside;
  int64_t most_copied_lines;
  Groups groups;
  int64_t units;  // groups of all images
  int64_t rows, row_tasks, parts;

  template <class T>
  static TransposedPlan make(const Windows<T>& w, int64_t images, int64_t n) {
    TransposedPlan plan{};
    plan.mostly_inside = is_mostly_inside(w, n);
    plan.groups = Groups::make<T>(w, most_positions<T>);
    plan.most_copied_lines = plan.groups.lines;
    if (plan.mostly_inside) plan.groups = Groups::of_lines(w, most_positions_inside<T> / w.x.positions);
    plan.units = images * plan.groups.count;
    const int64_t m = w.row_size();
    const double products = static_cast<double>(images * w.y.positions * w.x.positions) * static_cast<double>(m * n);
    const auto wanted = static_cast<int64_t>(std::min<double>(most_tasks, cycles_of<T>(products) / 1e5));
    const int64_t fitting = most_partial_bytes / std::max<int64_t>(m * n * int64_t{sizeof(T)}, 1);
    plan.parts = std::clamp<int64_t>(std::min({wanted, fitting, plan.units / 2}), 1, most_parts);
    // Each cut of the rows copies the lines again.
    plan.row_tasks = std::clamp<int64_t>(std::min(wanted, most_copying_tasks) / plan.parts, 1, divide_up(m, 256));
    plan.rows = divide_up(m, plan.row_tasks);
    plan.row_tasks = divide_up(m, plan.rows);
    return plan;
  }
};

// Lines of an image and their positions' rows of B.
template <class T>
struct Unit {
  int64_t image;
  Interval lines;
  const T* b;
};

// Adds what a unit gives to rows [m0, m1) of c, without the padding: the elements of a tap at a time, at the positions
// where it is inside. What the next unit, which lies behind it, reads is asked for meanwhile.
template <class T>
void add_inside(const Windows<T>& w, const Unit<T>& unit, int64_t n, int64_t m0, int64_t m1, T* c, bool accumulate,
                int64_t next_lines) {
  alignas(64) T room[most_positions_inside<T> * widest_micro_tile<T>];
  const T* a_rows[most_transposed_rows];
  T* c_rows[most_transposed_rows];
  const char* lines[2][most_positions_inside<T>];
  const int64_t panel = micro_tile<T>().columns, pitch = w.x.size * w.channels;
  const int64_t positions = unit.lines.size() * w.x.positions;
  const T* image = w.images + unit.image * w.y.size * pitch;
  const auto bytes = [](int64_t elements) { return elements * static_cast<int64_t>(sizeof(T)); };
  Wanted next_b(unit.b + positions * n, bytes(next_lines * w.x.positions * n), lines[0], positions);
  Wanted next_lines_of_image(image + (w.y.at(unit.lines.end - 1, w.y.taps - 1) + 1) * pitch,
                             bytes(next_lines * w.y.position_step * pitch), lines[1], positions);
  for (int64_t n0 = 0; n0 < n; n0 += panel) {
    const int64_t columns = std::min(panel, n - n0);
    const T* b = unit.b;
    if (n != panel) {
      copy_narrow_panel(unit.b + n0, n, positions, columns, room);
      b = room;
    }
    for (int64_t m = m0, end; m < m1; m = end) {
      const int64_t tap = m / w.channels, ty = tap / w.x.taps, tx = tap % w.x.taps;
      end = std::min({(tap + 1) * w.channels, m1, m + most_transposed_rows});
      const Interval y = positions_inside(w.y, ty, unit.lines), x = positions_inside(w.x, tx, {0, w.x.positions});
      const bool empty = y.size() * x.size() == 0;
      const T* a = empty ? image : image + w.y.at(y.begin, ty) * pitch + w.x.at(x.begin, tx) * w.channels;
      for (int64_t i = 0; i < end - m; ++i) a_rows[i] = a + (m - tap * w.channels) + i, c_rows[i] = c + (m + i) * n;
      BlockProduct<T> product{.m = end - m,
                              .n = columns,
                              .runs = empty ? 0 : y.size(),
                              .run_length = x.size(),
                              .a_rows = a_rows,
                              .a_run_step = w.y.position_step * pitch,
                              .a_step = w.x.position_step * w.channels,
                              .b = b + ((y.begin - unit.lines.begin) * w.x.positions + x.begin) * panel,
                              .b_row_step = panel,
                              .b_run_gap = (w.x.positions - x.size()) * panel,
                              .rows_first = true,
                              .c_rows = c_rows,
                              .c_column = n0,
                              .accumulate = accumulate};
      (next_b.done() ? next_lines_of_image : next_b).ask(product);
      multiply_block(product);
    }
  }
}

// The same with the padding, for lines whose windows fit a task's stack and no more positions than a panel may have.
template <class T>
void add_copied(const Windows<T>& w, const Unit<T>& unit, int64_t n, int64_t m0, int64_t m1, T* c, bool accumulate) {
  alignas(64) T room[room_elements<T>];
  const T* a_rows[most_transposed_rows];
  T* c_rows[most_transposed_rows];
  const int64_t run = w.x.taps * w.channels, first_tap = m0 / run, last_tap = (m1 - 1) / run;
  const Lines<T> lines =
      lines_of(w, unit.image, w.y.at(unit.lines.begin, first_tap), w.y.at(unit.lines.end - 1, last_tap) + 1, room);
  for (int64_t m = m0; m < m1; m += most_transposed_rows) {
    const int64_t rows = std::min(most_transposed_rows, m1 - m);
    for (int64_t i = 0; i < rows;) {
      const int64_t tap = (m + i) / run, first = (m + i) % run, same_tap = std::min(rows, i + run - first);
      const T* src = lines.first + (tap - first_tap) * w.y.tap_step * lines.pitch + first;
      for (; i < same_tap; ++i, ++src) a_rows[i] = src, c_rows[i] = c + (m + i) * n;
    }
    multiply_block_in_place<T>({.m = rows,
                                .n = n,
                                .runs = unit.lines.size(),
                                .run_length = w.x.positions,
                                .a_rows = a_rows,
                                .a_run_step = w.y.position_step * lines.pitch,
                                .a_step = w.x.position_step * w.channels,
                                .b = unit.b,
                                .b_row_step = n,
                                .c_rows = c_rows,
                                .c_column = 0,
                                .accumulate = accumulate});
  }
}

// Adds what the positions of some units give to rows [m0, m1) of c.
template <class T>
void add_units(const Windows<T>& w, const TransposedPlan& plan, int64_t n, const T* b, int64_t begin, int64_t end,
               int64_t m0, int64_t m1, T* c) {
  const auto unit_at = [&](int64_t i) -> Unit<T> {
    const int64_t image = i / plan.groups.count;
    const Interval lines = plan.groups.of(i % plan.groups.count);
    return {image, lines, b + (image * w.y.positions + lines.begin) * w.x.positions * n};
  };
  for (int64_t i = begin; i < end; ++i) {
    const Unit<T> unit = unit_at(i);
    // Zeros of the padding times what is finite are zeros.
    if (plan.mostly_inside && all_finite(unit.b, unit.lines.size() * w.x.positions * n)) {
      add_inside(w, unit, n, m0, m1, c, i > begin, i + 1 < end ? unit_at(i + 1).lines.size() : 0);
      continue;
    }
    for (Unit<T> part = unit; part.lines.begin < unit.lines.end; part.lines.begin = part.lines.end) {
      part.lines.end = std::min(part.lines.begin + plan.most_copied_lines, unit.lines.end);
      part.b = unit.b + (part.lines.begin - unit.lines.begin) * w.x.positions * n;
      add_copied(w, part, n, m0, m1, c, i > begin || part.lines.begin > unit.lines.begin);
    }
  }
}

}  // namespace

template <class T>
bool is_direct_transposed(const Windows<T>& w) {
  return is_direct(w) && w.x.positions <= most_positions<T>;
}

template <class T>
int64_t multiply_windows_transposed_scratch_bytes(const Windows<T>& w, int64_t images, int64_t n) {
  const TransposedPlan plan = TransposedPlan::make<T>(w, images, n);
  return plan.parts > 1 ? plan.parts * w.row_size() * n * int64_t{sizeof(T)} : 0;
}

template <class T>
void multiply_windows_transposed(const Windows<T>& w, int64_t images, int64_t n, const T* b, T* c, void* scratch) {
  const TransposedPlan plan = TransposedPlan::make<T>(w, images, n);
  const int64_t m = w.row_size(), size = m * n;
  if (plan.units == 0) return static_cast<void>(std::fill_n(c, size, T(0)));
  T* partial = plan.parts > 1 ? static_cast<T*>(scratch) : c;
  const double products = static_cast<double>(images * w.y.positions * w.x.positions) * static_cast<double>(size);
  const int64_t tasks = plan.parts * plan.row_tasks;
  parallel_for(tasks, grain_for(cycles_of<T>(products) / static_cast<double>(tasks)), [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) {
      const int64_t part = task / plan.row_tasks, m0 = task % plan.row_tasks * plan.rows;
      add_units(w, plan, n, b, plan.units * part / plan.parts, plan.units * (part + 1) / plan.parts, m0,
                std::min(m0 + plan.rows, m), partial + part * size);
    }
  });
  if (plan.parts == 1) return;
  parallel_for(size, grain_for(static_cast<double>(plan.parts)), [&](int64_t begin, int64_t end) {
    std::copy(partial + begin, partial + end, c + begin);
    for (int64_t part = 1; part < plan.parts; ++part) {
      for (int64_t i = begin; i < end; ++i) c[i] += partial[part * size + i];
    }
  });
}

#define TELAIO_INSTANTIATE(T)                                                                      \
  template bool is_direct_transposed(const Windows<T>&);                                           \
  template int64_t multiply_windows_transposed_scratch_bytes(const Windows<T>&, int64_t, int64_t); \
  template void multiply_windows_transposed(const Windows<T>&, int64_t, int64_t, const T*, T*, void*);
TELAIO_INSTANTIATE(float)
TELAIO_INSTANTIATE(double)
#undef TELAIO_INSTANTIATE

}  // namespace telaio::kernels
