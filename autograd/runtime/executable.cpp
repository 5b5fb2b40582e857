#include <telaio/autograd/runtime/executable.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <tuple>

#include <fmt/format.h>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/sliced_op.hpp>
#include <telaio/autograd/runtime/step.hpp>

namespace telaio {

using Home = Plan::Buffer::Home;

// The memory of one run: an arena, and the operands as the ops see them.
struct Executable::Frame {
  StoragePtr arena;
  std::vector<View> operands;
  std::vector<std::byte*> scratch;  // for each step
  std::unique_ptr<std::atomic<int>[]> waiting;
};

// What a run borrows: the variables' storages, locked for as long as they are written.
struct Executable::Binding {
  std::vector<Array> variables;
  std::vector<std::unique_lock<std::mutex>> locks;
};

namespace {

// Locks every variable (in the order of their addresses, so that two calls cannot wait for each other), takes their
// present values, and keeps the locks of those that will be written.
void bind_variables(const Graph& graph, const Plan& plan, std::vector<Array>& values,
                    std::vector<std::unique_lock<std::mutex>>& kept, std::vector<NodePtr>* read) {
  const size_t count = graph.variables.size();
  values.resize(count);
  std::vector<size_t> order(count);
  for (size_t i = 0; i < count; ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return std::less<>()(graph.variables[a].state.get(), graph.variables[b].state.get());
  });
  std::vector<std::unique_lock<std::mutex>> locks(count);
  for (size_t i : order) locks[i] = std::unique_lock(graph.variables[i].state->mutex);
  for (size_t i = 0; i < count; ++i) {
    const Trace::Use& use = graph.variables[i];
    if (read) read->push_back(use.state->current);
    const Array& current = use.state->current->values()->front();
    // In place only where nobody else can see the memory; a reader keeps what it has.
    const bool exclusive = use.state->current->use_count() == 1 && current.storage()->use_count() == 1;
    if (!plan.written[i] || exclusive) {
      values[i] = current;
    } else {
      values[i] = Array(use.state->spec);
      if (use.read.defined())
        std::memcpy(values[i].bytes(), current.bytes(), static_cast<size_t>(current.spec().bytes()));
    }
    if (plan.written[i]) kept.push_back(std::move(locks[i]));
  }
}

}  // namespace

Executable::Executable(Graph graph, bool concurrent) : graph_(std::move(graph)), plan_(lower(graph_)) {
  plan_memory(plan_, concurrent);
  schedule(plan_);
  for (size_t i = 0; i < plan_.operands.size(); ++i) {
    const Plan::Value& value = plan_.values[static_cast<size_t>(plan_.operands[i])];
    const Home home = plan_.buffers[static_cast<size_t>(value.buffer)].home;
    if (home != Home::arena && home != Home::constant) {
      external_.push_back(
          {static_cast<int>(i), value.buffer, value.offset * static_cast<int64_t>(size_of(value.spec.dtype))});
    }
  }
}

Executable::~Executable() = default;

std::unique_ptr<Executable::Frame> Executable::acquire() const {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto frame = std::move(idle_.back());
      idle_.pop_back();
      return frame;
    }
  }
  auto frame = std::make_unique<Frame>();
  frame->arena = StoragePtr(new Storage(static_cast<size_t>(plan_.arena_bytes)));
  frame->operands.resize(plan_.operands.size());
  for (size_t i = 0; i < plan_.operands.size(); ++i) {
    const Plan::Value& value = plan_.values[static_cast<size_t>(plan_.operands[i])];
    const Plan::Buffer& buffer = plan_.buffers[static_cast<size_t>(value.buffer)];
    View& view = frame->operands[i];
    view.spec = &value.spec;
    view.strides = &value.strides;
    const int64_t offset = value.offset * static_cast<int64_t>(size_of(value.spec.dtype));
    if (buffer.home == Home::arena) {
      view.bytes = frame->arena->data() + buffer.place + offset;
    } else if (buffer.home == Home::constant) {
      view.bytes = plan_.constants[static_cast<size_t>(buffer.place)].storage()->data() + offset;
    }
  }
  frame->scratch.resize(plan_.steps.size());
  for (size_t s = 0; s < plan_.steps.size(); ++s) {
    const int scratch = plan_.steps[s].scratch;
    if (scratch >= 0) frame->scratch[s] = frame->arena->data() + plan_.buffers[static_cast<size_t>(scratch)].place;
  }
  frame->waiting = std::make_unique<std::atomic<int>[]>(static_cast<size_t>(plan_.tasks.size()));
  return frame;
}

void Executable::release(std::unique_ptr<Frame> frame) const {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(frame));
}

void Executable::execute(const Frame& frame, int index) const {
  const Plan::Step& step = plan_.steps[static_cast<size_t>(index)];
  run_step(step, frame.operands.data() + step.first_operand, frame.scratch[static_cast<size_t>(index)]);
}

void Executable::execute_all(Frame& frame) const {
  if (plan_.task_first.empty()) {
    for (size_t s = 0; s < plan_.steps.size(); ++s) execute(frame, static_cast<int>(s));
    return;
  }
  run_tasks(plan_.tasks, frame.waiting.get(), [&](int task) {
    for (int i = plan_.task_first[static_cast<size_t>(task)]; i < plan_.task_first[static_cast<size_t>(task) + 1]; ++i)
      execute(frame, plan_.task_steps[static_cast<size_t>(i)]);
  });
}

void Executable::measure(const Frame& frame, Profile& profile) const {
  using Clock = std::chrono::steady_clock;
  std::map<std::tuple<std::string, std::string, bool>, Profile::Row> rows;
  const auto note = [&](const Plan& plan, const Plan::Step& step, double seconds) {
    const std::string op = step.node ? std::string(step.node->op().name()) : "copy";
    const std::string scope = step.node ? step.node->scope() : "";
    const bool backward = step.node && step.node->backward();
    Profile::Row& row = rows[{op, scope, backward}];
    row.op = op;
    row.scope = scope;
    row.backward = backward;
    ++row.calls;
    row.seconds += seconds;
    profile.seconds += seconds;
    for (int v : plan.inputs_of(step))
      row.bytes += static_cast<double>(plan.values[static_cast<size_t>(v)].spec.bytes());
    for (int v : plan.outputs_of(step))
      row.bytes += static_cast<double>(plan.values[static_cast<size_t>(v)].spec.bytes());
    if (!step.node) return;
    row.flops += step.node->op().flops(specs_of(step.node->inputs()), step.node->outputs());
  };
  for (size_t s = 0; s < plan_.steps.size(); ++s) {
    const Plan::Step& step = plan_.steps[s];
    if (step.kind == Plan::Step::Kind::wait) continue;
    const auto* sliced = step.node ? dynamic_cast<const SlicedOp*>(&step.node->op()) : nullptr;
    if (sliced) {
      const View* operands = frame.operands.data() + step.first_operand;
      sliced->profile({operands, static_cast<size_t>(step.inputs)},
                      {operands + step.inputs, static_cast<size_t>(step.outputs)}, frame.scratch[s], note);
      continue;
    }
    const auto start = Clock::now();
    execute(frame, static_cast<int>(s));
    note(plan_, step, std::chrono::duration<double>(Clock::now() - start).count());
  }
  for (auto& [key, row] : rows) profile.rows.push_back(std::move(row));
  std::stable_sort(profile.rows.begin(), profile.rows.end(),
                   [](const Profile::Row& a, const Profile::Row& b) { return a.seconds > b.seconds; });
}

std::vector<Array> Executable::run(std::span<const Array> given, std::vector<NodePtr>* read, Profile* profile) const {
  std::vector<Array> inputs;
  inputs.reserve(given.size());
  for (const Array& array : given) inputs.push_back(array.contiguous());
  std::vector<Array> results(static_cast<size_t>(plan_.results));
  for (const Plan::Buffer& buffer : plan_.buffers) {
    if (buffer.home != Home::result || results[static_cast<size_t>(buffer.place)].defined()) continue;
    results[static_cast<size_t>(buffer.place)] = Array(TensorSpec{u8, {buffer.bytes}});
  }

  std::unique_ptr<Frame> frame = acquire();
  Binding binding;
  bind_variables(graph_, plan_, binding.variables, binding.locks, read);
  const auto memory = [&](const Plan::Buffer& buffer) -> const Array& {
    const auto place = static_cast<size_t>(buffer.place);
    switch (buffer.home) {
      case Home::input:
        return inputs[place];
      case Home::variable:
        return binding.variables[place];
      case Home::constant:
        return plan_.constants[place];
      default:
        return results[place];
    }
  };
  for (const External& external : external_) {
    frame->operands[static_cast<size_t>(external.operand)].bytes =
        memory(plan_.buffers[static_cast<size_t>(external.buffer)]).bytes() + external.offset;
  }

  try {
    isolate([&] {
      if (profile) measure(*frame, *profile);
      else execute_all(*frame);
    });
  } catch (...) {
    release(std::move(frame));
    throw;
  }
  release(std::move(frame));

  for (size_t i = 0; i < graph_.variables.size(); ++i) {
    if (!plan_.written[i]) continue;
    const VariablePtr& state = graph_.variables[i].state;
    state->current = variable_node(state, binding.variables[i]);
  }
  std::vector<Array> outputs;
  for (int index : plan_.outputs) {
    const Plan::Value& value = plan_.values[static_cast<size_t>(index)];
    const Plan::Buffer& buffer = plan_.buffers[static_cast<size_t>(value.buffer)];
    const Array& source = memory(buffer);
    // An argument may start in the middle of its storage; a constant's values count from the storage's start.
    const int64_t base = buffer.home == Home::input || buffer.home == Home::variable ? source.offset() : 0;
    outputs.emplace_back(value.spec, source.storage(), value.strides, base + value.offset);
  }
  return outputs;
}

std::vector<Array> Executable::run(std::span<const Array> inputs, std::vector<NodePtr>* read) const {
  return run(inputs, read, nullptr);
}

Profile Executable::profile(std::span<const Array> inputs) const {
  Profile profile;
  run(inputs, nullptr, &profile);
  return profile;
}

}  // namespace telaio
