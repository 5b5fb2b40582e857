// How long a process takes from its start to the end of the first step of training: a program of its own, without
// Google Benchmark, which takes a millisecond to load.
//
//   telaio_bench_first_step [NETWORK]      cnn (the default), dense, lenet, vgg
//
// Runs itself again and again, each time for one step, and prints how long that took from just before the process was
// started: to the loss of the first step on a batch in memory, for several batches, beside what a process takes that
// only starts its threads.
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/train/trainer.hpp>

#include "networks.hpp"

extern char** environ;

namespace telaio::bench {

namespace {

// The child is told when it was started: the clock counts from the machine's start, for all processes alike.
constexpr std::string_view child_option = "--first_step_of=";

int64_t now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

struct Times {
  double main, step;  // milliseconds from the start of the process
};

// Returns when all threads have met, or some milliseconds are over: a pool with fewer threads never does.
std::shared_ptr<void> start_threads() {
  const int threads = thread_count();
  const ThreadLimit all(threads);  // or this one would first work alone
  std::atomic<int> missing = threads;
  parallel_for(threads, 1, [&](int64_t, int64_t) {
    --missing;
    for (const int64_t start = now(); missing > 0 && now() - start < 10'000'000;) std::this_thread::yield();
  });
  return std::make_shared<int>(threads);
}

// Makes the network, a trainer and a batch of the given size, does a step, and returns all that, so that its end is not
// measured; null: it failed.
std::shared_ptr<void> step(const std::string& network, int64_t size) {
  const auto trainer = std::make_shared<nn::Trainer>(model_named(network));
  const Batch batch = make_batch(trainer->model(), size);
  const float loss = trainer->step(batch.x, batch.classes).loss.item<float>();
  return loss > 0 ? trainer : nullptr;
}

// One child: "NETWORK,BATCH,STARTED", with a batch of none for the threads alone.
int run_child(const std::string& text, int64_t in_main) {
  const size_t last = text.rfind(','), middle = text.rfind(',', last - 1);
  const int64_t started = std::atoll(text.c_str() + last + 1), batch = std::atoll(text.c_str() + middle + 1);
  const std::shared_ptr<void> done = batch == 0 ? start_threads() : step(text.substr(0, middle), batch);
  const int64_t end = now();
  std::printf("%.6f %.6f\n", 1e-6 * static_cast<double>(in_main - started), 1e-6 * static_cast<double>(end - started));
  return done ? 0 : 1;
}

std::optional<Times> start_child(const std::string& network, int64_t batch) {
  int ends[2];
  if (pipe(ends) != 0) return {};
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_addclose(&actions, ends[0]);
  std::string program = "/proc/self/exe";
  std::string argument =
      std::string(child_option) + network + "," + std::to_string(batch) + "," + std::to_string(now());
  char* const arguments[] = {program.data(), argument.data(), nullptr};
  pid_t child = 0;
  const bool started = posix_spawn(&child, program.c_str(), &actions, nullptr, arguments, environ) == 0;
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  std::array<char, 256> text{};
  const ssize_t read_bytes = read(ends[0], text.data(), text.size() - 1);
  close(ends[0]);
  int status = 0;
  if (!started || waitpid(child, &status, 0) != child || status != 0 || read_bytes <= 0) return {};
  Times times{};
  if (std::sscanf(text.data(), "%lf %lf", &times.main, &times.step) != 2) return {};
  return times;
}

int run(int argc, char** argv) {
  const int64_t in_main = now();
  const std::string argument = argc > 1 ? argv[1] : "cnn";
  if (argument.starts_with(child_option)) return run_child(argument.substr(child_option.size()), in_main);
  constexpr std::string_view networks[] = {"cnn", "dense", "lenet", "vgg"};
  if (argument == "--help" || argument == "-h") {
    std::printf(
        "Usage: telaio_bench_first_step [NETWORK]\n\n"
        "How long a process takes from its start to the end of the first step of training, on batches of 32 and\n"
        "128, and what of that a process takes that only starts its threads: medians of 31 processes each.\n\n"
        "NETWORK is cnn (the default), dense, lenet or vgg.\n");
    return 0;
  }
  if (argc > 2) throw Error("one network at most; see --help");
  if (std::find(std::begin(networks), std::end(networks), argument) == std::end(networks))
    throw Error("there is no network '" + argument + "'; cnn, dense, lenet and vgg are known");
  for (const int64_t batch : {0, 32, 128}) {
    constexpr size_t runs = 31;
    std::vector<double> main, all;
    for (size_t i = 0; i < runs; ++i) {
      const std::optional<Times> times = start_child(argument, batch);
      if (!times) {
        std::fprintf(stderr, "telaio_bench_first_step: a process failed\n");
        return 1;
      }
      main.push_back(times->main);
      all.push_back(times->step);
    }
    std::sort(main.begin(), main.end());
    std::sort(all.begin(), all.end());
    const std::string what = batch == 0 ? std::to_string(thread_count()) + " threads started and nothing else"
                                        : "first step of " + argument + ", batch " + std::to_string(batch);
    std::printf(
        "%s: %.1f ms after the process was started, of these %.1f ms before main "
        "(medians of %zu processes; best %.1f ms)\n",
        what.c_str(), all[runs / 2], main[runs / 2], runs, all[0]);
  }
  return 0;
}

}  // namespace

}  // namespace telaio::bench

int main(int argc, char** argv) {
  try {
    return telaio::bench::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "telaio_bench_first_step: %s\n", error.what());
    return 1;
  }
}
