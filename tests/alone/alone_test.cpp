// Work before the threads have been started: a program of its own, whose tests run in processes of their own, since
// what starts them starts them for good.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

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
void work(std::chrono::microseconds time) {
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < time) {
  }
}

bool several() { return std::thread::hardware_concurrency() > 1; }

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
  std::mutex mutex;
  std::set<std::thread::id> threads;
  parallel_for(60, 1, [&](int64_t chunk, int64_t) {
    ++hits[static_cast<size_t>(chunk)];
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    const std::lock_guard lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  for (auto& hit : hits) EXPECT_EQ(hit, 1);
  EXPECT_EQ(running_threads(), thread_count());
  if (several()) {
    EXPECT_GT(threads.size(), 1u);
  }
}

TEST_F(Alone, ALoopWithinAShortOneCountsOnce) {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < 3; ++i)
    parallel_for(2, 1, [&](int64_t, int64_t) {
      parallel_for(2, 1, [&](int64_t, int64_t) {
        parallel_for(2, 1, [&](int64_t, int64_t) { work(std::chrono::microseconds(130)); });
      });
    });
  // Half of the time that a thread works alone, or a little more; not three times that.
  if (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(7)) {
    EXPECT_EQ(running_threads(), 1);
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
