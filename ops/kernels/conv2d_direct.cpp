#include <telaio/ops/kernels/conv2d_direct.hpp>
#include <telaio/ops/kernels/conv2d_lines.hpp>
#include <telaio/ops/kernels/conv2d_taps.hpp>

#include <algorithm>
#include <type_traits>

namespace telaio::kernels {
namespace {

// Rows of a register tile that are a multiple of this apart share a few lines of the first-level cache.
constexpr int64_t same_lines_bytes = 4096;
constexpr int64_t narrowest_task = 128;
// Of a window and of an image, to leave out the padding along lines: with fewer positions inside, the borders make more
// narrow tiles than they save.
constexpr int64_t fewest_channels_inside = 8, many_channels = 32, fewest_inside = 12, fewest_inside_many = 8,
                  fewest_lines_inside = 8;
// An image of 28 x 28 whole: then no line is copied twice.
constexpr int64_t most_positions_of_taps = 1024;
constexpr int64_t most_rows_inside = 2 * most_inside + 2;

// Whether most positions see no padding, so that the others may be multiplied apart, each with the taps that it has.
template <class T>
bool is_mostly_inside(const WindowsProduct<T>& p) {
  const Windows<T>& w = p.windows;
  if (w.channels < fewest_channels_inside || is_narrow<T>(p.n, window_line(w))) return false;
  if (!p.skip_padding && (!all_inside(w.x) || !all_inside(w.y))) return false;
  const int64_t inside = positions_inside(w.x).size();
  const int64_t fewest = w.channels >= many_channels ? fewest_inside_many : fewest_inside;
  return inside >= fewest && inside <= most_inside && positions_inside(w.y).size() >= fewest_lines_inside;
}

// Whether there is a kernel for all taps at once.
template <class T>
bool is_of_taps(const Windows<T>& w) {
  return std::is_same_v<T, float> && w.channels == 1 && has_taps(w.y.taps, w.x.taps);
}

// Some positions of an image whose windows all have the taps [first_tap, end_tap) along y.
template <class T>
void multiply_positions(const WindowsProduct<T>& p, const Lines<T>& lines, int64_t first_line, int64_t m0, Interval ys,
                        Interval taps, int64_t n0, int64_t columns) {
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

// The same for the taps of one channel; the rows of C are evenly spaced within a line, and so are lines.
void multiply_taps_of_lines(const WindowsProduct<float>& p, const Lines<float>& lines, int64_t m0, Interval ys,
                            int64_t n0, int64_t columns) {
  const WindowAxis &x = p.windows.x, &y = p.windows.y;
  const int64_t panel = micro_tile<float>().columns, first = m0 + ys.begin * x.positions;
  const float* bias = p.epilogue.bias;
  float *c[2], *next_line = nullptr;
  p.locate_c(first, std::min<int64_t>(x.positions, 2), c);
  if (ys.size() > 1) p.locate_c(first + x.positions, 1, &next_line);
  for (int64_t n = n0; n < n0 + columns; n += panel) {
    const TapLines taps{.lines = ys.size(),
                        .positions = x.positions,
                        .channels = std::min(panel, n0 + columns - n),
                        .side = x.taps,
                        .line_step = y.position_step * lines.pitch,
                        .step = x.position_step,
                        .pitch = y.tap_step * lines.pitch,
                        .filter_step = panel,
                        .out_line_step = ys.size() > 1 ? next_line - c[0] : 0,
                        .out_step = x.positions > 1 ? c[1] - c[0] : 0,
                        .epilogue = {.bias = bias == nullptr ? nullptr : bias + n, .relu = p.epilogue.relu}};
    multiply_taps(taps, lines.first, p.b + n * x.taps * y.taps, c[0] + n);
  }
}

// Positions [x.begin, x.end) of some lines, whose windows have the same taps along x and all along y, none of them
// padding, in the image where it lies. A register tile takes half of its rows from the upper half of the lines and the
// other half from the lower, so that each of these is as far from its counterpart wherever a line ends
// (gemm_micro.cpp).
template <class T>
void multiply_inside(const WindowsProduct<T>& p, int64_t image, Interval lines, Interval x, Interval x_taps, int64_t n0,
                     int64_t columns, Wanted& wanted) {
  const Windows<T>& w = p.windows;
  const MicroTile tile = micro_tile<T>();
  const int64_t run = w.x.taps * w.channels, k = w.y.taps * run, pitch = w.x.size * w.channels;
  const T* a_rows[most_rows_inside];
  T* c_rows[most_rows_inside];
  const int64_t half_lines = lines.size() / 2, half = half_lines * x.size(), half_tile = tile.rows / 2;
  const int64_t first = x_taps.size() == 0 ? 0 : w.x.at(x.begin, x_taps.begin) * w.channels;
  // Rows of some lines, `turn` of them side by side, then as many places for the others'.
  const auto list = [&](Interval ys, int64_t row, int64_t turn, bool upper) {
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
void multiply_group(const WindowsProduct<T>& p, bool mostly_inside, int64_t image, Interval group, int64_t n0,
                    int64_t columns, int64_t next_lines) {
  alignas(64) T room[room_elements<T>];
  const WindowAxis &x = p.windows.x, &y = p.windows.y;
  const int64_t m0 = image * y.positions * x.positions;
  const Interval all_taps{0, y.taps};
  const auto taps_of = [&](int64_t line) { return p.skip_padding ? taps_inside(y, line) : all_taps; };
  const auto copied = [&](Interval lines) {
    return lines_of(p.windows, image, y.at(lines.begin, 0), y.at(lines.end - 1, y.taps - 1) + 1, room);
  };
  if (mostly_inside) {
    const int64_t pitch = x.size * p.windows.channels, steps = y.taps * x.taps * p.windows.channels;
    const char* ahead[Wanted::most_steps];
    Wanted wanted(p.windows.images + (image * y.size + y.at(group.end - 1, y.taps - 1) + 1) * pitch,
                  steps > Wanted::most_steps ? 0 : next_lines * y.position_step * pitch * int64_t{sizeof(T)}, ahead,
                  steps);
    for (Interval lines{group.begin, 0}; lines.begin < group.end; lines.begin = lines.end) {
      lines.end = lines.begin + 1;
      const Interval taps = taps_of(lines.begin);
      if (taps != all_taps) {
        multiply_positions(p, copied(lines), y.at(lines.begin, 0), m0, lines, taps, n0, columns);
        continue;
      }
      while (lines.end < group.end && taps_of(lines.end) == all_taps) ++lines.end;
      const Interval inside = positions_inside(x);
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
    if (is_of_taps(p.windows)) return multiply_taps_of_lines(p, lines, m0, group, n0, columns);
  }
  for (Interval same{group.begin, 0}; same.begin < group.end; same.begin = same.end) {
    const Interval taps = taps_of(same.begin);
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
  const Groups groups = mostly_inside   ? Groups::inside<T>(w)
                        : is_of_taps(w) ? Groups::make<T>(w, most_positions_of_taps)
                                        : Groups::make<T>(w, gemm_block_rows);
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

#define TELAIO_INSTANTIATE(T)                 \
  template bool is_direct(const Windows<T>&); \
  template void multiply_windows(const WindowsProduct<T>&);
TELAIO_INSTANTIATE(float)
TELAIO_INSTANTIATE(double)
#undef TELAIO_INSTANTIATE

}  // namespace telaio::kernels
