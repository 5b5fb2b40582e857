// Copies of strided views.
#pragma once

#include <cstddef>
#include <cstdint>

#include <telaio/autograd/array.hpp>

namespace telaio {

/// Copies the strided view at `from` (its first element) into row-major order at `to`. Strides are in elements.
void copy_strided(const std::byte* from, const Strides& strides, const Shape& shape, size_t element_size,
                  std::byte* to);

/// The array itself where it is contiguous, else a contiguous copy.
Array contiguous(const Array& array);

}  // namespace telaio
