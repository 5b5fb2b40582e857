// Whether there is a NaN or an infinity among values, or how large they are.
#pragma once

#include <cstdint>

namespace telaio::kernels {

/// Whether all values are finite; runs on the calling thread.
bool all_finite(const float* values, int64_t count);
bool all_finite(const double* values, int64_t count);

/// The largest |x| of `count` elements that are `step` apart; NaN where one of them is; 0 for none. Runs on the calling
/// thread.
float largest_magnitude(const float* values, int64_t step, int64_t count);
double largest_magnitude(const double* values, int64_t step, int64_t count);

}  // namespace telaio::kernels
