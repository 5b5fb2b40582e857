// What a process has loaded: a library costs each process that loads it, used or not.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <iterator>
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
  ASSERT_FALSE(is_loaded("libtelaio_threads.so")) << "another test of this process has started the threads";
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

}  // namespace
}  // namespace telaio
