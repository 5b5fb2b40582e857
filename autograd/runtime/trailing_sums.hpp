// Sums over a batch that is computed slice by slice, which are themselves not made slice by slice: those so large that
// every group of slices would add up more numbers than it makes them from.
#pragma once

#include <array>
#include <atomic>
#include <vector>

#include <telaio/autograd/op.hpp>
#include <telaio/autograd/runtime/graph.hpp>
#include <telaio/autograd/runtime/plan.hpp>

namespace telaio {

/// They trail behind the slices, in pieces: some rows of a sum, over some rows of the batch. A thread that finds no
/// slices left begins with them, and with those rows of the batch that are there, while other threads still work.
class TrailingSums {
 public:
  /// Sums, and pieces of all of them, that there may be.
  static constexpr int64_t most = 8, most_pieces = 16 * most;
  /// Whether the op's only output can be one: the op sums along the batch, which is at `axes` of its inputs.
  static bool possible(const Op& op, std::span<const int> axes, Specs x, Specs y);

  TrailingSums() = default;
  /// Outputs of the graph, an op each, from its inputs, which are outputs of the slices: input i is number from[i].
  /// axes[o][k]: the axis of the batch in input k of output o's op.
  TrailingSums(Graph graph, std::vector<size_t> from, std::vector<std::vector<int>> axes);

  size_t size() const { return sums_.size(); }
  int64_t pieces() const { return pieces_; }
  /// Where sum `sum` begins among the pieces.
  int64_t first_piece(size_t sum) const { return sum < sums_.size() ? sums_[sum].first_piece : pieces_; }
  const TensorSpec& spec(size_t sum) const { return graph_.outputs[sum].spec(); }

  /// One run: what is done of each piece. Every piece is summed over the first `early` rows of the batch, then over the
  /// others, whoever does it when: so its bits do not depend on that.
  class Run {
   public:
    /// From `slices`, their outputs for all of the batch, to `sums`.
    Run(const TrailingSums& trailing, int64_t early, int64_t batch, Views slices, Views sums)
        : trailing_(trailing), early_(early), batch_(batch), slices_(slices), sums_(sums) {}

    /// The first rows of a piece, which must be there, unless somebody has taken it.
    void begin(int64_t piece);
    /// All of a piece that is not done and that nobody else has, who will come back to it: all rows must be there. Then
    /// `finished` is given the number of its sum, and where it lies.
    void finish(int64_t piece, FunctionRef<void(size_t, const TensorSpec&, const std::byte*)> finished);
    bool done() const;

   private:
    // Begun: summed over the first rows.
    enum State : uint8_t { untouched, taken, begun, finished };
    // On a line of its own, which need not pass from core to core when another piece is taken.
    struct alignas(64) Piece {
      std::atomic<State> state{untouched};
    };
    void add(int64_t piece, int64_t from, int64_t to) const;

    const TrailingSums& trailing_;
    const int64_t early_, batch_;
    const Views slices_, sums_;
    std::array<Piece, most_pieces> pieces_;
  };

  const Plan& plan() const { return plan_; }
  const Plan::Step& step(size_t sum) const { return plan_.steps[static_cast<size_t>(sums_[sum].step)]; }
  double flops() const;

 private:
  struct Sum {
    int step = 0;
    OpPtr adding;
    std::vector<int> axes;
    int64_t rows = 0, rows_of_piece = 0, first_piece = 0;
  };
  // Some rows of a sum.
  struct Part {
    size_t sum;
    int64_t first, count;
  };
  Part part(int64_t piece) const;

  Graph graph_;
  Plan plan_;
  std::vector<size_t> from_;
  std::vector<Sum> sums_;
  int64_t pieces_ = 0;
};

}  // namespace telaio
