// Which instruction sets the kernels are compiled for. Include before any Highway header.
#pragma once

// A baseline, AVX2 and AVX-512 (HWY_AVX3): the sets in between cost compile time and win little.
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
