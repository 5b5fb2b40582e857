#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/ops/kernels/elementwise.hpp>
#include <telaio/ops/kernels/simd_target.hpp>

#include <cmath>
#include <cstdlib>
#include <stdexcept>

#include "for_each_simd_target.hpp"

namespace telaio::kernels {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(SimdTarget, TheBestIsChosenUnlessTheEnvironmentNamesOne) {
  const char* wish = std::getenv("TELAIO_SIMD");
  EXPECT_EQ(simd_target(), wish != nullptr && *wish != '\0' ? wish : simd_targets().front());
}

TEST(SimdTarget, CanBeSwitchedAtAnyTime) {
  for_each_simd_target([] { EXPECT_THAT(simd_targets(), testing::Contains(simd_target())); });
}

// The scalar target multiplies and adds in two roundings, the others in one: a dispatch that really follows the
// setting shows in the last bits of some result.
TEST(SimdTarget, DispatchFollowsTheSetting) {
  if (simd_targets().size() < 2) GTEST_SKIP() << "one target only";
  std::vector<double> x(1000);
  for (size_t i = 0; i < x.size(); ++i) x[i] = 0.01 * static_cast<double>(i) - 5;
  const std::string before = simd_target();
  std::vector<double> best(x.size()), last(x.size()), again(x.size());
  const int64_t n = static_cast<int64_t>(x.size());
  set_simd_target(simd_targets().front());
  unary(UnaryOp::erf, x.data(), best.data(), n);
  set_simd_target(simd_targets().back());
  unary(UnaryOp::erf, x.data(), last.data(), n);
  set_simd_target(simd_targets().front());
  unary(UnaryOp::erf, x.data(), again.data(), n);
  set_simd_target(before);
  EXPECT_NE(best, last);
  EXPECT_EQ(best, again);
}

TEST(SimdTarget, AnUnknownNameIsAnErrorThatNamesTheChoices) {
  const std::string before = simd_target();
  try {
    set_simd_target("mmx");
    FAIL() << "no exception";
  } catch (const std::invalid_argument& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("mmx"), HasSubstr(simd_targets().front())));
  }
  EXPECT_EQ(simd_target(), before);
}

// In a process of its own, where nothing has been dispatched yet.
TEST(SimdTargetDeathTest, TheEnvironmentIsHeededByTheFirstKernelCall) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto first_call = [](const char* name) {
    detail::simd_target_place = -1;
    setenv("TELAIO_SIMD", name, 1);
    float x = 1, y = 0;
    try {
      unary(UnaryOp::neg, &x, &y, 1);
      std::fprintf(stderr, "%s gave %g", simd_target().c_str(), static_cast<double>(y));
    } catch (const std::invalid_argument& error) {
      std::fprintf(stderr, "%s", error.what());
    }
    std::exit(0);
  };
  EXPECT_EXIT(first_call("altivec"), testing::ExitedWithCode(0), "TELAIO_SIMD: no SIMD target \"altivec\"");
  const std::string last = simd_targets().back();
  EXPECT_EXIT(first_call(last.c_str()), testing::ExitedWithCode(0), last + " gave -1");
}

}  // namespace
}  // namespace telaio::kernels
