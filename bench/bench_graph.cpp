// What the framework costs around the arithmetic: building, differentiating, compiling and replaying graphs of ops that
// are too small to matter. "node" is the time for one node.
#include <utility>
#include <vector>

#include <benchmark/benchmark.h>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/networks.hpp>
#include <telaio/nn/train/trainer.hpp>
#include <telaio/telaio.hpp>

namespace {

using namespace telaio;
using benchmark::Counter;

constexpr int chain_length = 1000;

// Each node needs the two before it, so that nothing can be left out, shared or run side by side.
Tensor chain(const Tensor& x, const Tensor& y) {
  Tensor a = x, b = y;
  for (int i = 0; i < chain_length; ++i) a = std::exchange(b, maximum(a, b));
  return b;
}

void set_nodes(benchmark::State& state, double nodes) {
  state.counters["node"] = Counter(nodes, Counter::kIsIterationInvariantRate | Counter::kInvert);
}

void BM_build_node(benchmark::State& state) {
  const Tensor x = full({8}, 1), y = full({8}, 2);
  for (auto _ : state) benchmark::DoNotOptimize(chain(x, y));
  set_nodes(state, chain_length);
}
BENCHMARK(BM_build_node)->Unit(benchmark::kMicrosecond);

// For each node that the gradient adds.
void BM_build_gradient_node(benchmark::State& state) {
  const Tensor x = full({8}, 1), y = full({8}, 2);
  const Tensor loss = sum(chain(x, y));
  const Tensor slope = grad(loss, x);
  const size_t nodes = topological_order({&slope, 1}).size() - topological_order({&loss, 1}).size();
  for (auto _ : state) benchmark::DoNotOptimize(grad(loss, x));
  set_nodes(state, static_cast<double>(nodes));
}
BENCHMARK(BM_build_gradient_node)->Unit(benchmark::kMicrosecond);

// Tracing, simplifying, planning memory, scheduling; nothing runs.
void BM_compile_node(benchmark::State& state) {
  const Tensor x = full({8}, 1), y = full({8}, 2);
  for (auto _ : state) benchmark::DoNotOptimize(compile(chain).planned_bytes(x, y));
  set_nodes(state, chain_length);
}
BENCHMARK(BM_compile_node)->Unit(benchmark::kMicrosecond);

void BM_replay_node(benchmark::State& state) {
  const ThreadLimit limit(1);
  const Tensor x = full({state.range(0)}, 1).eval(), y = full({state.range(0)}, 2).eval();
  const auto f = compile(chain);
  f(x, y);
  for (auto _ : state) benchmark::DoNotOptimize(f(x, y));
  set_nodes(state, chain_length);
}
BENCHMARK(BM_replay_node)->ArgName("elements")->Arg(8)->Arg(256)->Unit(benchmark::kMicrosecond);

// A call of a compiled function of one node: arguments, signature, results.
void BM_call_compiled(benchmark::State& state) {
  const Tensor x = full({8}, 1).eval();
  const auto f = compile([](const Tensor& t) { return relu(t); });
  f(x);
  for (auto _ : state) benchmark::DoNotOptimize(f(x));
}
BENCHMARK(BM_call_compiled)->Unit(benchmark::kNanosecond);

// The same without compiling: build, plan, run, throw away.
void BM_eval_node(benchmark::State& state) {
  const Tensor x = full({8}, 1).eval();
  for (auto _ : state) benchmark::DoNotOptimize(relu(x).eval());
}
BENCHMARK(BM_eval_node)->Unit(benchmark::kNanosecond);

// Two chunks with nothing to do, on threads that are awake; a single chunk stays on the calling thread.
void BM_empty_parallel_region(benchmark::State& state) {
  const ThreadLimit limit(2);
  for (auto _ : state) parallel_for(state.range(0), 1, [](int64_t begin, int64_t) { benchmark::DoNotOptimize(begin); });
}
BENCHMARK(BM_empty_parallel_region)->ArgName("chunks")->Arg(1)->Arg(2)->UseRealTime()->Unit(benchmark::kNanosecond);

nn::Model cnn() { return nn::Model(nn::network_named("cnn"), {28, 28, 1}, {.name = "cnn"}); }

// A real graph: the training step of the cnn, traced, differentiated, simplified and planned; nothing runs.
void BM_compile_cnn_step(benchmark::State& state) {
  const nn::Model model = cnn();
  const nn::OptimizerState optimizer({}, model.parameters());
  const std::vector<Variable>& parameters = optimizer.parameters();
  const Tensor x = zeros({128, 28, 28, 1}).eval(), classes = zeros({128}, i64).eval();
  for (auto _ : state) {
    const auto step = compile(
        [&](const Tensor& images, const Tensor& targets, const Tensor& key, const Tensor& rate, const Tensor& number) {
          const nn::Forward forward = model.forward_training(images, key);
          const Tensor loss = cross_entropy(forward.logits, targets);
          optimizer.apply(grad(loss, {parameters.begin(), parameters.end()}), rate, number);
          return loss;
        });
    benchmark::DoNotOptimize(step.planned_bytes(x, classes, random_key(1, 0), 0.001, 1.0));
  }
}
BENCHMARK(BM_compile_cnn_step)->Unit(benchmark::kMillisecond);

// From nothing to the first finished step: parameters, graph, compiling, and the step itself in fresh memory.
void BM_first_cnn_step(benchmark::State& state) {
  const Tensor x = zeros({128, 28, 28, 1}).eval(), classes = zeros({128}, i64).eval();
  for (auto _ : state) {
    nn::Trainer trainer(cnn());
    benchmark::DoNotOptimize(trainer.step(x, classes).loss.item<float>());
  }
}
BENCHMARK(BM_first_cnn_step)->UseRealTime()->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
