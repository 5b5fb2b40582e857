// Layers that are one matrix.
#pragma once

#include <string>

#include <telaio/nn/layer.hpp>

namespace telaio::nn {

/// activation(x·weight + bias) over the last axis: [N,…,in] → [N,…,units]. Without an activation it is linear, which
/// ends a net for regression. Parameters: weight [in,units], bias [units].
struct Dense {
  static constexpr std::string_view type = "dense";
  int64_t units = 0;
  ActivationFunction activation = {};
  bool use_bias = true;
  Initializer weight_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

/// Rows of a table by index: integers [N,…] → [N,…,dim]. Negative indices count from the end, as in `take`; one beyond
/// the vocabulary is an error when it is looked up. Parameter: weight [vocabulary,dim].
struct Embedding {
  static constexpr std::string_view type = "embedding";
  int64_t vocabulary = 0;
  int64_t dim = 0;
  Initializer weight_initializer = "uniform";
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

}  // namespace telaio::nn
