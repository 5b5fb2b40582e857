// Batches in slices: the same results as without, whatever the batch's size and what the graph does with it.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include <telaio/nn/networks.hpp>
#include <telaio/nn/train/check_finite.hpp>
#include <telaio/nn/train/trainer.hpp>
#include <telaio/telaio.hpp>

#include "slice_testing.hpp"

namespace telaio {
namespace {

using namespace testing_slices;

class SlicedBatch : public testing::TestWithParam<int64_t> {};

TEST_P(SlicedBatch, AgreesWithTheWholeBatch) {
  const int64_t batch = GetParam();
  const Step step("cnn");
  const Tensor x = images(batch), y = labels(batch);
  const List expected = compile(step.function(), plain)(x, y), given = compile(step.function())(x, y);
  ASSERT_EQ(expected.size(), given.size());
  for (size_t i = 0; i < given.size(); ++i) EXPECT_LT(difference(expected[i], given[i]), 5e-6) << "result " << i;
}
INSTANTIATE_TEST_SUITE_P(Sizes, SlicedBatch, testing::Values(1, 7, 8, 9, 31, 32, 33, 97, 128));

TEST(Slice, TheConvolutionalStepIsCut) {
  const Step step("cnn");
  const Cut found = cut(step.function(), images(100), labels(100));
  ASSERT_EQ(found.regions.size(), 1u);
  EXPECT_LE(found.regions[0]->rows(), 25);
  for (const char* op : {"conv2d", "conv2d_input_grad", "conv2d_weight_grad", "max_pool2d", "conv2d_pool",
                         "conv2d_pool_weight_grad", "exp", "gather"})
    EXPECT_EQ(found.count(op), 0) << op << " is outside";
  EXPECT_EQ(found.count("matmul"), 0);
  EXPECT_EQ(found.regions[0]->trailing().size(), 1u);  // the gradient of the large weight
}

// [n, 1152]ᵀ·[n, 64] has 73,728 sums for each of eight groups, more than numbers to sum up to 485 rows; and they are
// too many to trail.
TEST(Slice, ManySumsOfLittleAreOneOp) {
  const Tensor filter = uniform({3, 3, 1, 32}, random_key(6, 6)).eval(),
               weight = uniform({1152, 64}, random_key(7, 7)).eval();
  const auto f = [&](const Tensor& x) {
    const Tensor features = reshape(max_pool2d(relu(conv2d(x, filter)), 4), {x.dim(0), 1152});
    return List{matmul(transpose(features), matmul(features, weight))};
  };
  for (const auto& [batch, outside] : {std::pair(64, 1), {485, 1}, {486, 0}}) {
    const Tensor x = images(batch);
    const Cut found = cut(f, x);
    EXPECT_EQ(found.regions.size(), 1u) << batch;
    EXPECT_EQ(found.count("matmul"), outside) << batch;
    EXPECT_LT(difference(compile(f, plain)(x)[0], compile(f)(x)[0]), 5e-6) << batch;
  }
}

TEST(Slice, LargeWeightsAreNot) {
  const Step step("dense");
  EXPECT_TRUE(cut(step.function(), images(128), labels(128)).regions.empty());
}

TEST(Slice, ALargeHeadLeavesItsTrunkCut) {
  const Tensor filter = uniform({3, 3, 1, 32}, random_key(6, 6)).eval(),
               head = uniform({5408, 64}, random_key(7, 7)).eval();
  const auto f = [&](const Tensor& x) {
    const Tensor y = max_pool2d(relu(conv2d(x, filter)), 2);
    return List{matmul(reshape(y, {x.dim(0), 5408}), head)};
  };
  const Cut found = cut(f, images(64));
  EXPECT_EQ(found.regions.size(), 1u);
  EXPECT_EQ(found.count("conv2d"), 0);
  EXPECT_EQ(found.count("matmul"), 1);
}

TEST(Slice, SmallBatchesAreNot) {
  const Step step("cnn");
  EXPECT_TRUE(cut(step.function(), images(4), labels(4)).regions.empty());
}

TEST(Slice, TheNumberOfThreadsChangesNoBit) {
  const Step step("cnn");
  const Tensor x = images(97), y = labels(97);
  List results[3];
  int threads = 1;
  for (List& result : results) {
    const ThreadLimit limit(threads);
    result = compile(step.function())(x, y);
    for (const Tensor& tensor : result) tensor.eval();
    threads *= 2;
  }
  for (size_t i = 0; i < results[0].size(); ++i) {
    EXPECT_TRUE(same_bits(results[0][i], results[1][i])) << "result " << i << ", 2 threads";
    EXPECT_TRUE(same_bits(results[0][i], results[2][i])) << "result " << i << ", 4 threads";
  }
}

void expect_cut(const std::function<List(const Tensor&)>& f, const Tensor& x, size_t regions) {
  EXPECT_EQ(cut(f, x).regions.size(), regions);
  const List expected = compile(f, plain)(x), given = compile(f)(x);
  for (size_t i = 0; i < given.size(); ++i) EXPECT_LT(difference(expected[i], given[i]), 5e-6) << "result " << i;
}

TEST(Slice, WhatMixesTheBatchBeginsAnotherRegion) {
  const auto f = [](const Tensor& x) {
    const Tensor y = worked(x);
    const Tensor centred = y - mean(y, {0}, true);
    return List{sum(square(centred), {0}), worked(centred)};
  };
  expect_cut(f, rows(101), 2);
}

TEST(Slice, TheBatchMayChangeItsAxis) {
  const auto f = [](const Tensor& x) {
    const Tensor y = transpose(worked(x));  // [4096, batch], wanted as it is and as a factor
    return List{y, matmul(y, worked(x))};
  };
  const Tensor x = slice(rows(1000), 1, 0, 300).eval();
  expect_cut(f, x, 1);
  EXPECT_EQ(cut(f, x).count("tanh"), 0);  // the transpose outside shows what the region gives
}

TEST(Slice, AReshapeKeepsTrackOfTheBatch) {
  const auto f = [](const Tensor& x) {  // both axes are as long as the batch, which is the second one
    const Tensor y = reshape(transpose(worked(x)), {x.dim(0), x.dim(0), 1});
    return List{transpose(squeeze(cumsum(y, 0), {2}))};
  };
  expect_cut(f, slice(rows(800), 1, 0, 800).eval(), 1);
}

TEST(Slice, ResultsMayBeViewsOrInputs) {
  const auto f = [](const Tensor& x) {
    const Tensor y = worked(x);
    return List{x, y, y, reshape(y, {x.dim(0), 64, 64}), slice(y, 1, 3, 9), slice(y, 0, 1, 4)};
  };
  expect_cut(f, rows(50), 1);
}

TEST(Slice, TablesAndBroadcastsOfTheWholeBatchAreCutWithIt) {
  const Tensor table = rows(48).eval(), column = uniform({48, 1}, random_key(4, 4)).eval(),
               row = uniform({4096}, random_key(5, 5)).eval();
  const auto f = [&](const Tensor& x) { return List{worked(x + table) * column + row, sum(worked(x) * column)}; };
  expect_cut(f, rows(48), 1);
}

// The same indices for all of a square: cut by rows for one op, and by columns for another, which reads a transpose.
TEST(Slice, OneTensorMayBeCutAlongTwoAxes) {
  const auto f = [](const Tensor& x) {
    const Tensor square = worked(x), index = broadcast_to(tensor({int64_t{3}}), {x.dim(0), x.dim(0)});
    return List{gather(square, index, 1), transpose(gather(transpose(square), index, 0))};
  };
  expect_cut(f, slice(rows(800), 1, 0, 800).eval(), 1);
}

TEST(Slice, SumsOfIntegersAreExact) {
  const auto f = [](const Tensor& x) { return List{sum(cast(floor(worked(x) * 100.0), i64), {0})}; };
  const Tensor x = rows(77);
  EXPECT_TRUE(same_bits(compile(f, plain)(x)[0], compile(f)(x)[0]));
}

TEST(Slice, AnErrorSaysInWhichRowsItWas) {
  const Tensor x = rows(400);
  std::vector<int64_t> numbers(400, 1);
  numbers[390] = 5000;
  const Tensor index = from_data(numbers, {400, 1});
  const auto f = [](const Tensor& data, const Tensor& at) { return List{gather(worked(data), at, 1)}; };
  try {
    compile(f)(x, index);
    FAIL() << "no error";
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_NE(text.find("5000"), std::string::npos) << text;
    EXPECT_NE(text.find("of the batch"), std::string::npos) << text;
  }
}

TEST(Slice, AProfileLooksInside) {
  const Step step("cnn");
  const auto f = compile(step.function());
  const Profile profile = f.profile(images(64), labels(64));
  const auto has = [&](std::string_view op) {
    return std::any_of(profile.rows.begin(), profile.rows.end(), [&](const Profile::Row& row) { return row.op == op; });
  };
  EXPECT_TRUE(has("conv2d_pool"));
  EXPECT_FALSE(has("sliced"));
}

// A check reads no sum again: whoever adds the groups up says whether all is finite. Same errors as without.
TEST(Slice, WhoAddsUpTellsTheChecks) {
  for (const DType dtype : {f32, f64}) {
    const auto f = [](const Tensor& x) {
      const Tensor slope = sum(x * abs(x), {0}), other = sum(worked(x), {0});
      return List{nn::check_finite(sum(tanh(x)), {slope, other}, {"w", "b"}), slope};
    };
    const auto message = [&](const Tensor& x) -> std::string {
      std::string texts[2];
      for (const bool whole : {false, true}) {
        try {
          compile(f, whole ? plain : CompileOptions{})(x);
        } catch (const Error& error) {
          texts[whole] = error.what();
        }
      }
      const auto first = [](const std::string& text) { return text.substr(0, text.find('\n')); };
      EXPECT_EQ(first(texts[0]), first(texts[1]));
      return texts[0];
    };
    const Tensor x = cast(rows(400), dtype);
    const Cut found = cut(f, x);
    ASSERT_EQ(found.regions.size(), 1u);
    for (const Node* node : topological_order(found.graph.roots())) {
      if (node->op().name() != "check_finite") continue;
      EXPECT_EQ(node->inputs()[1].rank(), 0);
      EXPECT_EQ(node->inputs()[2].rank(), 0);
    }
    EXPECT_EQ(message(x), "");
    const auto row = [&](int64_t i) { return reshape(cast(equal(arange(400), i), dtype), {400, 1}); };
    const auto column = [&](int64_t i) { return cast(equal(arange(4096), i), dtype); };
    const Tensor middle = row(230);  // of a group in the middle
    const double huge = dtype == f32 ? 3e19 : 2e154;
    EXPECT_NE(message(x + middle * huge).find("the gradient of 'w' has an infinity"), std::string::npos);
    // Between two infinities, a NaN counts.
    const Tensor mixed = row(10) * (column(50) + column(100)) + row(300) * (column(200) - column(100));
    EXPECT_NE(message(x + mixed * huge).find("the gradient of 'w' has nan"), std::string::npos);
    EXPECT_NE(message(x - middle * 1000.0).find("the gradient of 'b' has an infinity"), std::string::npos);
    // Each group's sum is finite, theirs together is not.
    EXPECT_NE(message(x * 0.0 + (dtype == f32 ? 1.5e18 : 1e153)).find("the gradient of 'w' has an infinity"),
              std::string::npos);
  }
}

// What is asked for beforehand is what is written: so many threads touch no more of the memory.
TEST(Slice, TouchesTheMemoryThatItsThreadsNeed) {
  const ThreadLimit one(1);
  const Step step("cnn");
  for (const int64_t batch : {32, 128, 130}) {
    const List arguments{images(batch), labels(batch)};
    Graph graph;
    graph.inputs = {input("x", arguments[0].spec()), input("y", arguments[1].spec())};
    graph.outputs = step.function()(graph.inputs[0], graph.inputs[1]);
    graph = slice_batches(fuse_elementwise(fuse(simplify(graph))));
    for (const Node* node : topological_order(graph.roots())) {
      if (node->op().name() != "sliced") continue;
      std::vector<Array> operands;
      for (const Tensor& x : node->inputs()) {
        const auto is = [&](const Tensor& argument) { return x.node_ptr() == argument.node_ptr(); };
        if (is(graph.inputs[0])) operands.push_back(arguments[0].value());
        else if (is(graph.inputs[1])) operands.push_back(arguments[1].value());
        else operands.push_back(cast(uniform(x.shape(), random_key(batch, 3), -0.1, 0.1), x.dtype()).value());
      }
      const size_t inputs = operands.size();
      for (const TensorSpec& spec : node->outputs()) operands.emplace_back(spec);
      std::vector<View> views;
      for (const Array& array : operands) views.push_back({array.bytes(), &array.spec(), &array.strides()});
      const auto specs = specs_of(node->inputs());
      const size_t bytes = node->op().scratch_bytes(specs, node->outputs()),
                   used = node->op().scratch_in_use(specs, node->outputs(), 1);
      ASSERT_LT(used, bytes / 2);
      EXPECT_LE(node->op().scratch_in_use(specs, node->outputs(), 1000), bytes);
      const Storage scratch(bytes);
      std::memset(scratch.data(), 0xA5, bytes);
      node->op().run(std::span(views).first(inputs), std::span(views).subspan(inputs), scratch.data());
      const auto touched = [&](size_t begin, size_t end) {
        return std::any_of(scratch.data() + begin, scratch.data() + end,
                           [](std::byte b) { return b != std::byte{0xA5}; });
      };
      EXPECT_TRUE(touched(0, used)) << batch;
      EXPECT_FALSE(touched(used, bytes)) << batch;
    }
  }
}

// Two, four or eight threads have as much to do as one another: 1, 2, 4, 8, 16, 24, … slices.
TEST(Slice, SlicesAreAsManyForEachThread) {
  const Step step("cnn");
  for (int64_t batch = 32; batch <= 256; batch += 16) {
    Graph graph;
    graph.inputs = {input("x", images(batch).spec()), input("y", labels(batch).spec())};
    graph.outputs = step.function()(graph.inputs[0], graph.inputs[1]);
    const Graph cut = slice_batches(fuse_elementwise(fuse(simplify(graph))));
    int regions = 0;
    for (const Node* node : topological_order(cut.roots())) {
      if (node->op().name() != "sliced") continue;
      ++regions;
      const std::string text = node->op().attributes();  // "41 ops, 8 slices of 16"
      const int64_t slices = std::stoll(text.substr(text.find(',') + 1));
      EXPECT_TRUE(slices % 8 == 0 || slices == 1 || slices == 2 || slices == 4) << "batch " << batch << ": " << text;
    }
    EXPECT_GT(regions, 0) << batch;
  }
}

}  // namespace
}  // namespace telaio
