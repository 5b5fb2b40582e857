#include <gtest/gtest.h>

#include <telaio/autograd/runtime/parallel.hpp>

#include <atomic>
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

}  // namespace
}  // namespace telaio
