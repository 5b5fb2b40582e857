// Which SIMD targets the kernels are compiled for, and which of them runs.
//
// Include this before any Highway header: the macros below limit the targets that foreach_target.h compiles.
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

// On x86-64: a plain baseline, AVX2 and AVX-512 (HWY_AVX3). Each further target would cost a compilation of every
// kernel; what lies between the baseline and AVX2 is processors from before 2013.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
// The x86-64 baseline is HWY_SCALAR with every compiler: HWY_EMU128 is miscompiled by g++ before 12.3.
#define HWY_BROKEN_EMU128 1

namespace telaio::kernels {

/// The targets that this machine can run, best first: some of "avx512", "avx2", "neon", and on x86-64 always "scalar".
std::vector<std::string> simd_targets();

/// The target that the kernels use now: the best, or what the environment variable TELAIO_SIMD names.
/// Throws std::invalid_argument if TELAIO_SIMD names none of simd_targets().
std::string simd_target();

/// Makes all kernels use the named target from the next call on. Throws std::invalid_argument, naming the choices, if
/// it is none of simd_targets(). Not to be called while kernels run.
void set_simd_target(std::string_view name);

namespace detail {
// Where the kernels of the target in use stand in a table that TELAIO_EXPORT makes; negative: not chosen yet.
inline std::atomic<int> simd_target_place{-1};
int choose_simd_target();

// The price of an environment variable that is read once and whose errors reach the caller: one comparison a dispatch.
inline int place_of_simd_target() {
  const int place = simd_target_place.load(std::memory_order_acquire);
  return place >= 0 ? place : choose_simd_target();
}
}  // namespace detail

}  // namespace telaio::kernels

// These stand for Highway's HWY_EXPORT and HWY_DYNAMIC_DISPATCH, which need its library: loading that one costs every
// process 4 ms, since it measures the resolution of the clock.

/// A static table of a kernel for each target, in the scope of the kernel itself; used by TELAIO_DISPATCH.
#define TELAIO_EXPORT(function)                                                         \
  static decltype(&HWY_STATIC_DISPATCH(function)) const function##_of_targets[] = {     \
      HWY_CHOOSE_AVX3(function), HWY_CHOOSE_AVX2(function), HWY_CHOOSE_FALLBACK(function)}

/// The kernel for the target in use; heeds TELAIO_SIMD from the very first call. Throws as simd_target() does.
#define TELAIO_DISPATCH(function) (*function##_of_targets[::telaio::kernels::detail::place_of_simd_target()])
