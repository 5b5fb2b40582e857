#include <telaio/ops/kernels/simd_target.hpp>

#include <algorithm>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hwy/base.h>
#include <hwy/detect_targets.h>
#if HWY_ARCH_X86
// glibc's; clang 14 cannot read it as C++.
#if __has_include(<sys/platform/x86.h>) && !defined(__clang__)
#include <sys/platform/x86.h>
#else
#include <cpuid.h>
#endif
#endif

namespace telaio::kernels {
namespace {

// In the order of TELAIO_EXPORT's tables: best first. The last is what the compiler may use anywhere.
struct Target {
  int64_t bit;
  const char* name;
  int place;
};

#if HWY_ARCH_X86

// Every extension that Highway lets the compiler use for HWY_AVX2 and, besides, for HWY_AVX3, as far as the operating
// system keeps the registers, too. The C library knows: it has asked the processor already, which in a virtual machine
// takes microseconds a question, and the compiler's __builtin_cpu_supports would ask again in every process.
#ifdef CPU_FEATURE_ACTIVE
bool has_avx2() {
  return CPU_FEATURE_ACTIVE(SSE4_2) && CPU_FEATURE_ACTIVE(AES) && CPU_FEATURE_ACTIVE(PCLMULQDQ) &&
         CPU_FEATURE_ACTIVE(AVX2) && CPU_FEATURE_ACTIVE(FMA) && CPU_FEATURE_ACTIVE(F16C) && CPU_FEATURE_ACTIVE(BMI1) &&
         CPU_FEATURE_ACTIVE(BMI2);
}
bool has_avx512() {
  return CPU_FEATURE_ACTIVE(AVX512F) && CPU_FEATURE_ACTIVE(AVX512VL) && CPU_FEATURE_ACTIVE(AVX512DQ) &&
         CPU_FEATURE_ACTIVE(AVX512BW);
}
#else
bool has_avx2() {
  unsigned a = 0, b = 0, c = 0, d = 0;  // clang 14's builtin does not know F16C
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0 && __builtin_cpu_supports("sse4.2") &&
         __builtin_cpu_supports("aes") && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("avx2") &&
         __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
}
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw");
}
#endif

constexpr Target known_targets[] = {
    {HWY_AVX3, "avx512", 0}, {HWY_AVX2, "avx2", 1}, {HWY_EMU128, "scalar", 2}, {HWY_SCALAR, "scalar", 2}};

int64_t targets_of_machine() {
  if (!has_avx2()) return HWY_STATIC_TARGET;
  return HWY_STATIC_TARGET | HWY_AVX2 | (has_avx512() ? HWY_AVX3 : 0);
}

#else

constexpr Target known_targets[] = {
#if HWY_ARCH_ARM
    {HWY_NEON, "neon", 2},
#endif
    {HWY_EMU128, "scalar", 2}, {HWY_SCALAR, "scalar", 2}};

int64_t targets_of_machine() { return HWY_STATIC_TARGET; }

#endif

std::vector<Target> available_targets() {
  const int64_t usable = targets_of_machine() & (HWY_TARGETS);
  std::vector<Target> available;
  std::copy_if(std::begin(known_targets), std::end(known_targets), std::back_inserter(available),
               [&](const Target& target) { return (target.bit & usable) != 0; });
  return available;
}

std::mutex mutex;
Target chosen = {};  // guarded by mutex

// Points every dispatch table of the process at the target. The caller holds the mutex.
void use(const Target& target) {
  chosen = target;
  detail::simd_target_place.store(target.place, std::memory_order_release);
}

Target find(std::string_view name, std::string_view source) {
  for (const Target& target : available_targets())
    if (target.name == name) return target;
  throw std::invalid_argument(
      fmt::format("{}: no SIMD target \"{}\" here; choose from {}", source, name, fmt::join(simd_targets(), ", ")));
}

}  // namespace

namespace detail {
int choose_simd_target() {
  const std::lock_guard lock(mutex);
  if (simd_target_place < 0) {
    const char* wish = std::getenv("TELAIO_SIMD");
    use(wish != nullptr && *wish != '\0' ? find(wish, "TELAIO_SIMD") : available_targets().front());
  }
  return simd_target_place;
}
}  // namespace detail

std::vector<std::string> simd_targets() {
  std::vector<std::string> names;
  for (const Target& target : available_targets()) names.emplace_back(target.name);
  return names;
}

std::string simd_target() {
  detail::place_of_simd_target();
  const std::lock_guard lock(mutex);
  return chosen.name;
}

void set_simd_target(std::string_view name) {
  const Target target = find(name, "set_simd_target");
  const std::lock_guard lock(mutex);
  use(target);
}

}  // namespace telaio::kernels

#if HWY_IS_DEBUG_BUILD
// What Highway's headers call where one of their assertions does not hold; its library, which has this, is not linked.
namespace hwy {
void Abort(const char* file, int line, const char* format, ...) {
  std::fprintf(stderr, "%s:%d: ", file, line);
  va_list arguments;
  va_start(arguments, format);
  std::vfprintf(stderr, format, arguments);
  va_end(arguments);
  std::fputc('\n', stderr);
  std::abort();
}
}  // namespace hwy
#endif
