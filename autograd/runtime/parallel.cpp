#include <telaio/autograd/runtime/parallel.hpp>

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <exception>
#include <utility>

#include <telaio/autograd/runtime/threads.hpp>

namespace telaio {

namespace {

thread_local bool serial = false;
thread_local bool awake = false;

// Whether oneTBB's threads have been started, as far as is known. To start them takes milliseconds (libraries are
// looked for, stacks and heaps touched), so a thread first works alone for about as long: then a process whose work is
// short has its result sooner, and no other loses more than that once.
std::atomic<bool> started = false;
constexpr std::chrono::microseconds alone_at_most(8000);
thread_local std::chrono::steady_clock::duration spent_alone{};

bool works_alone() {
  if (started.load(std::memory_order_relaxed)) return false;
  // The program that called us may have started them.
  if (spent_alone < alone_at_most && !(tbb_is_loaded() && threads().index() >= 0)) return true;
  threads();  // or an error
  started = true;
  return false;
}
// What has begun is finished, if need be alone: the next one says what the others lack.
bool goes_on_alone() noexcept {
  try {
    return works_alone();
  } catch (const std::exception&) {
    return true;
  }
}

// Runs chunks until all are done or it is time to start the other threads; gives the number of those done.
template <class Body>
int64_t run_alone(int64_t chunks, const Body& body) {
  int64_t chunk = 0;
  while (chunk < chunks && (chunk == 0 ? works_alone() : goes_on_alone())) {
    const auto before = spent_alone, start = std::chrono::steady_clock::now().time_since_epoch();
    body(chunk++);
    spent_alone = before + (std::chrono::steady_clock::now().time_since_epoch() - start);  // loops within it, too
  }
  return chunk;
}

}  // namespace

SerialScope::SerialScope() : ThreadFlag(serial) {}
AwakeScope::AwakeScope() : ThreadFlag(awake) {}
bool others_awake() { return awake; }

void parallel_for(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t)> body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  const int64_t chunks = (count - 1) / grain + 1;
  if (chunks == 1) return body(0, count);
  if (serial) {
    for (int64_t begin = 0; begin < count; begin += grain) body(begin, std::min(count, begin + grain));
    return;
  }
  const auto run = [&](int64_t chunk) { body(chunk * grain, std::min(count, (chunk + 1) * grain)); };
  const int64_t done = run_alone(chunks, run);
  if (done < chunks) threads().run_chunks(done, chunks, run);
}

void run_tasks(const TaskGraph& tasks, std::atomic<int>* waiting, FunctionRef<void(int)> body) {
  // Each task comes after those that it waits for.
  const int64_t done = run_alone(1, [&](int64_t) {
    for (int t = 0; t < tasks.size(); ++t) body(t);
  });
  if (done == 0) threads().run_tasks(tasks, waiting, body);
}

int Places::take() {
  const int thread = thread_index();
  const uint32_t own = thread < std::min(count_, running_threads()) ? 1u << thread : 0;
  uint32_t seen = taken_.load(std::memory_order_relaxed), place = 0;
  do {
    place = own != 0 && (seen & own) == 0 ? own : ~seen & (seen + 1);
  } while (!taken_.compare_exchange_weak(seen, seen | place, std::memory_order_acquire));
  return std::countr_zero(place);
}

void isolate(FunctionRef<void()> body) {
  // A thread that has not met others yet has nothing to take up.
  if (works_alone()) body();
  else threads().isolate(body);
}

struct Background::State {
  std::shared_ptr<Threads::Task> task;  // none before the first
  std::function<void()> work;
  std::exception_ptr error;
  std::atomic<bool> dropped{false};
  bool started = false, spawned = false;

  void operator()() noexcept {
    if (dropped.load(std::memory_order_relaxed)) return;
    try {
      work();
    } catch (...) {
      error = std::current_exception();
    }
  }
  void finish() {
    if (spawned) task->wait();
    else (*this)();
    started = spawned = false;
    work = nullptr;
    dropped = false;
  }
};

Background::Background() : state_(std::make_unique<State>()) {}
Background::~Background() { drop(); }

void Background::start(std::function<void()> f) {
  wait();
  State& state = *state_;
  state.work = std::move(f);
  state.started = true;
  // A task that lies in the only thread's queue would be skipped over by each search for other tasks.
  if (thread_count() == 1) return;
  started = true;
  if (!state.task) state.task = threads().task();
  state.task->start(state);
  state.spawned = true;
}

void Background::wait() {
  if (!state_->started) return;
  state_->finish();
  if (state_->error) std::rethrow_exception(std::exchange(state_->error, nullptr));
}

void Background::drop() noexcept {
  if (!state_->started) return;
  state_->dropped = true;
  state_->finish();
  state_->error = nullptr;
}

// Who limits them wants them.
ThreadLimit::ThreadLimit(int count) : limit_(threads().limit(count)) { started = true; }
ThreadLimit::~ThreadLimit() = default;

int thread_count() { return threads().count(); }
int running_threads() { return works_alone() ? 1 : thread_count(); }
int thread_index() { return works_alone() ? 0 : std::max(threads().index(), 0); }

}  // namespace telaio
