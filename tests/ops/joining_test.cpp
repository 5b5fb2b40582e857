#include <cmath>

#include "op_testing.hpp"

namespace telaio {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_ops::counting;
using testing_ops::expect_derivatives;
using testing_ops::expect_same_compiled;
using testing_ops::scattered;

TEST(Concat, JoinsAlongAnAxis) {
  const Tensor a = counting({2, 2}), b = counting({2, 1}) + 10.0;
  EXPECT_THAT(concat({a, b}, 1).to_vector<int>(), ElementsAre(0, 1, 10, 2, 3, 11));
  EXPECT_THAT(concat({a, a, a}, -2).shape(), Shape({6, 2}));
  EXPECT_TRUE(concat({a}, 0).same(a));
  EXPECT_EQ(concat({zeros({0, 2}), zeros({0, 2})}, 0).numel(), 0);
  EXPECT_THAT(concat({zeros({2, 0}, f64), a}, 1).to_vector<int>(), ElementsAre(0, 1, 2, 3));
}

TEST(Concat, ReadsViewsAsTheyLie) {
  const Tensor x = counting({2, 3});
  const Tensor y = concat({transpose(x), broadcast_to(Tensor(9.0), {3, 1}), flip(transpose(x), {0, 1})}, 1);
  EXPECT_THAT(y.to_vector<int>(), ElementsAre(0, 3, 9, 5, 2, 1, 4, 9, 4, 1, 2, 5, 9, 3, 0));
  const auto f = [](const Tensor& t) { return concat({transpose(t), slice(transpose(t), 0, 0, 3, 2)}, 0); };
  expect_same_compiled(f, x);
}

TEST(Concat, OfEveryTypeAndAnyLength) {
  std::vector<int32_t> sevenths(200'000);
  for (size_t i = 0; i < sevenths.size(); ++i) sevenths[i] = i % 7 == 0;
  for (DType dtype : {boolean, u8, i32, i64, f32, f64}) {
    // Long enough that rows are cut.
    const Tensor x = cast(from_data(sevenths, {2, 100'000}), dtype);
    const auto joined = concat({x, flip(x, {1})}, 1).to_vector<double>();
    for (size_t i = 0; i < 200'000; i += 37) {
      EXPECT_EQ(joined[i], sevenths[i < 100'000 ? i : 199'999 - i]);
    }
  }
}

TEST(Concat, RefusesWhatDoesNotFit) {
  EXPECT_THAT(message_of([] { concat({}, 0); }), HasSubstr("concat: there is nothing to join"));
  EXPECT_THAT(message_of([] {
                concat({ones({2, 3}), ones({2, 4})}, 0);
              }),
              AllOf(HasSubstr("concat: the parts may differ along axis 0 only, part 1 is [2,4], the first [2,3]"),
                    HasSubstr("joining_test.cpp:")));
  EXPECT_THAT(message_of([] { concat({ones({2}), ones({2, 1})}, 0); }), HasSubstr("part 1 is [2,1]"));
  EXPECT_THAT(message_of([] { concat({ones({2}), ones({2}, f64)}, 0); }), HasSubstr("must be f32, part 1 is f64"));
  EXPECT_THAT(message_of([] { concat({Tensor(1.0), Tensor(2.0)}, 0); }), HasSubstr("stack them"));
  EXPECT_THAT(message_of([] { concat({ones({2}), ones({2})}, 1); }), HasSubstr("axis 1 is out of range"));
  EXPECT_THAT(message_of([] { concat({ones({2}), Tensor()}, 0); }), HasSubstr("an operand is undefined"));
}

TEST(Stack, MakesAnAxis) {
  const Tensor a = counting({2}), b = counting({2}) + 5.0;
  EXPECT_THAT(stack({a, b}).to_vector<int>(), ElementsAre(0, 1, 5, 6));
  EXPECT_THAT(stack({a, b}, -1).to_vector<int>(), ElementsAre(0, 5, 1, 6));
  EXPECT_EQ(stack({a}, 1).shape(), Shape({2, 1}));
  EXPECT_EQ(stack({Tensor(1.0), Tensor(2.0)}).shape(), Shape({2}));
  EXPECT_THAT(message_of([&] {
                stack({a, ones({3}, f64)});
              }),
              HasSubstr("stack: shapes and types must agree, part 1 is f64[3], the first f64[2]"));
}

TEST(Pad, MakesABorder) {
  const Tensor x = counting({2, 2});
  EXPECT_THAT(pad(x, {{1, 0}, {0, 2}}, 7).to_vector<int>(), ElementsAre(7, 7, 7, 7, 0, 1, 7, 7, 2, 3, 7, 7));
  EXPECT_TRUE(pad(x, {{0, 0}, {0, 0}}).same(x));
  EXPECT_TRUE(std::isinf(pad(x, {{0, 0}, {1, 0}}, -INFINITY).to_vector<double>()[0]));
  EXPECT_THAT(pad(tensor({true}), {{1, 1}}).to_vector<bool>(), ElementsAre(false, true, false));
  EXPECT_THAT(pad(zeros({0}), {{1, 1}}, 3).to_vector<float>(), ElementsAre(3, 3));
  EXPECT_THAT(message_of([&] {
                pad(x, {{1, 1}});
              }),
              AllOf(HasSubstr("pad: 2 axes need as many borders, got 1"), HasSubstr("joining_test.cpp:")));
  EXPECT_THAT(message_of([&] { pad(x, {{1, 1}, {-1, 0}}); }), HasSubstr("a border cannot be negative, got (-1,0)"));
  EXPECT_THAT(message_of([&] { pad(x, {{1, INT64_MAX}, {0, 0}}); }), HasSubstr("more elements than can be addressed"));
}

TEST(Joining, Derivatives) {
  const Tensor x = scattered({2, 3}), z = scattered({2, 2}, 1);
  expect_derivatives([](const Tensor& a, const Tensor& b) { return square(concat({a, b, a}, 1)); }, {x, z});
  expect_derivatives([](const Tensor& a) { return square(stack({a, a * a}, 1)); }, {x});
  expect_derivatives([](const Tensor& a) { return square(pad(a, {{1, 2}, {0, 3}}, 2)); }, {x});
}

TEST(Joining, CompiledAsEvaluated) {
  const Tensor x = scattered({5, 7});
  expect_same_compiled([](const Tensor& a) { return pad(concat({a, a * 2.0}, 1), {{2, 1}, {1, 0}}, 0.5); }, x);
  expect_same_compiled([](const Tensor& a) { return stack({a, a + 1.0, a}, 1); }, x);
}

}  // namespace
}  // namespace telaio
