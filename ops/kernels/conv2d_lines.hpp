// Lines of images as convolutions read them: which positions and taps are padding, copies with the padding, groups of
// lines for a task, and what is asked for ahead.
#pragma once

#include <telaio/ops/kernels/conv2d_windows.hpp>
#include <telaio/ops/kernels/gemm_micro.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace telaio::kernels {

inline constexpr int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The copied lines of a task, on its stack: less than the second-level cache.
template <class T>
inline constexpr int64_t room_elements = 160 * 1024 / sizeof(T);

// The most tasks that a convolution is cut into.
inline constexpr int64_t most_tasks = 64;
// The most positions of a group of lines where padding is left out along a line, too.
inline constexpr int64_t most_inside = 384;

inline int64_t span_of(const WindowAxis& axis, int64_t positions) {
  return (positions - 1) * axis.position_step + (axis.taps - 1) * axis.tap_step + 1;
}

// Whether windows see no padding along the axis.
inline bool all_inside(const WindowAxis& axis) {
  return axis.first >= 0 && axis.first + span_of(axis, axis.positions) <= axis.size;
}

// A range of positions or of taps.
struct Interval {
  int64_t begin, end;
  int64_t size() const { return end - begin; }
  bool operator==(const Interval&) const = default;
};

// The taps of a position that are not padding.
inline Interval taps_inside(const WindowAxis& axis, int64_t position) {
  Interval taps{0, axis.taps};
  while (taps.begin < taps.end && axis.at(position, taps.begin) < 0) ++taps.begin;
  while (taps.end > taps.begin && axis.at(position, taps.end - 1) >= axis.size) --taps.end;
  return taps;
}

// The positions whose windows see no padding.
inline Interval positions_inside(const WindowAxis& axis) {
  const Interval all{0, axis.taps};
  Interval inside{0, axis.positions};
  while (inside.begin < inside.end && taps_inside(axis, inside.begin) != all) ++inside.begin;
  while (inside.end > inside.begin && taps_inside(axis, inside.end - 1) != all) --inside.end;
  return inside;
}

// The positions at which the tap is no padding.
inline Interval positions_inside(const WindowAxis& axis, int64_t tap, Interval positions) {
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

// Without a call where it is short.
template <class T>
void copy_line(const T* from, int64_t count, T* to) {
  constexpr auto piece = static_cast<int64_t>(64 / sizeof(T));
  if (count < piece || count > 8 * piece) {
    std::copy_n(from, count, to);
    return;
  }
  for (int64_t i = 0; i < count; i += piece) {
    const int64_t at = std::min(i, count - piece);
    std::memcpy(to + at, from + at, 64);
  }
}

// Lines [begin, end) of an image, in place where nothing of them is padding, else copied to `room`.
template <class T>
Lines<T> lines_of(const Windows<T>& w, int64_t image, int64_t begin, int64_t end, T* room) {
  const int64_t line = w.x.size * w.channels, span = span_of(w.x, w.x.positions), left = w.x.first;
  const T* src = w.images + image * w.y.size * line;
  if (all_inside(w.x) && begin >= 0 && end <= w.y.size) return {src + begin * line + left * w.channels, line};
  const int64_t from = std::clamp<int64_t>(-left, 0, span), to = std::clamp<int64_t>(w.x.size - left, from, span);
  const int64_t pitch = span * w.channels, first = from * w.channels, last = to * w.channels;
  // Of short lines it takes more time to begin with a border than to write it.
  const bool is_short = pitch * int64_t{sizeof(T)} <= 512;
  if (is_short) std::fill_n(room, (end - begin) * pitch, T(0));
  T* dst = room;
  for (int64_t y = begin; y < end; ++y, dst += pitch) {
    const bool inside = y >= 0 && y < w.y.size && first < last;
    if (!is_short) std::fill_n(dst, inside ? first : pitch, T(0));
    if (!inside) continue;
    copy_line(src + y * line + left * w.channels + first, last - first, dst + first);
    if (!is_short) std::fill_n(dst + last, pitch - last, T(0));
  }
  return {room, pitch};
}

// The positions of an image in groups of whole lines.
struct Groups {
  int64_t lines, count;  // of a group, of an image
  int64_t positions;     // lines of an image
  // Where groups begin; the first one takes the lines before, too, and the last one those behind.
  int64_t first_line = 0;

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
    const Interval lines = positions_inside(w.y);
    const int64_t pieces = divide_up(lines.size() * w.x.positions, most_inside);
    const int64_t even = divide_up(divide_up(lines.size(), pieces), 2) * 2;
    return {even, divide_up(lines.size(), even), w.y.positions, lines.begin};
  }

  Interval of(int64_t group) const {
    return {group == 0 ? 0 : first_line + group * lines,
            group == count - 1 ? positions : first_line + (group + 1) * lines};
  }
};

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

}  // namespace telaio::kernels
