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

TEST(Take, ChoosesSlicesOfAnAxis) {
  const Tensor x = counting({3, 2});
  EXPECT_THAT(take(x, tensor({2, 0, -1})).to_vector<int>(), ElementsAre(4, 5, 0, 1, 4, 5));
  EXPECT_THAT(take(x, tensor<int64_t>({1, 1}), 1).to_vector<int>(), ElementsAre(1, 1, 3, 3, 5, 5));
  EXPECT_THAT(take(x, tensor<uint8_t>({1}), -1).to_vector<int>(), ElementsAre(1, 3, 5));
  EXPECT_EQ(take(counting({4, 5, 6}), zeros({2, 3}, i32), 1).shape(), Shape({4, 2, 3, 6}));
  EXPECT_EQ(take(x, Tensor(1)).shape(), Shape({2}));
  EXPECT_EQ(take(x, zeros({0}, i32)).shape(), Shape({0, 2}));
  EXPECT_THAT(take(tensor({true, false}), tensor({1, 0})).to_vector<bool>(), ElementsAre(false, true));
}

TEST(Take, NamesAnIndexThatIsOutOfRange) {
  const Tensor x = ones({10, 2});
  const Tensor y = take(x, reshape(tensor({0, -10, 3, 12}), {2, 2}));
  EXPECT_THAT(message_of([&] { y.eval(); }),
              AllOf(HasSubstr("take: index 12 at place 3 is out of range for an axis of 10 elements"),
                    HasSubstr("indices i32[2,2]"), HasSubstr("indexing_test.cpp:")));
  EXPECT_THAT(message_of([&] { take(x, tensor<int64_t>({-11})).eval(); }), HasSubstr("index -11 at place 0"));
  EXPECT_THAT(message_of([&] { take(ones({0}), tensor({0})).eval(); }), HasSubstr("an axis of 0 elements"));
  const auto f = compile([&](const Tensor& i) { return take(x, i); });
  EXPECT_THAT(message_of([&] { f(tensor({0, 10})); }), HasSubstr("index 10 at place 1"));
  EXPECT_EQ(f(tensor({0, 9})).shape(), Shape({2, 2}));
}

TEST(Take, RefusesAtBuildingTime) {
  const Tensor x = ones({10, 2});
  EXPECT_THAT(message_of([&] { take(x, ones({2})); }), HasSubstr("take: the indices must be i32 or i64, not f32"));
  EXPECT_THAT(message_of([&] { take(x, tensor({true})); }), HasSubstr("not bool"));
  EXPECT_THAT(message_of([&] { take(x, tensor({1}), 2); }), HasSubstr("axis 2 is out of range: there are 2 axes"));
  EXPECT_THAT(message_of([&] { take(x, Tensor()); }), HasSubstr("take: an operand is undefined"));
  EXPECT_THAT(message_of([&] {
                take(ones({1, 1, 1, 1, 1, 1, 1, 1}), zeros({1, 1}, i32));
              }),
              HasSubstr("at most 8 axes"));
}

TEST(IndexAdd, AddsSlices) {
  const Tensor updates = counting({3, 2});
  EXPECT_THAT(index_add(updates, tensor({1, 3, 1}), 0, 4).to_vector<int>(), ElementsAre(0, 0, 4, 6, 0, 0, 2, 3));
  EXPECT_THAT(index_add(updates, tensor({0, -1}), 1, 3).to_vector<int>(), ElementsAre(0, 0, 1, 2, 0, 3, 4, 0, 5));
  EXPECT_THAT(index_add(updates, tensor({0, 0}), -1, 1).to_vector<int>(), ElementsAre(1, 5, 9));
  EXPECT_THAT(index_add(tensor({5, 6}), Tensor(1), 0, 2).to_vector<int>(), ElementsAre(0, 0, 5, 6));
  EXPECT_THAT(index_add(zeros({0}), zeros({0}, i32), 0, 2).to_vector<int>(), ElementsAre(0, 0));
  EXPECT_THAT(message_of([&] {
                index_add(updates, tensor({0, 4, 1}), 0, 4).eval();
              }),
              HasSubstr("index_add: index 4 at place 1 is out of range for an axis of 4 elements"));
  EXPECT_THAT(message_of([&] {
                index_add(updates, tensor({0, 1}), 0, 4);
              }),
              HasSubstr("the updates' axes from 0 on must be those of the indices [2], the updates are [3,2]"));
  EXPECT_THAT(message_of([&] { index_add(tensor({true}), tensor({0}), 0, 4); }), HasSubstr("bools cannot be added"));
  EXPECT_THAT(message_of([&] { index_add(updates, tensor({0, 1, 2}), 0, -1); }), HasSubstr("no negative sizes"));
}

TEST(Gather, ChoosesOneElementForEachIndex) {
  const Tensor x = counting({2, 3});
  EXPECT_THAT(gather(x, tensor({{2, 0}, {1, -1}}), 1).to_vector<int>(), ElementsAre(2, 0, 4, 5));
  EXPECT_THAT(gather(x, tensor({{1, 0, 1}}), 0).to_vector<int>(), ElementsAre(3, 1, 5));
  EXPECT_THAT(message_of([&] {
                gather(x, tensor({{0}, {3}}), -1).eval();
              }),
              HasSubstr("gather: index 3 at place 1 is out of range for an axis of 3 elements"));
  EXPECT_THAT(message_of([&] { gather(x, tensor({{0}}), 1); }),
              HasSubstr("input and indices may differ along axis 1 only, they are [2,3] and [1,1]"));
  EXPECT_THAT(message_of([&] { gather(x, tensor({0, 1}), 1); }), HasSubstr("may differ along axis 1 only"));
}

TEST(ScatterAdd, AddsEachElement) {
  const Tensor updates = counting({2, 3});
  EXPECT_THAT(scatter_add(updates, tensor({{1, 1, 0}, {0, 1, -1}}), 1, 2).to_vector<int>(), ElementsAre(2, 1, 3, 9));
  EXPECT_THAT(message_of([&] {
                scatter_add(updates, tensor({{0, 0, 2}, {0, 0, 0}}), 1, 2).eval();
              }),
              HasSubstr("scatter_add: index 2 at place 2 is out of range for an axis of 2 elements"));
  EXPECT_THAT(message_of([&] { scatter_add(updates, tensor({{0}}), 1, 2); }), HasSubstr("must have one shape"));
}

TEST(OneHot, MarksTheClass) {
  EXPECT_THAT(one_hot(tensor({2, 0}), 3).to_vector<float>(), ElementsAre(0, 0, 1, 1, 0, 0));
  EXPECT_THAT(one_hot(tensor<uint8_t>({1}), 2, boolean).to_vector<bool>(), ElementsAre(false, true));
  EXPECT_EQ(one_hot(zeros({2, 3}, i64), 4, f64).shape(), Shape({2, 3, 4}));
  EXPECT_EQ(one_hot(zeros({0}, i64), 4).shape(), Shape({0, 4}));
  EXPECT_THAT(
      message_of([] {
        one_hot(tensor({0, 1, 3}), 3).eval();
      }),
      AllOf(HasSubstr("one_hot: index 3 at place 2 is out of range for 3 classes"), HasSubstr("indexing_test.cpp:")));
  EXPECT_THAT(message_of([] { one_hot(ones({2}), 3); }), HasSubstr("the indices must be i32 or i64, not f32"));
  EXPECT_THAT(message_of([] { one_hot(tensor({0}), -1); }), HasSubstr("there cannot be -1 classes"));
}

TEST(Indexing, Derivatives) {
  const Tensor x = scattered({3, 4});
  const Tensor rows = tensor({{1, 0}, {1, -1}}), columns = tensor({{3, 3}, {0, 1}, {2, -1}});
  expect_derivatives([&](const Tensor& t) { return square(take(t, rows, 0)); }, {x});
  expect_derivatives([&](const Tensor& t) { return square(take(t, rows, 1)); }, {x});
  expect_derivatives([&](const Tensor& t) { return square(gather(t, columns, 1)); }, {x});
  expect_derivatives([&](const Tensor& t) { return square(index_add(t, tensor({0, 4, 0}), 0, 5)); }, {x});
  expect_derivatives([&](const Tensor& t) { return square(scatter_add(slice(t, 1, 0, 2), columns, 1, 4)); }, {x});
}

TEST(Indexing, CompiledAsEvaluated) {
  const Tensor x = scattered({30, 4});
  const Tensor index = tensor({3, 3, 29, -4, 0});
  expect_same_compiled([](const Tensor& t, const Tensor& i) { return grad(sum(square(take(t, i))), t); }, x, index);
  expect_same_compiled([](const Tensor& t, const Tensor& i) { return take(transpose(t), i, 1); }, x, index);
}

}  // namespace
}  // namespace telaio
