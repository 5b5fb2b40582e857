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
using testing_ops::shares_memory;
using testing_ops::simplified_size;

TEST(Reshape, KeepsTheOrderAndFindsTheOpenSize) {
  const Tensor x = counting({2, 3});
  EXPECT_EQ(reshape(x, {3, -1}).shape(), Shape({3, 2}));
  EXPECT_EQ(reshape(x, {-1}).shape(), Shape({6}));
  EXPECT_EQ(reshape(x, {1, 6, 1}).shape(), Shape({1, 6, 1}));
  EXPECT_THAT(reshape(x, {3, 2}).to_vector<int>(), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_TRUE(shares_memory(x, reshape(x, {3, 2})));
  EXPECT_TRUE(reshape(x, {2, -1}).same(x));
  EXPECT_EQ(reshape(ones({1, 1}), {}).shape(), Shape());
}

TEST(Reshape, OfViewsCopiesOnlyWhereStridesCannotSayIt) {
  const Tensor x = counting({4, 6});
  const Tensor turned = transpose(x);
  EXPECT_THAT(reshape(turned, {24}).to_vector<int>(),
              ElementsAre(0, 6, 12, 18, 1, 7, 13, 19, 2, 8, 14, 20, 3, 9, 15, 21, 4, 10, 16, 22, 5, 11, 17, 23));
  EXPECT_FALSE(shares_memory(x, reshape(turned, {24})));
  EXPECT_TRUE(shares_memory(x, reshape(turned, {2, 3, 2, 2})));
  EXPECT_THAT(reshape(turned, {3, 2, 4}).to_vector<int>(), turned.to_vector<int>());
  // Every second row: the columns can still be regrouped, the rows only among themselves.
  const Tensor rows = slice(x, 0, 0, 4, 2);
  EXPECT_TRUE(shares_memory(x, reshape(rows, {2, 3, 2})));
  EXPECT_FALSE(shares_memory(x, reshape(rows, {12})));
  EXPECT_THAT(reshape(rows, {12}).to_vector<int>(), ElementsAre(0, 1, 2, 3, 4, 5, 12, 13, 14, 15, 16, 17));
  // Repeated and reversed runs.
  const Tensor repeated = broadcast_to(counting({3}), {2, 2, 3});
  EXPECT_EQ(reshape(repeated, {4, 3}).value().strides(), Strides({0, 1}));
  EXPECT_THAT(reshape(repeated, {12}).to_vector<int>(), ElementsAre(0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2));
  EXPECT_THAT(reshape(flip(x, {0, 1}), {2, 12}).value().strides(), Strides({-12, -1}));
  EXPECT_EQ(reshape(flip(x, {0, 1}), {2, 12}).to_vector<int>()[0], 23);
}

TEST(Reshape, OfNothing) {
  EXPECT_EQ(reshape(zeros({0, 3}), {3, 0}).numel(), 0);
  EXPECT_EQ(reshape(zeros({0, 3}), {-1, 3}).shape(), Shape({0, 3}));
  EXPECT_EQ(reshape(transpose(zeros({0, 3})), {0}).to_vector<float>().size(), 0u);
}

TEST(Reshape, RefusesOtherCounts) {
  const Tensor x = counting({2, 3});
  EXPECT_THAT(message_of([&] {
                reshape(x, {4, 2});
              }),
              AllOf(HasSubstr("reshape: [4,2] holds 8 elements, the input has 6"), HasSubstr("f64[2,3]"),
                    HasSubstr("views_test.cpp:")));
  EXPECT_THAT(message_of([&] {
                reshape(x, {4, -1});
              }),
              HasSubstr("no size in place of -1 makes [4,-1] hold 6 elements"));
  EXPECT_THAT(message_of([&] { reshape(x, {-1, -1}); }), HasSubstr("only one size may be -1"));
  EXPECT_THAT(message_of([&] { reshape(x, {-2, -3}); }), HasSubstr("no negative sizes"));
  EXPECT_THAT(message_of([&] { reshape(zeros({0}), {0, -1}); }), HasSubstr("no size in place of -1"));
  EXPECT_THAT(message_of([&] { reshape(Tensor(), {1}); }), HasSubstr("reshape: the input is undefined"));
}

TEST(Flatten, JoinsTheLastAxes) {
  EXPECT_EQ(flatten(ones({2, 3, 4}), 1).shape(), Shape({2, 12}));
  EXPECT_EQ(flatten(ones({2, 3, 4})).shape(), Shape({24}));
  EXPECT_EQ(flatten(ones({2, 3, 4}), -1).shape(), Shape({2, 3, 4}));
  EXPECT_EQ(flatten(ones({})).shape(), Shape({1}));
  EXPECT_THAT(message_of([] { flatten(ones({2}), 1); }), HasSubstr("flatten: axis 1 is out of range: there is 1 axis"));
}

TEST(Permute, MovesAxes) {
  const Tensor x = counting({2, 3, 4});
  const Tensor y = permute(x, {2, 0, -2});
  EXPECT_EQ(y.shape(), Shape({4, 2, 3}));
  EXPECT_TRUE(shares_memory(x, y));
  const auto values = y.to_vector<int>();
  for (int i = 0; i < 4; ++i)
    for (int j = 0; j < 2; ++j)
      for (int k = 0; k < 3; ++k) EXPECT_EQ(values[static_cast<size_t>((i * 2 + j) * 3 + k)], (j * 3 + k) * 4 + i);
  EXPECT_TRUE(permute(x, {0, 1, 2}).same(x));
  EXPECT_EQ(transpose(x).shape(), Shape({2, 4, 3}));
  EXPECT_EQ(transpose(x, 0, 2).shape(), Shape({4, 3, 2}));
  EXPECT_TRUE(transpose(x, 1, 1).same(x));
}

TEST(Permute, RefusesWhatIsNoOrder) {
  const Tensor x = counting({2, 3});
  EXPECT_THAT(message_of([&] { permute(x, {0}); }), HasSubstr("the order [0] must name each of the 2 axes once"));
  EXPECT_THAT(message_of([&] { permute(x, {0, -2}); }), HasSubstr("permute: axis -2 is named twice"));
  EXPECT_THAT(message_of([&] { permute(x, {0, 2}); }), HasSubstr("axis 2 is out of range: there are 2 axes"));
  EXPECT_THAT(message_of([&] { transpose(ones({3})); }), HasSubstr("transpose: there must be two axes to swap"));
}

TEST(BroadcastTo, RepeatsWithoutCopying) {
  const Tensor x = counting({3, 1});
  const Tensor y = broadcast_to(x, {2, 3, 2});
  EXPECT_THAT(y.to_vector<int>(), ElementsAre(0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2));
  EXPECT_TRUE(shares_memory(x, y));
  EXPECT_TRUE(broadcast_to(x, {3, 1}).same(x));
  EXPECT_EQ(broadcast_to(ones({1}), {0}).numel(), 0);
  EXPECT_EQ(expand(x, {-1, 5}).shape(), Shape({3, 5}));
  EXPECT_EQ(expand(x, {4, -1, 5}).shape(), Shape({4, 3, 5}));
}

TEST(BroadcastTo, RefusesWhatNumPyRefuses) {
  const Tensor x = ones({3, 2});
  EXPECT_THAT(
      message_of([&] {
        broadcast_to(x, {3, 4});
      }),
      AllOf(HasSubstr("broadcast_to: an axis of 2 elements cannot be repeated to 4"), HasSubstr("views_test.cpp:")));
  EXPECT_THAT(message_of([&] { broadcast_to(x, {2}); }), HasSubstr("[2] has fewer axes than the input"));
  EXPECT_THAT(message_of([&] { expand(x, {-1, 3, 2}); }), HasSubstr("axis 0 of [-1,3,2] is new"));
  EXPECT_THAT(message_of([&] { expand(x, {-1}); }), HasSubstr("fewer axes"));
}

TEST(Squeeze, DropsAndInsertsAxesOfSizeOne) {
  const Tensor x = counting({1, 3, 1});
  EXPECT_EQ(squeeze(x).shape(), Shape({3}));
  EXPECT_EQ(squeeze(x, {-1}).shape(), Shape({1, 3}));
  EXPECT_EQ(unsqueeze(x, 0).shape(), Shape({1, 1, 3, 1}));
  EXPECT_EQ(unsqueeze(counting({3}), -1).shape(), Shape({3, 1}));
  EXPECT_TRUE(shares_memory(x, squeeze(x)));
  EXPECT_THAT(message_of([&] { squeeze(x, {1}); }),
              HasSubstr("squeeze: only axes of size 1 can be dropped, axis 1 has 3"));
  EXPECT_THAT(message_of([&] { unsqueeze(ones({1, 1, 1, 1, 1, 1, 1, 1}), 0); }), HasSubstr("at most 8 axes"));
}

// Python's answers for x = list(range(7)).
TEST(Slice, FollowsPython) {
  const Tensor x = counting({7});
  const auto at = [&](Range range) { return slice(x, {range}).to_vector<int>(); };
  EXPECT_THAT(at({1, 6, 2}), ElementsAre(1, 3, 5));
  EXPECT_THAT(at({{}, {}, 3}), ElementsAre(0, 3, 6));
  EXPECT_THAT(at({-3, {}, 1}), ElementsAre(4, 5, 6));
  EXPECT_THAT(at({{}, -4, 1}), ElementsAre(0, 1, 2));
  EXPECT_THAT(at({{}, {}, -3}), ElementsAre(6, 3, 0));
  EXPECT_THAT(at({5, 1, -2}), ElementsAre(5, 3));
  EXPECT_THAT(at({100, -100, -4}), ElementsAre(6, 2));
  EXPECT_THAT(at({-100, 100, 4}), ElementsAre(0, 4));
  EXPECT_THAT(at({4, 2, 1}), ElementsAre());
  EXPECT_THAT(at({2, 4, -1}), ElementsAre());
  EXPECT_THAT(at({3, {}, INT64_MIN}), ElementsAre(3));
  EXPECT_THAT(at({3, {}, INT64_MAX}), ElementsAre(3));
  EXPECT_TRUE(slice(x, {Range{}}).same(x));
  EXPECT_TRUE(slice(x, 0, 0, 100).same(x));
  EXPECT_TRUE(shares_memory(x, slice(x, 0, 6, 1, -2)));
}

TEST(Slice, CutsSeveralAxes) {
  const Tensor x = counting({3, 4, 2});
  EXPECT_THAT(slice(x, {{1, {}, 1}, {3, 0, -2}}).to_vector<int>(), ElementsAre(14, 15, 10, 11, 22, 23, 18, 19));
  EXPECT_THAT(slice(x, -1, 1, 2).shape(), Shape({3, 4, 1}));
  EXPECT_EQ(slice(x, 1, 2, 2).numel(), 0);
  EXPECT_THAT(message_of([&] { slice(x, {{}, {}, {}, {}}); }), HasSubstr("slice: 4 ranges for 3 axes"));
  EXPECT_THAT(message_of([&] { slice(x, 0, 0, 1, 0); }), HasSubstr("a step of 0"));
  EXPECT_THAT(message_of([&] { slice(x, 3, 0, 1); }),
              AllOf(HasSubstr("axis 3 is out of range"), HasSubstr("views_test.cpp:")));
}

TEST(Unslice, IsTheTransposeOfSlice) {
  EXPECT_THAT(unslice(tensor({1, 2, 3}), {7}, {{5, {}, -2}}).to_vector<int>(), ElementsAre(0, 3, 0, 2, 0, 1, 0));
  EXPECT_THAT(unslice(transpose(counting({2, 2})), {3, 3}, {{1, 3, 1}, {0, 3, 2}}).to_vector<int>(),
              ElementsAre(0, 0, 0, 0, 0, 2, 1, 0, 3));
  EXPECT_THAT(unslice(zeros({0}), {2}, {{0, 0, 1}}).to_vector<int>(), ElementsAre(0, 0));
  const Tensor x = counting({3});
  EXPECT_TRUE(unslice(x, {3}, {}).same(x));
  EXPECT_THAT(message_of([&] {
                unslice(x, {5}, {{0, 2, 1}});
              }),
              HasSubstr("unslice: the ranges see [2] of [5], the input is [3]"));
}

TEST(Flip, ReversesAxes) {
  const Tensor x = counting({2, 3});
  EXPECT_THAT(flip(x, {1}).to_vector<int>(), ElementsAre(2, 1, 0, 5, 4, 3));
  EXPECT_THAT(flip(x, {0, -1}).to_vector<int>(), ElementsAre(5, 4, 3, 2, 1, 0));
  EXPECT_TRUE(shares_memory(x, flip(x, {0})));
  EXPECT_TRUE(flip(counting({1, 3}), {0}).shape() == Shape({1, 3}));
  EXPECT_EQ(flip(zeros({0, 2}), {0, 1}).numel(), 0);
  EXPECT_THAT(message_of([&] { flip(x, {0, 0}); }), HasSubstr("flip: axis 0 is named twice"));
}

TEST(Split, GivesConsecutiveParts) {
  const Tensor x = counting({2, 6});
  const auto parts = split(x, {1, 0, 5}, 1);
  EXPECT_THAT(parts[0].to_vector<int>(), ElementsAre(0, 6));
  EXPECT_EQ(parts[1].shape(), Shape({2, 0}));
  EXPECT_EQ(parts[2].shape(), Shape({2, 5}));
  EXPECT_TRUE(shares_memory(x, parts[2]));
  EXPECT_EQ(split(x, 3, -1)[2].to_vector<int>()[0], 4);
  EXPECT_THAT(message_of([&] { split(x, {1, 2}, 1); }), HasSubstr("the parts add up to 3 elements, axis 1 has 6"));
  EXPECT_THAT(message_of([&] { split(x, 4, 1); }), HasSubstr("split: an axis of 6 elements has no 4 equal parts"));
  EXPECT_THAT(message_of([&] { split(x, {7, -1}, 1); }), HasSubstr("a part of 7 elements"));
}

TEST(Views, OfEveryElementSize) {
  for (DType dtype : {boolean, u8, i32, i64, f32, f64}) {
    const Tensor x = counting({3, 4}, dtype);
    const Tensor y = reshape(flip(transpose(slice(x, {{}, {3, {}, -1}})), {0}), {12});
    const auto values = y.to_vector<double>();
    for (int64_t i = 0; i < 12; ++i) {
      const double expected = static_cast<double>(i % 3 * 4 + i / 3);
      EXPECT_EQ(values[static_cast<size_t>(i)], dtype == boolean ? expected != 0 : expected);
    }
  }
}

TEST(Views, CopyWhereAValueOfTheirOwnIsWanted) {
  // The kernels of view ops run only where nothing else makes the copy: call them.
  const Tensor x = counting({2, 3, 2}).eval();
  for (const Tensor& y : {permute(x, {2, 0, 1}), slice(x, {{1, {}, -1}, {0, 3, 2}}), flip(x, {1}),
                          broadcast_to(unsqueeze(x, 1), {2, 4, 3, 2}), reshape(x, {4, 3})}) {
    const Tensor from = y.node()->inputs()[0];
    const Array value = from.value();
    Array copy(y.spec());
    const View in{value.bytes(), &from.spec(), &value.strides()};
    const View out{copy.bytes(), &y.spec(), &copy.strides()};
    y.node()->op().run({&in, 1}, {&out, 1}, nullptr);
    testing_ops::expect_same(constant(copy), y);
  }
}

TEST(Views, ChainsBecomeOne) {
  const Tensor x = counting({2, 3, 4});
  const auto once = [&](auto f) {
    EXPECT_LE(simplified_size(f, x), 1);
    expect_same_compiled(f, x);
  };
  once([](const Tensor& t) { return permute(permute(t, {2, 0, 1}), {1, 2, 0}); });
  once([](const Tensor& t) { return permute(permute(t, {2, 0, 1}), {2, 1, 0}); });
  once([](const Tensor& t) { return reshape(reshape(t, {6, 4}), {3, 8}); });
  once([](const Tensor& t) { return reshape(reshape(t, {6, 4}), {2, 3, 4}); });
  once([](const Tensor& t) { return broadcast_to(broadcast_to(t, {1, 2, 3, 4}), {5, 2, 3, 4}); });
  once([](const Tensor& t) { return flip(flip(t, {0, 1}), {1, 2}); });
  once([](const Tensor& t) { return flip(flip(t, {1}), {1}); });
  once([](const Tensor& t) {
    return slice(slice(t, {{}, {2, {}, -1}, {1, 4, 2}}), {{1, 2, 1}, {0, 3, 2}, {1, 2, 1}});
  });
  once([](const Tensor& t) { return slice(slice(t, 2, 3, 0, -1), 2, 2, 0, -1); });
}

TEST(Views, Derivatives) {
  const Tensor x = scattered({2, 3, 2});
  const auto check = [&](auto view) { expect_derivatives([&](const Tensor& t) { return square(view(t)); }, {x}); };
  check([](const Tensor& t) { return reshape(t, {3, 4}); });
  check([](const Tensor& t) { return permute(t, {1, 2, 0}); });
  check([](const Tensor& t) { return broadcast_to(unsqueeze(t, 1), {2, 2, 4, 3, 2}); });
  check([](const Tensor& t) { return slice(t, {{}, {2, {}, -2}, {1, 2, 1}}); });
  check([](const Tensor& t) { return flip(t, {0, 2}); });
  check([](const Tensor& t) { return unslice(t, {4, 3, 5}, {{3, {}, -2}, {}, {1, 5, 3}}); });
  check([](const Tensor& t) { return concat(split(t, {1, 2}, 1), 0 - 2); });
}

}  // namespace
}  // namespace telaio
