#include <telaio/ops/kernels/simd_target.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <mutex>
#include <stdexcept>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <hwy/targets.h>

namespace telaio::kernels {
namespace {

struct Target {
  int64_t bit;
  const char* name;
};

// Best first.
constexpr Target known_targets[] = {
#if HWY_ARCH_X86
    {HWY_AVX3, "avx512"},   {HWY_AVX2, "avx2"},
#endif
#if HWY_ARCH_ARM
    {HWY_NEON, "neon"},
#endif
    {HWY_EMU128, "scalar"}, {HWY_SCALAR, "scalar"},
};

std::vector<Target> available_targets() {
  // What the compiler may use anywhere is there in any case; Highway's list may leave it out.
  const int64_t usable = (hwy::SupportedTargets() | HWY_STATIC_TARGET) & (HWY_TARGETS);
  std::vector<Target> available;
  std::copy_if(std::begin(known_targets), std::end(known_targets), std::back_inserter(available),
               [&](const Target& target) { return (target.bit & usable) != 0; });
  return available;
}

std::mutex mutex;
Target chosen = {};  // guarded by mutex

// Points every dispatch table of the process at the target. The caller holds the mutex.
void use(const Target& target) {
  hwy::GetChosenTarget().Update(target.bit);
  chosen = target;
  detail::simd_target_chosen.store(true, std::memory_order_release);
}

Target find(std::string_view name, std::string_view source) {
  for (const Target& target : available_targets())
    if (target.name == name) return target;
  throw std::invalid_argument(
      fmt::format("{}: no SIMD target \"{}\" here; choose from {}", source, name, fmt::join(simd_targets(), ", ")));
}

}  // namespace

namespace detail {
void choose_simd_target() {
  const std::lock_guard lock(mutex);
  if (simd_target_chosen) return;
  const char* wish = std::getenv("TELAIO_SIMD");
  use(wish != nullptr && *wish != '\0' ? find(wish, "TELAIO_SIMD") : available_targets().front());
}
}  // namespace detail

std::vector<std::string> simd_targets() {
  std::vector<std::string> names;
  for (const Target& target : available_targets()) names.emplace_back(target.name);
  return names;
}

std::string simd_target() {
  detail::ensure_simd_target();
  const std::lock_guard lock(mutex);
  return chosen.name;
}

void set_simd_target(std::string_view name) {
  const Target target = find(name, "set_simd_target");
  const std::lock_guard lock(mutex);
  use(target);
}

}  // namespace telaio::kernels
