// Shapes, strides and how they broadcast.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>

namespace telaio {

/// The largest number of axes of a tensor.
inline constexpr int max_rank = 8;

/// Up to max_rank integers held in place: the sizes of a shape, or strides in elements.
class Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<int64_t> dims) : Dims(std::span<const int64_t>(dims.begin(), dims.size())) {}
  /// Error when there are more than max_rank.
  explicit Dims(std::span<const int64_t> dims);
  /// `count` times the same value.
  static Dims filled(int count, int64_t value);

  int rank() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  int64_t& operator[](int axis) { return dims_[static_cast<size_t>(axis)]; }
  int64_t operator[](int axis) const { return dims_[static_cast<size_t>(axis)]; }
  int64_t back() const { return dims_[static_cast<size_t>(rank_ - 1)]; }
  void push_back(int64_t dim);
  void insert(int axis, int64_t dim);
  void erase(int axis);

  const int64_t* data() const { return dims_.data(); }
  const int64_t* begin() const { return dims_.data(); }
  const int64_t* end() const { return dims_.data() + rank_; }
  int64_t* begin() { return dims_.data(); }
  int64_t* end() { return dims_.data() + rank_; }
  operator std::span<const int64_t>() const { return {dims_.data(), static_cast<size_t>(rank_)}; }

  friend bool operator==(const Dims& a, const Dims& b);

 private:
  int rank_ = 0;
  std::array<int64_t, max_rank> dims_{};
};

using Shape = Dims;
using Strides = Dims;

/// The number of elements; 1 for a scalar. Error when a size is negative or the product overflows.
int64_t numel(const Shape& shape);

/// "[128,28,28,1]".
std::string to_string(const Dims& dims);

/// Row-major strides.
Strides contiguous_strides(const Shape& shape);

/// Whether the elements lie in row-major order without gaps (axes of size 1 do not matter, nor does an empty tensor).
bool is_contiguous(const Shape& shape, const Strides& strides);

/// The shape that both broadcast to (NumPy's rule), or nothing.
std::optional<Shape> broadcast(const Shape& a, const Shape& b);

/// An axis counted from the end when negative, brought to 0…rank−1; or nothing when it is out of range.
std::optional<int> normalize_axis(int64_t axis, int rank);

}  // namespace telaio
