#include <telaio/autograd/shape.hpp>

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <telaio/autograd/error.hpp>

namespace telaio {

namespace {

[[noreturn]] void too_many_axes() { throw Error(fmt::format("a tensor has at most {} axes", max_rank)); }

}  // namespace

Dims::Dims(std::span<const int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  if (dims.size() > max_rank) too_many_axes();
  std::copy(dims.begin(), dims.end(), dims_.begin());
}

Dims Dims::filled(int count, int64_t value) {
  if (count > max_rank) too_many_axes();
  Dims dims;
  dims.rank_ = count;
  std::fill_n(dims.dims_.begin(), count, value);
  return dims;
}

void Dims::push_back(int64_t dim) { insert(rank_, dim); }

void Dims::insert(int axis, int64_t dim) {
  if (rank_ == max_rank) too_many_axes();
  std::copy_backward(begin() + axis, end(), end() + 1);
  dims_[static_cast<size_t>(axis)] = dim;
  ++rank_;
}

void Dims::erase(int axis) {
  std::copy(begin() + axis + 1, end(), begin() + axis);
  --rank_;
}

bool operator==(const Dims& a, const Dims& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

int64_t numel(const Shape& shape) {
  int64_t count = 1;
  bool overflow = false;
  bool zero = false;
  for (int64_t dim : shape) {
    if (dim < 0) throw Error(fmt::format("a shape has no negative sizes, got {}", to_string(shape)));
    zero |= dim == 0;
    overflow |= __builtin_mul_overflow(count, dim == 0 ? 1 : dim, &count);
  }
  // Room for eight-byte elements, so that no byte count overflows later.
  if (overflow || count > INT64_MAX / 8) {
    throw Error(fmt::format("the shape {} has more elements than can be addressed", to_string(shape)));
  }
  return zero ? 0 : count;
}

std::string to_string(const Dims& dims) { return fmt::format("[{}]", fmt::join(dims.begin(), dims.end(), ",")); }

Strides contiguous_strides(const Shape& shape) {
  Strides strides = Strides::filled(shape.rank(), 0);
  int64_t stride = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    strides[axis] = stride;
    stride *= std::max<int64_t>(shape[axis], 1);
  }
  return strides;
}

bool is_contiguous(const Shape& shape, const Strides& strides) {
  int64_t stride = 1;
  bool contiguous = true;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    if (shape[axis] == 0) return true;
    if (shape[axis] != 1 && strides[axis] != stride) contiguous = false;
    stride *= shape[axis];
  }
  return contiguous;
}

std::optional<Shape> broadcast(const Shape& a, const Shape& b) {
  const int rank = std::max(a.rank(), b.rank());
  Shape result = Shape::filled(rank, 1);
  for (int i = 1; i <= rank; ++i) {
    const int64_t in_a = i <= a.rank() ? a[a.rank() - i] : 1;
    const int64_t in_b = i <= b.rank() ? b[b.rank() - i] : 1;
    if (in_a != in_b && in_a != 1 && in_b != 1) return std::nullopt;
    result[rank - i] = in_a == 1 ? in_b : in_a;
  }
  return result;
}

std::optional<int> normalize_axis(int64_t axis, int rank) {
  const int64_t positive = axis < 0 ? axis + rank : axis;
  if (positive < 0 || positive >= rank) return std::nullopt;
  return static_cast<int>(positive);
}

}  // namespace telaio
