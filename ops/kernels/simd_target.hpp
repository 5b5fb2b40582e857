// Which instruction sets the kernels are compiled for. Include before any Highway header.
#pragma once

// A baseline, AVX2 and AVX-512 (HWY_AVX3): the sets in between cost compile time and win little.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL | HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
// The x86-64 baseline is HWY_SCALAR with every compiler: HWY_EMU128 is miscompiled by g++ before 12.3.
#define HWY_BROKEN_EMU128 1

#define TELAIO_DISPATCH(function) HWY_DYNAMIC_DISPATCH(function)
