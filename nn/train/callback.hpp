// Callbacks: what happens beside the training.
#pragma once

#include <map>
#include <string>

#include <telaio/autograd/tensor.hpp>

namespace telaio::nn {

class Training;

/// Values by name, in which a training or a callback keeps what it needs to continue where it stopped.
using StateMap = std::map<std::string, Tensor>;

/// Override what is of interest. A callback belongs to one training at a time.
class Callback {
 public:
  virtual ~Callback() = default;
  virtual void on_train_begin(Training&) {}
  virtual void on_epoch_begin(Training&) {}
  virtual void on_batch_end(Training&) {}
  virtual void on_epoch_end(Training&) {}
  /// Also when it was stopped, but not when it failed.
  virtual void on_train_end(Training&) {}

  /// For resuming: what was found out so far.
  virtual void save(StateMap&) const {}
  virtual void load(const StateMap&) {}
};

}  // namespace telaio::nn
