#include <gtest/gtest.h>

#include <telaio/autograd/runtime/parallel.hpp>

#include <atomic>
#include <thread>
#include <utility>
#include <vector>

namespace telaio {
namespace {

TEST(ParallelFor, CoversEveryIndexOnceInFixedChunks) {
  std::vector<std::atomic<int>> hits(1003);
  std::atomic<int> chunks{0};
  parallel_for(1003, 10, [&](int64_t begin, int64_t end) {
    EXPECT_EQ(begin % 10, 0);
    EXPECT_LE(end - begin, 10);
    ++chunks;
    for (int64_t i = begin; i < end; ++i) ++hits[i];
  });
  EXPECT_EQ(chunks, 101);
  for (auto& h : hits) EXPECT_EQ(h, 1);
}

TEST(ParallelFor, RunsTheSameChunksInOrderInASerialScope) {
  const auto caller = std::this_thread::get_id();
  std::vector<std::pair<int64_t, int64_t>> chunks;
  {
    const SerialScope outer;
    { const SerialScope inner; }  // leaves the outer one in force
    parallel_for(45, 10, [&](int64_t begin, int64_t end) {
      EXPECT_EQ(std::this_thread::get_id(), caller);
      chunks.emplace_back(begin, end);
    });
  }
  EXPECT_EQ(chunks, (std::vector<std::pair<int64_t, int64_t>>{{0, 10}, {10, 20}, {20, 30}, {30, 40}, {40, 45}}));
}

}  // namespace
}  // namespace telaio
