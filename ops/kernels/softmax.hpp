// Softmax and what goes with it, a row at a time: rows of n contiguous elements, one behind the other.
//
// With d = x − max x and s = Σ eᵈ, softmax is eᵈ/s and its logarithm d − log s. A row's result depends on that row
// alone; a row that holds NaN, ∞, or nothing but −∞ gives NaN.
#pragma once

#include <cstdint>

namespace telaio::kernels {

/// y may be x.
template <class T>
void softmax(int64_t rows, int64_t n, const T* x, T* y);
template <class T>
void log_softmax(int64_t rows, int64_t n, const T* x, T* y);

/// losses[r] = log s − d[labels[r]], labels in 0…n−1.
template <class T>
void softmax_cross_entropy(int64_t rows, int64_t n, const T* x, const int64_t* labels, T* losses);
/// The derivative by x, times gy[r]: softmax(x)·gy, less gy at the label. gx may be x.
template <class T>
void softmax_cross_entropy_grad(int64_t rows, int64_t n, const T* x, const int64_t* labels, const T* gy, T* gx);

}  // namespace telaio::kernels
