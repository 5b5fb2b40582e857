// The arithmetic of a planned reduction, for the current SIMD target.
#pragma once

#include <cstdint>

#include <telaio/ops/kernels/reduce.hpp>
#include <telaio/ops/kernels/reduce_plan.hpp>

namespace telaio::kernels {

/// Computes tasks [begin, end) of the plan on the calling thread; x is the element at plan.start. float, double,
/// int32_t, int64_t and uint8_t. `any` and `all` of uint8_t alone, and of elements that are 0 or 1.
template <class T>
void reduce_tasks(ReduceOp op, const ReducePlan& plan, const T* x, T* y, int64_t begin, int64_t end);

#define TELAIO_REDUCE_TASKS(T) \
  template <>                  \
  void reduce_tasks(ReduceOp op, const ReducePlan& plan, const T* x, T* y, int64_t begin, int64_t end);
TELAIO_REDUCE_TASKS(float)
TELAIO_REDUCE_TASKS(double)
TELAIO_REDUCE_TASKS(int32_t)
TELAIO_REDUCE_TASKS(int64_t)
TELAIO_REDUCE_TASKS(uint8_t)
#undef TELAIO_REDUCE_TASKS

}  // namespace telaio::kernels
