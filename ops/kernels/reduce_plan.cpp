#include <telaio/ops/kernels/reduce_plan.hpp>

#include <telaio/ops/kernels/reduce.hpp>

#include <algorithm>
#include <bit>
#include <limits>

namespace telaio::kernels {
namespace {

using Axis = ReducePlan::Axis;

int64_t floor_power_of_two(int64_t n) { return static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(n))); }

/// Drops axes of size 1, sorts the others into kept and reduced ones and merges neighbours that step as one axis.
void collect_axes(int rank, const int64_t* shape, const int64_t* strides, const bool* reduced, ReducePlan& plan) {
  for (int a = 0; a < rank; ++a) (reduced[a] ? plan.length : plan.outputs) *= shape[a];

  int64_t y_stride = plan.outputs;
  for (int a = 0; a < rank; ++a) {
    if (shape[a] <= 1) continue;
    if (reduced[a]) {
      const bool flip = strides[a] < 0;  // the order of a reduction is ours to choose
      if (flip) plan.start += (shape[a] - 1) * strides[a];
      plan.reduced[plan.reduced_rank++] = {shape[a], flip ? -strides[a] : strides[a], 0};
    } else {
      y_stride /= shape[a];
      plan.kept[plan.kept_rank++] = {shape[a], strides[a], y_stride};
    }
  }
  // Long strides outside; repeated axes (stride 0) outermost, so that they do not hide a contiguous one.
  const auto reach = [](const Axis& axis) { return axis.x == 0 ? std::numeric_limits<int64_t>::max() : axis.x; };
  // An insertion: a handful of axes, and the standard library's stable sort allocates.
  for (Axis* next = plan.reduced; next < plan.reduced + plan.reduced_rank; ++next) {
    Axis* const place =
        std::upper_bound(plan.reduced, next, *next, [&](const Axis& a, const Axis& b) { return reach(a) > reach(b); });
    std::rotate(place, next, next + 1);
  }

  const auto merge = [](Axis* axes, int& count) {
    int last = 0;
    for (int a = 1; a < count; ++a) {
      Axis& outer = axes[last];
      const Axis& inner = axes[a];
      if (outer.x == inner.size * inner.x && outer.y == inner.size * inner.y)
        outer = {outer.size * inner.size, inner.x, inner.y};
      else axes[++last] = inner;
    }
    if (count > 0) count = last + 1;
  };
  merge(plan.kept, plan.kept_rank);
  merge(plan.reduced, plan.reduced_rank);
  if (plan.reduced_rank == 0) plan.reduced[plan.reduced_rank++] = {1, 0, 0};
}

/// Makes kept axis `a` the lane axis.
void take_lane(ReducePlan& plan, int a) {
  plan.lane = plan.kept[a];
  std::copy(plan.kept + a + 1, plan.kept + plan.kept_rank, plan.kept + a);
  --plan.kept_rank;
}

void choose_rows(ReducePlan& plan, int64_t row, int64_t vector) {
  const Axis& inner = plan.reduced[plan.reduced_rank - 1];
  // Shorter runs than this cost more to fold than to gather.
  constexpr int64_t short_run = 16;

  int contiguous = -1, longest = -1;
  for (int a = 0; a < plan.kept_rank; ++a) {
    if (plan.kept[a].x == 1) contiguous = a;
    if (longest < 0 || plan.kept[a].size > plan.kept[longest].size) longest = a;
  }
  const bool many_outputs = longest >= 0 && plan.kept[longest].size >= short_run;
  const bool along_run = inner.x == 1 && (inner.size >= short_run || !many_outputs);
  if (!along_run) {
    if (contiguous >= 0) take_lane(plan, contiguous);
    else if (many_outputs) take_lane(plan, longest);
  }

  const int64_t lanes = plan.lane.size;
  const bool dense_rows = inner.x == lanes;  // the next row starts where this one ends
  plan.packed = (lanes > 1 && plan.lane.x != 1) || (lanes < short_run && !dense_rows && inner.size > 1);
  if (dense_rows || plan.packed) {
    // Eight rows at least, where that leaves a row a full vector.
    const int64_t enough = std::max(inner.size / 8, vector / lanes);
    plan.glue = floor_power_of_two(std::clamp<int64_t>(enough, 1, std::max<int64_t>(1, row / lanes)));
  }
  plan.tile = std::min(lanes, row);
  plan.tiles = (lanes - 1) / plan.tile + 1;
}

constexpr int64_t part_elements = 65536;  // about 100k cycles when the input comes from memory
constexpr int64_t enough_tasks = 64;

void choose_parts(ReducePlan& plan) {
  const int64_t tasks = plan.tasks();
  if (tasks > enough_tasks / 2) return;
  for (int a = 1; a < plan.reduced_rank; ++a)
    if (plan.reduced[a].size > plan.reduced[plan.split].size) plan.split = a;
  plan.parts = std::clamp<int64_t>(plan.outputs * plan.length / part_elements, 1,
                                   std::min(enough_tasks / tasks, plan.reduced[plan.split].size));
}

}  // namespace

size_t reduce_scratch_limit(int64_t outputs, int64_t elements, size_t elem_size) {
  // choose_parts: parts ≤ elements / part_elements, and parts · tasks ≤ enough_tasks where a task has a row of outputs
  // at most.
  const int64_t parts = std::min(elements / part_elements, enough_tasks);
  if (parts <= 1) return 0;
  const int64_t row = ReducePlan::row_bytes / static_cast<int64_t>(elem_size);
  if (outputs > enough_tasks * row) return 0;
  return static_cast<size_t>(std::min(parts * outputs, enough_tasks * row)) * elem_size;
}

double ReducePlan::cycles_per_task() const {
  // Measured: about 0.4 cycles an element from the second-level cache, 1.5 when it must be gathered.
  const double elements = static_cast<double>(tile) * static_cast<double>(length) / static_cast<double>(parts);
  return 60 + elements * (packed ? 1.5 : 0.4);
}

ReducePlan plan_reduce(int rank, const int64_t* shape, const int64_t* strides, const bool* reduced, size_t elem_size,
                       bool may_split) {
  ReducePlan plan;
  collect_axes(rank, shape, strides, reduced, plan);
  if (plan.outputs == 0 || plan.length == 0) return plan;
  const auto size = static_cast<int64_t>(elem_size);
  choose_rows(plan, ReducePlan::row_bytes / size, 64 / size);
  if (may_split) choose_parts(plan);
  return plan;
}

}  // namespace telaio::kernels
