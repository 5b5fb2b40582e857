#include <telaio/ops/kernels/conv2d_direct.hpp>
#include <telaio/ops/kernels/conv2d_taps.hpp>
#include <telaio/ops/kernels/finite.hpp>

#include <algorithm>
#include <type_traits>

namespace telaio::kernels {
namespace {

constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The copied lines of a task, on its stack: less than the second-level cache.
template <class T>
constexpr int64_t room_elements = 160 * 1024 / sizeof(T);
// Rows of a register tile that are a multiple of this apart share a few lines of the first-level cache.
constexpr int64_t same_lines_bytes = 4096;
// Positions in a group that are multiplied with the panels of a gradient: one as deep stays in the nearest cache.
template <class T>
constexpr int64_t most_positions = 1024 / sizeof(T);
// The same where padding is left out: twice as deep a panel streams from the second-level cache, and what the products
// are added to is read and written half as often.
template <class T>
constexpr int64_t most_positions_inside = 1600 / sizeof(T);
constexpr int64_t most_tasks = 64, most_copying_tasks = 16, narrowest_task = 128, most_parts = 16;
constexpr int64_t most_partial_bytes = 5 << 20;
// Rows of a transposed product that are multiplied with a panel while it is in the nearest cache.
constexpr int64_t most_transposed_rows = 1280;

// Where padding is left out along x, too: of a window, of a line, of an image, and of a group of lines. With fewer, the
// borders make more narrow tiles than they save.
constexpr int64_t fewest_channels_inside = 8, fewest_inside = 12, fewest_lines_inside = 8, most_inside = 384;
constexpr int64_t fewest_channels_of_tap = 32;
constexpr int64_t most_rows_inside = 2 * most_inside + 2;

int64_t span_of(const WindowAxis& axis, int64_t positions) {
  return (positions - 1) * axis.position_step + (axis.taps - 1) * axis.tap_step + 1;
}

// Whether windows see no padding along the axis.
bool all_inside(const WindowAxis& axis) {
  return axis.first >= 0 && axis.first + span_of(axis, axis.positions) <= axis.size;
}

// A range of positions or of taps.
struct Range {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
  bool operator==(const Range&) const = default;
};

// The taps of a position that are not padding.
Range taps_inside(const WindowAxis& axis, int64_t position) {
  Range taps{0, axis.taps};
  while (taps.begin < taps.end && axis.at(position, taps.begin) < 0) ++taps.begin;
  while (taps.end > taps.begin && axis.at(position, taps.end - 1) >= axis.size) --taps.end;
  return taps;
}

// The positions whose windows see no padding.
Range positions_inside(const WindowAxis& axis) {
  const Range all{0, axis.taps};
  Range inside{0, axis.positions};
  while (inside.begin < inside.end && taps_inside(axis, inside.begin) != all) ++inside.begin;
  while (inside.end > inside.begin && taps_inside(axis, inside.end - 1) != all) --inside.end;
  return inside;
}

// The positions at which the tap is no padding.
Range positions_inside(const WindowAxis& axis, int64_t tap, Range positions) {
  while (positions.begin < positions.end && axis.at(positions.begin, tap) < 0) ++positions.begin;
  while (positions.end > positions.begin && axis.at(positions.end - 1, tap) >= axis.size) --positions.end;
  return positions;
}

template <class T>
double cycles_of(double products) {
  return products * static_cast<double>(sizeof(T)) / 128;  // two 512-bit multiply-adds a cycle
}

// Lines of an image as windows see them, padding included.
template <class T>
struct Lines {
  const T* first;
  int64_t pitch;
};

// Lines [begin, end) of an image, in place where nothing of them is padding, else copied to `room`.
template <class T>
Lines<T> lines_of(const Windows<T>& w, int64_t image, int64_t begin, int64_t end, T* room) {
  const int64_t line = w.x.size * w.channels, span = span_of(w.x, w.x.positions), left = w.x.first;
  const T* src = w.images + image * w.y.size * line;
  if (all_inside(w.x) && begin >= 0 && end <= w.y.size) return {src + begin * line + left * w.channels, line};
  const int64_t from = std::clamp<int64_t>(-left, 0, span), to = std::clamp<int64_t>(w.x.size - left, from, span);
  const int64_t pitch = span * w.channels, first = from * w.channels, last = to * w.channels;
  T* dst = room;
  for (int64_t y = begin; y < end; ++y, dst += pitch) {
    const bool inside = y >= 0 && y < w.y.size && first < last;
    std::fill_n(dst, inside ? first : pitch, T(0));
    if (!inside) continue;
    std::copy_n(src + y * line + left * w.channels + first, last - first, dst + first);
    std::fill_n(dst + last, pitch - last, T(0));
  }
  return {room, pitch};
}

// The positions of an image in groups of whole lines.
struct Groups {
  int64_t lines, count;  // of a group, of an image
  int64_t positions;     // lines of an image
  int64_t first_line =
      0;  // where groups begin; the first one takes the lines before, too, and the last one those behind

  // As even as may be, of at most so many positions if a line is no longer.
  template <class T>
  static Groups make(const Windows<T>& w, int64_t most_positions) {
    const int64_t pitch = span_of(w.x, w.x.positions) * w.channels;
    int64_t lines = std::clamp<int64_t>(most_positions / w.x.positions, 1, w.y.positions);
    const bool copied = !all_inside(w.x) || !all_inside(w.y);
    while (copied && lines > 1 && span_of(w.y, lines) * pitch > room_elements<T>) --lines;
    return of_lines(w, lines);
  }

  // As even as may be, of at most so many lines.
  template <class T>
  static Groups of_lines(const Windows<T>& w, int64_t most_lines) {
    const int64_t lines = divide_up(w.y.positions, divide_up(w.y.positions, most_lines));
    return {lines, divide_up(w.y.positions, lines), w.y.positions};
  }

  // Even numbers of the lines inside, for multiply_inside.
  template <class T>
  static Groups inside(const Windows<T>& w) {
    const Range lines = positions_inside(w.y);
    const int64_t pieces = divide_up(lines.size() * w.x.positions, most_inside);
    const int64_t even = divide_up(divide_up(lines.size(), pieces), 2) * 2;
    return {even, divide_up(lines.size(), even), w.y.positions, lines.begin};
  }

  Range of(int64_t group) const {
    return {group == 0 ? 0 : first_line + group * lines,
            group == count - 1 ? positions : first_line + (group + 1) * lines};
  }
};

// Whether most positions see no padding, and a tap has rows for whole register tiles.
template <class T>
bool is_mostly_inside_transposed(const Windows<T>& w, int64_t n) {
  if (all_inside(w.x) && all_inside(w.y)) return false;
  return w.channels >= fewest_channels_of_tap && n > 0 && positions_inside(w.x).size() >= fewest_inside &&
         w.x.positions * 2 <= most_positions_inside<T>;
}

// Whether most positions see no padding, so that the others may be multiplied apart, each with the taps that it has.
template <class T>
bool is_mostly_inside(const WindowsProduct<T>& p) {
  const Windows<T>& w = p.windows;
  if (w.channels < fewest_channels_inside || is_narrow<T>(p.n, window_line(w))) return false;
  if (!p.skip_padding && (!all_inside(w.x) || !all_inside(w.y))) return false;
  const int64_t inside = positions_inside(w.x).size();
  return inside >= fewest_inside && inside <= most_inside && positions_inside(w.y).size() >= fewest_lines_inside;
}

// Some positions of an image whose windows all have the taps [first_tap, end_tap) along y.
template <class T>
void multiply_positions(const WindowsProduct<T>& p, const Lines<T>& lines, int64_t first_line, int64_t m0, Range ys,
                        Range taps, int64_t n0, int64_t columns) {
  const Windows<T>& w = p.windows;
  const int64_t panel = micro_tile<T>().columns, run = w.x.taps * w.channels, k = w.y.taps * run;
  const int64_t positions = ys.size() * w.x.positions;
  const T* a_rows[gemm_block_rows];
  T* c_rows[gemm_block_rows];
  for (int64_t begin = 0; begin < positions; begin += gemm_block_rows) {
    const int64_t rows = std::min(gemm_block_rows, positions - begin);
    int64_t y = ys.begin + begin / w.x.positions, x = begin % w.x.positions;
    for (int64_t i = 0; i < rows; ++y, x = 0) {
      const T* window = lines.first + (w.y.at(y, taps.begin) - first_line) * lines.pitch;
      for (; i < rows && x < w.x.positions; ++i, ++x) a_rows[i] = window + x * w.x.position_step * w.channels;
    }
    p.locate_c(m0 + ys.begin * w.x.positions + begin, rows, c_rows);
    if (is_narrow<T>(p.n, run)) {
      multiply_narrow<T>({.m = rows,
                          .n = p.n,
                          .runs = taps.size(),
                          .run_length = run,
                          .a_rows = a_rows,
                          .a_run_step = w.y.tap_step * lines.pitch,
                          .b = p.b + taps.begin * run,
                          .b_column_step = k,
                          .c_rows = c_rows,
                          .c_column = n0,
                          .epilogue = p.epilogue});
      continue;
    }
    multiply_block<T>({.m = rows,
                       .n = columns,
                       .runs = taps.size(),
                       .run_length = run,
                       .a_rows = a_rows,
                       .a_run_step = w.y.tap_step * lines.pitch,
                       .a_step = 1,
                       .b = p.b + n0 * k + taps.begin * run * panel,
                       .b_panel_step = k * panel,
                       .b_row_step = panel,
                       .c_rows = c_rows,
                       .c_column = n0,
                       .accumulate = false,
                       .epilogue = p.epilogue});
  }
}

// The same for the taps of one channel; the rows of C are evenly spaced within a line.
void multiply_taps_of_lines(const WindowsProduct<float>& p, const Lines<float>& lines, int64_t m0, int64_t y0,
                            int64_t y1, int64_t n0, int64_t columns) {
  const WindowAxis &x = p.windows.x, &y = p.windows.y;
  const int64_t panel = micro_tile<float>().columns;
  const float* bias = p.epilogue.bias;
  for (int64_t line = y0; line < y1; ++line) {
    for (int64_t begin = 0; begin < x.positions; begin += gemm_block_rows) {
      const int64_t positions = std::min(gemm_block_rows, x.positions - begin);
      float* c_rows[2];
      p.locate_c(m0 + line * x.positions + begin, std::min<int64_t>(positions, 2), c_rows);
      const float* image = lines.first + (line - y0) * y.position_step * lines.pitch + begin * x.position_step;
      for (int64_t n = n0; n < n0 + columns; n += panel) {
        const TapLine taps{.positions = positions,
                           .channels = std::min(panel, n0 + columns - n),
                           .side = x.taps,
                           .step = x.position_step,
                           .pitch = y.tap_step * lines.pitch,
                           .filter_step = panel,
                           .out_step = positions > 1 ? c_rows[1] - c_rows[0] : 0,
                           .epilogue = {.bias = bias == nullptr ? nullptr : bias + n, .relu = p.epilogue.relu}};
        multiply_taps(taps, image, p.b + n * x.taps * y.taps, c_rows[0] + n);
      }
    }
  }
}

// A run of memory that is wanted in the second-level cache, asked for beside multiply-adds.
class Wanted {
 public:
  static constexpr int64_t line = 64, most_steps = 2304;

  // `lines`: room for addresses, as many as products have steps along k, at most most_steps.
  Wanted(const void* from, int64_t bytes, const char** lines, int64_t steps)
      : from_(static_cast<const char*>(from)), bytes_(bytes), lines_(lines) {
    for (int64_t i = 0; i < steps && bytes > 0; ++i) lines[i] = from_ + i * line;
  }

  template <class T>
  void ask(BlockProduct<T>& product) {
    const int64_t a_tile = product.runs * product.run_length * line;
    if (bytes_ <= 0 || a_tile == 0) return;
    const MicroTile tile = micro_tile<T>();
    const int64_t tiles = product.m / tile.rows * divide_up(product.n, tile.columns);
    product.beside = {.lines = lines_,
                      .offset = from_ - lines_[0],
                      .tile_step = a_tile,
                      .tiles = std::min(tiles, divide_up(bytes_, a_tile))};
    from_ += tiles * a_tile;
    bytes_ -= tiles * a_tile;
  }
  bool done() const { return bytes_ <= 0; }

 private:
  const char* from_;
  int64_t bytes_;
  const char** lines_;
};

// Positions [x.begin, x.end) of some lines, whose windows have the same taps along x and all along y, none of them
// padding, in the image where it lies. A register tile takes half of its rows from the upper half of the lines and the
// other half from the lower, so that each of these is as far from its counterpart wherever a line ends
// (gemm_micro.cpp).
template <class T>
void multiply_inside(const WindowsProduct<T>& p, int64_t image, Range lines, Range x, Range x_taps, int64_t n0,
                     int64_t columns, Wanted& wanted) {
  const Windows<T>& w = p.windows;
  const MicroTile tile = micro_tile<T>();
  const int64_t run = w.x.taps * w.channels, k = w.y.taps * run, pitch = w.x.size * w.channels;
  const T* a_rows[most_rows_inside];
  T* c_rows[most_rows_inside];
  const int64_t half_lines = lines.size() / 2, half = half_lines * x.size(), half_tile = tile.rows / 2;
  const int64_t first = x_taps.size() == 0 ? 0 : w.x.at(x.begin, x_taps.begin) * w.channels;
  // Rows of some lines, `turn` of them side by side, then as many places for the others'.
  const auto list = [&](Range ys, int64_t row, int64_t turn, bool upper) {
    int64_t left = ys.size() * x.size(), in_turn = turn;
    for (int64_t y = ys.begin; y < ys.end; ++y) {
      const T* a = w.images + (image * w.y.size + w.y.at(y, 0)) * pitch + first;
      T* c[2];
      p.locate_c((image * w.y.positions + y) * w.x.positions + x.begin, std::min<int64_t>(x.size(), 2), c);
      const int64_t a_step = w.x.position_step * w.channels, c_step = x.size() > 1 ? c[1] - c[0] : 0;
      for (int64_t j = 0; j < x.size(); ++j, ++row) {
        a_rows[row] = a + j * a_step;
        c_rows[row] = c[0] + j * c_step;
        --left;
        if (--in_turn > 0) continue;
        row += upper ? turn : std::min(turn, left);
        in_turn = turn;
      }
    }
  };
  list({lines.begin, lines.begin + half_lines}, 0, half_tile, true);
  list({lines.begin + half_lines, lines.begin + 2 * half_lines}, std::min(half_tile, half), half_tile, false);
  list({lines.begin + 2 * half_lines, lines.end}, 2 * half, most_rows_inside, true);
  BlockProduct<T> product{.m = lines.size() * x.size(),
                          .n = columns,
                          .runs = w.y.taps,
                          .run_length = x_taps.size() * w.channels,
                          .a_rows = a_rows,
                          .a_run_step = w.y.tap_step * pitch,
                          .a_step = 1,
                          .b = p.b + n0 * k + x_taps.begin * w.channels * tile.columns,
                          .b_panel_step = k * tile.columns,
                          .b_row_step = tile.columns,
                          .b_run_gap = (w.x.taps - x_taps.size()) * w.channels * tile.columns,
                          .rows_first = true,
                          .c_rows = c_rows,
                          .c_column = n0,
                          .accumulate = false,
                          .epilogue = p.epilogue};
  wanted.ask(product);
  multiply_block(product);
}

template <class T>
void multiply_group(const WindowsProduct<T>& p, bool mostly_inside, int64_t image, Range group, int64_t n0,
                    int64_t columns, int64_t next_lines) {
  alignas(64) T room[room_elements<T>];
  const WindowAxis &x = p.windows.x, &y = p.windows.y;
  const int64_t m0 = image * y.positions * x.positions;
  const Range all_taps{0, y.taps};
  const auto taps_of = [&](int64_t line) { return p.skip_padding ? taps_inside(y, line) : all_taps; };
  const auto copied = [&](Range lines) {
    return lines_of(p.windows, image, y.at(lines.begin, 0), y.at(lines.end - 1, y.taps - 1) + 1, room);
  };
  if (mostly_inside) {
    const int64_t pitch = x.size * p.windows.channels, steps = y.taps * x.taps * p.windows.channels;
    const char* ahead[Wanted::most_steps];
    Wanted wanted(p.windows.images + (image * y.size + y.at(group.end - 1, y.taps - 1) + 1) * pitch,
                  steps > Wanted::most_steps ? 0 : next_lines * y.position_step * pitch * int64_t{sizeof(T)}, ahead,
                  steps);
    for (Range lines{group.begin, 0}; lines.begin < group.end; lines.begin = lines.end) {
      lines.end = lines.begin + 1;
      const Range taps = taps_of(lines.begin);
      if (taps != all_taps) {
        multiply_positions(p, copied(lines), y.at(lines.begin, 0), m0, lines, taps, n0, columns);
        continue;
      }
      while (lines.end < group.end && taps_of(lines.end) == all_taps) ++lines.end;
      const Range inside = positions_inside(x);
      multiply_inside(p, image, lines, inside, {0, x.taps}, n0, columns, wanted);
      for (int64_t at = 0; at < x.positions; ++at) {
        if (at == inside.begin) at = inside.end;
        if (at < x.positions) multiply_inside(p, image, lines, {at, at + 1}, taps_inside(x, at), n0, columns, wanted);
      }
    }
    return;
  }
  const Lines<T> lines = copied(group);
  if constexpr (std::is_same_v<T, float>) {
    if (p.windows.channels == 1 && has_taps(y.taps, x.taps))
      return multiply_taps_of_lines(p, lines, m0, group.begin, group.end, n0, columns);
  }
  for (Range same{group.begin, 0}; same.begin < group.end; same.begin = same.end) {
    const Range taps = taps_of(same.begin);
    for (same.end = same.begin + 1; same.end < group.end && taps_of(same.end) == taps;) ++same.end;
    multiply_positions(p, lines, y.at(group.begin, 0), m0, same, taps, n0, columns);
  }
}

}  // namespace

template <class T>
bool is_direct(const Windows<T>& w) {
  if (w.pixel != w.channels || (w.x.tap_step != 1 && w.x.taps > 1) || w.x.taps * w.y.taps * w.channels == 0)
    return false;
  if (w.x.positions * w.y.positions == 0 || w.x.size * w.y.size == 0) return false;
  if (w.x.position_step * w.channels * int64_t{sizeof(T)} % same_lines_bytes == 0) return false;
  return span_of(w.y, 1) * span_of(w.x, w.x.positions) * w.channels <= room_elements<T>;
}

template <class T>
void multiply_windows(const WindowsProduct<T>& p) {
  const Windows<T>& w = p.windows;
  const bool mostly_inside = is_mostly_inside(p);
  const Groups groups = mostly_inside ? Groups::inside<T>(w) : Groups::make<T>(w, gemm_block_rows);
  const int64_t units = p.images * groups.count;
  const double products = static_cast<double>(groups.lines * w.x.positions) *
                          static_cast<double>(w.y.taps * w.x.taps * w.channels) * static_cast<double>(p.n);
  const double cycles = cycles_of<T>(products);
  // Columns are cut only where there are few positions.
  const auto wanted = static_cast<int64_t>(std::min<double>(most_tasks, static_cast<double>(units) * cycles / 1e5));
  const int64_t cuts =
      std::clamp<int64_t>(wanted / std::max<int64_t>(units, 1), 1, std::max<int64_t>(p.n / narrowest_task, 1));
  const int64_t panel = micro_tile<T>().columns, columns = divide_up(divide_up(p.n, cuts), panel) * panel;
  const int64_t column_tasks = columns > 0 ? divide_up(p.n, columns) : 0;
  parallel_for(units * column_tasks, grain_for(cycles / static_cast<double>(cuts)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t unit = i / column_tasks, n0 = i % column_tasks * columns;
      const bool whole = column_tasks == 1 && unit + 1 < units;
      multiply_group(p, mostly_inside, unit / groups.count, groups.of(unit % groups.count), n0,
                     std::min(columns, p.n - n0), whole ? groups.of((unit + 1) % groups.count).size() : 0);
    }
  });
}

namespace {

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
    plan.mostly_inside = is_mostly_inside_transposed(w, n);
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
  Range lines;
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
      const Range y = positions_inside(w.y, ty, unit.lines), x = positions_inside(w.x, tx, {0, w.x.positions});
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
    const Range lines = plan.groups.of(i % plan.groups.count);
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
  template bool is_direct(const Windows<T>&);                                                      \
  template void multiply_windows(const WindowsProduct<T>&);                                        \
  template bool is_direct_transposed(const Windows<T>&);                                           \
  template int64_t multiply_windows_transposed_scratch_bytes(const Windows<T>&, int64_t, int64_t); \
  template void multiply_windows_transposed(const Windows<T>&, int64_t, int64_t, const T*, T*, void*);
TELAIO_INSTANTIATE(float)
TELAIO_INSTANTIATE(double)
#undef TELAIO_INSTANTIATE

}  // namespace telaio::kernels
