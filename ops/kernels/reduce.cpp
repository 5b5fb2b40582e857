#include <telaio/ops/kernels/reduce.hpp>

#include <algorithm>
#include <limits>
#include <type_traits>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/ops/kernels/reduce_tasks.hpp>

namespace telaio::kernels {
namespace {

template <class T>
void run(ReduceOp op, const ReducePlan& plan, const T* x, T* y) {
  using Element = std::conditional_t<sizeof(T) == 1, uint8_t, T>;  // bool is a byte of 0 or 1
  const auto* from = reinterpret_cast<const Element*>(x + plan.start);
  auto* to = reinterpret_cast<Element*>(y);
  parallel_for(plan.tasks(), grain_here(plan.cycles_per_task()),
               [&](int64_t begin, int64_t end) { reduce_tasks(op, plan, from, to, begin, end); });
}

template <class T>
T over_nothing(ReduceOp op) {
  using Limits = std::numeric_limits<T>;
  switch (op) {
    case ReduceOp::sum:
    case ReduceOp::any:
      return T{0};
    case ReduceOp::prod:
    case ReduceOp::all:
      return T{1};
    case ReduceOp::max:
      return Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    case ReduceOp::min:
      return Limits::has_infinity ? Limits::infinity() : Limits::max();
  }
  return T{};
}

}  // namespace

template <class T>
void reduce(ReduceOp op, int rank, const int64_t* shape, const int64_t* strides, const bool* reduced, const T* x, T* y,
            void* scratch) {
  const ReducePlan plan = plan_reduce(rank, shape, strides, reduced, sizeof(T), true);
  if (plan.outputs == 0) return;
  if (plan.length == 0) {
    std::fill_n(y, plan.outputs, over_nothing<T>(op));
    return;
  }
  if (plan.parts == 1) return run(op, plan, x, y);

  T* partials = static_cast<T*>(scratch);  // [parts, outputs]
  run(op, plan, x, partials);
  const int64_t partial_shape[] = {plan.parts, plan.outputs};
  const int64_t partial_strides[] = {plan.outputs, 1};
  const bool over_parts[] = {true, false};
  run(op, plan_reduce(2, partial_shape, partial_strides, over_parts, sizeof(T), false), partials, y);
}

template <class T>
size_t reduce_scratch_bytes(int rank, const int64_t* shape, const int64_t* strides, const bool* reduced) {
  const ReducePlan plan = plan_reduce(rank, shape, strides, reduced, sizeof(T), true);
  return plan.parts == 1 ? 0 : static_cast<size_t>(plan.parts * plan.outputs) * sizeof(T);
}

#define TELAIO_REDUCE(T)                                                                                    \
  template void reduce<T>(ReduceOp, int, const int64_t*, const int64_t*, const bool*, const T*, T*, void*); \
  template size_t reduce_scratch_bytes<T>(int, const int64_t*, const int64_t*, const bool*)
TELAIO_REDUCE(float);
TELAIO_REDUCE(double);
TELAIO_REDUCE(int32_t);
TELAIO_REDUCE(int64_t);
TELAIO_REDUCE(uint8_t);
TELAIO_REDUCE(bool);
#undef TELAIO_REDUCE

}  // namespace telaio::kernels
