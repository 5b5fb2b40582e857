#include <telaio/autograd/runtime/copy.hpp>

#include <cstring>

#include <telaio/autograd/runtime/parallel.hpp>

namespace telaio {

namespace {

// Axes of size 1 dropped, neighbours that lie one behind the other merged.
void coalesce(Shape& shape, Strides& strides) {
  Shape merged_shape;
  Strides merged_strides;
  for (int axis = 0; axis < shape.rank(); ++axis) {
    if (shape[axis] == 1) continue;
    const int last = merged_shape.rank() - 1;
    if (last >= 0 && merged_strides[last] == strides[axis] * shape[axis]) {
      merged_shape[last] *= shape[axis];
      merged_strides[last] = strides[axis];
    } else {
      merged_shape.push_back(shape[axis]);
      merged_strides.push_back(strides[axis]);
    }
  }
  shape = merged_shape;
  strides = merged_strides;
}

template <class T>
void copy_rows(const T* from, const Strides& strides, const Shape& shape, T* to) {
  const int inner_axis = shape.rank() - 1;
  const int64_t inner = shape.back();
  const int64_t step = strides.back();
  const int64_t rows = numel(shape) / inner;
  parallel_for(rows, grain_for(static_cast<double>(inner)), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t rest = row;
      const T* source = from;
      for (int axis = inner_axis - 1; axis >= 0; --axis) {
        source += rest % shape[axis] * strides[axis];
        rest /= shape[axis];
      }
      T* target = to + row * inner;
      if (step == 1) {
        std::memcpy(target, source, static_cast<size_t>(inner) * sizeof(T));
      } else {
        for (int64_t i = 0; i < inner; ++i) target[i] = source[i * step];
      }
    }
  });
}

}  // namespace

void copy_strided(const std::byte* from, const Strides& given_strides, const Shape& given_shape, size_t element_size,
                  std::byte* to) {
  if (numel(given_shape) == 0) return;
  Shape shape = given_shape;
  Strides strides = given_strides;
  coalesce(shape, strides);
  if (shape.rank() == 0) {
    std::memcpy(to, from, element_size);
    return;
  }
  switch (element_size) {
    case 1:
      return copy_rows(reinterpret_cast<const uint8_t*>(from), strides, shape, reinterpret_cast<uint8_t*>(to));
    case 4:
      return copy_rows(reinterpret_cast<const uint32_t*>(from), strides, shape, reinterpret_cast<uint32_t*>(to));
    default:
      return copy_rows(reinterpret_cast<const uint64_t*>(from), strides, shape, reinterpret_cast<uint64_t*>(to));
  }
}

Array contiguous(const Array& array) {
  if (array.contiguous()) return array;
  Array copy(array.spec());
  copy_strided(array.bytes(), array.strides(), array.shape(), size_of(array.dtype()), copy.bytes());
  return copy;
}

}  // namespace telaio
