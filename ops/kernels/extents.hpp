// The geometry of a strided view, as kernels see it.
#pragma once

#include <cstdint>

namespace telaio::kernels {

/// The largest number of axes.
inline constexpr int max_rank = 8;

/// Sizes and strides of a view. Strides are in elements; 0 repeats (broadcast), a negative one walks backwards (flip).
struct Extents {
  int rank;
  const int64_t* shape;
  const int64_t* strides;
};

}  // namespace telaio::kernels
