// Parallel work on the threads of oneTBB (threads.cpp), which are started when there is work for a second one.
//
// Work is cut by problem size alone, never by the number of threads, so that a result does not depend on how many
// threads computed it. All of it runs in the arena of the calling thread, so that the host program's limits are
// respected, and in that thread's floating-point mode.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace telaio {

/// A non-owning reference to a callable: two words, no allocation. The callable must outlive the reference.
template <class Signature>
class FunctionRef;

template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef> && std::is_invocable_r_v<R, F&, Args...>)
      FunctionRef(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
        }) {}

  R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

/// Calls body(begin, end) for the chunks [0, grain), [grain, 2·grain), … that cover [0, count), in parallel and in no
/// order. The cuts depend on count and grain only. One chunk (or none) runs on the calling thread. An exception that
/// a chunk throws reaches the caller.
void parallel_for(int64_t count, int64_t grain, FunctionRef<void(int64_t, int64_t)> body);

/// Sets a flag of the calling thread while it lives; scopes nest.
class ThreadFlag {
 public:
  ThreadFlag(const ThreadFlag&) = delete;
  ThreadFlag& operator=(const ThreadFlag&) = delete;

 protected:
  explicit ThreadFlag(bool& flag) : flag_(flag), before_(flag) { flag = true; }
  ~ThreadFlag() { flag_ = before_; }

 private:
  bool& flag_;
  bool before_;
};

/// While it lives, parallel_for on this thread runs its chunks one after the other: for work that is itself one of many
/// parallel tasks, and whose data are in this core's cache.
class SerialScope : ThreadFlag {
 public:
  SerialScope();
};

/// A grain for loops whose iterations cost about `cycles` each: chunks of about 100k cycles, so that waking a thread
/// pays. `cycles` must come from sizes only.
inline int64_t grain_for(double cycles) {
  const double grain = 100'000.0 / (cycles > 0.01 ? cycles : 0.01);
  return grain < 1 ? 1 : static_cast<int64_t>(grain);
}

/// The same for loops at the end of larger parallel work: other threads are awake and look for more, so that chunks of a
/// quarter pay.
inline int64_t grain_among_awake(double cycles) { return grain_for(4 * cycles); }

/// About the same for `count` iterations, such that two or four threads have as many chunks each, of one size.
inline int64_t even_grain_among_awake(int64_t count, double cycles) {
  const int64_t few = count / grain_among_awake(cycles), chunks = few == 0 ? 1 : (few + 4) / 4 * 4;
  return count / chunks + 1;
}

/// While it lives, this thread works on a part of something larger, for which other threads are awake.
class AwakeScope : ThreadFlag {
 public:
  AwakeScope();
};
bool others_awake();

/// grain_among_awake within an AwakeScope, elsewhere grain_for: for work whose results and whose scratch do not depend
/// on where it is cut.
inline int64_t grain_here(double cycles) { return others_awake() ? grain_among_awake(cycles) : grain_for(cycles); }

/// Up to 32 places in memory, each for one task at a time. What it held before does not matter, but where it is
/// matters: a task gets the place that its thread is likely to have had before, whose lines are in this core's cache
/// and not in another's, else the lowest one that is free.
class Places {
 public:
  static constexpr int64_t most = 32;
  explicit Places(int64_t count) : count_(static_cast<int>(count)) {}
  /// One must be free.
  int take();
  void give(int place) { taken_.fetch_and(~(1u << place), std::memory_order_release); }

 private:
  int count_;
  std::atomic<uint32_t> taken_{0};
};

/// Tasks 0…n−1 and who waits for whom.
struct TaskGraph {
  std::vector<int> predecessors;     ///< for each task: how many it waits for
  std::vector<int> first_successor;  ///< successors of t: successors[first_successor[t]…first_successor[t+1])
  std::vector<int> successors;

  int size() const { return static_cast<int>(predecessors.size()); }
};

/// Runs body(t) for every task, each after its predecessors, independent ones concurrently. `waiting` is scratch for
/// one counter a task. When a task throws, those that wait for it do not run and the exception reaches the caller.
void run_tasks(const TaskGraph& tasks, std::atomic<int>* waiting, FunctionRef<void(int)> body);

/// Runs body so that, while it waits for its own parallel work, the thread takes up no other work: a lock held by the
/// caller cannot be waited for by the same thread further up the stack.
void isolate(FunctionRef<void()> body);

/// One piece of work beside the calling thread, done by whichever thread of its arena is free. It has no thread of its
/// own: where nobody else came to it, wait() does it. For one thread at a time, and start and wait in one arena.
class Background {
 public:
  Background();
  /// drop().
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  /// Work started before is waited for first. With a single thread f is kept for wait().
  void start(std::function<void()> f);
  /// Until the work is done; at once when none was started. Meanwhile the thread helps with this work and with no
  /// other, inside isolate() too. What f threw is thrown here, once.
  void wait();
  /// Work that has not begun never will; work that has is waited for. What it threw is forgotten.
  void drop() noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Limits the number of threads of the process while it lives (oneTBB's global_control); more than there are cores is
/// allowed, for tests.
class ThreadLimit {
 public:
  explicit ThreadLimit(int threads);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  std::shared_ptr<void> limit_;
};

/// Threads that parallel work of this thread may use now.
int thread_count();
/// The same, but 1 while a process works on one thread alone: until it has computed for a few milliseconds, which is
/// what it takes to start the others, or somebody has started them.
int running_threads();
/// Which one of them this thread is: below thread_count(), or what is left over where that was made smaller.
int thread_index();

/// What a loop does that waits a few microseconds for another thread.
inline void pause_briefly() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#else
  std::atomic_signal_fence(std::memory_order_seq_cst);
#endif
}

}  // namespace telaio
