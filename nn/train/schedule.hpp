// How the learning rate changes during a training.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace telaio::nn {

/// A factor for the learning rate, by the share of the training that is done. With warm-up the rate first rises evenly
/// during so many epochs, and the schedule has the rest. The rise counts the step that is about to be done: of 100
/// steps the first has 1/100 of the rate, the last all of it.
struct Schedule {
  enum class Kind : uint8_t {
    constant,
    step,     ///< times `factor` after every `every` epochs
    cosine,   ///< ½(1 + cos π·share): from 1 to 0 (Loshchilov and Hutter 2016, without restarts)
    plateau,  ///< times `factor` when the loss has not improved for `patience` epochs: see ReduceLROnPlateau
  };
  Kind kind = Kind::constant;
  double factor = 0.1;
  double every = 10;
  int64_t patience = 10;
  double warmup = 0;  ///< epochs

  /// For the step that begins after `epoch` epochs (a fraction: 1.5 is in the middle of the second) of `epochs`, and
  /// takes `step` epochs (one over the number of batches).
  double operator()(double epoch, int64_t epochs, double step = 0) const;
};

/// From "constant", "cosine", "step,factor=0.5,every=2", "plateau,patience=3", each with ",warmup=1". Error that names
/// what is unknown or out of range.
Schedule parse_schedule(std::string_view text);
/// What parse_schedule reads back.
std::string to_string(const Schedule& schedule);

}  // namespace telaio::nn
