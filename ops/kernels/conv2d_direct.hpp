// Convolutions as matrix products whose left factor, the windows, is read out of the images where they lie.
//
// A line of a window is contiguous in a channels-last image where neighbouring taps are neighbouring pixels, and
// windows of one line are evenly spaced. So what a register tile reads of the windows are some addresses and, for each
// line of a window, one run. Where windows reach into the padding, the lines that a task needs are copied with the
// padding, which is a fraction of what its windows would take. (Georganas et al., "Anatomy of High-Performance Deep
// Learning Convolutions on SIMD Architectures", SC 2018, does so with blocked layouts.)
#pragma once

#include <telaio/ops/kernels/conv2d_windows.hpp>
#include <telaio/ops/kernels/gemm.hpp>
#include <telaio/ops/kernels/gemm_narrow.hpp>

#include <cstdint>

namespace telaio::kernels {

/// Whether multiply_windows may be called: lines of windows are contiguous, and those that a task needs fit its stack.
template <class T>
bool is_direct(const Windows<T>& windows);

/// The elements of a window that lie side by side.
template <class T>
int64_t window_line(const Windows<T>& windows) {
  return windows.x.taps * windows.channels;
}

/// C = windows · B, [images * positions, window] · [window, n] → [images * positions, n].
template <class T>
struct WindowsProduct {
  Windows<T> windows;
  int64_t images, n;
  /// Packed as by pack_panels, or, where is_narrow says so of n and a window's lines, its n columns one behind the
  /// other.
  const T* b;
  bool skip_padding;  ///< lines of windows that are padding are left out: B must be finite
  /// As in GemmOperands; the rows of a line of positions are evenly spaced, and so are the lines of an image.
  FunctionRef<void(int64_t m0, int64_t rows, T** c_rows)> locate_c;
  Epilogue<T> epilogue = {};
};
template <class T>
void multiply_windows(const WindowsProduct<T>& product);

/// The same for multiply_windows_transposed.
template <class T>
bool is_direct_transposed(const Windows<T>& windows);

/// c[window, n] = windowsᵀ · b[images * positions, n], all contiguous. The positions are cut into parts whose number
/// depends on the sizes alone, and the partial products are added in order.
template <class T>
int64_t multiply_windows_transposed_scratch_bytes(const Windows<T>& windows, int64_t images, int64_t n);
template <class T>
void multiply_windows_transposed(const Windows<T>& windows, int64_t images, int64_t n, const T* b, T* c, void* scratch);

}  // namespace telaio::kernels
