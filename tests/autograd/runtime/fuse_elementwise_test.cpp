// Elementwise ops that run together against the same ops one by one: the same bits, in fewer steps.
#include <gtest/gtest.h>

#include <telaio/autograd/node.hpp>
#include <telaio/nn/train/optimizer.hpp>
#include <telaio/telaio.hpp>

#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <cstring>
#include <random>

namespace telaio {
namespace {

// Without slices: they add up in another order.
constexpr CompileOptions apart{.fuse = false, .slice = false};

std::vector<char> bytes_of(const Tensor& tensor) {
  const Array array = tensor.value().contiguous();
  const auto* first = reinterpret_cast<const char*>(array.bytes());
  return {first, first + array.spec().bytes()};
}

std::vector<std::vector<char>> bytes_of(const std::vector<Tensor>& tensors) {
  std::vector<std::vector<char>> all;
  for (const Tensor& tensor : tensors) all.push_back(bytes_of(tensor));
  return all;
}

template <class Function, class... X>
std::vector<const Node*> nodes_of(const Function& f, std::string_view op, const X&... x) {
  std::vector<const Node*> found;
  for (const Node* node : topological_order(f.graph(x...)))
    if (node->op().name() == op) found.push_back(node);
  return found;
}

/// Builds a random graph: elementwise ops of all types, on views of the arguments, and some ops between them.
class RandomChains {
 public:
  RandomChains(uint64_t seed, const Shape& shape) : random_(seed), shape_(shape) {}

  std::vector<Tensor> build(const Tensor& x, const Tensor& y, const Tensor& flat) {
    floats_ = {x, y, x + y};
    bools_ = {x > y};
    for (int i = 0; i < 50; ++i) {
      switch (pick(9)) {
        case 0:
          bools_.push_back(pick(2) ? any() < any() : logical_or(any_bool(), logical_not(any_bool())));
          break;
        case 1:
          floats_.push_back(view(flat));
          break;
        case 2:
          floats_.push_back(between());
          break;
        default:
          floats_.push_back(node());
      }
    }
    std::vector<Tensor> results{floats_.back(), bools_.back()};
    for (int i = 0; i < 4; ++i) results.push_back(any());
    return results;
  }

 private:
  size_t pick(size_t count) { return random_() % count; }
  // Mostly a late one, so that chains grow long.
  const Tensor& any() {
    const size_t late = std::min<size_t>(floats_.size(), 4);
    return pick(3) ? floats_[floats_.size() - 1 - pick(late)] : floats_[pick(floats_.size())];
  }
  const Tensor& any_bool() { return bools_[pick(bools_.size())]; }

  // `flat` has one axis of as many elements as the largest axis of the shape has.
  Tensor view(const Tensor& flat) {
    if (shape_.rank() == 0) return slice(flat, 0, 0, 1).rank() == 1 ? reshape(slice(flat, 0, 0, 1), {}) : flat;
    const int axis = static_cast<int>(pick(static_cast<size_t>(shape_.rank())));
    Shape shape = Shape::filled(shape_.rank(), 1);
    shape[axis] = shape_[axis];
    Tensor part = slice(flat, 0, 0, shape_[axis]);
    if (pick(2)) part = flip(part, {0});
    return broadcast_to(reshape(part, shape), shape_);
  }

  // No elementwise op: what follows it must not be taken into a group with what comes before.
  Tensor between() {
    const Tensor from = any();
    if (shape_.rank() == 0 || pick(3) == 0) return stop_gradient(from);
    if (pick(2)) return broadcast_to(sum(from, -1, true), shape_) * 0.01;
    if (shape_.rank() == 2 && shape_[0] == shape_[1]) return transpose(from);
    return flip(from, {0});
  }

  Tensor node() {
    switch (pick(12)) {
      case 0:
        return sin(any());
      case 1:
        return any() * any();
      case 2:
        return any() + any() * 0.5;
      case 3:
        return tanh(any()) - any();
      case 4:
        return where(any_bool(), any(), any());
      case 5:
        return cast(cast(any(), f64) / 3.0, f32);
      case 6:
        return cast(cast(any(), i32) * 3 + cast(any_bool(), i32), f32) * 0.25;
      case 7:
        return relu(any());
      case 8:
        return sqrt(abs(any())) / (square(any()) + 1);
      case 9:
        return cast(clip(cast(clip(any(), 0, 99), u8), 0, 9), f32);
      case 10:
        return add_n({any(), any(), any()});
      default:
        return maximum(any(), any());
    }
  }

  std::mt19937_64 random_;
  Shape shape_;
  std::vector<Tensor> floats_, bools_;
};

class FusedChains : public testing::TestWithParam<uint64_t> {};

TEST_P(FusedChains, HaveTheBitsOfSingleOps) {
  const uint64_t seed = GetParam();
  const Shape shapes[] = {{},      {1},        {0},      {7},          {2, 0, 3}, {513},
                          {5, 17}, {3, 1, 70}, {33, 33}, {2, 3, 5, 7}, {300, 70}, {70'001}};
  for (const Shape& shape : shapes) {
    SCOPED_TRACE("seed " + std::to_string(seed) + " shape " + to_string(shape));
    int64_t largest = 1;
    for (int64_t size : shape) largest = std::max(largest, size);
    const Tensor x = uniform(shape, random_key(seed), -3, 3), y = uniform(shape, random_key(seed + 1), -3, 3),
                 flat = uniform({largest}, random_key(seed + 2), -3, 3);
    const auto graph = [&](const Tensor& a, const Tensor& b, const Tensor& c) {
      return RandomChains(seed, shape).build(a, b, c);
    };
    const auto expected = bytes_of(compile(graph, apart)(x, y, flat));
    for (const int threads : {1, 4}) {
      const ThreadLimit limit(threads);
      tbb::task_arena arena(threads);
      arena.execute([&] {
        const auto f = compile(graph, {.slice = false});
        EXPECT_EQ(bytes_of(f(x, y, flat)), expected);
        EXPECT_EQ(bytes_of(f(x, y, flat)), expected);
        EXPECT_EQ(bytes_of(compile(graph, {.simplify = false, .slice = false, .concurrent = false})(x, y, flat)),
                  expected);
      });
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, FusedChains, testing::Range<uint64_t>(0, 20));

TEST(FuseElementwise, AChainIsOneNodeThatNamesItsOps) {
  const auto f = compile([](const Tensor& x) { return sqrt(exp(sin(x) * 2) + 1) * 3; });
  const auto groups = nodes_of(f, "elementwise", ones({1000}));
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0]->op().attributes(), "sin mul exp add sqrt mul");
  EXPECT_EQ(groups[0]->outputs().size(), 1u);
  const Profile profile = f.profile(ones({1000}));
  ASSERT_EQ(profile.rows.size(), 1u);
  EXPECT_EQ(profile.rows[0].op, "elementwise");
  EXPECT_EQ(profile.rows[0].flops, 6000);
}

TEST(FuseElementwise, ASingleOpStaysItself) {
  const auto f = compile([](const Tensor& x) { return matmul(relu(matmul(x, x)), x); });
  EXPECT_EQ(nodes_of(f, "relu", ones({8, 8})).size(), 1u);
  EXPECT_TRUE(nodes_of(f, "elementwise", ones({8, 8})).empty());
}

TEST(FuseElementwise, WhatIsReadOutsideIsAnOutput) {
  const auto f = compile([](const Tensor& x) {
    const Tensor y = exp(x), z = sin(y) * 2, last = z + y;
    return std::vector<Tensor>{y, sum(z), last};
  });
  const Tensor x = uniform({1000}, random_key(1), -1, 1);
  const auto groups = nodes_of(f, "elementwise", x);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0]->outputs().size(), 3u);
}

// e → sum → e / sum: the sum leaves the group and comes back.
TEST(FuseElementwise, GroupsHaveNoPathThatLeavesAndReturns) {
  const auto f = compile([](const Tensor& x) {
    const Tensor e = exp(x * 2), scaled = e / sum(e, 1, true);
    const Tensor total = sum(scaled);  // a name of its own: compilers differ in which operand they evaluate first
    return scaled * e + total * e;
  });
  const Tensor x = uniform({30, 70}, random_key(1), -1, 1);
  EXPECT_EQ(nodes_of(f, "elementwise", x).size(), 2u);  // exp(2x); the sum of products
  EXPECT_EQ(nodes_of(f, "div", x).size(), 1u);
}

// A view reads nothing by itself. A group that is read through one has ended, even if it is read directly as well.
TEST(FuseElementwise, ViewsWaitForTheirGroup) {
  const auto graph = [](const Tensor& x) {
    const Tensor y = exp(x * 2);
    const Tensor turned = transpose(y);
    const Tensor z = sin(y) + 1;
    return std::vector<Tensor>{turned, z * turned, transpose(transpose(z) * 2) * z};
  };
  const Tensor x = uniform({70, 70}, random_key(1), -1, 1);
  const auto f = compile(graph);
  EXPECT_EQ(bytes_of(f(x)), bytes_of(compile(graph, apart)(x)));
  const auto groups = nodes_of(f, "elementwise", x);
  ASSERT_EQ(groups.size(), 1u);
  EXPECT_EQ(groups[0]->op().attributes(), "mul exp sin add");
}

struct Training {
  std::vector<Variable> parameters;
  nn::OptimizerState optimizer;

  Training(const nn::Optimizer& rule, const std::vector<Shape>& shapes)
      : parameters(fresh(shapes)), optimizer(rule, parameters) {}

  static std::vector<Variable> fresh(const std::vector<Shape>& shapes) {
    std::vector<Variable> parameters;
    for (size_t i = 0; i < shapes.size(); ++i)
      parameters.emplace_back("p" + std::to_string(i), uniform(shapes[i], random_key(i), -1, 1));
    return parameters;
  }
  auto step(CompileOptions options) {
    return compile([this](const std::vector<Tensor>& gradients, const Tensor& rate,
                          const Tensor& number) { optimizer.apply(gradients, rate, number); },
                   options);
  }
  std::vector<Tensor> values() const {
    std::vector<Tensor> all;
    for (const Variable& parameter : parameters) all.push_back(parameter.read());
    return all;
  }
};

class FusedOptimizers : public testing::TestWithParam<const char*> {};

TEST_P(FusedOptimizers, GiveTheSameBitsAndWriteInPlace) {
  const nn::Optimizer rule = nn::parse_optimizer(GetParam());
  const std::vector<Shape> shapes{{37, 300}, {300}, {1}, {3, 3, 1, 5}, {40'001}};
  Training together(rule, shapes), alone(rule, shapes);
  const auto fused = together.step({}), single = alone.step(apart);
  std::vector<const std::byte*> memory;
  for (int step = 1; step <= 4; ++step) {
    std::vector<Tensor> gradients;
    for (size_t i = 0; i < shapes.size(); ++i)
      gradients.push_back(uniform(shapes[i], random_key(100 * static_cast<uint64_t>(step) + i), -1, 1));
    eval(gradients);
    const Tensor rate(0.01), number(static_cast<double>(step));
    fused(gradients, rate, number);
    single(gradients, rate, number);
    EXPECT_EQ(bytes_of(together.values()), bytes_of(alone.values())) << step;
    std::vector<const std::byte*> now;
    for (const Tensor& value : together.values()) now.push_back(value.value().bytes());
    if (step > 2) {
      EXPECT_EQ(now, memory);
    }
    memory = now;
    if (step > 1) continue;
    // Adam is an op of its own; what else happens to a tensor is one group. All of them run in one loop.
    const bool adam = std::string_view(GetParam()).starts_with("adam");
    const auto updates = nodes_of(fused, adam ? "adam" : "elementwise", gradients, rate, number);
    const auto all = std::find_if(updates.begin(), updates.end(),
                                  [](const Node* node) { return node->op().attributes() == "5 tensors in one loop"; });
    ASSERT_NE(all, updates.end());
    for (const Node* node : updates) {
      if (!adam && node != *all) {
        EXPECT_EQ(node->outputs()[0].shape.rank(), 0);
      }
    }
    // Nothing is copied: profiles call such a step "copy".
    for (const Profile::Row& row : fused.profile(gradients, rate, number).rows) EXPECT_NE(row.op, "copy");
    single(gradients, rate, number);  // as the profile did
  }
}

INSTANTIATE_TEST_SUITE_P(Rules, FusedOptimizers,
                         testing::Values("adam", "adamw,weight_decay=0.01", "sgd", "sgd,momentum=0.9",
                                         "sgd,momentum=0.9,nesterov=1", "rmsprop", "rmsprop,momentum=0.9,centered=1",
                                         "adagrad", "adam,clip_value=0.1"));

// a is read after its new value is there: it must not be written over.
TEST(FuseElementwise, AnInputThatIsReadLaterIsNotOverwritten) {
  const auto run = [](CompileOptions options) {
    Variable a("a", uniform({3000}, random_key(1), -1, 1)), b("b", uniform({3000}, random_key(2), -1, 1));
    const auto step = compile(
        [&] {
          const Tensor x = a.read(), y = b.read();
          const Tensor next = x + y;
          a.assign(next);
          b.assign(next * x - y);
        },
        options);
    for (int i = 0; i < 3; ++i) step();
    return bytes_of({a.read(), b.read()});
  };
  EXPECT_EQ(run({}), run(apart));
}

TEST(FuseElementwise, VariablesMayExchangeTheirValues) {
  const auto run = [](CompileOptions options) {
    Variable a("a", uniform({3000}, random_key(1), -1, 1)), b("b", uniform({3000}, random_key(2), -1, 1));
    const auto step = compile(
        [&] {
          const Tensor x = a * 2 + 1, y = b * 3 - x;
          a.assign(y);
          b.assign(x);
        },
        options);
    for (int i = 0; i < 3; ++i) step();
    return bytes_of({a.read(), b.read()});
  };
  EXPECT_EQ(run({}), run(apart));
}

// Sums of two large tensors that are used much later: keeping both tensors until then would cost twice the memory.
TEST(FuseElementwise, DoesNotKeepLargeInputsAlive) {
  const auto graph = [](const Tensor& x) {
    std::vector<Tensor> kept;
    Tensor h = x;
    for (int i = 0; i < 8; ++i) {
      const Tensor a = matmul(h, x), b = matmul(a, x);
      kept.push_back(a + b);
      h = matmul(b, x);
    }
    Tensor result = h;
    for (const Tensor& k : kept) result = result * k;
    return result;
  };
  const Tensor x = full({256, 256}, 0.01);
  EXPECT_LE(compile(graph).planned_bytes(x), compile(graph, apart).planned_bytes(x) + (256 << 10));
}

TEST(FuseElementwise, LongChainsAreCutIntoGroups) {
  const auto f = compile([](const Tensor& x) {
    Tensor y = x;
    for (int i = 0; i < 1000; ++i) y = sin(y);
    return y;
  });
  const auto groups = nodes_of(f, "elementwise", ones({100}));
  EXPECT_GE(groups.size(), 1000u / 64);
  EXPECT_LE(groups.size(), 1000u / 16);
}

// A slice of the batch goes through a group as it goes through its members.
TEST(FuseElementwise, SaysHowItActsAlongTheBatch) {
  const auto f = compile([](const Tensor& x, const Tensor& b) { return relu(x * 2 + b); });
  const auto groups = nodes_of(f, "elementwise", ones({4, 3}), ones({3}));
  ASSERT_EQ(groups.size(), 1u);
  std::vector<TensorSpec> x;
  for (const Tensor& input : groups[0]->inputs()) x.push_back(input.spec());
  std::vector<int> axes(x.size(), -1);
  EXPECT_EQ(groups[0]->op().along_batch(axes, x, groups[0]->outputs()).kind, BatchFlow::Kind::opaque);
  axes[0] = 0;
  const BatchFlow flow = groups[0]->op().along_batch(axes, x, groups[0]->outputs());
  EXPECT_EQ(flow.kind, BatchFlow::Kind::mapped);
  EXPECT_EQ(flow.axis, 0);
  EXPECT_EQ(axes, std::vector<int>(x.size(), 0));
  axes.back() = 1;
  EXPECT_EQ(groups[0]->op().along_batch(axes, x, groups[0]->outputs()).kind, BatchFlow::Kind::opaque);
}

}  // namespace
}  // namespace telaio
