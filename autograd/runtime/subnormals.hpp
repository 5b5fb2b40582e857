// Numbers below the smallest normal one (f32: 1.2e-38, f64: 2.2e-308) are zero in what ops read and write.
//
// Processors take a hundred cycles and more for an operation on a subnormal, and trainings make them all the time: a
// moving average of a gradient that has become zero shrinks until it is one, and stays one for ever. What a network
// computes does not depend on them. So graphs run in the processor's mode that flushes them, as in TensorFlow.
#pragma once

#if defined(__SSE2__)
#include <xmmintrin.h>
#elif defined(__aarch64__)
#include <cstdint>
#endif

namespace telaio {

/// While it lives, arithmetic of this thread, and of parallel work that it starts (parallel.hpp), flushes subnormals to
/// zero. Afterwards the thread is in the mode that it was in.
class FlushSubnormals {
 public:
#if defined(__SSE2__)
  FlushSubnormals() : before_(_mm_getcsr()) { _mm_setcsr(before_ | 0x8040); }  // flush results | operands are zeros
  ~FlushSubnormals() { _mm_setcsr((_mm_getcsr() & ~0x8040u) | (before_ & 0x8040u)); }

 private:
  unsigned before_;
#elif defined(__aarch64__)
  FlushSubnormals() : before_(mode()) { set(before_ | flush); }
  ~FlushSubnormals() { set((mode() & ~flush) | (before_ & flush)); }

 private:
  static constexpr uint64_t flush = 1 << 24;  // FPCR.FZ: operands and results
  static uint64_t mode() {
    uint64_t value;
    asm volatile("mrs %0, fpcr" : "=r"(value));
    return value;
  }
  static void set(uint64_t value) { asm volatile("msr fpcr, %0" : : "r"(value)); }
  uint64_t before_;
#else
  FlushSubnormals() {}  // elsewhere they are computed as they are
  ~FlushSubnormals() {}

 private:
#endif
 public:
  FlushSubnormals(const FlushSubnormals&) = delete;
  FlushSubnormals& operator=(const FlushSubnormals&) = delete;
};

}  // namespace telaio
