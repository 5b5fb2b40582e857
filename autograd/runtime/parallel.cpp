#include <telaio/autograd/runtime/parallel.hpp>

#include <algorithm>
#include <atomic>
#include <bit>
#include <chrono>
#include <exception>
#include <utility>

// A group whose tasks only those take up that wait for it, or for nothing.
#define TBB_PREVIEW_ISOLATED_TASK_GROUP 1
#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

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
  if (tbb::this_task_arena::current_thread_index() == tbb::task_arena::not_initialized && spent_alone < alone_at_most)
    return true;
  started = true;
  return false;
}

// Runs chunks until all are done or it is time to start the other threads; gives the number of those done.
template <class Body>
int64_t run_alone(int64_t chunks, const Body& body) {
  int64_t chunk = 0;
  while (chunk < chunks && works_alone()) {
    const auto before = spent_alone, start = std::chrono::steady_clock::now().time_since_epoch();
    body(chunk++);
    spent_alone = before + (std::chrono::steady_clock::now().time_since_epoch() - start);  // loops within it, too
  }
  return chunk;
}

/// Of parallel work that computes as the thread that starts it does: in its floating-point mode (subnormals.hpp).
class Context : public tbb::task_group_context {
 public:
  Context() : task_group_context(bound, fp_settings) {}
};

// Chunks dealt out to threads, a share for each: the same chunks to the same thread whenever a loop is run again, so
// that it finds in its core's cache what it wrote there. Who is done with its own share takes from the others'.
class Shares {
 public:
  Shares(int64_t begin, int64_t end, int threads)
      : threads_(static_cast<int>(std::min<int64_t>(end - begin, std::max(threads, 1)))),
        count_(std::min(threads_, most)),
        begin_(begin),
        chunks_(end - begin) {
    for (int i = 0; i < count_; ++i) shares_[i].next.store(first(i), std::memory_order_relaxed);
  }
  // That may take part.
  int threads() const { return threads_; }

  template <class Body>
  void take(const Body& body) {
    const int own = thread_index() % count_;
    for (int i = 0; i < count_; ++i) {
      const int share = (own + i) % count_;
      const int64_t end = first(share + 1);
      std::atomic<int64_t>& next = shares_[share].next;
      while (next.load(std::memory_order_relaxed) < end) {
        const int64_t chunk = next.fetch_add(1, std::memory_order_relaxed);
        if (chunk < end) body(chunk);
      }
    }
  }
  // What has not begun.
  void drop() {
    for (int i = 0; i < count_; ++i) shares_[i].next.store(first(i + 1), std::memory_order_relaxed);
  }

 private:
  static constexpr int most = 32;
  int64_t first(int share) const {
    return begin_ + chunks_ / count_ * share + std::min<int64_t>(share, chunks_ % count_);
  }

  struct alignas(64) Share {  // on a line of its own
    std::atomic<int64_t> next;
  };
  int threads_, count_;
  int64_t begin_, chunks_;
  Share shares_[most];
};

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
  if (done == chunks) return;
  Shares shares(done, chunks, thread_count());
  Context context;
  tbb::parallel_for(
      tbb::blocked_range<int>(0, shares.threads(), 1),
      [&](const tbb::blocked_range<int>&) {
        try {
          shares.take(run);
        } catch (...) {
          shares.drop();
          throw;
        }
      },
      tbb::simple_partitioner(), context);
}

namespace {

// Runs a task, then itself the first of its successors that has become ready, and leaves the others to the group.
class TaskRunner {
 public:
  TaskRunner(const TaskGraph& tasks, std::atomic<int>* waiting, FunctionRef<void(int)> body)
      : tasks_(tasks), waiting_(waiting), body_(body) {}

  void run() {
    for (int t = 0; t < tasks_.size(); ++t) waiting_[t].store(tasks_.predecessors[at(t)], std::memory_order_relaxed);
    for (int t = 0; t < tasks_.size(); ++t)
      if (tasks_.predecessors[at(t)] == 0) start(t);
    group_.wait();
  }

 private:
  static size_t at(int t) { return static_cast<size_t>(t); }

  void start(int first) {
    group_.run([this, first] {
      int task = first;
      while (task >= 0) {
        body_(task);
        int next = -1;
        for (int i = tasks_.first_successor[at(task)]; i < tasks_.first_successor[at(task) + 1]; ++i) {
          const int successor = tasks_.successors[at(i)];
          if (waiting_[successor].fetch_sub(1, std::memory_order_acq_rel) != 1) continue;
          if (next < 0) next = successor;
          else start(successor);
        }
        task = next;
      }
    });
  }

  const TaskGraph& tasks_;
  std::atomic<int>* waiting_;
  FunctionRef<void(int)> body_;
  Context context_;
  tbb::task_group group_{context_};
};

}  // namespace

void run_tasks(const TaskGraph& tasks, std::atomic<int>* waiting, FunctionRef<void(int)> body) {
  // Each task comes after those that it waits for.
  const int64_t done = run_alone(1, [&](int64_t) {
    for (int t = 0; t < tasks.size(); ++t) body(t);
  });
  if (done == 0) TaskRunner(tasks, waiting, body).run();
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
  else tbb::this_task_arena::isolate([&] { body(); });
}

struct Background::State {
  // Where the starting thread's own work is cancelled, a batch that somebody waits for must still be made.
  tbb::task_group_context context{tbb::task_group_context::isolated};
  tbb::isolated_task_group group{context};
  std::function<void()> work;
  std::exception_ptr error;
  std::atomic<bool> dropped{false};
  bool started = false, spawned = false;

  void run() noexcept {
    if (dropped.load(std::memory_order_relaxed)) return;
    try {
      work();
    } catch (...) {
      error = std::current_exception();
    }
  }
  void finish() {
    if (spawned) group.wait();
    else run();
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
  state.group.run([&state] { state.run(); });
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

struct ThreadLimit::State {
  explicit State(int threads)
      : control(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(std::max(threads, 1))) {}
  tbb::global_control control;
};

// Who limits them wants them.
ThreadLimit::ThreadLimit(int threads) : state_(std::make_unique<State>(threads)) { started = true; }
ThreadLimit::~ThreadLimit() = default;

int thread_count() {
  const auto allowed = tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism);
  return std::min(static_cast<int>(allowed), tbb::this_task_arena::max_concurrency());
}

int running_threads() { return works_alone() ? 1 : thread_count(); }
int thread_index() { return std::max(tbb::this_task_arena::current_thread_index(), 0); }

}  // namespace telaio
