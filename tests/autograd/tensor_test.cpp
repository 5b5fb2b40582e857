#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/autograd/node.hpp>
#include <telaio/telaio.hpp>

#include <sstream>

#include "../message_of.hpp"

namespace telaio {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Tensor, HoldsDataOfEveryType) {
  EXPECT_THAT(from_data(std::vector<float>{1, 2, 3, 4}, {2, 2}).to_vector<float>(), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(from_data(std::vector<int64_t>{1, -2}, {2}).to_vector<double>(), ElementsAre(1, -2));
  EXPECT_EQ(Tensor(3).dtype(), i32);
  EXPECT_EQ(Tensor(int64_t{3}).dtype(), i64);
  EXPECT_EQ(Tensor(3.0).dtype(), f64);
  EXPECT_EQ(Tensor(3.0f).dtype(), f32);
  EXPECT_EQ(Tensor(true).dtype(), boolean);
  EXPECT_TRUE(Tensor(true).item<bool>());
}

TEST(Tensor, RefusesDataThatDoesNotFitItsShape) {
  EXPECT_THAT(message_of([] {
                from_data(std::vector<float>{1, 2, 3}, {2, 2});
              }),
              testing::AllOf(HasSubstr("f32[2,2] holds 4 elements, 3 were given"), HasSubstr("tensor_test.cpp:")));
}

TEST(Tensor, RefusesSizesThatCannotBe) {
  EXPECT_THAT(message_of([] { zeros({2, -1}); }), HasSubstr("no negative sizes"));
  const int64_t large = int64_t{1} << 40;
  EXPECT_THAT(message_of([&] { zeros({large, large}); }), HasSubstr("more elements than can be addressed"));
  EXPECT_THAT(message_of([] { zeros({1, 1, 1, 1, 1, 1, 1, 1, 1}); }), HasSubstr("at most 8 axes"));
}

TEST(Tensor, AConstantOfAnySizeTakesNoMemory) {
  const Tensor large = ones({1'000'000, 1'000'000});
  EXPECT_EQ(large.value().storage()->bytes(), sizeof(float));
  EXPECT_EQ(large.numel(), 1'000'000'000'000);
}

TEST(Tensor, BuildingComputesNothing) {
  const Tensor x = ones({3});
  const Tensor y = x + 1;
  EXPECT_EQ(y.node()->values(), nullptr);
  EXPECT_THAT(y.to_vector<float>(), ElementsAre(2, 2, 2));
  EXPECT_NE(y.node()->values(), nullptr);
}

TEST(Tensor, EvaluatingKeepsTheGraph) {
  const Tensor x = from_data(std::vector<float>{1, 2, 3}, {3});
  const Tensor y = square(x);
  y.eval();
  EXPECT_THAT(vjp({y}, {ones({3})}, {x})[0].to_vector<float>(), ElementsAre(2, 4, 6));
}

TEST(Tensor, ScalarsTakeTheTensorsType) {
  EXPECT_EQ((ones({2}) * 2.5).dtype(), f32);
  EXPECT_EQ((ones({2}, f64) * 2.5f).dtype(), f64);
  EXPECT_EQ((ones({2}, i32) * 2).dtype(), i32);
  EXPECT_EQ((ones({2}, i32) * 2.5).dtype(), f32);
  EXPECT_EQ((ones({2}, boolean) == true).dtype(), boolean);
  EXPECT_EQ((ones({2}, i32) + ones({2}, i64)).dtype(), i64);
  EXPECT_EQ((ones({2}, i64) + ones({2}, f32)).dtype(), f32);
  EXPECT_EQ((ones({2}, f32) * Tensor(2.0)).dtype(), f32);  // a scalar of the same category does not widen
  EXPECT_EQ((ones({2}, i32) * Tensor(2.0)).dtype(), f64);
  EXPECT_EQ((1 - ones({2}, u8)).dtype(), u8);
  EXPECT_EQ((ones({2}, i32) / 2).dtype(), f32);
}

TEST(Tensor, BroadcastingErrorsNameOperandsAndLine) {
  const std::string message = message_of([] { ones({2, 3}) + ones({2}); });
  EXPECT_THAT(message, HasSubstr("add: the shapes do not broadcast"));
  EXPECT_THAT(message, HasSubstr("a f32[2,3]   b f32[2]"));
  EXPECT_THAT(message, HasSubstr("tensor_test.cpp:" + std::to_string(__LINE__ - 3)));
}

TEST(Tensor, ErrorsNameTheScope) {
  const Scope outer("block1");
  const Scope inner("conv");
  EXPECT_THAT(message_of([] { neg(ones({1}, boolean)); }),
              HasSubstr("block1.conv (neg): the input must be a signed number"));
}

TEST(Tensor, UndefinedTensorsAreRefused) {
  EXPECT_THAT(message_of([] { relu(Tensor()); }), HasSubstr("undefined"));
  EXPECT_THAT(message_of([] { Tensor() + ones({1}); }), HasSubstr("undefined"));
  EXPECT_THAT(message_of([] { Tensor().eval(); }), HasSubstr("undefined"));
}

TEST(Tensor, PrintsLikeNumpy) {
  EXPECT_EQ(to_string(from_data(std::vector<float>{1, 2.5, -3, 4}, {2, 2})), "f32[2,2] [[  1, 2.5],\n [ -3,   4]]");
  EXPECT_EQ(to_string(Tensor(7)), "i32[] 7");
  EXPECT_EQ(to_string(zeros({0, 3})), "f32[0,3] []");
  EXPECT_EQ(to_string(from_data(std::vector<uint8_t>{1, 20}, {2})), "u8[2] [ 1, 20]");
  std::ostringstream out;
  out << zeros({1000});
  EXPECT_EQ(out.str(), "f32[1000] [0, 0, 0, ..., 0, 0, 0]");
}

TEST(Tensor, ItemWantsOneElement) {
  EXPECT_THAT(message_of([] { ones({2}).item<float>(); }), HasSubstr("f32[2] has not exactly one element"));
  EXPECT_EQ(ones({1, 1}).item<int32_t>(), 1);
}

TEST(Tensor, NonFiniteConstantsOfIntegersAreConverted) {
  EXPECT_THAT(message_of([] { full({1}, std::numeric_limits<double>::quiet_NaN(), i32); }), HasSubstr("full:"));
  EXPECT_THAT(message_of([] { full({1}, 300, u8); }), HasSubstr("300"));
}

}  // namespace
}  // namespace telaio
