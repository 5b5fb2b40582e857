// Loops over pixels, plain enough for the compiler to vectorise.
#pragma once

#include <cstdint>

#include <telaio/autograd/array.hpp>

namespace telaio::nn {

/// y[i] = x[i] / 255, i < n, in parallel.
void unit_floats(const uint8_t* x, int64_t n, float* y);

/// Elements first … first+n−1 of a contiguous u8 or f32 array as floats: bytes divided by 255, floats as they are.
void to_floats(const Array& from, int64_t first, int64_t n, float* y);

/// x[i] = (x[i] − mean[i]) / deviation[i].
void normalize(const float* mean, const float* deviation, int64_t n, float* x);

}  // namespace telaio::nn
