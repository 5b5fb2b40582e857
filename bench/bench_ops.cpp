// The ops, a few of each family, as a compiled function replays them on one thread and on all. Results are written into
// a variable, so that the figures are the op's and not those of fresh memory.
//
// FLOP/s counts the additions and multiplications that the op defines, B/s its inputs and outputs once each, both as a
// profile reports them.
#include <algorithm>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include <benchmark/benchmark.h>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/telaio.hpp>

#include "machine_peak.hpp"

namespace {

using namespace telaio;

/// What a function is given: normal floats, or integers from 0 up to but without `below`.
struct Input {
  Shape shape;
  int64_t below = 0;

  Tensor make(int64_t stream) const {
    const Tensor key = random_key(1, stream);
    if (below == 0) return normal(shape, key).eval();
    return cast(floor(uniform(shape, key) * below), i64).eval();
  }
};

using X = const std::vector<Tensor>&;

struct Case {
  std::string name;
  std::vector<Input> inputs;
  Tensor (*f)(X x);
};

Tensor conv(X x) { return conv2d(x[0], x[1], {.padding = Padding::same()}); }
Tensor conv_input_grad(X x) { return vjp({conv(x)}, {x[2]}, {x[0]})[0]; }
Tensor conv_weight_grad(X x) { return vjp({conv(x)}, {x[2]}, {x[1]})[0]; }
Tensor depthwise(X x) { return conv2d(x[0], x[1], {.padding = Padding::same(), .groups = x[0].dim(3)}); }
Tensor product(X x) { return matmul(x[0], x[1]); }

std::vector<Case> cases() {
  constexpr int64_t mega = 1 << 20;
  const Input line{{mega}}, square_matrix{{1024, 1024}}, key{{2}, 1 << 30};
  // The second convolution of a small image classifier, and one as in the middle of a deep one.
  const Input small{{32, 13, 13, 32}}, small_filter{{3, 3, 32, 32}}, deep{{8, 28, 28, 128}},
      deep_filter{{3, 3, 128, 128}};
  const Input logits{{128, 1000}}, classes{{128}, 1000};
  return {
      {"add", {line, line}, [](X x) { return x[0] + x[1]; }},
      {"add_bias", {square_matrix, {{1024}}}, [](X x) { return x[0] + x[1]; }},
      {"relu", {line}, [](X x) { return relu(x[0]); }},
      {"relu_grad", {line, line}, [](X x) { return vjp({relu(x[0])}, {x[1]}, {x[0]})[0]; }},
      {"exp", {line}, [](X x) { return exp(x[0]); }},
      {"tanh", {line}, [](X x) { return tanh(x[0]); }},
      {"gelu", {line}, [](X x) { return gelu(x[0]); }},
      {"pow", {line, line}, [](X x) { return pow(abs(x[0]), x[1]); }},
      {"where", {line, line}, [](X x) { return where(x[0] > x[1], x[0], x[1]); }},
      {"cast_f64", {line}, [](X x) { return cast(x[0], f64); }},

      {"sum_all", {square_matrix}, [](X x) { return sum(x[0]); }},
      {"sum_rows", {square_matrix}, [](X x) { return sum(x[0], 1); }},
      {"sum_columns", {square_matrix}, [](X x) { return sum(x[0], 0); }},
      {"max_rows", {square_matrix}, [](X x) { return max(x[0], 1); }},
      {"argmax_rows", {square_matrix}, [](X x) { return argmax(x[0], 1); }},
      {"logsumexp_rows", {square_matrix}, [](X x) { return logsumexp(x[0], 1); }},
      {"cumsum", {square_matrix}, [](X x) { return cumsum(x[0], 1); }},

      {"transpose", {square_matrix}, [](X x) { return transpose(x[0]); }},
      {"permute",
       {{{32, 28, 28, 32}}},
       [](X x) {
         return permute(x[0], {0, 3, 1, 2});
       }},
      {"slice_step", {square_matrix}, [](X x) { return slice(x[0], 1, 0, 1024, 2); }},
      {"flip", {square_matrix}, [](X x) { return flip(x[0], {1}); }},

      {"concat",
       {square_matrix, square_matrix},
       [](X x) {
         return concat({x[0], x[1]}, 1);
       }},
      {"pad",
       {{{32, 28, 28, 32}}},
       [](X x) {
         return pad(x[0], {{0, 0}, {1, 1}, {1, 1}, {0, 0}});
       }},
      {"take", {{{10'000, 64}}, {{4096}, 10'000}}, [](X x) { return take(x[0], x[1]); }},
      {"take_grad", {{{4096, 64}}, {{4096}, 10'000}}, [](X x) { return index_add(x[0], x[1], 0, 10'000); }},
      {"gather", {logits, {{128, 1000}, 1000}}, [](X x) { return gather(x[0], x[1], 1); }},
      {"one_hot", {classes}, [](X x) { return one_hot(x[0], 1000); }},

      {"uniform", {key}, [](X x) { return uniform({mega}, x[0]); }},
      {"normal", {key}, [](X x) { return normal({mega}, x[0]); }},
      {"dropout", {line, key}, [](X x) { return dropout(x[0], 0.5, x[1]); }},
      {"permutation", {key}, [](X x) { return permutation(60'000, x[0]); }},

      {"matmul_256", {{{256, 256}}, {{256, 256}}}, product},
      {"matmul_512", {{{512, 512}}, {{512, 512}}}, product},
      {"matmul_1024", {square_matrix, square_matrix}, product},
      {"matmul_1024_transposed", {square_matrix, square_matrix}, [](X x) { return matmul(x[0], transpose(x[1])); }},
      {"matmul_2048", {{{2048, 2048}}, {{2048, 2048}}}, product},
      {"matmul_dense_128x784x512", {{{128, 784}}, {{784, 512}}}, product},
      {"matmul_row_vector", {{{1024}}, square_matrix}, product},
      {"matmul_batch_64x32x64x64", {{{64, 32, 64}}, {{64, 64, 64}}}, product},

      {"conv2d_first", {{{32, 28, 28, 1}}, {{3, 3, 1, 32}}}, conv},
      {"conv2d_small", {small, small_filter}, conv},
      {"conv2d_small_input_grad", {small, small_filter, small}, conv_input_grad},
      {"conv2d_small_weight_grad", {small, small_filter, small}, conv_weight_grad},
      {"conv2d_deep", {deep, deep_filter}, conv},
      {"conv2d_deep_input_grad", {deep, deep_filter, deep}, conv_input_grad},
      {"conv2d_deep_weight_grad", {deep, deep_filter, deep}, conv_weight_grad},
      {"conv2d_depthwise", {deep, {{3, 3, 1, 128}}}, depthwise},

      {"max_pool2d", {{{32, 28, 28, 32}}}, [](X x) { return max_pool2d(x[0], 2); }},
      {"max_pool2d_grad",
       {{{32, 28, 28, 32}}, {{32, 14, 14, 32}}},
       [](X x) { return vjp({max_pool2d(x[0], 2)}, {x[1]}, {x[0]})[0]; }},
      {"avg_pool2d", {{{32, 28, 28, 32}}}, [](X x) { return avg_pool2d(x[0], 2); }},
      {"global_avg_pool2d", {{{32, 28, 28, 32}}}, [](X x) { return global_avg_pool2d(x[0]); }},

      {"softmax", {logits}, [](X x) { return softmax(x[0]); }},
      {"cross_entropy", {logits, classes}, [](X x) { return cross_entropy(x[0], x[1]); }},
      {"cross_entropy_grad", {logits, classes}, [](X x) { return grad(cross_entropy(x[0], x[1]), x[0]); }},

      {"batch_norm", {{{32, 28, 28, 32}}, {{32}}, {{32}}}, [](X x) { return batch_norm(x[0], x[1], x[2]).y; }},
      {"batch_norm_grad",
       {{{32, 28, 28, 32}}, {{32}}, {{32}}, {{32, 28, 28, 32}}},
       [](X x) { return vjp({batch_norm(x[0], x[1], x[2]).y}, {x[3]}, {x[0]})[0]; }},
      {"layer_norm", {{{1024, 512}}, {{512}}, {{512}}}, [](X x) { return layer_norm(x[0], x[1], x[2]); }},
      {"layer_norm_grad",
       {{{1024, 512}}, {{512}}, {{512}}, {{1024, 512}}},
       [](X x) { return vjp({layer_norm(x[0], x[1], x[2])}, {x[3]}, {x[0]})[0]; }},
  };
}

void replay(benchmark::State& state, const Case& one) {
  const auto threads = static_cast<int>(state.range(0));
  const ThreadLimit limit(threads);
  std::vector<Tensor> x;
  for (const Input& input : one.inputs) x.push_back(input.make(static_cast<int64_t>(x.size())));
  const TensorSpec spec = one.f(x).spec();
  Variable y("y", zeros(spec.shape, spec.dtype));
  const auto step = compile([&](X inputs) { y.assign(one.f(inputs)); });
  const Profile profile = step.profile(x);
  double flops = 0, bytes = 0;
  for (const Profile::Row& row : profile.rows) {
    flops += row.flops;
    bytes += row.bytes;
  }
  const bench::PeakShare share(threads);
  for (auto _ : state) step(x);
  const bench::Share had = share(flops, state.iterations());
  state.counters["core"] = had.core;
  if (flops > 0) state.counters["peak"] = had.peak;
  using benchmark::Counter;
  if (flops > 0) state.counters["FLOP/s"] = Counter(flops, Counter::kIsIterationInvariantRate);
  state.counters["B/s"] = Counter(bytes, Counter::kIsIterationInvariantRate);
  state.SetItemsProcessed(state.iterations() * spec.numel());
}

// What a share of the peak is a share of: by the same measure, multiply-adds on registers alone.
void multiply_adds(benchmark::State& state) {
  const auto threads = static_cast<int>(state.range(0));
  const ThreadLimit limit(threads);
  double flops = 0;
  const bench::PeakShare share(threads);
  for (auto _ : state) flops = bench::multiply_add_only(threads);
  const bench::Share had = share(flops, state.iterations());
  state.counters["core"] = had.core;
  state.counters["peak"] = had.peak;
  state.counters["FLOP/s"] = benchmark::Counter(flops, benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

int main(int argc, char** argv) {
  const int all = std::max(2, static_cast<int>(std::thread::hardware_concurrency()));
  const auto add = [&](const std::string& name, auto run) {
    benchmark::RegisterBenchmark(("BM_" + name).c_str(), run)
        ->ArgName("threads")
        ->Arg(1)
        ->Arg(all)
        ->UseRealTime()
        ->Unit(benchmark::kMicrosecond);
  };
  add("multiply_adds", multiply_adds);
  for (const Case& one : cases()) add(one.name, [one](benchmark::State& state) { replay(state, one); });
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
