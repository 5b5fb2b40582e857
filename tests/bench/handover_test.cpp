#include <gtest/gtest.h>

#include <telaio/bench/handover.hpp>

namespace telaio::bench {
namespace {

TEST(Handover, NeedsASecondThread) {
  const ThreadLimit limit(1);
  EXPECT_EQ(handover_seconds(), 0);
}

TEST(Handover, TakesLongerThanAnInstructionAndEnds) {
  const ThreadLimit limit(2);
  for (int i = 0; i < 20; ++i) {
    const double seconds = handover_seconds();
    EXPECT_TRUE(seconds == 0 || seconds > 1e-9) << seconds;
  }
}

}  // namespace
}  // namespace telaio::bench
