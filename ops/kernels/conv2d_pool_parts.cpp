#include <telaio/ops/kernels/conv2d_pool_parts.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "telaio/ops/kernels/conv2d_pool_parts.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

int64_t LanesF32() { return hn::MaxLanes(hn::ScalableTag<float>()); }
int64_t LanesF64() { return hn::MaxLanes(hn::ScalableTag<double>()); }

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(LanesF32);
TELAIO_EXPORT(LanesF64);

template <>
int64_t vector_lanes<float>() {
  return TELAIO_DISPATCH(LanesF32)();
}
template <>
int64_t vector_lanes<double>() {
  return TELAIO_DISPATCH(LanesF64)();
}

}  // namespace telaio::kernels
#endif  // HWY_ONCE
