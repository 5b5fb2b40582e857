// How the programs of this directory measure and what they print, so that scripts/peers.sh can compare them:
//
//   PROGRAM THREADS SECONDS
//
// prints a line a case: its name, the setting, and how much a second (images, or GFLOP). SECONDS is for one case.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>

namespace telaio::bench {

struct Run {
  int threads;
  double seconds;
};

/// Calls of f a second, after some that do not count: the first ones plan, allocate and fill caches.
template <class F>
double rate(const Run& run, F&& f) {
  using Clock = std::chrono::steady_clock;
  const auto since = [](Clock::time_point begin) {
    return std::chrono::duration<double>(Clock::now() - begin).count();
  };
  const auto warm = Clock::now();
  int calls = 0;
  while (calls < 3 || (calls < 1000 && since(warm) < run.seconds / 5)) {
    f();
    ++calls;
  }
  const auto begin = Clock::now();
  double seconds = 0;
  for (calls = 0; calls < 3 || seconds < run.seconds; seconds = since(begin)) {
    f();
    ++calls;
  }
  return calls / seconds;
}

/// `amount` is what one call does.
template <class F>
void report(const Run& run, const char* name, const char* setting, double amount, F&& f) {
  std::printf("%s %s %.6g\n", name, setting, amount * rate(run, f));
  std::fflush(stdout);
}

/// The cases that all sides have.
struct MatmulCase {
  const char* name;
  int m, k, n;
};
inline constexpr MatmulCase matmul_cases[] = {
    {"matmul/256x256x256", 256, 256, 256},
    {"matmul/512x512x512", 512, 512, 512},
    {"matmul/1024x1024x1024", 1024, 1024, 1024},
    {"matmul/2048x2048x2048", 2048, 2048, 2048},
    {"matmul/128x784x512", 128, 784, 512},
};
inline double gflop(const MatmulCase& c) { return 2e-9 * c.m * c.k * c.n; }

/// 3×3, the size kept.
struct ConvCase {
  const char *forward, *input_gradient, *weight_gradient;
  int batch, size, in, out;
};
inline constexpr ConvCase conv_cases[] = {
    {"conv/32x28x28/1to32/forward", "conv/32x28x28/1to32/input_grad", "conv/32x28x28/1to32/weight_grad", 32, 28, 1, 32},
    {"conv/32x13x13/32to32/forward", "conv/32x13x13/32to32/input_grad", "conv/32x13x13/32to32/weight_grad", 32, 13, 32,
     32},
    {"conv/8x28x28/128to128/forward", "conv/8x28x28/128to128/input_grad", "conv/8x28x28/128to128/weight_grad", 8, 28,
     128, 128},
};
/// At the border a window has fewer pixels.
inline double gflop(const ConvCase& c) { return 2e-9 * c.batch * c.in * c.out * (3 * c.size - 2) * (3 * c.size - 2); }

struct StepCase {
  const char* name;
  bool dense, training;
  int batch;
};
inline constexpr StepCase step_cases[] = {
    {"cnn/train/32", false, true, 32},    {"cnn/train/128", false, true, 128},   {"dense/train/32", true, true, 32},
    {"dense/train/128", true, true, 128}, {"cnn/infer/1", false, false, 1},      {"dense/infer/1", true, false, 1},
    {"cnn/infer/128", false, false, 128}, {"dense/infer/128", true, false, 128},
};

/// What main does.
template <class F>
int run_main(int count, char** arguments, F&& cases) {
  const Run run{count == 3 ? std::atoi(arguments[1]) : 0, count == 3 ? std::atof(arguments[2]) : 0};
  if (run.threads < 1 || !(run.seconds > 0)) {
    std::fprintf(stderr, "usage: %s THREADS SECONDS\n", arguments[0]);
    return 2;
  }
  try {
    cases(run);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", arguments[0], error.what());
    return 2;
  }
  return 0;
}

}  // namespace telaio::bench
