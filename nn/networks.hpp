// The networks that the program knows by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <telaio/nn/layer.hpp>
#include <telaio/nn/model.hpp>

namespace telaio::nn {

struct NetworkOptions {
  int64_t classes = 10;
  Ending ending = Ending::softmax;
  double dropout = 0;  ///< of what goes into the dense layers behind the first; 0: none
};

/// cnn     conv 32 3×3 relu, max-pool 2, conv 32 3×3 relu, max-pool 2, flatten, dense 64 relu, dense: 61,482 parameters
///         for 28×28×1
/// dense   flatten, dense 512 relu, dense 512 relu, dense: 669,706
/// linear  flatten, dense: 7,850
/// lenet   LeNet-5 (LeCun et al. 1998) as it is written today: conv 6 5×5 same tanh, average-pool 2, conv 16 5×5 tanh,
///         average-pool 2, flatten, dense 120 tanh, dense 84 tanh, dense: 61,706
/// Error that lists them.
Layer network_named(std::string_view name, const NetworkOptions& options = {});
const std::vector<std::string>& network_names();

}  // namespace telaio::nn
