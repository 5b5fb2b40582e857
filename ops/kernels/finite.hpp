// Whether there is a NaN or an infinity among values.
#pragma once

#include <cstdint>

namespace telaio::kernels {

/// Whether all values are finite; runs on the calling thread.
bool all_finite(const float* values, int64_t count);
bool all_finite(const double* values, int64_t count);

}  // namespace telaio::kernels
