// A plan with memory, ready to run any number of times.
#pragma once

#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include <telaio/autograd/runtime/plan.hpp>
#include <telaio/autograd/runtime/profile.hpp>

namespace telaio {

/// Safe to run from several threads at once: each run has its own memory; runs that assign to variables take turns.
class Executable {
 public:
  /// Lowers the graph and, with `concurrent`, lets its branches run side by side.
  explicit Executable(Graph graph, bool concurrent = true);
  ~Executable();

  /// Computes the outputs for these inputs (of the specs of Graph::inputs; any strides) and assigns the variables.
  /// When a step throws, no variable has changed. A result may share memory with an input, a constant or a variable's
  /// present value; it is never written to afterwards.
  /// `read` receives the nodes of the variables that were read, in the order of Graph::variables.
  std::vector<Array> run(std::span<const Array> inputs, std::vector<NodePtr>* read = nullptr) const;
  Profile profile(std::span<const Array> inputs) const;

  const Graph& graph() const { return graph_; }
  const Plan& plan() const { return plan_; }

 private:
  struct Frame;
  std::vector<Array> run(std::span<const Array> inputs, std::vector<NodePtr>* read, Profile* profile) const;
  void bind_variables(Frame& frame, std::vector<NodePtr>* read) const;
  void expect_writes(const Storage& arena) const;
  std::unique_ptr<Frame> acquire() const;
  void release(std::unique_ptr<Frame> frame) const;
  void execute(const Frame& frame, int step) const;
  void execute_all(Frame& frame) const;
  void measure(const Frame& frame, Profile& profile) const;

  Graph graph_;
  Plan plan_;
  struct External {
    int operand;
    int buffer;
    int64_t offset;  // in bytes
  };
  std::vector<int> lock_order_;     // of the variables
  std::vector<External> external_;  // operands whose memory differs from call to call
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Frame>> idle_;
};

}  // namespace telaio
