// A training in the middle, as files keep it.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <telaio/autograd/tensor.hpp>

namespace telaio::nn {

/// Values by name, in which a training or a callback keeps what it needs to continue where it stopped.
using StateMap = std::map<std::string, Tensor>;

/// Parameters, optimizer, position, what was reported so far. Bit for bit the same results come out whether a training
/// was stopped and continued or not.
struct TrainingState {
  StateMap tensors;
  /// The options that the results depend on, as text: a training continues with the same ones only.
  std::vector<std::pair<std::string, std::string>> settings;
};

}  // namespace telaio::nn
