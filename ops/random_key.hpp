// What a sequence of random numbers is a function of, for code that draws without a graph. In graphs keys are tensors
// (random.hpp).
#pragma once

#include <cstdint>

namespace telaio {

struct RandomKey {
  uint64_t seed, stream;
};

}  // namespace telaio
