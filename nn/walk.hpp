// One walk through a network: what LayerContext works on. For model.cpp and layer.cpp.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <telaio/autograd/variable.hpp>
#include <telaio/nn/activation_function.hpp>
#include <telaio/nn/layer.hpp>
#include <telaio/nn/model.hpp>

namespace telaio::nn {

/// The variables of a model, in the order in which the network asks for them.
class ParameterStore {
 public:
  struct Entry {
    Variable variable;
    bool trainable;
  };

  const std::vector<Entry>& entries() const { return entries_; }
  const Entry* find(const std::string& name) const;
  const Entry& add(Variable variable, bool trainable);

 private:
  std::vector<Entry> entries_;
  std::unordered_map<std::string, size_t> index_;
};

struct Walk {
  ParameterStore& store;
  DType dtype;
  bool making;  ///< the first walk: parameters are made
  bool training;
  uint64_t seed = 0;  ///< of initial values
  Tensor key = {};    ///< while training: i64[2]

  int64_t keys_given = 0;
  std::vector<std::pair<Variable, Tensor>> updates = {};
  /// The last activation that was applied.
  struct {
    Tensor x, y;
    ActivationFunction function;
  } activated = {};
  std::vector<LayerValue> values = {};
  std::vector<LayerInfo> visits = {};  ///< while making; with the batch of the walk
};

}  // namespace telaio::nn
