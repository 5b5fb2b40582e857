// What a process has loaded: a library costs each process that loads it, used or not.
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/networks.hpp>
#include <telaio/nn/train/trainer.hpp>
#include <telaio/telaio.hpp>

namespace telaio {
namespace {

bool is_loaded(const std::string& library) {
  std::ifstream file("/proc/self/maps");
  const std::string maps{std::istreambuf_iterator<char>(file), {}};
  return maps.find("/" + library) != std::string::npos;
}

TEST(Loaded, OnlyWhatAStepUses) {
#ifdef TELAIO_STATIC
  GTEST_SKIP() << "everything is in the program";
#endif
  nn::Trainer trainer(nn::Model(nn::network_named("dense"), {8, 8, 1}, {.name = "dense"}));
  const Tensor x = ones({4, 8, 8, 1}).eval();
  EXPECT_GT(trainer.step(x, zeros({4}, i64).eval()).loss.item<float>(), 0);
  EXPECT_TRUE(is_loaded("libtelaio.so"));
  for (const char* library : {"libtelaio_io.so", "libpng", "libz.so", "libboost_json"})
    EXPECT_FALSE(is_loaded(library)) << library;
}

TEST(Loaded, ThreadsWhenThereIsWorkForASecondOne) {
#ifdef TELAIO_STATIC
  GTEST_SKIP() << "everything is in the program";
#endif
  if (is_loaded("libtelaio_threads.so")) GTEST_SKIP() << "another test of this process has started the threads";
  EXPECT_FALSE(is_loaded("libtbb"));
  std::atomic<int> done = 0;
  const auto work = [&](int64_t begin, int64_t end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5 * (end - begin)));
    ++done;
  };
  parallel_for(1, 1, work);  // for one thread
  EXPECT_FALSE(is_loaded("libtbb"));
  parallel_for(4, 1, work);
  EXPECT_EQ(done, 5);
  EXPECT_TRUE(is_loaded("libtelaio_threads.so"));
  EXPECT_TRUE(is_loaded("libtbb"));
}

// What the program had made before oneTBB was loaded ends after it, and may compute then.
struct ComputesAtTheEnd {
  ~ComputesAtTheEnd() {
    std::atomic<int64_t> sum = 0;
    parallel_for(100, 1, [&](int64_t begin, int64_t) { sum += begin; });
    TaskGraph two{.predecessors = {0, 1}, .first_successor = {0, 1, 1}, .successors = {1}};
    std::atomic<int> waiting[2];
    run_tasks(two, waiting, [&](int task) { sum += task; });
    isolate([&] { ++sum; });
    started.wait();
    never.start([&] { ++sum; });
    never.wait();
    const ThreadLimit one(1);
    if (sum != 4950 + 1 + 1 + 1 || thread_count() < 1 || thread_index() != 0 || ran != 1) std::_Exit(1);
  }
  std::unique_ptr<ThreadLimit> limit;
  int ran = 0;
  Background started, never;
};

void compute_and_exit() {
  alarm(60);  // instead of waiting for a thread that is no more
  static ComputesAtTheEnd at_the_end;
  at_the_end.limit = std::make_unique<ThreadLimit>(2);
  parallel_for(100, 1, [](int64_t, int64_t) {});
  at_the_end.started.start([] { ++at_the_end.ran; });
  std::exit(0);
}

TEST(LoadedDeathTest, WorkAtTheEndOfTheProcess) { EXPECT_EXIT(compute_and_exit(), testing::ExitedWithCode(0), ""); }

}  // namespace
}  // namespace telaio
