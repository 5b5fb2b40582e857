// Copies between two strided views.
#pragma once

#include <cstdint>

namespace telaio::kernels {

/// dst[i…] = src[i…] for every index of `shape` (rank ≤ 8), in parallel. Strides are in elements of elem_size (1, 2, 4
/// or 8) bytes and have any sign; those of src may be 0 (repeat), those of dst must lead to distinct elements. src and
/// dst are the elements at index 0 of every axis, and do not overlap.
void place(int elem_size, int rank, const int64_t* shape, const int64_t* src_strides, const void* src,
           const int64_t* dst_strides, void* dst);

}  // namespace telaio::kernels
