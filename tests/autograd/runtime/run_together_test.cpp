// Updates of variables in one loop: the same bits, in the memory of the variables.
#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/together.hpp>
#include <telaio/nn/networks.hpp>
#include <telaio/nn/train/adam_update.hpp>
#include <telaio/nn/train/optimizer.hpp>
#include <telaio/telaio.hpp>

#include "../../ops/kernels/for_each_simd_target.hpp"

namespace telaio {
namespace {

using List = std::vector<Tensor>;
using Variables = std::vector<Variable>;
// Assigns variables, by some tensors.
using Update = std::function<void(Variables&, const List&)>;

std::string bytes_of(const Tensor& tensor) {
  const Array value = tensor.value().contiguous();
  return {reinterpret_cast<const char*>(value.bytes()), static_cast<size_t>(value.spec().bytes())};
}

// Sizes that fill chunks and that do not, and scalars.
const std::vector<Shape> shapes{{3, 3, 1, 32}, {10}, {1}, {}, {64, 10}, {1000, 33}, {63}, {65}, {128, 64}};

Variables variables(const std::vector<Shape>& of, DType dtype, int64_t seed) {
  Variables all;
  for (const Shape& shape : of)
    all.emplace_back("v" + std::to_string(all.size()),
                     uniform(shape, random_key(seed + static_cast<int64_t>(all.size())), 0.1, 1, dtype));
  return all;
}
List like(const Variables& given, int64_t seed) {
  List all;
  for (const Variable& v : given)
    all.push_back(uniform(v.shape(), random_key(seed, static_cast<int64_t>(all.size())), -1, 1, v.dtype()).eval());
  return all;
}

template <class F>
auto compiled(Variables& variables, F update, bool joins = true) {
  return compile([&variables, update](const List& x) { update(variables, x); }, {.fuse = joins});
}

// How many tensors are updated in the one loop.
template <class F>
int joined_by(const F& f, const List& x) {
  for (const Node* node : topological_order(f.graph(x))) {
    const std::string attributes = node->op().attributes();
    if (attributes.find(" tensors in one loop") != std::string::npos) return std::stoi(attributes);
  }
  return 0;
}
int joined(Variables& variables, const Update& update, const List& x) {
  return joined_by(compiled(variables, update), x);
}

void expect_same_bits(const std::function<Variables()>& start, const Update& update, const List& x) {
  kernels::for_each_simd_target([&] {
    Variables expected = start();
    const auto apart = compiled(expected, update, false);
    for (int step = 0; step < 3; ++step) apart(x);
    for (int threads : {1, 3}) {
      const ThreadLimit limit(threads);
      Variables given = start();
      const auto together = compiled(given, update);
      for (int step = 0; step < 3; ++step) together(x);
      for (size_t i = 0; i < given.size(); ++i)
        EXPECT_TRUE(bytes_of(given[i].read()) == bytes_of(expected[i].read())) << i << ", " << threads << " threads";
    }
  });
}

void descend(Variables& w, const List& g) {
  for (size_t i = 0; i < w.size(); ++i) w[i].assign(w[i] - g[i] * 0.1);
}

TEST(RunTogether, UpdatesOfManySizesHaveTheSameBits) {
  for (const DType dtype : {f32, f64}) {
    const auto start = [&] { return variables(shapes, dtype, 1); };
    Variables w = start();
    const List g = like(w, 2);
    EXPECT_EQ(joined(w, descend, g), static_cast<int>(shapes.size()));
    expect_same_bits(start, descend, g);
  }
}

// By Adam: a variable and its moments, which follow it.
void adam(Variables& all, size_t first, const Tensor& g, const Tensor& rate) {
  const auto y = nn::adam_update({all[first], g, all[first + 1], all[first + 2], rate, rate},
                                 {.beta1 = 0.9, .beta2 = 0.99, .epsilon = 1e-7});
  for (size_t k = 0; k < 3; ++k) all[first + k].assign(y[k]);
}

TEST(RunTogether, AnUpdateMayHaveSeveralResults) {
  // w, m and v of each, one after another.
  std::vector<Shape> of;
  for (const Shape& shape : shapes) of.insert(of.end(), 3, shape);
  const auto start = [&] { return variables(of, f32, 3); };
  const Update update = [](Variables& all, const List& x) {
    for (size_t i = 0; 3 * i < all.size(); ++i) adam(all, 3 * i, x[3 * i], x.back());
  };
  Variables all = start();
  List x = like(all, 4);
  x.push_back(Tensor(0.01));
  EXPECT_EQ(joined(all, update, x), static_cast<int>(shapes.size()));
  expect_same_bits(start, update, x);
}

TEST(RunTogether, TypesMayBeMixed) {
  const auto start = [] {
    Variables all = variables({{100}, {7}}, f32, 5), more = variables({{33}, {200, 5}}, f64, 6);
    all.insert(all.end(), more.begin(), more.end());
    all.emplace_back("count", full({70}, 0, i64));
    return all;
  };
  const Update update = [](Variables& w, const List& g) {
    for (size_t i = 0; i < 4; ++i) w[i].assign(w[i] * g[i]);
    w[4].assign(w[4] + 1);
  };
  Variables w = start();
  const List g = like({w.begin(), w.begin() + 4}, 7);
  EXPECT_EQ(joined(w, update, g), 5);
  expect_same_bits(start, update, g);
}

TEST(RunTogether, SoMayBytesAndTensorsWithoutElements) {
  const std::vector<Shape> of{{0, 3}, {70}, {0}, {130}, {2, 0}};
  for (const DType dtype : {boolean, u8}) {
    const auto start = [&] {
      Variables all;
      for (const Shape& shape : of)
        all.emplace_back("v" + std::to_string(all.size()), cast(floor(uniform(shape, random_key(24), 0, 2)), dtype));
      return all;
    };
    const Update update = [&](Variables& w, const List&) {
      for (Variable& v : w) v.assign(dtype == boolean ? logical_not(v) : v + v);
    };
    Variables w = start();
    EXPECT_EQ(joined(w, update, {}), 5);
    expect_same_bits(start, update, {});
  }
  const auto nothing = [] { return variables({{0}, {0, 2}}, f32, 25); };
  Variables w = nothing();
  EXPECT_EQ(joined(w, descend, like(w, 26)), 2);
  expect_same_bits(nothing, descend, like(w, 26));
}

TEST(RunTogether, OneTensorMayGoToSeveral) {
  const auto start = [] { return variables(std::vector<Shape>(9, {500}), f32, 8); };
  // Nobody needs the product afterwards: one of the updates could have been written over it.
  const Update update = [](Variables& w, const List& x) {
    const Tensor g = reshape(matmul(x[0], x[1]), {500});
    for (size_t i = 0; i < 3; ++i) adam(w, 3 * i, g, x[2]);
  };
  Variables w = start();
  const List x{uniform({25, 8}, random_key(9)).eval(), uniform({8, 20}, random_key(10)).eval(), Tensor(0.01)};
  EXPECT_EQ(joined(w, update, x), 3);
  expect_same_bits(start, update, x);
}

TEST(RunTogether, WhatIsSpreadOverAShapeIsReadAsSuch) {
  const auto start = [] { return variables({{400}, {30, 20}, {80}}, f32, 11); };
  const Update update = [](Variables& w, const List& x) {
    for (Variable& v : w) v.assign(v * x[0] + cast(x[1], f32));
  };
  Variables w = start();
  const List x{Tensor(0.9f), Tensor(0.5)};
  EXPECT_EQ(joined(w, update, x), 3);
  expect_same_bits(start, update, x);
}

TEST(RunTogether, WhatIsSpreadIsWrittenOutForThoseWhoNeedIt) {
  const auto start = [] { return variables(std::vector<Shape>(6, {200, 3}), f32, 22); };
  const Update update = [](Variables& w, const List& x) {
    adam(w, 0, broadcast_to(x[0], {200, 3}), x[1]);
    adam(w, 3, broadcast_to(x[0] * 2, {200, 3}), x[1]);
  };
  Variables w = start();
  const List x{Tensor(0.5f), Tensor(0.01)};
  EXPECT_EQ(joined(w, update, x), 2);
  expect_same_bits(start, update, x);
}

// A result may be written over what its own member alone reads.
TEST(RunTogether, SaysWhatMayBeOverwritten) {
  Variables w = variables({{8}, {8}, {8}}, f32, 23);
  const auto y = nn::adam_update({w[0], w[1], w[2], w[2], Tensor(0.1), Tensor(0.1)}, {});
  const OpPtr op = y[0].node()->op_ptr();
  const TensorSpec all{f32, {8}}, number{f64, {}};
  // Inputs 0 to 3 of one, 4, 5, 2 and 6 of the other.
  const Together together({{op, {0, 1, 2, 3, 7, 7}}, {op, {4, 5, 2, 6, 7, 7}}},
                          std::vector<TensorSpec>{all, all, all, all, all, all, all, number});
  for (size_t output = 0; output < 6; ++output) {
    const auto may = [&](size_t input) { return together.in_place(input, output); };
    const bool first = output < 3;
    for (size_t input : {0, 1, 3}) EXPECT_EQ(may(input), first) << input << " " << output;
    for (size_t input : {4, 5, 6}) EXPECT_EQ(may(input), !first) << input << " " << output;
    EXPECT_FALSE(may(2)) << output;
    EXPECT_FALSE(may(7)) << output;
  }
}

TEST(RunTogether, WhatHasManyOperandsStaysApart) {
  const auto start = [] { return variables({{90}, {90}, {90}}, f32, 27); };
  const Update update = [](Variables& w, const List& x) {
    Tensor sum = w[0];
    for (const Tensor& one : x) sum = sum + one;
    w[0].assign(sum);
    w[1].assign(w[1] - x[0]);
    w[2].assign(w[2] - x[1]);
  };
  Variables w = start();
  const List x = like(Variables(20, w[0]), 28);
  EXPECT_EQ(joined(w, update, x), 2);
  expect_same_bits(start, update, x);
}

TEST(RunTogether, AVariableMayBeAssignedAnothersNewValue) {
  const auto start = [] { return variables({{90}, {90}, {90}, {90}}, f32, 29); };
  const Update update = [](Variables& w, const List& x) {
    w[0].assign(w[0] - x[0]);
    w[1].assign(w[0]);
    w[2].assign(w[2] - x[1]);
    w[3].assign(w[2]);
  };
  Variables w = start();
  const List x = like(w, 30);
  EXPECT_EQ(joined(w, update, x), 2);
  int ops = 0;
  const auto f = compiled(w, update);
  for (const Node* node : topological_order(f.graph(x))) ops += node->kind() == Node::Kind::compute && !node->values();
  EXPECT_EQ(ops, 1);
  expect_same_bits(start, update, x);
}

TEST(RunTogether, WritesInPlace) {
  Variables w = variables(shapes, f32, 12);
  const List g = like(w, 13);
  const auto update = compiled(w, descend);
  update(g);
  std::vector<const std::byte*> before;
  for (const Variable& v : w) before.push_back(v.read().value().bytes());
  update(g);
  for (size_t i = 0; i < w.size(); ++i) EXPECT_EQ(w[i].read().value().bytes(), before[i]) << i;
  EXPECT_EQ(update.planned_bytes(g), 0);
  const auto squares = compiled(w, [](Variables& all, const List&) {
    for (Variable& v : all) v.assign(v * v);
  });
  squares(g);
  for (size_t i = 0; i < w.size(); ++i) EXPECT_EQ(w[i].read().value().bytes(), before[i]) << i;
  EXPECT_EQ(squares.planned_bytes(g), 0);
}

TEST(RunTogether, WhatIsReadElsewhereStaysApart) {
  Variables w = variables({{50}, {60}, {70}, {50}}, f32, 14);
  const List g = like(w, 15);
  // Another update reads the new value of the first variable.
  const auto chained = [](Variables& v, const List& x) {
    const Tensor first = v[0] - x[0];
    v[0].assign(first);
    v[1].assign(v[1] - x[1]);
    v[2].assign(v[2] - x[2] * sum(first));
    v[3].assign(v[3] - x[3]);
  };
  EXPECT_EQ(joined(w, chained, g), 3);
  expect_same_bits([] { return variables({{50}, {60}, {70}, {50}}, f32, 14); }, chained, g);
  // Another one reads its old value, which must not be overwritten before.
  const auto averaged = [](Variables& v, const List& x) {
    const Tensor old = v[0];
    v[0].assign(old - x[0]);
    v[1].assign(v[1] - x[1]);
    v[2].assign(v[2] - x[2]);
    v[3].assign(v[3] * 0.9 + old * 0.1);
  };
  EXPECT_EQ(joined(w, averaged, g), 3);
  expect_same_bits([] { return variables({{50}, {60}, {70}, {50}}, f32, 14); }, averaged, g);
  // Or sees it in another shape.
  const auto flat = [](Variables& v, const List& x) {
    const Tensor old = v[0];
    v[0].assign(old - x[0]);
    v[1].assign(v[1] - x[1]);
    v[2].assign(v[2] - x[2]);
    v[3].assign(v[3] * 0.9 + reshape(old, {50}) * 0.1);
  };
  const auto start = [] { return variables({{5, 10}, {60}, {70}, {50}}, f32, 14); };
  Variables shaped = start();
  EXPECT_EQ(joined(shaped, flat, like(shaped, 15)), 3);
  expect_same_bits(start, flat, like(shaped, 15));
  // It is a result, too.
  const auto f = compile([&](const List& x) {
    descend(w, x);
    return Tensor(w[0]);
  });
  EXPECT_EQ(joined_by(f, g), 3);
  const Tensor result = f(g);
  EXPECT_TRUE(bytes_of(result) == bytes_of(w[0].read()));
}

TEST(RunTogether, StretchesOfATransposedTensorAreNoneOfMemory) {
  const auto start = [] { return variables({{40, 40}, {40}, {50}, {1600}}, f32, 31); };
  const Update update = [](Variables& w, const List& x) {
    w[0].assign(w[0] - transpose(x[0]));
    w[1].assign(w[1] - x[1]);
    w[2].assign(w[2] - x[2]);
    w[3].assign(w[3] - reshape(transpose(x[0]), {1600}));  // copied, so it has stretches
  };
  Variables w = start();
  EXPECT_EQ(joined(w, update, like(w, 32)), 3);
  expect_same_bits(start, update, like(w, 32));
}

TEST(RunTogether, ExchangedVariablesAreNotOverwrittenFirst) {
  const Update exchange = [](Variables& v, const List&) {
    const Tensor a = v[0], b = v[1];
    v[0].assign(b * 2);
    v[1].assign(a * 3);
    v[2].assign(v[2] * 4);
  };
  expect_same_bits([] { return variables({{50}, {50}, {50}}, f32, 16); }, exchange, {});
}

TEST(RunTogether, LargeOnesHaveLoopsOfTheirOwn) {
  Variables w = variables({{500, 500}, {10}, {20}, {300, 500}}, f32, 17);
  const List g = like(w, 18);
  EXPECT_EQ(joined(w, descend, g), 2);
  Variables one = variables({{500, 500}, {10}}, f32, 19);
  EXPECT_EQ(joined(one, descend, like(one, 20)), 0);
}

// In a network's step of training all parameters are updated in one pass, whatever the rule.
TEST(RunTogether, AllParametersOfANetwork) {
  const nn::Model model(nn::network_named("cnn"), {28, 28, 1}, {.name = "cnn"});
  Variables parameters = model.parameters();
  List x = like(parameters, 21);
  x.push_back(Tensor(0.01));
  x.push_back(Tensor(1.0));
  for (const char* const rule : {"adam", "sgd", "sgd,momentum=0.9", "adamw", "rmsprop", "adagrad"}) {
    const nn::OptimizerState state(nn::parse_optimizer(rule), parameters);
    const Update update = [&](Variables&, const List& in) { state.apply({in.begin(), in.end() - 2}, in[8], in[9]); };
    EXPECT_EQ(joined(parameters, update, x), 8) << rule;
  }
}

}  // namespace
}  // namespace telaio
