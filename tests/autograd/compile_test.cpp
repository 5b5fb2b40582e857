#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/op.hpp>
#include <telaio/autograd/runtime/executable.hpp>
#include <telaio/autograd/runtime/graph.hpp>
#include <telaio/telaio.hpp>

#include <oneapi/tbb/parallel_for.h>

#include <atomic>
#include <sstream>
#include <thread>

#include "../message_of.hpp"

namespace telaio {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

int count_nodes(const std::vector<Tensor>& outputs, std::string_view op) {
  int count = 0;
  for (const Node* node : topological_order(outputs)) count += node->op().name() == op;
  return count;
}

// The sum of two, by an op of the test's own.
class Plus final : public Op {
 public:
  std::string_view name() const override { return "plus"; }
  std::vector<TensorSpec> infer(Specs x) const override { return {x[0]}; }
  void run(Views x, Views y, void*) const override {
    for (int64_t i = 0; i < y[0].numel(); ++i) y[0].data<float>()[i] = x[0].data<float>()[i] + x[1].data<float>()[i];
  }
};

TEST(Compile, AResultDoesNotKeepTheFunctionThatAssigned) {
  Variable w("w", full({3}, 1));
  const OpPtr op(new Plus);
  const Tensor y = compile([&](const Tensor& x) {
    w.assign(w + 1);
    return apply(op, {x, x}, SourceLocation());
  })(full({3}, 2));
  EXPECT_EQ(y.value().data<float>()[2], 4);
  EXPECT_EQ(op->use_count(), 1u);
}

TEST(Compile, TracesOnceForASignature) {
  int traced = 0;
  const auto f = compile([&](const Tensor& x) {
    ++traced;
    return x * 2 + 1;
  });
  EXPECT_THAT(f(ones({2})).to_vector<float>(), ElementsAre(3, 3));
  EXPECT_THAT(f(zeros({2})).to_vector<float>(), ElementsAre(1, 1));
  EXPECT_EQ(traced, 1);
  EXPECT_THAT(f(ones({3})).to_vector<float>(), ElementsAre(3, 3, 3));
  EXPECT_EQ(f(ones({2}, f64)).dtype(), f64);
  EXPECT_EQ(traced, 3);
}

TEST(Compile, TakesAndGivesStructures) {
  const auto f = compile([](const std::vector<Tensor>& x, const std::pair<Tensor, Tensor>& p) {
    return std::make_tuple(x[0] + p.first, std::vector<Tensor>{x[1] * p.second, x[0]});
  });
  const auto [sum_, rest] = f(std::vector<Tensor>{Tensor(1.0), Tensor(2.0)}, std::pair(Tensor(3.0), Tensor(4.0)));
  EXPECT_EQ(sum_.item<double>(), 4);
  EXPECT_EQ(rest[0].item<double>(), 8);
  EXPECT_EQ(rest[1].item<double>(), 1);
}

TEST(Compile, NumbersAreRunTimeInputs) {
  int traced = 0;
  const auto f = compile([&](const Tensor& x, const Tensor& rate) {
    ++traced;
    return x * rate;
  });
  EXPECT_EQ(f(ones({1}), 0.5).item<float>(), 0.5f);
  EXPECT_EQ(f(ones({1}), 0.25).item<float>(), 0.25f);
  EXPECT_EQ(traced, 1);
  EXPECT_EQ(f(ones({1}), 0.25).dtype(), f32);
}

TEST(Compile, ReadsVariablesAfresh) {
  Variable w("w", Tensor(2.0));
  const auto f = compile([&](const Tensor& x) { return x * w; });
  EXPECT_EQ(f(Tensor(3.0)).item<double>(), 6);
  w.assign(Tensor(10.0));
  EXPECT_EQ(f(Tensor(3.0)).item<double>(), 30);
}

TEST(Compile, AssignsVariables) {
  Variable w("w", Tensor(1.0));
  const auto step = compile([&](const Tensor& x) {
    const Tensor loss = square(w - x);
    w.assign(w - 0.25 * grad(loss, w));
    return loss;
  });
  EXPECT_EQ(step(Tensor(5.0)).item<double>(), 16);
  EXPECT_EQ(w.read().item<double>(), 3);
  EXPECT_EQ(step(Tensor(5.0)).item<double>(), 4);
  EXPECT_EQ(w.read().item<double>(), 4);
}

TEST(Compile, VariablesMayExchangeTheirValues) {
  Variable a("a", full({3}, 1.0)), b("b", full({3}, 2.0));
  const auto swap = compile([&] {
    const Tensor old = a;
    a.assign(b);
    b.assign(old);
    return a + b * 10;
  });
  EXPECT_THAT(swap().to_vector<float>(), ElementsAre(12, 12, 12));
  EXPECT_EQ(a.read().to_vector<float>()[0], 2);
  EXPECT_EQ(b.read().to_vector<float>()[0], 1);
}

TEST(Compile, AResultThatIsTheOldValueStaysOld) {
  Variable w("w", full({3}, 1.0));
  const auto step = compile([&] {
    const Tensor before = w;
    w.assign(w + 1);
    return before;
  });
  const Tensor first = step();
  const Tensor second = step();
  EXPECT_EQ(first.to_vector<float>()[0], 1);
  EXPECT_EQ(second.to_vector<float>()[0], 2);
  EXPECT_EQ(w.read().to_vector<float>()[0], 3);
}

TEST(Compile, UpdatesInPlaceOnlyWhatNobodyElseHolds) {
  Variable w("w", full({1000}, 1.0));
  const auto step = compile([&] { w.assign(w * 2); });
  step();
  const auto* memory = w.read().value().bytes();
  step();
  EXPECT_EQ(w.read().value().bytes(), memory);
  const Tensor held = w;
  step();
  EXPECT_NE(w.read().value().bytes(), memory);
  EXPECT_EQ(held.to_vector<float>()[0], 4);
  EXPECT_EQ(w.read().to_vector<float>()[999], 8);
}

TEST(Compile, ACallThatThrowsAssignsNothing) {
  Variable count("count", Tensor(int64_t{0})), w("w", ones({4}));
  const auto step = compile([&](const Tensor& label) {
    count.assign(count + 1);
    w.assign(w * 3);
    return take(w, label, 0);
  });
  step(Tensor(int64_t{3}));
  EXPECT_EQ(count.read().item<int64_t>(), 1);
  EXPECT_THAT(message_of([&] { step(Tensor(int64_t{4})); }), HasSubstr("out of range"));
  EXPECT_EQ(count.read().item<int64_t>(), 1);
  EXPECT_THAT(w.read().to_vector<float>(), ElementsAre(3, 3, 3, 3));
}

TEST(Compile, SimplifiesWithoutChangingValues) {
  const auto f = compile(
      [](const Tensor& x) {
        const Tensor constant = exp(zeros({2, 2})) + 1;
        const Tensor unused = log(x);
        return exp(x) * exp(x) + transpose(transpose(x)) + reshape(reshape(x, {4}), {2, 2}) * constant;
      },
      {.fuse = false});
  const Tensor x = from_data(std::vector<float>{1, 2, 3, 4}, {2, 2});
  const auto graph = f.graph(x);
  EXPECT_EQ(count_nodes(graph, "exp"), 1);
  EXPECT_EQ(count_nodes(graph, "log"), 0);
  EXPECT_EQ(count_nodes(graph, "permute"), 0);
  EXPECT_EQ(count_nodes(graph, "reshape"), 0);
  const auto plain = compile([](const Tensor& t) { return exp(t) * exp(t) + t + t * 2; }, {.simplify = false, .fuse = false, .slice = false});
  EXPECT_EQ(f(x).to_vector<float>(), plain(x).to_vector<float>());
}

TEST(Compile, UnboundInputsAreErrorsThatNameThem) {
  Tensor leaked;
  const auto f = compile([&](const Tensor& x) {
    leaked = x + 1;
    return x;
  });
  f(ones({1}));
  EXPECT_THAT(message_of([&] { leaked.eval(); }), HasSubstr("the input 'argument 0' has no value here"));
  EXPECT_THAT(message_of([&] { compile([&](const Tensor& x) { return x + leaked; })(ones({1})); }),
              HasSubstr("no argument of the function"));
}

TEST(Compile, ResultsCanBeDifferentiated) {
  Variable w("w", Tensor(3.0));
  const auto f = compile([&](const Tensor& x) { return square(x) * w; });
  const Tensor x(2.0);
  const Tensor y = f(x) * 2;
  const auto g = grad(y, {x, w});
  EXPECT_EQ(g[0].item<double>(), 24);
  EXPECT_EQ(g[1].item<double>(), 8);
  EXPECT_EQ(grad(g[0], x).item<double>(), 12);
}

TEST(Compile, ResultsOfResultsCanBeDifferentiated) {
  Variable w("w", Tensor(3.0));
  const auto f = compile([&](const Tensor& x) { return square(x) * w; });
  const Tensor x(2.0);
  const auto g = grad(f(f(x)), {x, w});  // w³x⁴
  EXPECT_EQ(g[0].item<double>(), 4 * 27 * 8);
  EXPECT_EQ(g[1].item<double>(), 3 * 9 * 16);
}

TEST(Compile, AGradientThroughAnAssigningFunctionIsAnError) {
  Variable w("w", Tensor(3.0)), steps("steps", Tensor(0.0));
  const auto f = compile([&](const Tensor& x) {
    steps.assign(steps + 1);
    return square(x) * w;
  });
  const Tensor x(2.0);
  const Tensor y = f(x);
  EXPECT_THAT(message_of([&] { grad(y, w); }), HasSubstr("take the gradient inside"));
  EXPECT_THAT(message_of([&] { grad(y, x); }), HasSubstr("take the gradient inside"));
}

TEST(Compile, ACompiledFunctionInsideAnotherBecomesPartOfIt) {
  const auto inner = compile([](const Tensor& x) { return exp(x); });
  const auto outer = compile([&](const Tensor& x) { return grad(sum(inner(x)), x); });
  EXPECT_EQ(outer(zeros({2}, f64)).to_vector<double>()[1], 1);
  EXPECT_EQ(count_nodes(outer.graph(zeros({2}, f64)), "compiled"), 0);
}

TEST(Compile, ReusesMemory) {
  const auto f = compile([](const Tensor& x) {
    Tensor h = x;
    for (int i = 0; i < 100; ++i) h = matmul(h, x);
    return h;
  });
  const Tensor x = full({64, 64}, 0.01);
  const int64_t one = 64 * 64 * 4;
  EXPECT_LE(f.planned_bytes(x), 2 * one + (1 << 20));  // two that alternate, and the product's own scratch
}

TEST(Compile, ElementwiseOpsWorkInPlace) {
  const auto f = compile([](const Tensor& x) { return sqrt(exp(sin(x) * 2) + 1) * 3; }, {.fuse = false});
  EXPECT_LE(f.planned_bytes(ones({1000})), 2 * 4096);
}

TEST(Compile, MayBeCalledFromSeveralThreads) {
  Variable total("total", zeros({}, f64));
  const auto add_up = compile([&](const Tensor& x) {
    total.assign(total + sum(x));
    return sum(x) * 2;
  });
  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i) {
        if (add_up(full({100}, t, f64)).item<double>() != 200.0 * t) ++wrong;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(total.read().item<double>(), 50 * 100.0 * (0 + 1 + 2 + 3));
}

TEST(Compile, MayBeCalledFromTasksOfTheHostProgram) {
  Variable total("total", zeros({}, f64));
  const auto add_up = compile([&](const Tensor& x) { total.assign(total + sum(exp(x))); });
  const Tensor x = zeros({200'000}, f64);
  tbb::parallel_for(0, 64, [&](int) { add_up(x); });
  EXPECT_EQ(total.read().item<double>(), 64 * 200'000.0);
}

TEST(Compile, ProfilesItsOps) {
  const auto f = compile([](const Tensor& x) {
    const Scope scope("dense");
    return relu(matmul(x, x));
  });
  const Profile profile = f.profile(ones({32, 32}));
  ASSERT_EQ(profile.rows.size(), 2u);
  const auto& matmul_row = profile.rows[0].op == "matmul" ? profile.rows[0] : profile.rows[1];
  EXPECT_EQ(matmul_row.scope, "dense");
  EXPECT_EQ(matmul_row.flops, 2.0 * 32 * 32 * 32);
  EXPECT_EQ(matmul_row.bytes, 3.0 * 32 * 32 * 4);
  EXPECT_THAT(to_string(profile), testing::AllOf(HasSubstr("dense matmul"), HasSubstr("GFLOP/s"), HasSubstr("total")));
}

TEST(Compile, ErrorsAtRunTimeNameOpScopeAndLine) {
  int line = 0;
  const auto f = compile([&](const Tensor& x, const Tensor& i) {
    const Scope scope("embedding");
    line = __LINE__ + 1;
    return take(x, i, 0);
  });
  const std::string message = message_of([&] { f(ones({3, 2}), from_data(std::vector<int64_t>{1, 7}, {2})); });
  EXPECT_THAT(message, HasSubstr("embedding (take): "));
  EXPECT_THAT(message, HasSubstr("7"));
  EXPECT_THAT(message, HasSubstr("compile_test.cpp:" + std::to_string(line)));
}

TEST(Compile, DrawsItsGraph) {
  const auto f = compile(
      [](const Tensor& x) {
        const Scope scope("layer1");
        return grad(sum(exp(x) * 2), x);
      },
      {.fuse = false});
  const std::string dot = to_dot(f.graph(ones({2, 3})));
  EXPECT_THAT(dot, HasSubstr("digraph telaio"));
  EXPECT_THAT(dot, HasSubstr("#cfe3ff"));
  EXPECT_THAT(dot, HasSubstr("#ffd8a8"));
  EXPECT_THAT(dot, HasSubstr("f32[2,3]"));
  EXPECT_THAT(dot, HasSubstr("layer1"));
  EXPECT_THAT(to_text(f.graph(ones({2, 3}))), HasSubstr("%1 = exp(%0) -> f32[2,3]   layer1   compile_test.cpp:"));
}

TEST(Compile, ValidatesGraphs) {
  Graph graph;
  const Tensor x = input("x", {f32, {2}});
  graph.outputs = {relu(x)};
  EXPECT_THAT(message_of([&] { validate(graph, "test"); }),
              HasSubstr("after the pass 'test': the input is no argument"));
  graph.inputs = {x};
  validate(graph, "test");
  graph.outputs = {Tensor(NodePtr(new Node(*relu(x).node(), {ones({3})})), 0)};
  EXPECT_THAT(message_of([&] { validate(graph, "test"); }), HasSubstr("not what its op infers"));
}

}  // namespace
}  // namespace telaio
