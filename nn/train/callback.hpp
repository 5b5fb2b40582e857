// Callbacks: what happens beside the training.
#pragma once

#include <telaio/nn/training_state.hpp>

namespace telaio::nn {

class Training;

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
