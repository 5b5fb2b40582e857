// A small matrix written out transposed.
#pragma once

#include <cstdint>

namespace telaio::kernels {

/// dst[p * dst_step + j] = src[j * src_step + p] for j < rows and p < columns.
void transpose(const float* src, int64_t src_step, int64_t rows, int64_t columns, float* dst, int64_t dst_step);
void transpose(const double* src, int64_t src_step, int64_t rows, int64_t columns, double* dst, int64_t dst_step);

}  // namespace telaio::kernels
