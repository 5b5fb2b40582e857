#include "op_testing.hpp"

namespace telaio {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_ops::expect_same_compiled;

TEST(TensorLiteral, OfEveryType) {
  EXPECT_EQ(tensor({true, false}).dtype(), boolean);
  EXPECT_EQ(tensor<uint8_t>({1, 2}).dtype(), u8);
  EXPECT_EQ(tensor({1, 2}).dtype(), i32);
  EXPECT_EQ(tensor<int64_t>({1, 2}).dtype(), i64);
  EXPECT_EQ(tensor({1.0f, 2.0f}).dtype(), f32);
  EXPECT_EQ(tensor({1.0, 2.0}).dtype(), f64);
  EXPECT_THAT(tensor({1.5f, 2.0f}).to_vector<float>(), ElementsAre(1.5f, 2));
  EXPECT_EQ(tensor({{1, 2, 3}, {4, 5, 6}}).shape(), Shape({2, 3}));
  EXPECT_THAT(tensor({{1, 2}, {3, 4}}).to_vector<int>(), ElementsAre(1, 2, 3, 4));
}

TEST(TensorLiteral, RefusesRaggedRows) {
  EXPECT_THAT(message_of([] {
                tensor({{1, 2}, {3}});
              }),
              AllOf(HasSubstr("tensor: row 1 has 1 elements, the first has 2"), HasSubstr("create_test.cpp:")));
}

TEST(Arange, StopsBeforeTheEnd) {
  EXPECT_THAT(arange(0, 1, 0.25).to_vector<float>(), ElementsAre(0, 0.25, 0.5, 0.75));
  EXPECT_THAT(arange(3, 0, -1, i32).to_vector<int>(), ElementsAre(3, 2, 1));
  EXPECT_THAT(arange(4).to_vector<int>(), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(arange(4).dtype(), i64);
  EXPECT_EQ(arange(2, 2).numel(), 0);
  EXPECT_EQ(arange(2, 1).numel(), 0);
  EXPECT_THAT(arange(250, 256, 2, u8).to_vector<int>(), ElementsAre(250, 252, 254));
}

TEST(Arange, RoundsEachElementOnce) {
  const auto values = arange(0, 1, 0.1).to_vector<float>();
  ASSERT_EQ(values.size(), 10u);
  for (size_t i = 0; i < 10; ++i) EXPECT_EQ(values[i], static_cast<float>(static_cast<double>(i) * 0.1));
}

TEST(Arange, BuildsWithoutComputing) {
  const Tensor large = arange(int64_t{1} << 50);
  EXPECT_EQ(large.numel(), int64_t{1} << 50);
  EXPECT_EQ(large.node()->values(), nullptr);
}

TEST(Arange, RefusesWhatIsNoRange) {
  EXPECT_THAT(message_of([] { arange(0, 1, 0); }),
              AllOf(HasSubstr("arange: a step of 0"), HasSubstr("create_test.cpp:")));
  EXPECT_THAT(message_of([] { arange(0, 1, 0.5, i32); }), HasSubstr("a range of i32 needs whole numbers"));
  EXPECT_THAT(message_of([] { arange(0, 300, 1, u8); }), HasSubstr("299 does not fit u8"));
  EXPECT_THAT(message_of([] { arange(0, 0x1p63, 0x1p62, i64); }), HasSubstr("no error"));
  EXPECT_THAT(message_of([] { arange(0x1p63, 0x1p64, 0x1p63, i64); }), HasSubstr("does not fit i64"));
  EXPECT_THAT(message_of([] { arange(-1, 3, 1, u8); }), HasSubstr("-1 does not fit u8"));
  EXPECT_THAT(message_of([] { arange(0, 2, 1, boolean); }), HasSubstr("no range of bools"));
  EXPECT_THAT(message_of([] { arange(0, 1e300); }), HasSubstr("cannot be addressed"));
  EXPECT_THAT(message_of([] { arange(0, std::numeric_limits<double>::infinity()); }), HasSubstr("must be finite"));
  EXPECT_THAT(message_of([] { arange(-1); }), HasSubstr("there cannot be -1 elements"));
}

TEST(Eye, HasOnesOnTheDiagonal) {
  EXPECT_THAT(eye(2).to_vector<float>(), ElementsAre(1, 0, 0, 1));
  EXPECT_THAT(eye(2, 3, i32).to_vector<int>(), ElementsAre(1, 0, 0, 0, 1, 0));
  EXPECT_THAT(eye(3, 1, boolean).to_vector<bool>(), ElementsAre(true, false, false));
  EXPECT_EQ(eye(0).shape(), Shape({0, 0}));
  EXPECT_THAT(message_of([] { eye(-1); }), AllOf(HasSubstr("eye:"), HasSubstr("no negative sizes")));
}

TEST(Create, CompiledAsEvaluated) {
  expect_same_compiled([](const Tensor& x) { return x + arange(0, 1, 0.25, f64) + eye(4, -1, f64); }, Tensor(2.0));
  expect_same_compiled([](const Tensor& x) { return x * arange(0, 100'000, 1, f64); }, Tensor(2.0));
}

}  // namespace
}  // namespace telaio
