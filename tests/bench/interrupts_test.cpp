// The peak that shares of benchmarks are taken of is less what interrupts take, and nothing else.
#include <gtest/gtest.h>

#include <vector>

#include <telaio/bench/interrupts.hpp>

namespace telaio::bench {
namespace {

constexpr double window = 1e-5, interrupt = 3.6e-5;

// One in a hundred windows has one; a stretch may begin and end so that it has one less than others.
constexpr double left = 100 * window / (100 * window + interrupt), one_of_a_stretch = interrupt / 8e-3;

// A tenth of a second of windows that all took the same.
std::vector<double> quiet() { return std::vector<double>(10'000, window); }

TEST(Interrupts, NoneTakeNothing) { EXPECT_EQ(left_by_interrupts(quiet()), 1); }

TEST(Interrupts, TakeTheirShare) {
  std::vector<double> windows = quiet();
  for (size_t i = 50; i < windows.size(); i += 100) windows[i] += interrupt;
  EXPECT_GT(left_by_interrupts(windows), left - 1e-3);
  EXPECT_LT(left_by_interrupts(windows), left + one_of_a_stretch);
}

TEST(Interrupts, AreNotWhatTheClockOfACoreDoes) {
  std::vector<double> windows = quiet();
  for (size_t i = 0; i < windows.size(); i += 3) windows[i] *= 1.02;
  EXPECT_EQ(left_by_interrupts(windows), 1);
}

TEST(Interrupts, AreNotAnotherProgramOnTheCore) {
  std::vector<double> windows = quiet();
  for (size_t i = 0; i < windows.size(); ++i)
    if (i / 50 % 2 == 1) windows[i] *= 2;
  EXPECT_EQ(left_by_interrupts(windows), 1);
}

TEST(Interrupts, AreNotAnotherProgramInsteadOfThisOne) {
  std::vector<double> windows = quiet();
  for (size_t i = 50; i < windows.size(); i += 100) windows[i] += 1e-3;
  EXPECT_EQ(left_by_interrupts(windows), 1);
}

TEST(Interrupts, AreWhatTheQuietestStretchHasLost) {
  std::vector<double> windows = quiet();
  for (size_t i = 50; i < windows.size(); i += i < windows.size() / 2 ? 5 : 100) windows[i] += interrupt;
  EXPECT_GT(left_by_interrupts(windows), left - 1e-3);
  EXPECT_LT(left_by_interrupts(windows), left + one_of_a_stretch);
}

TEST(Interrupts, AreNotKnownOfAShortTime) {
  std::vector<double> windows = quiet();
  windows.resize(300);
  windows[100] += interrupt;
  EXPECT_EQ(left_by_interrupts(windows), 1);
}

}  // namespace
}  // namespace telaio::bench
