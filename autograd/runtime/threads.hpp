// What parallel.cpp needs of oneTBB. Behind an interface, so that a process that works alone need not load it: that and
// its tables, which it fills when it is loaded, would take a process half a millisecond before it does anything.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include <telaio/autograd/runtime/parallel.hpp>

namespace telaio {

/// The threads of oneTBB (threads.cpp). All work in the arena of the calling thread and in its floating-point mode.
/// When the process ends, oneTBB does so before what had been there when it was loaded: from then on the calling thread
/// does everything.
class Threads {
 public:
  /// Runs body(c) for every chunk c in [begin, end), in parallel, the same ones in the same thread whenever it is run
  /// again. What a chunk throws reaches the caller; those that have not begun are left out.
  virtual void run_chunks(int64_t begin, int64_t end, FunctionRef<void(int64_t)> body) = 0;
  /// parallel.hpp's.
  virtual void run_tasks(const TaskGraph& tasks, std::atomic<int>* waiting, FunctionRef<void(int)> body) = 0;
  virtual void isolate(FunctionRef<void()> body) = 0;

  /// One task beside the calling thread, again and again.
  class Task {
   public:
    /// `body` must outlive the run; it does not throw.
    virtual void start(FunctionRef<void()> body) = 0;
    /// Helps with this task and no other.
    virtual void wait() = 0;

   protected:
    ~Task() = default;
  };
  virtual std::shared_ptr<Task> task() = 0;

  /// Of the process, while what is returned lives.
  virtual std::shared_ptr<void> limit(int threads) = 0;
  /// That this thread may use now.
  virtual int count() = 0;
  /// Which of them it is; negative: it has not met them yet.
  virtual int index() = 0;

 protected:
  ~Threads() = default;
};

/// Loads them where they are a library of their own. Error if it is not there.
Threads& threads();
/// Whether oneTBB is in the process, be it by the program that called us.
bool tbb_is_loaded();

}  // namespace telaio

/// The only ones. By its C name a library finds it that loads this one.
extern "C" telaio::Threads* telaio_threads();
