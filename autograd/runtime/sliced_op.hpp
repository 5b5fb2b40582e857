// A part of a graph that runs slice by slice of the batch: each slice goes through all of its ops while what they pass
// on is still in the cache (depth first), instead of the whole batch through one op after the other.
#pragma once

#include <string>
#include <vector>

#include <telaio/autograd/op.hpp>
#include <telaio/autograd/runtime/graph.hpp>
#include <telaio/autograd/runtime/plan.hpp>
#include <telaio/autograd/runtime/trailing_sums.hpp>

namespace telaio {

/// The ops of one slice as a graph of its own. Its inputs are rows of the batch along the first axis, or whole tensors;
/// its outputs are rows of the results, or terms of sums over the batch.
struct SliceGraph {
  Graph graph;
  int64_t rows = 0;
};

/// One op for the whole batch. Slices are dealt out to a fixed number of groups, which depends on sizes alone; a group
/// takes its slices one after the other on one thread and adds up what is summed, and the groups' sums are added in
/// order. So the result does not depend on the number of threads.
class SlicedOp final : public Op {
 public:
  /// Enough groups for the threads of a desktop to share them out evenly; each costs memory for its sums, and the time
  /// to add them up.
  static constexpr int64_t most_groups = 8;

  /// `slice` for all slices but perhaps the last; `last` (no rows: not needed) for the remainder of the batch.
  /// cut[i]: input i is cut along its first axis. summed[i]: output i is a sum. Behind the slices' outputs are the
  /// trailing sums. For each of `watched`, which are sums of floats, there is another output behind them: a scalar, 0
  /// where all of the sum is finite, else its NaN or infinity.
  SlicedOp(SliceGraph slice, SliceGraph last, int64_t batch, std::vector<char> cut, std::vector<char> summed,
           TrailingSums trailing = {}, std::vector<size_t> watched = {});
  ~SlicedOp() override;

  std::string_view name() const override { return "sliced"; }
  std::string attributes() const override;
  std::vector<TensorSpec> infer(Specs x) const override;
  void run(Views x, Views y, void* scratch) const override;
  size_t scratch_bytes(Specs x, Specs y) const override;
  size_t scratch_in_use(Specs x, Specs y, int threads) const override;
  bool may_fail() const override { return may_fail_; }
  double flops(Specs x, Specs y) const override;

  int64_t rows() const { return slice_.rows; }
  const Graph& slice() const { return slice_.graph; }
  const TrailingSums& trailing() const { return trailing_; }
  /// Runs on the calling thread, and says after each step what it was and how long it took.
  void profile(Views x, Views y, void* scratch, FunctionRef<void(const Plan&, const Plan::Step&, double)> took) const;

 private:
  // The memory that one group works in, and where it lies in the scratch: sums and blocks by turns, since the first
  // ones are used again and again, and the others only where there are threads for them.
  struct Layout {
    int64_t block;         // behind the sums
    int64_t views, terms;  // in a block: operands of a slice; a later slice's terms of the sums
    int64_t step;          // from sums to the next ones
    explicit Layout(const SlicedOp& op);
  };
  class Run;
  using Took = FunctionRef<void(const Plan&, const Plan::Step&, double)>;
  int64_t slices() const;
  int64_t groups() const;
  void run_all(Views x, Views y, void* scratch, Took* took) const;
  void run_group(Views x, Views y, std::byte* block, std::byte* sums, int64_t group, Took* took) const;
  void run_slice(const SliceGraph& graph, const Plan& plan, Views x, Views y, std::byte* block, std::byte* sums,
                 int64_t slice, bool first, Took* took) const;
  std::byte* sum_of(Views y, std::byte* sums, size_t output) const;
  static void add(const TensorSpec& spec, const std::byte* term, std::byte* sum);
  int64_t first_row(int64_t group) const { return std::min(slices() * group / groups() * slice_.rows, batch_); }
  // What trails is summed over these first, as soon as a thread finds no other group left.
  int64_t early_groups() const { return groups() * 3 / 4; }

  SliceGraph slice_, last_;
  Plan plan_, last_plan_;
  int64_t batch_;
  std::vector<char> cut_, summed_;
  TrailingSums trailing_;
  std::vector<size_t> watched_;
  std::vector<TensorSpec> outputs_;
  std::vector<int64_t> sum_place_;  // of each summed output within a group's sums, in bytes
  int64_t sums_bytes_ = 0, arena_bytes_ = 0;
  bool may_fail_ = false;
};

/// Graphs whose batch is worth cutting: parts of them become SlicedOps. The batch is the first axis that most of the
/// graph's inputs have in common.
Graph slice_batches(const Graph& graph);

}  // namespace telaio
