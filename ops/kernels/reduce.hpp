// Reductions over any set of axes, arg-reductions and running sums.
#pragma once

#include <cstddef>
#include <cstdint>

namespace telaio::kernels {

enum class ReduceOp : uint8_t { sum, max, min, prod, any, all };

/// y[kept…] = op over the reduced axes of x. T: float, double, int32_t, int64_t, uint8_t for sum, max, min, prod;
/// bool for any, all. Strides of x are in elements, any sign, 0 for a broadcast axis; `reduced` has one flag an axis;
/// y is contiguous, the kept axes in their order.
///
/// Sums and products are cascaded: the rounding error grows with log(n), not n. Integers wrap around. max and min
/// give NaN where any element is NaN. Over nothing: sum 0, prod 1, any false, all true; max and min give the
/// smallest and largest value (-inf, +inf for floats), so the caller must have refused.
///
/// The order of the additions depends on the geometry alone: the same bits on any thread count and SIMD target.
/// `scratch` holds reduce_scratch_bytes of the same geometry, 64-byte aligned (it may be null where that is 0).
template <class T>
void reduce(ReduceOp op, int rank, const int64_t* shape, const int64_t* strides, const bool* reduced, const T* x, T* y,
            void* scratch);

template <class T>
size_t reduce_scratch_bytes(int rank, const int64_t* shape, const int64_t* strides, const bool* reduced);
/// No smaller than reduce_scratch_bytes, whatever the strides: what a planner that does not know them reserves.
size_t reduce_scratch_limit(int64_t outputs, int64_t elements, size_t elem_size);

/// y[o, i] = the first j at which x[o, j, i] is largest (`max`) or smallest; the first NaN wins over every number.
/// x is contiguous [outer, len, inner], y is [outer, inner], len ≥ 1. T: float, double, int32_t, int64_t, uint8_t.
template <class T>
void arg_reduce(bool max, int64_t outer, int64_t len, int64_t inner, const T* x, int64_t* y);

/// y[o, j, i] = Σ x[o, k, i] over k ≤ j (`reverse`: k ≥ j; `exclusive`: without k = j), both contiguous
/// [outer, len, inner]; y may be x. Floats add in double, integers wrap around.
/// T: float, double, int32_t, int64_t, uint8_t.
template <class T>
void cumsum(int64_t outer, int64_t len, int64_t inner, const T* x, T* y, bool reverse, bool exclusive);

}  // namespace telaio::kernels
