// How long a process takes from its start to the end of the first step of training.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace telaio::bench {

/// With --time_to_first_step[=NETWORK] among the arguments: runs this program again and again, each time for one step,
/// prints how long that took from just before the process was started, beside what the process and its threads take
/// alone, and returns the exit code. To be called first thing in main. `step` makes the network, a trainer and a batch
/// of the given size, does a step, and returns all that, so that its end is not measured; null: it failed.
using FirstStep = std::function<std::shared_ptr<void>(const std::string& network, int64_t batch)>;
std::optional<int> first_step(int argc, char** argv, const FirstStep& step);

}  // namespace telaio::bench
