#include <telaio/nn/train/schedule.hpp>

#include <cmath>
#include <numbers>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../../message_of.hpp"

namespace telaio::nn {
namespace {

TEST(Schedule, Constant) {
  for (const double epoch : {0.0, 0.5, 3.0, 9.9}) {
    EXPECT_EQ(Schedule{}(epoch, 10), 1);
    EXPECT_EQ(parse_schedule("plateau")(epoch, 10), 1);  // the callback changes the base rate
  }
}

TEST(Schedule, Step) {
  const Schedule step = parse_schedule("step,factor=0.5,every=2");
  EXPECT_EQ(step(0, 10), 1);
  EXPECT_EQ(step(1.99, 10), 1);
  EXPECT_EQ(step(2, 10), 0.5);
  EXPECT_EQ(step(5.5, 10), 0.25);
  EXPECT_EQ(step(9.9, 10), 0.0625);
  const Schedule later = parse_schedule("step,factor=0.5,every=2,warmup=1");
  EXPECT_EQ(later(2.9, 10), 1);
  EXPECT_EQ(later(3, 10), 0.5);
}

TEST(Schedule, Cosine) {
  const Schedule cosine = parse_schedule("cosine");
  EXPECT_EQ(cosine(0, 8), 1);
  EXPECT_NEAR(cosine(4, 8), 0.5, 1e-15);
  EXPECT_NEAR(cosine(8, 8), 0, 1e-15);
  for (const double epoch : {0.25, 1.0, 3.5, 7.75})
    EXPECT_NEAR(cosine(epoch, 8), 0.5 * (1 + std::cos(std::numbers::pi * epoch / 8)), 1e-15);
  // With warm-up the cosine has the rest.
  const Schedule later = parse_schedule("cosine,warmup=2");
  EXPECT_EQ(later(2, 8), 1);
  EXPECT_NEAR(later(5, 8), 0.5, 1e-15);
  EXPECT_NEAR(later(7.5, 8), 0.5 * (1 + std::cos(std::numbers::pi * 5.5 / 6)), 1e-15);
  // Nothing is left for it.
  EXPECT_NEAR(parse_schedule("cosine,warmup=8")(8, 8), 0, 1e-15);
}

TEST(Schedule, WarmUpCountsTheStepThatIsAboutToBeDone) {
  // Four steps an epoch, two epochs: 1/8, 2/8, … 8/8, then the schedule.
  const Schedule constant = parse_schedule("constant,warmup=2"), cosine = parse_schedule("cosine,warmup=2");
  for (int step = 0; step < 8; ++step) {
    EXPECT_EQ(constant(step / 4.0, 5, 0.25), (step + 1) / 8.0);
    EXPECT_EQ(cosine(step / 4.0, 5, 0.25), (step + 1) / 8.0);
  }
  EXPECT_EQ(constant(2, 5, 0.25), 1);
  EXPECT_EQ(cosine(2, 5, 0.25), 1);
  // A fraction of an epoch, and less than a step.
  EXPECT_EQ(parse_schedule("constant,warmup=0.5")(0.25, 5, 0.125), 0.75);
  EXPECT_EQ(parse_schedule("constant,warmup=0.1")(0, 5, 0.25), 1);
}

TEST(Schedule, PrintsWhatItParses) {
  EXPECT_EQ(to_string(Schedule{}), "constant");
  for (const char* text :
       {"constant", "cosine", "step,factor=0.5,every=2", "plateau,factor=0.25,patience=3", "constant,warmup=1",
        "cosine,warmup=0.5", "step,factor=0.30000000000000004,every=0.1,warmup=3",
        "plateau,factor=0.5,patience=0,warmup=2"})
    EXPECT_EQ(to_string(parse_schedule(text)), text);
  EXPECT_EQ(to_string(parse_schedule("step")), "step,factor=0.1,every=10");
  EXPECT_EQ(to_string(parse_schedule("plateau")), "plateau,factor=0.1,patience=10");
}

TEST(Schedule, ParseErrors) {
  const auto error = [](std::string_view text) { return message_of([&] { parse_schedule(text); }); };
  EXPECT_EQ(error("linear"), "schedule: 'linear' is unknown; expected constant, step, cosine, plateau");
  EXPECT_EQ(error(""), "schedule: '' is unknown; expected constant, step, cosine, plateau");
  EXPECT_EQ(error("cosine,factor=0.5"), "schedule: unknown option 'factor', expected warmup");
  EXPECT_EQ(error("constant,every=2"), "schedule: unknown option 'every', expected warmup");
  EXPECT_EQ(error("step,patience=2"), "schedule: unknown option 'patience', expected warmup, factor, every");
  EXPECT_EQ(error("plateau,every=2"), "schedule: unknown option 'every', expected warmup, factor, patience");
  EXPECT_EQ(error("step,factor=2"), "schedule: factor is 2, expected 0 … 1");
  EXPECT_EQ(error("step,every=0"), "schedule: every is 0, expected 0.001 … 1000000");
  EXPECT_EQ(error("cosine,warmup=-1"), "schedule: warmup is -1, expected 0 … 1000000");
  EXPECT_EQ(error("plateau,patience=1.5"), "schedule: patience needs a whole number, as in patience=10, got '1.5'");
  EXPECT_EQ(error("plateau,patience=-1"), "schedule: patience is -1, expected 0 … 1000000");
}

}  // namespace
}  // namespace telaio::nn
