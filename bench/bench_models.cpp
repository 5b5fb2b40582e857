// Whole networks: steps of training (forward, backward, Adam) and inference, on batches that lie in memory.
//
//   telaio_bench_models                                        all; options are Google Benchmark's
//   telaio_bench_models --benchmark_filter=scaling/            a step on all threads against one, by turns
//
// "resident_MB" is the most that the process has had in memory so far (VmHWM): for one configuration's own, run that
// one alone by --benchmark_filter.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/layers.hpp>
#include <telaio/nn/networks.hpp>
#include <telaio/nn/train/trainer.hpp>
#include <telaio/telaio.hpp>

#include "handover.hpp"
#include "machine_peak.hpp"
#include "networks.hpp"

namespace {

using namespace telaio;
using benchmark::Counter;

double resident_megabytes() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("VmHWM:")) return std::stod(line.substr(6)) / 1024;
  return 0;
}

void set_counters(benchmark::State& state, const nn::Model& model, double macs, int64_t size,
                  const bench::PeakShare& share) {
  const double flops = 2 * macs * static_cast<double>(size);
  state.counters["parameters"] = static_cast<double>(model.parameter_count());
  state.counters["images/s"] = Counter(static_cast<double>(size), Counter::kIsIterationInvariantRate);
  state.counters["FLOP/s"] = Counter(flops, Counter::kIsIterationInvariantRate);
  const bench::Share had = share(flops, state.iterations());
  state.counters["peak"] = had.peak;
  state.counters["core"] = had.core;
  state.counters["resident_MB"] = resident_megabytes();
}

void train(benchmark::State& state, const std::string& name) {
  const int64_t size = state.range(0);
  const auto threads = static_cast<int>(state.range(1));
  const ThreadLimit limit(threads);
  const nn::Model model = bench::model_named(name);
  nn::Trainer trainer(model);
  const bench::Batch batch = bench::make_batch(model, size);
  trainer.step(batch.x, batch.classes);
  const bench::PeakShare share(threads);
  for (auto _ : state) benchmark::DoNotOptimize(trainer.step(batch.x, batch.classes).loss.item<float>());
  // Forward, and backward twice as much but for the gradient by the images.
  int64_t first = 0;
  for (const nn::LayerInfo& layer : model.layers())
    if (first == 0) first = layer.multiply_adds;
  set_counters(state, model, static_cast<double>(3 * model.multiply_adds() - first), size, share);
}

void infer(benchmark::State& state, const std::string& name) {
  const int64_t size = state.range(0);
  const auto threads = static_cast<int>(state.range(1));
  const ThreadLimit limit(threads);
  const nn::Model model = bench::model_named(name);
  const bench::Batch batch = bench::make_batch(model, size);
  Variable y("y", zeros(model(batch.x).shape()));
  const auto run = compile([&](const Tensor& x) { y.assign(model(x)); });
  run(batch.x);
  const bench::PeakShare share(threads);
  for (auto _ : state) run(batch.x);
  set_counters(state, model, static_cast<double>(model.multiply_adds()), size, share);
}

/// How many times as fast a step of training is on all threads as on one: single steps, by turns, of which those count
/// whose cores were theirs alone, as medians. "cycles" is the same for each cycle of the clock, which is often lower
/// where all cores work. "handover_ns" is what passes from a write by one thread to another's read: where that is long,
/// so is all that a step's threads have from one another. The time shown is that of a step on all threads.
void scale(benchmark::State& state, const std::string& name, int all) {
  const int64_t size = state.range(0);
  const nn::Model model = bench::model_named(name);
  nn::Trainer trainer(model);
  const bench::Batch batch = bench::make_batch(model, size);
  struct Steps {
    std::vector<double> seconds, cycles;
  };
  constexpr int warm = 2, counted = 6;
  const auto run = [&](int threads, Steps& steps) {
    const ThreadLimit limit(threads);
    double last = 0;
    for (int i = 0; i < warm + counted; ++i) {
      const bench::PeakShare share(threads);
      const auto begin = std::chrono::steady_clock::now();
      trainer.step(batch.x, batch.classes);
      last = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
      const bench::Share had = share(1, 1);  // of 1 / (seconds · what these threads could do in one)
      if (i < warm || had.core < bench::shared_core) continue;
      steps.seconds.push_back(last);
      steps.cycles.push_back(1 / (threads * had.peak));
    }
    return last;
  };
  const auto median = [](std::vector<double> values) {
    if (values.empty()) return 0.0;
    std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size() / 2), values.end());
    return values[values.size() / 2];
  };
  Steps one, many;
  std::vector<double> handovers;
  for (auto _ : state) {
    run(1, one);
    state.SetIterationTime(run(all, many));
    handovers.push_back(bench::handover_seconds());
  }
  const double shared = median(many.seconds), cycles = median(many.cycles);
  state.counters["speedup"] = shared > 0 ? median(one.seconds) / shared : 0;
  state.counters["cycles"] = cycles > 0 ? median(one.cycles) / cycles : 0;
  state.counters["handover_ns"] = 1e9 * median(std::move(handovers));
  state.counters["alone"] = static_cast<double>(std::min(one.seconds.size(), many.seconds.size()));
}

}  // namespace

int main(int argc, char** argv) {
  const int all = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  for (const char* name : {"cnn", "dense", "lenet", "vgg"})
    for (const bool training : {true, false}) {
      auto* added = benchmark::RegisterBenchmark(
          (std::string(training ? "train/" : "infer/") + name).c_str(),
          [name, training](benchmark::State& state) { training ? train(state, name) : infer(state, name); });
      added->ArgNames({"batch", "threads"})->UseRealTime()->Unit(benchmark::kMicrosecond);
      for (const int64_t size : {1, 32, 128, 256}) {
        for (int threads = 1; threads < all; threads *= 2) added->Args({size, threads});
        added->Args({size, all});
      }
    }
  if (all > 1)
    for (const char* name : {"cnn", "dense"})
      benchmark::RegisterBenchmark((std::string("scaling/") + name).c_str(),
                                   [name, all](benchmark::State& state) { scale(state, name, all); })
          ->ArgName("batch")
          ->Arg(128)
          ->Arg(256)
          ->Iterations(60)
          ->UseManualTime()
          ->Unit(benchmark::kMicrosecond);
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
