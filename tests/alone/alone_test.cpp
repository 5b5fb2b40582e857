// Work before the threads have been started: a program of its own, whose tests run in processes of their own, since
// what starts them starts them for good.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <vector>

#include <telaio/autograd/op.hpp>
#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/networks.hpp>
#include <telaio/nn/train/trainer.hpp>
#include <telaio/telaio.hpp>

namespace telaio {
namespace {

// Each in a process of its own: run in one, those behind the first that starts the threads would have them.
class Alone : public testing::Test {
 protected:
  void SetUp() override {
    if (started_) GTEST_SKIP() << "another test of this process has started the threads";
    ASSERT_EQ(running_threads(), 1);
  }
  static void starts() { started_ = true; }

 private:
  static inline bool started_ = false;
};

// Takes exactly so long, which a sleep does not.
void work(std::chrono::milliseconds time) {
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < time) {
  }
}

bool several() { return std::thread::hardware_concurrency() > 1; }

// The threads that have come to a place, where each stays for some milliseconds; once the others have been started,
// until the first of them is there, which takes longer where the machine is busy.
class MeetingPlace {
 public:
  void visit() {
    std::unique_lock lock(mutex_);
    threads_.insert(std::this_thread::get_id());
    come_.notify_all();
    const bool others = running_threads() > 1;
    come_.wait_for(lock, others ? std::chrono::milliseconds(10'000) : std::chrono::milliseconds(3),
                   [&] { return others && threads_.size() > 1; });
  }
  size_t threads() const { return threads_.size(); }

 private:
  std::mutex mutex_;
  std::condition_variable come_;
  std::set<std::thread::id> threads_;
};

TEST_F(Alone, AShortLoopIsRunInOrderByItsThread) {
  const auto caller = std::this_thread::get_id();
  std::vector<int64_t> chunks;
  parallel_for(100, 7, [&](int64_t begin, int64_t end) {
    EXPECT_EQ(std::this_thread::get_id(), caller);
    chunks.push_back(begin);
    parallel_for(3, 1, [&](int64_t, int64_t) { EXPECT_EQ(std::this_thread::get_id(), caller); });
    EXPECT_EQ(end, std::min<int64_t>(begin + 7, 100));
  });
  ASSERT_EQ(chunks.size(), 15u);
  for (size_t i = 0; i < chunks.size(); ++i) EXPECT_EQ(chunks[i], static_cast<int64_t>(7 * i));
  EXPECT_EQ(running_threads(), 1);
}

TEST_F(Alone, ALongLoopIsSharedBeforeItsEnd) {
  starts();
  std::vector<std::atomic<int>> hits(60);
  MeetingPlace place;
  parallel_for(60, 1, [&](int64_t chunk, int64_t) {
    ++hits[static_cast<size_t>(chunk)];
    place.visit();
  });
  for (auto& hit : hits) EXPECT_EQ(hit, 1);
  EXPECT_EQ(running_threads(), thread_count());
  if (several()) {
    EXPECT_GT(place.threads(), 1u);
  }
}

// A millisecond of work under so many loops, each of which has two chunks; gives how long it took.
std::chrono::steady_clock::duration work_within(int loops) {
  if (loops == 0) {
    const auto start = std::chrono::steady_clock::now();
    work(std::chrono::milliseconds(1));
    return std::chrono::steady_clock::now() - start;
  }
  std::chrono::steady_clock::duration time{};
  parallel_for(2, 1, [&](int64_t chunk, int64_t) {
    if (chunk == 0) time = work_within(loops - 1);
  });
  return time;
}

TEST_F(Alone, WhatIsWithinManyLoopsCountsOnce) {
  if (work_within(20) > std::chrono::milliseconds(4)) GTEST_SKIP() << "the machine is busy";
  EXPECT_EQ(running_threads(), 1);
}

// What goes through it unchanged, in some milliseconds.
class Visiting final : public Op {
 public:
  explicit Visiting(MeetingPlace& place) : place_(place) {}
  std::string_view name() const override { return "visiting"; }
  std::vector<TensorSpec> infer(Specs x) const override { return {x[0]}; }
  void run(Views x, Views y, void*) const override {
    std::memcpy(y[0].bytes, x[0].bytes, static_cast<size_t>(x[0].spec->bytes()));
    place_.visit();
  }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override { return BatchFlow::first_axis(axes); }

 private:
  MeetingPlace& place_;
};

TEST_F(Alone, TheSlicesOfALongBatchAreSharedBeforeTheirEnd) {
  starts();
  MeetingPlace place;
  const auto f = compile(
      [&](const Tensor& x) { return exp(tanh(apply(OpPtr(new Visiting(place)), {x * 0.5f}, SourceLocation()))); });
  f(uniform({256, 4096}, random_key(1)));  // eight groups
  if (several()) {
    EXPECT_GT(place.threads(), 1u);
  }
}

TEST_F(Alone, AnErrorReachesTheCaller) {
  int begun = 0;
  EXPECT_THROW(parallel_for(10, 1,
                            [&](int64_t chunk, int64_t) {
                              ++begun;
                              if (chunk == 2) throw std::runtime_error("no more");
                            }),
               std::runtime_error);
  EXPECT_EQ(begun, 3);
}

TEST_F(Alone, ALimitOfThreadsStartsThem) {
  starts();
  { const ThreadLimit limit(2); }
  EXPECT_EQ(running_threads(), thread_count());
}

// Alone, with the threads that are started in the middle of it, and with all of them from the beginning.
TEST_F(Alone, TrainingHasTheSameBits) {
  starts();
  const Tensor x = uniform({128, 28, 28, 1}, random_key(1)).eval(),
               y = cast(floor(uniform({128}, random_key(2)) * 10), i64).eval();
  const auto train = [&] {
    const nn::Model model(nn::network_named("cnn"), {28, 28, 1}, {.name = "cnn"});
    nn::Trainer trainer(model);
    std::vector<Tensor> values;
    for (int i = 0; i < 6; ++i) values.push_back(trainer.step(x, y).loss);
    for (const Variable& parameter : model.parameters()) values.push_back(parameter.read());
    return values;
  };
  const std::vector<Tensor> first = train();
  EXPECT_EQ(running_threads(), thread_count());
  const std::vector<Tensor> second = train();
  ASSERT_EQ(first.size(), second.size());
  for (size_t i = 0; i < first.size(); ++i) {
    const Array a = first[i].value().contiguous(), b = second[i].value().contiguous();
    ASSERT_EQ(a.spec(), b.spec());
    EXPECT_EQ(std::memcmp(a.bytes(), b.bytes(), static_cast<size_t>(a.spec().bytes())), 0) << i;
  }
}

}  // namespace
}  // namespace telaio
