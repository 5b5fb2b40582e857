// Windows that slide over images: sizes, strides, padding.
#pragma once

#include <cstdint>

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

}  // namespace telaio
