// What a convolution with its bias, relu and max-pool becomes when it is compiled: one op forward and two backward,
// which agree with the ops that they replace; and nothing where the pattern is another.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include <telaio/telaio.hpp>

#include <telaio/autograd/context.hpp>
#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/graph.hpp>

namespace telaio {
namespace {

using List = std::vector<Tensor>;
using Function = std::function<List(const List&)>;

constexpr CompileOptions apart{.fuse = false, .slice = false};

struct Form {
  const char* name;
  Conv2dOptions options = {};
  Size2d pool = 2;
  bool bias = true, relu = true;
  int64_t in = 3, out = 5, batch = 2;
};

List operands(const Form& form, DType dtype) {
  return {uniform({form.batch, 11, 13, form.in}, random_key(1), -1, 1, dtype).eval(),
          uniform({3, 3, form.in, form.out}, random_key(2), -1, 1, dtype).eval(),
          uniform({form.out}, random_key(3), -0.3, 0.3, dtype).eval()};
}

Tensor layer(const Form& form, const List& x) {
  Tensor y = conv2d(x[0], x[1], form.options);
  if (form.bias) y = y + x[2];
  if (form.relu) y = relu(y);
  return max_pool2d(y, form.pool);
}

// The pooled values, and the gradients of a loss that weighs them by image, filter and bias.
Function gradients(const Form& form) {
  return [form](const List& x) {
    const Tensor y = layer(form, x);
    List by{x[0], x[1]};
    if (form.bias) by.push_back(x[2]);
    List result = grad(sum(square(y) * 0.5 + y), by);
    result.push_back(y);
    return result;
  };
}

std::vector<std::string> ops_of(const Function& f, const List& x, bool fused = true) {
  Graph graph;
  for (const Tensor& tensor : x) graph.inputs.push_back(input("x", tensor.spec()));
  graph.outputs = f(graph.inputs);
  graph = simplify(graph);
  if (fused) graph = fuse(graph);
  validate(graph, "fuse");
  std::vector<std::string> names;
  for (const Node* node : topological_order(graph.roots())) names.emplace_back(node->op().name());
  return names;
}
int64_t count(const std::vector<std::string>& names, std::string_view name) {
  return std::count(names.begin(), names.end(), name);
}

double difference(const Tensor& a, const Tensor& b) {
  const double scale = max(abs(a)).item<double>();
  return max(abs(a - b)).item<double>() / std::max(scale, 1e-30);
}

void expect_agreement(const Function& f, const Form& form) {
  const List x = operands(form, f64);
  const List expected = compile(f, apart)(x), given = compile(f)(x);
  ASSERT_EQ(expected.size(), given.size());
  for (size_t i = 0; i < given.size(); ++i) EXPECT_LT(difference(expected[i], given[i]), 1e-13) << "result " << i;
}

class Conv2dPoolPattern : public testing::TestWithParam<Form> {};

TEST_P(Conv2dPoolPattern, IsOneOpForwardAndTwoBackward) {
  const auto names = ops_of(gradients(GetParam()), operands(GetParam(), f64));
  EXPECT_EQ(count(names, "conv2d_pool"), 1);
  EXPECT_EQ(count(names, "conv2d_pool_input_grad"), 1);
  EXPECT_EQ(count(names, "conv2d_pool_weight_grad"), 1);
  for (const char* name : {"conv2d", "max_pool2d", "max_pool2d_scatter", "relu", "greater", "conv2d_weight_grad"})
    EXPECT_EQ(count(names, name), 0) << name;
}

TEST_P(Conv2dPoolPattern, AgreesWithTheOpsThatItReplaces) { expect_agreement(gradients(GetParam()), GetParam()); }

INSTANTIATE_TEST_SUITE_P(Forms, Conv2dPoolPattern,
                         testing::Values(Form{"plain"}, Form{"without_bias", {}, 2, false},
                                         Form{"without_relu", {}, 2, true, false}, Form{"bare", {}, 2, false, false},
                                         Form{"same", {.padding = Padding::same()}}, Form{"stride", {.stride = 2}},
                                         Form{"dilation", {.dilation = 2}}, Form{"window3x2", {}, {3, 2}},
                                         Form{"gray", {}, 2, true, true, 1, 32},
                                         Form{"wide", {}, 2, true, true, 32, 32, 17}),
                         [](const auto& form) { return form.param.name; });

// Two layers, as in a network: the first one's pooled values are the second one's image.
TEST(FusedConv2dPool, LayersChain) {
  const Form form{"two"};
  const auto f = [](const List& x) {
    const Tensor first = max_pool2d(relu(conv2d(x[0], x[1], {.padding = Padding::same()}) + x[2]), 2);
    const Tensor w = reshape(slice(concat({x[1], x[1]}, 2), 2, 0, 5), {3, 3, 5, 5});
    return grad(sum(square(max_pool2d(relu(conv2d(first, w)), 2))), {x[0], x[1], x[2]});
  };
  const auto names = ops_of(f, operands(form, f64));
  EXPECT_EQ(count(names, "conv2d_pool"), 2);
  EXPECT_EQ(count(names, "conv2d_pool_weight_grad"), 2);
  EXPECT_EQ(count(names, "conv2d_input_grad"), 0);
  expect_agreement(f, form);
}

TEST(FusedConv2dPool, OtherPatternsStayAsTheyAre) {
  const Form form{"other"};
  const auto stays = [&](const Function& f) {
    const List x = operands(form, f64);
    EXPECT_EQ(ops_of(f, x), ops_of(f, x, false));
    expect_agreement(f, form);
  };
  const auto with = [](auto pooled) {
    return [pooled](const List& x) { return grad(sum(square(pooled(x))), {x[0], x[1]}); };
  };
  stays(with([](const List& x) { return max_pool2d(tanh(conv2d(x[0], x[1])), 2); }));
  stays(with([](const List& x) { return avg_pool2d(relu(conv2d(x[0], x[1])), 2); }));
  stays(with([](const List& x) { return max_pool2d(relu(conv2d(x[0], x[1])), 3, {.stride = 2}); }));
  stays(with([](const List& x) { return max_pool2d(relu(conv2d(x[0], x[1])), 2, {.padding = Padding::of(1)}); }));
  stays(with([](const List& x) { return max_pool2d(x[0] * 2, 2); }));
  stays(with([](const List& x) {  // a number for each position, not for each channel
    return max_pool2d(relu(conv2d(x[0], x[1]) + slice(slice(slice(x[0], 3, 0, 1), 1, 0, 9), 2, 0, 11)), 2);
  }));
}

// The gradient of the gradient reads what the pattern hides: it still agrees.
TEST(FusedConv2dPool, SecondDerivativesAgree) {
  const Form form{"second"};
  const auto f = [&](const List& x) {
    const List first = grad(sum(square(layer(form, x))), {x[0], x[1], x[2]});
    return grad(sum(square(first[0])) + sum(square(first[1])) + sum(square(first[2])), {x[0], x[1], x[2]});
  };
  expect_agreement(f, form);
}

TEST(FusedConv2dPool, WhatIsReadInBetweenIsStillThere) {
  const Form form{"between"};
  const auto f = [](const List& x) {
    const Tensor map = relu(conv2d(x[0], x[1]) + x[2]), y = max_pool2d(map, 2);
    List result = grad(sum(square(y)) + sum(map), {x[0], x[1], x[2]});
    result.push_back(map);
    return result;
  };
  expect_agreement(f, form);
}

TEST(FusedConv2dPool, WhatIsNotFiniteSpreadsAsBefore) {
  const Form form{"infinite"};
  for (const double bad : {std::numeric_limits<double>::infinity(), std::numeric_limits<double>::quiet_NaN()}) {
    for (const size_t where : {0u, 1u}) {
      List x = operands(form, f64);
      std::vector<double> values = x[where].to_vector<double>();
      values[7] = bad;
      x[where] = from_data(values, x[where].shape());
      const List expected = compile(gradients(form), apart)(x), given = compile(gradients(form))(x);
      for (size_t i = 0; i < given.size(); ++i) {
        const auto a = expected[i].to_vector<double>(), b = given[i].to_vector<double>();
        for (size_t k = 0; k < a.size(); ++k)
          ASSERT_TRUE(std::isnan(a[k]) ? std::isnan(b[k])
                                       : (a[k] == b[k] || std::abs(a[k] - b[k]) <= 1e-12 * std::abs(a[k])))
              << "operand " << where << ", result " << i << ", element " << k << ": " << a[k] << ", " << b[k];
      }
    }
  }
}

TEST(FusedConv2dPool, TheNumberOfThreadsChangesNoBit) {
  const Form form{"threads", {}, 2, true, true, 32, 32, 61};
  const List x = operands(form, f32);
  std::vector<List> results;
  for (const int threads : {1, 2, 4}) {
    const ThreadLimit limit(threads);
    results.push_back(compile(gradients(form))(x));
    for (const Tensor& tensor : results.back()) tensor.eval();
  }
  for (size_t i = 0; i < results[0].size(); ++i)
    for (const List& other : results)
      EXPECT_EQ(std::memcmp(results[0][i].value().bytes(), other[i].value().bytes(),
                            static_cast<size_t>(other[i].spec().bytes())),
                0);
}

// Without a gradient nobody asks for the places: the values are the same, and no byte a place is in memory.
TEST(FusedConv2dPool, PlacesThatNobodyReadsAreNotComputed) {
  for (const bool relu : {true, false}) {
    for (const Size2d pool : {Size2d(2), Size2d(3, 2)}) {
      const Form form{.name = "inference", .pool = pool, .relu = relu, .out = 32, .batch = 40};
      const List x = operands(form, f32);
      const Tensor& given = x[0];
      for (const bool slice : {true, false}) {
        const auto trained = compile(gradients(form), {.slice = slice});
        const auto alone = compile([&](const List& t) { return sum(layer(form, t) * 2); }, {.slice = slice});
        EXPECT_EQ((trained(x).back() * 2).to_vector<float>(),
                  compile([&](const List& t) { return layer(form, t) * 2; }, {.slice = slice})(x).to_vector<float>());
        const auto with_places = compile(
            [&](const List& t) {
              const Tensor y = layer(form, t);
              return List{sum(y * 2), grad(sum(y), t[1])};
            },
            {.slice = slice});
        const int64_t places = given.dim(0) * (9 / pool.height) * (11 / pool.width) * form.out;
        if (!slice) {
          EXPECT_LE(alone.planned_bytes(x) + places, with_places.planned_bytes(x));
        }
        EXPECT_EQ(alone(x).item<float>(), with_places(x)[0].item<float>());
      }
    }
  }
}

TEST(FusedConv2dPool, TheNodesAreNamedAfterTheirLayer) {
  const Form form{"named"};
  const List x = operands(form, f32);
  const auto f = compile([&](const List& t) {
    const Scope scope("conv1");
    return gradients(form)(t);
  });
  bool forward = false, backward = false;
  for (const Profile::Row& row : f.profile(x).rows) {
    forward |= row.op == "conv2d_pool" && row.scope == "conv1" && !row.backward;
    backward |= row.op == "conv2d_pool_weight_grad" && row.scope == "conv1" && row.backward;
  }
  EXPECT_TRUE(forward);
  EXPECT_TRUE(backward);
}

}  // namespace
}  // namespace telaio
