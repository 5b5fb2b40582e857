#include <gtest/gtest.h>

#include <thread>

#include <telaio/bench/handover.hpp>

namespace telaio::bench {
namespace {

TEST(Handover, NeedsASecondThread) {
  const ThreadLimit limit(1);
  EXPECT_EQ(handover_seconds(), 0);
}

TEST(Handover, TakesLongerThanAnInstructionAndLessThanALook) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "one core only";
  const ThreadLimit limit(2);
  // A second thread may be late, but not always.
  double least = 0;
  for (int i = 0; i < 100; ++i) {
    const double seconds = handover_seconds();
    if (seconds > 0 && (least == 0 || seconds < least)) least = seconds;
  }
  EXPECT_GT(least, 5e-9);
  EXPECT_LT(least, 5e-5);
}

}  // namespace
}  // namespace telaio::bench
