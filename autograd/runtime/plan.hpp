// The plan: a graph made concrete. Steps in a fixed order, values with strides, buffers with places in memory.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include <telaio/autograd/op.hpp>
#include <telaio/autograd/runtime/graph.hpp>
#include <telaio/autograd/runtime/parallel.hpp>

namespace telaio {

struct Plan {
  /// A stretch of memory and who owns it.
  struct Buffer {
    enum class Home : uint8_t {
      arena,     ///< `place` is its offset in the arena, in bytes
      constant,  ///< of the graph: `place` indexes `constants`
      input,     ///< an argument of the call: `place` indexes Graph::inputs
      variable,  ///< a variable's storage: `place` indexes Graph::variables
      result,    ///< allocated for each call and handed out: `place` numbers them
      none,      ///< nowhere: nobody reads it, and the op that would write it can do without
    };
    Home home = Home::arena;
    int64_t place = -1;
    int64_t bytes = 0;
    int writer = -1;  ///< the step that fills it; −1 when it is there from the start
  };
  /// A tensor in a buffer.
  struct Value {
    TensorSpec spec;
    Strides strides;
    int64_t offset = 0;  ///< of the first element, in elements
    int buffer = -1;
    int producer = -1;  ///< the step after which it may be read; −1 when at once
  };
  /// One call of an op.
  struct Step {
    enum class Kind : uint8_t { op, copy, wait };  ///< wait: nothing runs; its outputs are its inputs, in time
    Kind kind = Kind::op;
    const Node* node = nullptr;
    int first_operand = 0;  ///< in `operands`: the inputs' values, then the outputs'
    int inputs = 0;
    int outputs = 0;
    int scratch = -1;  ///< a buffer
  };

  std::vector<Value> values;
  std::vector<Buffer> buffers;
  std::vector<Step> steps;
  std::vector<int> operands;
  std::vector<Array> constants;
  std::vector<int> outputs;                ///< a value for each of Graph::outputs
  std::vector<std::pair<int, int>> after;  ///< further orders: the second step waits for the first
  std::vector<char> written;               ///< for each of Graph::variables: whether the plan replaces it
  int results = 0;
  int64_t arena_bytes = 0;
  /// Whether the steps must run in their order (then memory is shared more freely); set for graphs too large to
  /// analyse.
  bool in_order = false;
  /// What runs concurrently: task t is the steps task_steps[task_first[t]…task_first[t+1]). Empty: all steps in order.
  TaskGraph tasks;
  std::vector<int> task_first;
  std::vector<int> task_steps;

  int64_t bytes_of(const Value& value) const { return value.spec.bytes(); }
  std::span<const int> inputs_of(const Step& step) const {
    return {operands.data() + step.first_operand, static_cast<size_t>(step.inputs)};
  }
  std::span<const int> outputs_of(const Step& step) const {
    return {operands.data() + step.first_operand + step.inputs, static_cast<size_t>(step.outputs)};
  }
};

/// Which steps wait for which: for each step the steps that it depends on, in one list.
struct Dependencies {
  std::vector<int> first;  ///< step s waits for steps[first[s]…first[s+1])
  std::vector<int> steps;

  explicit Dependencies(const Plan& plan);
  std::span<const int> of(int step) const {
    return {steps.data() + first[static_cast<size_t>(step)],
            static_cast<size_t>(first[static_cast<size_t>(step) + 1] - first[static_cast<size_t>(step)])};
  }
};

/// Answers "is step a certainly finished before step b starts?" in constant time, by covering the steps with chains.
class Order {
 public:
  /// Knows nothing yet: the steps are to be entered one after the other.
  explicit Order(const Dependencies& dependencies);
  /// False when the graph is too large for the table: then only the order of the steps is known.
  bool known() const { return known_; }
  int chains() const { return static_cast<int>(chains_); }

  /// Takes in the dependencies of the next step.
  void enter(int step);
  void enter_all();
  /// Adds that `after`, the step entered last, waits for `before`.
  void add(int before, int after);

  bool before(int a, int b) const {
    if (!known_) return a < b;
    return reach_[static_cast<size_t>(b) * chains_ + static_cast<size_t>(chain_[static_cast<size_t>(a)])] >=
           position_[static_cast<size_t>(a)];
  }

 private:
  const Dependencies& dependencies_;
  bool known_ = true;
  size_t chains_ = 0;
  std::vector<int> chain_;
  std::vector<int> position_;
  std::vector<int> reach_;
};

/// Turns nodes into steps: views cost nothing, strided operands are copied where an op needs that, assigned variables
/// are written after all who read the old value and after every step that may throw. Error for an unbound input.
/// With own_results every output is contiguous in a buffer of its own, which nothing else shares.
Plan lower(const Graph& graph, bool own_results = false);

/// Lets an op write over its dying input where it can, and gives every arena buffer its place. A place is used again
/// only by a step that certainly runs after the last user of the old content, whatever runs concurrently.
void plan_memory(Plan& plan, bool concurrent = true);

/// What an op or a step costs, roughly, in core cycles; from sizes only.
double cycles_of(const Op& op, Specs x, Specs y);
double cycles_of(const Plan& plan, const Plan::Step& step);
/// Waking a thread costs tens of microseconds: below about 100 of them one thread is faster alone.
inline constexpr double worth_waking = 300'000;

/// Cuts the steps into tasks where branches are worth running concurrently.
void schedule(Plan& plan);

}  // namespace telaio
