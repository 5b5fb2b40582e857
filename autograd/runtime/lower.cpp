#include <telaio/autograd/runtime/plan.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <boost/unordered/unordered_flat_map.hpp>

#include <telaio/autograd/node.hpp>

namespace telaio {

namespace {

using Home = Plan::Buffer::Home;

class Lowering {
 public:
  Lowering(const Graph& graph, bool own_results) : graph_(graph), own_results_(own_results) {
    for (size_t i = 0; i < graph.inputs.size(); ++i) ends_[graph.inputs[i].node()] = static_cast<int>(i);
    for (size_t i = 0; i < graph.variables.size(); ++i)
      if (graph.variables[i].read.defined()) ends_[graph.variables[i].read.node()] = static_cast<int>(i);
    plan_.written.resize(graph.variables.size());
    variable_readers_.resize(graph.variables.size());
  }

  Plan run() {
    const auto has_value = [](const Node* node) { return node->values() != nullptr; };
    const std::vector<Tensor> roots = graph_.roots();
    const std::vector<const Node*> order = topological_order(roots, has_value);
    first_value_.reserve(order.size());
    plan_.values.reserve(order.size());
    plan_.steps.reserve(order.size());
    for (const Node* node : order) lower_node(*node);
    for (const Tensor& output : graph_.outputs) plan_.outputs.push_back(result(value_of(output)));
    assign_variables();
    drop_unread();
    return std::move(plan_);
  }

 private:
  int value_of(const Tensor& tensor) const { return first_value_.find(tensor.node())->second + tensor.index(); }
  Plan::Value& value(int index) { return plan_.values[static_cast<size_t>(index)]; }
  Plan::Buffer& buffer(int index) { return plan_.buffers[static_cast<size_t>(index)]; }

  int add_buffer(Home home, int64_t place, int64_t bytes, int writer) {
    plan_.buffers.push_back({home, place, bytes, writer});
    return static_cast<int>(plan_.buffers.size()) - 1;
  }

  int add_value(const TensorSpec& spec, const Strides& strides, int64_t offset, int in_buffer, int producer) {
    plan_.values.push_back({spec, strides, offset, in_buffer, producer});
    return static_cast<int>(plan_.values.size()) - 1;
  }

  int add_leaf(const TensorSpec& spec, Home home, int place) {
    return add_value(spec, contiguous_strides(spec.shape), 0, add_buffer(home, place, spec.bytes(), -1), -1);
  }

  int add_step(Plan::Step::Kind kind, const Node* node, std::span<const int> inputs) {
    const int index = static_cast<int>(plan_.steps.size());
    Plan::Step step;
    step.kind = kind;
    step.node = node;
    step.first_operand = static_cast<int>(plan_.operands.size());
    step.inputs = static_cast<int>(inputs.size());
    plan_.operands.insert(plan_.operands.end(), inputs.begin(), inputs.end());
    plan_.steps.push_back(step);
    for (int in : inputs) {
      const Plan::Buffer& read = buffer(value(in).buffer);
      if (read.home == Home::variable) variable_readers_[static_cast<size_t>(read.place)].push_back(index);
    }
    if (kind == Plan::Step::Kind::op && node->op().may_fail()) failing_.push_back(index);
    return index;
  }

  void add_output(int step, int output) {
    plan_.operands.push_back(output);
    ++plan_.steps[static_cast<size_t>(step)].outputs;
  }

  int copy(int from, Home home, int64_t place) {
    const int step = add_step(Plan::Step::Kind::copy, nullptr, {&from, 1});
    const TensorSpec spec = value(from).spec;
    const int to =
        add_value(spec, contiguous_strides(spec.shape), 0, add_buffer(home, place, spec.bytes(), step), step);
    add_output(step, to);
    return to;
  }

  int contiguous(int index) {
    if (is_contiguous(value(index).spec.shape, value(index).strides)) return index;
    const auto [entry, added] = copies_.insert({index, -1});
    if (added) {
      const int copied = copy(index, Home::arena, -1);
      copies_[index] = copied;
      return copied;
    }
    return entry->second;
  }

  void lower_node(const Node& node) {
    const int first = static_cast<int>(plan_.values.size());
    if (const std::vector<Array>* values = node.values()) {
      for (const Array& array : *values) {
        const auto bytes = static_cast<int64_t>(array.storage()->bytes());
        const int home = add_buffer(Home::constant, static_cast<int64_t>(plan_.constants.size()), bytes, -1);
        plan_.constants.push_back(array);
        add_value(array.spec(), array.strides(), array.offset(), home, -1);
      }
      first_value_[&node] = first;
      return;
    }
    if (node.inputs().empty() && node.kind() != Node::Kind::compute) {
      first_value_[&node] = first;
      return lower_end(node);
    }
    std::vector<int> inputs;
    for (const Tensor& x : node.inputs()) inputs.push_back(value_of(x));
    if (const int viewed = lower_view(node, inputs); viewed >= 0) {
      first_value_[&node] = viewed;
      return;
    }
    for (size_t i = 0; i < inputs.size(); ++i)
      if (!node.op().takes_strides(i)) inputs[i] = contiguous(inputs[i]);
    const int step = add_step(Plan::Step::Kind::op, &node, inputs);
    first_value_[&node] = static_cast<int>(plan_.values.size());
    for (const TensorSpec& spec : node.outputs()) {
      const int home = add_buffer(Home::arena, -1, spec.bytes(), step);
      add_output(step, add_value(spec, contiguous_strides(spec.shape), 0, home, step));
    }
    if (const size_t bytes = node.op().scratch_bytes(specs_of(node.inputs()), node.outputs())) {
      plan_.steps[static_cast<size_t>(step)].scratch = add_buffer(Home::arena, -1, static_cast<int64_t>(bytes), step);
    }
  }

  void lower_end(const Node& node) {
    const auto found = ends_.find(&node);
    if (found == ends_.end()) {
      const bool variable = node.kind() == Node::Kind::variable;
      fail("eval",
           fmt::format("the {} '{}' has no value here: it is bound only while the function that {} it runs",
                       variable ? "variable" : "input",
                       variable ? node.op().attributes() : std::string(node.op().name()), variable ? "reads" : "takes"),
           {}, node.where());
    }
    add_leaf(node.outputs()[0], node.kind() == Node::Kind::variable ? Home::variable : Home::input, found->second);
  }

  // The first of the node's values when all of its outputs are views of its inputs, or −1.
  int lower_view(const Node& node, const std::vector<int>& inputs) {
    const size_t count = node.outputs().size();
    if (inputs.size() < count) return -1;
    struct Layout {
      Strides strides;
      int64_t offset;
    };
    std::vector<Layout> layouts(count);
    for (size_t i = 0; i < count; ++i) {
      const Plan::Value& x = value(inputs[i]);
      if (!node.op().view(x.spec, x.strides, node.outputs()[i], layouts[i].strides, layouts[i].offset)) return -1;
    }
    const int waits = inputs.size() > count ? add_step(Plan::Step::Kind::wait, &node, inputs) : -1;
    const int first = static_cast<int>(plan_.values.size());
    for (size_t i = 0; i < count; ++i) {
      const Plan::Value x = value(inputs[i]);
      add_value(node.outputs()[i], layouts[i].strides, x.offset + layouts[i].offset, x.buffer,
                waits >= 0 ? waits : x.producer);
    }
    return first;
  }

  // What is handed out must not be overwritten later: it gets memory of its own, or shares that of a value that stays.
  int result(int index) {
    if (own_results_) {
      const Plan::Value& given = value(index);
      const Plan::Buffer& in = buffer(given.buffer);
      if (in.home != Home::arena || in.bytes != given.spec.bytes() || given.offset != 0 ||
          !is_contiguous(given.spec.shape, given.strides)) {
        return copy(index, Home::result, plan_.results++);
      }
    }
    Plan::Buffer& home = buffer(value(index).buffer);
    if (home.home == Home::variable && graph_.variables[static_cast<size_t>(home.place)].assigned.defined()) {
      return copy(index, Home::result, plan_.results++);
    }
    if (home.home == Home::arena) {
      home.home = Home::result;
      home.place = plan_.results++;
    }
    return index;
  }

  void assign_variables() {
    struct Assignment {
      int variable;
      int value;
    };
    std::vector<Assignment> assignments;
    for (size_t i = 0; i < graph_.variables.size(); ++i) {
      if (!graph_.variables[i].assigned.defined()) continue;
      plan_.written[i] = 1;
      int from = value_of(graph_.variables[i].assigned);
      const Plan::Buffer& home = buffer(value(from).buffer);
      // Variables may exchange their values: what is read from one is put aside before any is written.
      if (home.home == Home::variable) from = copy(from, Home::arena, -1);
      assignments.push_back({static_cast<int>(i), from});
    }
    for (const auto& [variable, from] : assignments)
      if (!write_directly(from, variable)) write_by_copy(from, variable);
  }

  // The step that computes the new value writes it to the variable at once, if nobody reads the old one afterwards and
  // nothing can fail afterwards.
  bool write_directly(int from, int variable) {
    const Plan::Value& written = value(from);
    Plan::Buffer& home = buffer(written.buffer);
    const int step = home.writer;
    if (home.home != Home::arena || step < 0 || written.offset != 0 || home.bytes != written.spec.bytes()) return false;
    if (!is_contiguous(written.spec.shape, written.strides)) return false;
    if (!failing_.empty() && failing_.back() >= step) return false;
    const auto& readers = variable_readers_[static_cast<size_t>(variable)];
    for (int reader : readers) {
      if (reader > step || (reader == step && !reads_in_place(step, written.buffer, variable))) return false;
    }
    home.home = Home::variable;
    home.place = variable;
    write_after(step, readers);
    return true;
  }

  bool reads_in_place(int index, int written, int variable) {
    const Plan::Step& step = plan_.steps[static_cast<size_t>(index)];
    if (step.kind != Plan::Step::Kind::op) return false;
    const auto inputs = plan_.inputs_of(step);
    const auto outputs = plan_.outputs_of(step);
    const auto output = std::find_if(outputs.begin(), outputs.end(), [&](int y) { return value(y).buffer == written; });
    if (output == outputs.end()) return false;
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Plan::Value& x = value(inputs[i]);
      const Plan::Buffer& home = buffer(x.buffer);
      if (home.home != Home::variable || home.place != variable) continue;
      const bool whole = x.offset == 0 && x.spec.bytes() == home.bytes && is_contiguous(x.spec.shape, x.strides);
      if (!whole || !step.node->op().in_place(i, static_cast<size_t>(output - outputs.begin()))) return false;
    }
    return true;
  }

  void write_by_copy(int from, int variable) {
    const auto readers = variable_readers_[static_cast<size_t>(variable)];
    const int to = copy(from, Home::variable, variable);
    write_after(value(to).producer, readers);
  }

  void write_after(int step, const std::vector<int>& readers) {
    for (int reader : readers)
      if (reader != step) plan_.after.push_back({reader, step});
    for (int other : failing_) plan_.after.push_back({other, step});
  }

  void drop_unread() {
    std::vector<char> read(plan_.buffers.size());
    const auto reads = [&](std::span<const int> values) {
      for (int index : values) read[static_cast<size_t>(value(index).buffer)] = 1;
    };
    for (const Plan::Step& step : plan_.steps) reads(plan_.inputs_of(step));
    reads(plan_.outputs);
    for (const Plan::Step& step : plan_.steps) {
      if (step.kind != Plan::Step::Kind::op) continue;
      const auto outputs = plan_.outputs_of(step);
      for (size_t i = 0; i < outputs.size(); ++i) {
        const int index = value(outputs[i]).buffer;
        if (buffer(index).home != Home::arena || read[static_cast<size_t>(index)]) continue;
        if (step.node->op().optional_output(i)) buffer(index) = {.home = Home::none};
      }
    }
  }

  const Graph& graph_;
  const bool own_results_;
  Plan plan_;
  boost::unordered_flat_map<const Node*, int> ends_;
  boost::unordered_flat_map<const Node*, int> first_value_;
  boost::unordered_flat_map<int, int> copies_;
  std::vector<std::vector<int>> variable_readers_;
  std::vector<int> failing_;
};

}  // namespace

Plan lower(const Graph& graph, bool own_results) { return Lowering(graph, own_results).run(); }

Dependencies::Dependencies(const Plan& plan) {
  const size_t count = plan.steps.size();
  std::vector<std::vector<int>> further;
  if (!plan.after.empty()) {
    further.resize(count);
    for (const auto& [before, after] : plan.after) further[static_cast<size_t>(after)].push_back(before);
  }
  first.reserve(count + 1);
  first.push_back(0);
  for (size_t s = 0; s < count; ++s) {
    const size_t begin = steps.size();
    for (int in : plan.inputs_of(plan.steps[s])) {
      const int producer = plan.values[static_cast<size_t>(in)].producer;
      if (producer >= 0) steps.push_back(producer);
    }
    if (!further.empty()) steps.insert(steps.end(), further[s].begin(), further[s].end());
    std::sort(steps.begin() + static_cast<int64_t>(begin), steps.end());
    steps.erase(std::unique(steps.begin() + static_cast<int64_t>(begin), steps.end()), steps.end());
    first.push_back(static_cast<int>(steps.size()));
  }
}

}  // namespace telaio
