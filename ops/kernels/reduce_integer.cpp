// Reductions of integers, and of bools, which are bytes of 0 or 1.
#include <telaio/ops/kernels/reduce_tasks.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <telaio/ops/kernels/reduce_integer.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <telaio/ops/kernels/reduce-inl.hpp>

HWY_BEFORE_NAMESPACE();
namespace telaio::kernels::HWY_NAMESPACE {

void run_i32(ReduceOp op, const ReducePlan& plan, const int32_t* x, int32_t* y, int64_t begin, int64_t end) {
  run(op, plan, x, y, begin, end);
}
void run_i64(ReduceOp op, const ReducePlan& plan, const int64_t* x, int64_t* y, int64_t begin, int64_t end) {
  run(op, plan, x, y, begin, end);
}
void run_u8(ReduceOp op, const ReducePlan& plan, const uint8_t* x, uint8_t* y, int64_t begin, int64_t end) {
  run(op, plan, x, y, begin, end);
}

}  // namespace telaio::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace telaio::kernels {

TELAIO_EXPORT(run_i32);
TELAIO_EXPORT(run_i64);
TELAIO_EXPORT(run_u8);

template <>
void reduce_tasks(ReduceOp op, const ReducePlan& plan, const int32_t* x, int32_t* y, int64_t begin, int64_t end) {
  TELAIO_DISPATCH(run_i32)(op, plan, x, y, begin, end);
}
template <>
void reduce_tasks(ReduceOp op, const ReducePlan& plan, const int64_t* x, int64_t* y, int64_t begin, int64_t end) {
  TELAIO_DISPATCH(run_i64)(op, plan, x, y, begin, end);
}
template <>
void reduce_tasks(ReduceOp op, const ReducePlan& plan, const uint8_t* x, uint8_t* y, int64_t begin, int64_t end) {
  TELAIO_DISPATCH(run_u8)(op, plan, x, y, begin, end);
}

}  // namespace telaio::kernels
#endif  // HWY_ONCE
