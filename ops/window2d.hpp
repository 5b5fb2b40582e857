// Windows that slide over images: sizes, strides, padding.
#pragma once

#include <cstdint>
#include <string>

namespace telaio {

/// Height and width; one number stands for both.
struct Size2d {
  int64_t height;
  int64_t width;
  Size2d(int64_t both) : height(both), width(both) {}
  Size2d(int both) : Size2d(static_cast<int64_t>(both)) {}
  Size2d(int64_t h, int64_t w) : height(h), width(w) {}
  friend bool operator==(const Size2d& a, const Size2d& b) = default;
};

/// Borders around an image. `valid`: none. `same`: as TensorFlow does, so that the output is ⌈size/stride⌉, with the
/// odd row or column at the bottom and right. Or four numbers.
struct Padding {
  enum class Kind : uint8_t { valid, same, given };
  Kind kind = Kind::valid;
  int64_t top = 0, bottom = 0, left = 0, right = 0;

  static Padding valid() { return {}; }
  static Padding same() { return {Kind::same, 0, 0, 0, 0}; }
  static Padding of(int64_t all) { return {Kind::given, all, all, all, all}; }
  static Padding of(int64_t top, int64_t bottom, int64_t left, int64_t right) {
    return {Kind::given, top, bottom, left, right};
  }
  friend bool operator==(const Padding& a, const Padding& b) = default;
};

/// Where the windows lie along one axis: the borders before and after the image, and how many windows fit.
struct WindowAxis {
  int64_t before, after, count;
};
struct Windows2d {
  WindowAxis height, width;
};

/// Lays windows over an image; `extent` is what a window spans, dilation · (size − 1) + 1. Error, in one line, when
/// image, window or stride is smaller than 1, padding is negative, a number exceeds 2³¹ − 1, or no window fits.
Windows2d lay_windows(Size2d image, Size2d extent, Size2d stride, const Padding& padding);
/// What a window spans. Error, in one line, when size or dilation is smaller than 1 or exceeds 2³¹ − 1.
Size2d window_extent(Size2d size, Size2d dilation);

/// For drawings: "2", "2x1"; "valid", "same", "1", "0,1,0,1" (top, bottom, left, right).
std::string to_string(const Size2d& size);
std::string to_string(const Padding& padding);

}  // namespace telaio
