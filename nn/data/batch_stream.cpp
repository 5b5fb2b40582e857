#include <telaio/nn/data/batch_stream.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/autograd/runtime/strided.hpp>

namespace telaio::nn {

namespace {

/// An array in memory that is used again once nobody else holds it, and is large enough.
Array place_for(const TensorSpec& spec, StoragePtr& memory) {
  const auto bytes = static_cast<size_t>(spec.bytes());
  if (!memory || memory->use_count() > 1 || memory->bytes() < bytes) memory = new Storage(bytes);
  return Array(spec, memory, contiguous_strides(spec.shape), 0);
}

/// A place for a batch: one that is being made, waits to be given, or has been given.
struct Slot {
  StoragePtr input_memory, target_memory;
  Array inputs, targets;
  Background work;
};

}  // namespace

struct BatchStream::State {
  State(BatchMaker from, int64_t many) : maker(std::move(from)), ahead(many), slots(static_cast<size_t>(many + 1)) {}

  Slot& slot(int64_t batch) { return slots[static_cast<size_t>(batch) % slots.size()]; }

  void start(int64_t batch) {
    Slot& at = slot(batch);
    const BatchRequest& request = requests[static_cast<size_t>(batch)];
    const auto rows = static_cast<int64_t>(request.rows.size());
    at.inputs = place_for(maker.inputs_spec(rows), at.input_memory);
    if (maker.has_targets()) at.targets = place_for(maker.targets_spec(rows), at.target_memory);
    const auto make = [this, &at, &request] {
      maker.assemble(request, at.inputs.bytes(), at.targets.defined() ? at.targets.bytes() : nullptr);
    };
    if (window > 0) at.work.start(make);
    else make();
  }
  /// Those up to `end` that have not been started, as far as there are any.
  void start_until(int64_t end) {
    for (end = std::min(end, static_cast<int64_t>(requests.size())); started < end;) start(started++);
  }
  void stop() noexcept {
    for (Slot& at : slots) {
      at.work.drop();
      at.inputs = at.targets = Array();
    }
    requests.clear();
    started = given = window = 0;
  }

  BatchMaker maker;
  const int64_t ahead;
  int64_t window = 0;  // how many are made ahead now
  std::vector<BatchRequest> requests;
  int64_t started = 0, given = 0;
  std::vector<Slot> slots;  // last: what they work on goes after them
};

BatchStream::BatchStream(BatchMaker maker, int64_t ahead) {
  if (ahead < 0) throw Error(fmt::format("batches ahead: expected at least 0, got {}", ahead));
  state_ = std::make_unique<State>(std::move(maker), ahead);
}
BatchStream::~BatchStream() = default;
BatchStream::BatchStream(BatchStream&&) noexcept = default;
BatchStream& BatchStream::operator=(BatchStream&&) noexcept = default;

const BatchMaker& BatchStream::maker() const { return state_->maker; }

void BatchStream::start(std::vector<BatchRequest> requests) {
  stop();
  state_->requests = std::move(requests);
  if (state_->requests.empty()) return;
  // Small batches are made sooner than another thread wakes, and are still in the caches when they are needed.
  if (state_->maker.worth_a_task(static_cast<int64_t>(state_->requests[0].rows.size()))) state_->window = state_->ahead;
  state_->start_until(state_->window);
}

void BatchStream::stop() noexcept { state_->stop(); }

int64_t BatchStream::left() const { return static_cast<int64_t>(state_->requests.size()) - state_->given; }

std::pair<Tensor, Tensor> BatchStream::next() {
  State& state = *state_;
  if (left() == 0) throw Error("batches: there are none left");
  const int64_t batch = state.given++;
  state.start_until(batch + 1);
  Slot& at = state.slot(batch);
  at.work.wait();
  std::pair<Tensor, Tensor> made{constant(at.inputs), Tensor()};
  if (state.maker.has_targets()) made.second = constant(at.targets);
  at.inputs = at.targets = Array();  // the slot keeps its memory, and so sees when nobody else does
  state.start_until(batch + 1 + state.window);
  return made;
}

std::vector<BatchRequest> requests_for(std::span<const std::span<const int64_t>> batches) {
  std::vector<BatchRequest> requests;
  for (const std::span<const int64_t> rows : batches) requests.push_back({.rows = rows});
  return requests;
}

}  // namespace telaio::nn
