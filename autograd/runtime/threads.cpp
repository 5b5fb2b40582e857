#include <telaio/autograd/runtime/threads.hpp>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <thread>
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

// This library is initialised after oneTBB, so it is over before it.
std::atomic<bool> is_over = false;
struct SaysWhenItIsOver {
  ~SaysWhenItIsOver() { is_over = true; }
} const says_when_it_is_over;

// Of oneTBB's objects, that must not come back to it when it is no longer there.
template <class T, class... Args>
std::shared_ptr<T> make_kept(Args&&... args) {
  return {new T(std::forward<Args>(args)...), [](T* object) {
            if (!is_over) delete object;
          }};
}

int index_here() { return tbb::this_task_arena::current_thread_index(); }

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

  void take(FunctionRef<void(int64_t)> body) {
    const int own = std::max(index_here(), 0) % count_;
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

class BackgroundTask final : public Threads::Task {
 public:
  void start(FunctionRef<void()> body) override {
    taken_ = done_ = false;
    body_ = body;
    if (!is_over) group_.run([this] { run(); });
  }
  void wait() override {
    if (!is_over) return static_cast<void>(group_.wait());
    run();
    while (!done_) std::this_thread::yield();
  }

 private:
  // By whoever comes first.
  void run() {
    if (taken_.exchange(true)) return;
    (*body_)();
    done_ = true;
  }

  std::atomic<bool> taken_ = false, done_ = true;
  std::optional<FunctionRef<void()>> body_;
  // Where the starting thread's own work is cancelled, a batch that somebody waits for must still be made.
  tbb::task_group_context context_{tbb::task_group_context::isolated};
  tbb::isolated_task_group group_{context_};
};

class OneTBB final : public Threads {
 public:
  void run_chunks(int64_t begin, int64_t end, FunctionRef<void(int64_t)> body) override {
    if (is_over) {
      for (int64_t chunk = begin; chunk < end; ++chunk) body(chunk);
      return;
    }
    Shares shares(begin, end, count());
    Context context;
    tbb::parallel_for(
        tbb::blocked_range<int>(0, shares.threads(), 1),
        [&](const tbb::blocked_range<int>&) {
          try {
            shares.take(body);
          } catch (...) {
            shares.drop();
            throw;
          }
        },
        tbb::simple_partitioner(), context);
  }
  void run_tasks(const TaskGraph& tasks, std::atomic<int>* waiting, FunctionRef<void(int)> body) override {
    if (!is_over) return TaskRunner(tasks, waiting, body).run();
    for (int t = 0; t < tasks.size(); ++t) body(t);  // each comes after those that it waits for
  }
  void isolate(FunctionRef<void()> body) override {
    if (is_over) body();
    else tbb::this_task_arena::isolate([&] { body(); });
  }
  std::shared_ptr<Task> task() override { return make_kept<BackgroundTask>(); }
  std::shared_ptr<void> limit(int threads) override {
    if (is_over) return nullptr;
    return make_kept<tbb::global_control>(tbb::global_control::max_allowed_parallelism,
                                          static_cast<size_t>(std::max(threads, 1)));
  }
  int count() override {
    if (is_over) return 1;
    const auto allowed = tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism);
    return std::min(static_cast<int>(allowed), tbb::this_task_arena::max_concurrency());
  }
  int index() override { return is_over ? 0 : index_here(); }
};

}  // namespace

}  // namespace telaio

telaio::Threads* telaio_threads() {
  static telaio::OneTBB threads;
  return &threads;
}
