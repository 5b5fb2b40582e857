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
#include <telaio/autograd/runtime/subnormals.hpp>

namespace telaio {

using Home = Plan::Buffer::Home;

// What one run works with: an arena, and the operands as the ops see them. It is kept for the next run, with the room
// of its lists, so that a replay allocates nothing but its results.
struct Executable::Frame {
  StoragePtr arena;
  int threads = 0;  // for which its memory was asked for
  std::vector<View> operands;
  std::vector<std::byte*> scratch;  // for each step
  std::unique_ptr<std::atomic<int>[]> waiting;

  // Borrowed for one run.
  std::vector<Array> inputs, variables, results;
  std::vector<std::unique_lock<std::mutex>> locks;  // of the variables that are written

  void give_back() {
    locks.clear();
    inputs.clear();
    variables.clear();
    results.clear();
  }
};

// Locks every variable (in the order of their addresses, so that two calls cannot wait for each other), takes their
// present values, and keeps the locks of those that will be written.
void Executable::bind_variables(Frame& frame, std::vector<NodePtr>* read) const {
  const size_t count = graph_.variables.size();
  frame.variables.resize(count);
  frame.locks.resize(count);
  for (int i : lock_order_)
    frame.locks[static_cast<size_t>(i)] = std::unique_lock(graph_.variables[static_cast<size_t>(i)].state->mutex);
  for (size_t i = 0; i < count; ++i) {
    const Trace::Use& use = graph_.variables[i];
    if (read) read->push_back(use.state->current);
    const Array& current = use.state->current->values()->front();
    // In place only where nobody else can see the memory; a reader keeps what it has.
    const bool exclusive = use.state->current->use_count() == 1 && current.storage()->use_count() == 1;
    if (!plan_.written[i] || exclusive) {
      frame.variables[i] = current;
    } else {
      frame.variables[i] = Array(use.state->spec);
      if (use.read.defined())
        std::memcpy(frame.variables[i].bytes(), current.bytes(), static_cast<size_t>(current.spec().bytes()));
    }
    if (!plan_.written[i]) frame.locks[i] = {};
  }
}

Executable::Executable(Graph graph, bool concurrent) : graph_(std::move(graph)), plan_(lower(graph_)) {
  plan_memory(plan_, concurrent);
  schedule(plan_);
  for (size_t i = 0; i < graph_.variables.size(); ++i) lock_order_.push_back(static_cast<int>(i));
  std::sort(lock_order_.begin(), lock_order_.end(), [&](int a, int b) {
    return std::less<>()(graph_.variables[static_cast<size_t>(a)].state.get(),
                         graph_.variables[static_cast<size_t>(b)].state.get());
  });
  for (size_t i = 0; i < plan_.operands.size(); ++i) {
    const Plan::Value& value = plan_.values[static_cast<size_t>(plan_.operands[i])];
    const Home home = plan_.buffers[static_cast<size_t>(value.buffer)].home;
    if (home != Home::arena && home != Home::constant && home != Home::none) {
      external_.push_back(
          {static_cast<int>(i), value.buffer, value.offset * static_cast<int64_t>(size_of(value.spec.dtype))});
    }
  }
}

Executable::~Executable() = default;

// Of a new arena all that a run on the threads at hand will write.
void Executable::expect_writes(const Storage& arena) const {
  if (arena.bytes() < Storage::worth_asking) return;
  std::vector<Storage::Stretch> stretches;
  const auto add = [&](const Plan::Buffer& buffer, size_t bytes) {
    if (buffer.home == Home::arena && buffer.place >= 0)
      stretches.push_back({static_cast<size_t>(buffer.place), static_cast<size_t>(buffer.place) + bytes});
  };
  std::vector<char> scratch(plan_.buffers.size());
  for (const Plan::Step& step : plan_.steps) {
    if (step.scratch < 0) continue;
    const auto buffer = static_cast<size_t>(step.scratch);
    scratch[buffer] = true;
    const Node& node = *step.node;
    add(plan_.buffers[buffer], node.op().scratch_in_use(specs_of(node.inputs()), node.outputs(), running_threads()));
  }
  for (size_t b = 0; b < plan_.buffers.size(); ++b)
    if (!scratch[b]) add(plan_.buffers[b], static_cast<size_t>(plan_.buffers[b].bytes));
  std::sort(stretches.begin(), stretches.end());
  size_t apart = 0;
  for (const Storage::Stretch& stretch : stretches) {
    if (apart > 0 && stretch.first <= stretches[apart - 1].second) {
      stretches[apart - 1].second = std::max(stretches[apart - 1].second, stretch.second);
    } else {
      stretches[apart++] = stretch;
    }
  }
  arena.expect_writes(std::span(stretches).first(apart));
}

std::unique_ptr<Executable::Frame> Executable::acquire() const {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto frame = std::move(idle_.back());
      idle_.pop_back();
      if (const int threads = running_threads(); threads > frame->threads) {
        frame->threads = threads;
        expect_writes(*frame->arena);
      }
      return frame;
    }
  }
  auto frame = std::make_unique<Frame>();
  frame->arena = StoragePtr(new Storage(static_cast<size_t>(plan_.arena_bytes), Storage::Use::partly));
  expect_writes(*frame->arena);
  frame->threads = running_threads();
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
    const AwakeScope awake;
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
  const auto longer = [](const Profile::Row& a, const Profile::Row& b) { return a.seconds > b.seconds; };
  for (auto& [key, row] : rows)
    profile.rows.insert(std::upper_bound(profile.rows.begin(), profile.rows.end(), row, longer), std::move(row));
}

std::vector<Array> Executable::run(std::span<const Array> given, std::vector<NodePtr>* read, Profile* profile) const {
  // Whatever happens, what was borrowed goes back, and variables are free again, before others may have the frame.
  struct Loan {
    const Executable& owner;
    std::unique_ptr<Frame> frame;
    ~Loan() {
      frame->give_back();
      owner.release(std::move(frame));
    }
  } loan{*this, acquire()};
  Frame& frame = *loan.frame;
  for (const Array& array : given) frame.inputs.push_back(array.contiguous());
  frame.results.resize(static_cast<size_t>(plan_.results));
  for (const Plan::Buffer& buffer : plan_.buffers) {
    if (buffer.home != Home::result || frame.results[static_cast<size_t>(buffer.place)].defined()) continue;
    frame.results[static_cast<size_t>(buffer.place)] = Array(TensorSpec{u8, {buffer.bytes}});
  }
  bind_variables(frame, read);
  const auto memory = [&](const Plan::Buffer& buffer) -> const Array& {
    const auto place = static_cast<size_t>(buffer.place);
    switch (buffer.home) {
      case Home::input:
        return frame.inputs[place];
      case Home::variable:
        return frame.variables[place];
      case Home::constant:
        return plan_.constants[place];
      default:
        return frame.results[place];
    }
  };
  for (const External& external : external_) {
    frame.operands[static_cast<size_t>(external.operand)].bytes =
        memory(plan_.buffers[static_cast<size_t>(external.buffer)]).bytes() + external.offset;
  }

  isolate([&] {
    const FlushSubnormals flush;
    if (profile) measure(frame, *profile);
    else execute_all(frame);
  });

  for (size_t i = 0; i < graph_.variables.size(); ++i) {
    if (!plan_.written[i]) continue;
    const VariablePtr& state = graph_.variables[i].state;
    // Written in place, where nobody had the node of the old value: it stands for the new one.
    if (state->current->values()->front().storage() == frame.variables[i].storage()) continue;
    state->current = variable_node(state, frame.variables[i]);
  }
  std::vector<Array> outputs;
  outputs.reserve(plan_.outputs.size());
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
