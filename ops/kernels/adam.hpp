// The update of a parameter by Adam, in one pass over memory.
#pragma once

#include <cstdint>

namespace telaio::kernels {

/// What an update is told beside the tensors, in the type of the parameters.
template <class T>
struct AdamNumbers {
  T beta1, rest1;  ///< β₁ and 1 − β₁
  T beta2, rest2;
  T epsilon;
  T size;    ///< rate/(1 − β₁ᵗ)
  T spread;  ///< 1/√(1 − β₂ᵗ)
};

/// For each of n elements m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², w ← w − size·m/(√v·spread + ε), each operation rounded
/// by itself. A result may be exactly an input.
template <class T>
void adam(const AdamNumbers<T>& numbers, int64_t n, const T* w, const T* g, const T* m, const T* v, T* new_w, T* new_m,
          T* new_v);

}  // namespace telaio::kernels
