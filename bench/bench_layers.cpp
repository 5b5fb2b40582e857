// A dense against a convolutional layer between the same shapes, on images that grow: what each costs in parameters,
// arithmetic and time. Forward (with the bias), the gradient by the input and the gradient by the weight are functions
// of their own, compiled, with results written into variables.
//
// MACs are those of one image; GFLOP/s counts two for each; B/s is input, weight and output once each; "peak" is the
// share of what as many threads do that only multiply and add, "core" how much of their cores they had
// (machine_peak.hpp). Where the zeros around an image are skipped they do not count; "nominal" is the share with them,
// as the layer defines its arithmetic. A dense layer is there where its weight has up to 2²⁴ elements: beyond,
// "dense_parameters" of the convolution says what it would need.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/networks.hpp>
#include <telaio/telaio.hpp>

#include "machine_peak.hpp"

namespace {

using namespace telaio;
using benchmark::Counter;

constexpr int64_t batch = 32;
constexpr int64_t largest_weight = int64_t{1} << 24;

enum class Pass { forward, input_gradient, weight_gradient };
constexpr struct {
  Pass pass;
  const char* name;
} passes[] = {{Pass::forward, "forward"}, {Pass::input_gradient, "input_grad"}, {Pass::weight_gradient, "weight_grad"}};

/// Layers from [size, size, in] to [size, size, out].
struct Shapes {
  int64_t size, in, out;

  int64_t inputs() const { return size * size * in; }
  int64_t outputs() const { return size * size * out; }
  int64_t dense_weight() const { return inputs() * outputs(); }
  std::string name() const {
    return std::to_string(size) + "x" + std::to_string(size) + "/" + std::to_string(in) + "to" + std::to_string(out);
  }
};

/// Multiply-adds of a 3×3 convolution with its size kept: at the border a window has fewer pixels.
int64_t conv_macs(const Shapes& s) { return (3 * s.size - 2) * (3 * s.size - 2) * s.in * s.out; }

struct Costs {
  int64_t parameters, macs, nominal_macs;
  double bytes;
};

void set_counters(benchmark::State& state, const Costs& costs, const bench::PeakShare& share) {
  const double flops = 2.0 * static_cast<double>(costs.macs * batch);
  state.counters["parameters"] = static_cast<double>(costs.parameters);
  state.counters["MACs"] = static_cast<double>(costs.macs);
  state.counters["images/s"] = Counter(batch, Counter::kIsIterationInvariantRate);
  state.counters["FLOP/s"] = Counter(flops, Counter::kIsIterationInvariantRate);
  if (costs.bytes > 0) state.counters["B/s"] = Counter(costs.bytes, Counter::kIsIterationInvariantRate);
  const bench::Share had = share(flops, state.iterations());
  state.counters["peak"] = had.peak;
  state.counters["nominal"] = had.peak * static_cast<double>(costs.nominal_macs) / static_cast<double>(costs.macs);
  state.counters["core"] = had.core;
}

Tensor draw(const Shape& shape, int64_t stream) { return normal(shape, random_key(1, stream)).eval(); }

Tensor layer(bool dense, const Tensor& x, const Tensor& weight) {
  return dense ? matmul(x, weight) : conv2d(x, weight, {.padding = Padding::same()});
}

void run_layer(benchmark::State& state, const Shapes& s, bool dense, Pass pass) {
  const auto threads = static_cast<int>(state.range(0));
  const ThreadLimit limit(threads);
  const Tensor x = draw(dense ? Shape{batch, s.inputs()} : Shape{batch, s.size, s.size, s.in}, 0);
  const Tensor weight = draw(dense ? Shape{s.inputs(), s.outputs()} : Shape{3, 3, s.in, s.out}, 1);
  const Tensor bias = draw({dense ? s.outputs() : s.out}, 2);
  const Tensor gy = draw(layer(dense, x, weight).shape(), 3);
  const auto result = [&](const std::vector<Tensor>& t) {
    const Tensor y = layer(dense, t[0], t[1]);
    if (pass == Pass::forward) return y + t[2];
    return vjp({y}, {t[3]}, {pass == Pass::input_gradient ? t[0] : t[1]})[0];
  };
  const std::vector<Tensor> inputs{x, weight, bias, gy};
  Variable kept("result", zeros(result(inputs).shape()));
  const auto step = compile([&](const std::vector<Tensor>& t) { kept.assign(result(t)); });
  step(inputs);
  const bench::PeakShare share(threads);
  for (auto _ : state) step(inputs);

  const int64_t macs = dense ? s.dense_weight() : conv_macs(s), nominal = dense ? macs : 9 * s.in * s.outputs();
  const double bytes = 4.0 * static_cast<double>(x.numel() + weight.numel() + gy.numel());
  set_counters(state, {weight.numel() + bias.numel(), macs, nominal, bytes}, share);
  if (!dense) state.counters["dense_parameters"] = static_cast<double>(s.dense_weight() + s.outputs());
}

// The networks that the program compares, on images of 28×28×1: inference, and the gradient by all parameters.
void run_network(benchmark::State& state, const char* name, bool gradient) {
  const auto threads = static_cast<int>(state.range(0));
  const ThreadLimit limit(threads);
  const nn::Model model(nn::network_named(name), {28, 28, 1}, {.name = name});
  const Tensor x = draw({batch, 28, 28, 1}, 0);
  const Tensor classes = cast(floor(uniform({batch}, random_key(1, 1)) * 10), i64).eval();
  const std::vector<Variable> parameters = model.parameters();
  std::vector<Variable> kept;
  if (!gradient) kept.emplace_back("result", zeros({batch, 10}));
  for (const Variable& parameter : parameters)
    if (gradient) kept.emplace_back(parameter.name() + ".gradient", zeros(parameter.shape()));
  const auto step = compile([&](const Tensor& images, const Tensor& targets) {
    const nn::Forward forward = model.forward(images);
    if (!gradient) return kept[0].assign(forward.output);
    const auto slopes = grad(cross_entropy(forward.logits, targets), {parameters.begin(), parameters.end()});
    for (size_t i = 0; i < kept.size(); ++i) kept[i].assign(slopes[i]);
  });
  step(x, classes);
  const bench::PeakShare share(threads);
  for (auto _ : state) step(x, classes);
  // Of a gradient, the arithmetic is twice that of the forward pass but for the gradient by the images, which nobody
  // asks.
  const nn::LayerInfo* first = nullptr;
  for (const nn::LayerInfo& one : model.layers())
    if (first == nullptr && one.multiply_adds > 0) first = &one;
  const int64_t macs = gradient ? 3 * model.multiply_adds() - first->multiply_adds : model.multiply_adds();
  set_counters(state, {model.parameter_count(), macs, macs, 0}, share);
}

}  // namespace

int main(int argc, char** argv) {
  const int all = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  const auto add = [&](const std::string& name, auto run) {
    auto* added = benchmark::RegisterBenchmark(name.c_str(), run)->ArgName("threads")->Arg(1);
    if (all > 1) added->Arg(all);
    added->UseRealTime()->Unit(benchmark::kMicrosecond);
  };
  for (const int64_t size : {8, 16, 28, 32, 64})
    for (const auto& [in, out] :
         {std::pair<int64_t, int64_t>{1, 1}, {1, 4}, {1, 32}, {4, 4}, {16, 16}, {32, 32}, {64, 64}, {128, 128}})
      for (const bool dense : {true, false})
        for (const auto& [pass, pass_name] : passes) {
          const Shapes shapes{size, in, out};
          if (dense && shapes.dense_weight() > largest_weight) continue;
          add(std::string(dense ? "dense/" : "conv/") + shapes.name() + "/" + pass_name,
              [shapes, dense = dense, pass = pass](benchmark::State& state) { run_layer(state, shapes, dense, pass); });
        }
  for (const char* name : {"cnn", "dense"})
    for (const bool gradient : {false, true})
      add(std::string("network/") + name + (gradient ? "/gradient" : "/forward"),
          [name, gradient](benchmark::State& state) { run_network(state, name, gradient); });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  for (const int threads : all > 1 ? std::vector{1, all} : std::vector{1})
    std::fprintf(stderr, "peak of %d %s: %.0f GFLOP/s\n", threads, threads == 1 ? "thread" : "threads",
                 bench::peak_flops(threads) / 1e9);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
