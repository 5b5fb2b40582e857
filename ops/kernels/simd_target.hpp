// Which SIMD targets Highway compiles: a baseline, AVX2 and AVX-512. Include this before any Highway header.
#pragma once

#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | HWY_AVX3_DL)
#define HWY_BROKEN_EMU128 1
#define TELAIO_DISPATCH(function) HWY_DYNAMIC_DISPATCH(function)
