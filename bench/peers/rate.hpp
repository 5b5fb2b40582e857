// How the programs of this directory measure and what they print, so that scripts/peers.sh can let them take turns:
//
//   PROGRAM THREADS SECONDS
//
// prints the names of its cases, a line each, and an empty one. Then, for each name that it reads, it measures that
// case for SECONDS in each of its settings and prints a line each, with the name, the setting and how much a second
// (images, or GFLOP), and an empty one.
#pragma once

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

namespace telaio::bench {

/// What a program measures. All of it is kept: it goes on where it was when its turn comes again.
class Cases {
 public:
  /// `amount` is what one call does.
  void add(const char* name, const char* setting, double amount, std::function<void()> call) {
    all_.push_back({name, setting, amount, std::move(call)});
  }

  void print_names() const {
    for (size_t i = 0; i < all_.size(); ++i)
      if (i == 0 || all_[i].name != all_[i - 1].name) std::printf("%s\n", all_[i].name.c_str());
    end_of_answer();
  }
  void measure(const std::string& name, double seconds) const {
    for (const Case& one : all_)
      if (one.name == name)
        std::printf("%s %s %.6g\n", name.c_str(), one.setting.c_str(), one.amount * rate(one.call, seconds));
    end_of_answer();
  }

 private:
  struct Case {
    std::string name, setting;
    double amount;
    std::function<void()> call;
  };

  static void end_of_answer() {
    std::printf("\n");
    std::fflush(stdout);
  }
  /// Calls a second, after some that do not count: the first ones plan, allocate and fill caches.
  static double rate(const std::function<void()>& f, double least) {
    using Clock = std::chrono::steady_clock;
    const auto since = [](Clock::time_point begin) {
      return std::chrono::duration<double>(Clock::now() - begin).count();
    };
    const auto warm = Clock::now();
    int calls = 0;
    while (calls < 3 || (calls < 1000 && since(warm) < least / 5)) {
      f();
      ++calls;
    }
    const auto begin = Clock::now();
    double seconds = 0;
    for (calls = 0; calls < 3 || seconds < least; seconds = since(begin)) {
      f();
      ++calls;
    }
    return calls / seconds;
  }

  std::vector<Case> all_;
};

/// The cases that all sides have.
struct MatmulCase {
  const char* name;
  int m, k, n;
};
inline constexpr MatmulCase matmul_cases[] = {
    {"matmul/256x256x256", 256, 256, 256},       {"matmul/512x512x512", 512, 512, 512},
    {"matmul/1024x1024x1024", 1024, 1024, 1024}, {"matmul/2048x2048x2048", 2048, 2048, 2048},
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

/// What main does: `add_cases` gets the number of threads and Cases.
template <class F>
int run_main(int count, char** arguments, F&& add_cases) {
  const int threads = count == 3 ? std::atoi(arguments[1]) : 0;
  const double seconds = count == 3 ? std::atof(arguments[2]) : 0;
  if (threads < 1 || !(seconds > 0)) {
    std::fprintf(stderr, "usage: %s THREADS SECONDS\n", arguments[0]);
    return 2;
  }
  try {
    Cases cases;
    add_cases(threads, cases);
    cases.print_names();
    for (std::string name; std::getline(std::cin, name);) cases.measure(name, seconds);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", arguments[0], error.what());
    return 2;
  }
  return 0;
}

}  // namespace telaio::bench
