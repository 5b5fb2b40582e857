#include <telaio/autograd/runtime/parallel.hpp>

#include <algorithm>

#include <oneapi/tbb/blocked_range.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/parallel_for.h>
#include <oneapi/tbb/task_arena.h>
#include <oneapi/tbb/task_group.h>

namespace telaio {

namespace {

thread_local bool serial = false;

}  // namespace

SerialScope::SerialScope() : before_(serial) { serial = true; }
SerialScope::~SerialScope() { serial = before_; }

void parallel_for(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t)> body) {
  if (count <= 0) return;
  grain = std::max<int64_t>(grain, 1);
  const int64_t chunks = (count - 1) / grain + 1;
  if (chunks == 1) return body(0, count);
  if (serial) {
    for (int64_t begin = 0; begin < count; begin += grain) body(begin, std::min(count, begin + grain));
    return;
  }
  tbb::parallel_for(
      tbb::blocked_range<int64_t>(0, chunks, 1),
      [&](const tbb::blocked_range<int64_t>& range) {
        for (int64_t chunk = range.begin(); chunk != range.end(); ++chunk)
          body(chunk * grain, std::min(count, (chunk + 1) * grain));
      },
      tbb::simple_partitioner());
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
  tbb::task_group group_;
};

}  // namespace

void run_tasks(const TaskGraph& tasks, std::atomic<int>* waiting, FunctionRef<void(int)> body) {
  TaskRunner(tasks, waiting, body).run();
}

void isolate(FunctionRef<void()> body) {
  tbb::this_task_arena::isolate([&] { body(); });
}

struct ThreadLimit::State {
  explicit State(int threads)
      : control(tbb::global_control::max_allowed_parallelism, static_cast<size_t>(std::max(threads, 1))) {}
  tbb::global_control control;
};

ThreadLimit::ThreadLimit(int threads) : state_(std::make_unique<State>(threads)) {}
ThreadLimit::~ThreadLimit() = default;

int thread_count() {
  const auto allowed = tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism);
  return std::min(static_cast<int>(allowed), tbb::this_task_arena::max_concurrency());
}

}  // namespace telaio
