// Reductions of floating-point numbers.
#include <telaio/ops/kernels/reduce_tasks.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <telaio/ops/kernels/reduce_float.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <telaio/ops/kernels/reduce-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

void run_f32(ReduceOp op, const ReducePlan& plan, const float* x, float* y, int64_t begin, int64_t end) {
  run(op, plan, x, y, begin, end);
}
void run_f64(ReduceOp op, const ReducePlan& plan, const double* x, double* y, int64_t begin, int64_t end) {
  run(op, plan, x, y, begin, end);
}

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(run_f32);
TELAIO_EXPORT(run_f64);

template <>
void reduce_tasks(ReduceOp op, const ReducePlan& plan, const float* x, float* y, int64_t begin, int64_t end) {
  TELAIO_DISPATCH(run_f32)(op, plan, x, y, begin, end);
}
template <>
void reduce_tasks(ReduceOp op, const ReducePlan& plan, const double* x, double* y, int64_t begin, int64_t end) {
  TELAIO_DISPATCH(run_f64)(op, plan, x, y, begin, end);
}

}  // namespace telaio::kernels
#endif  // HWY_ONCE
