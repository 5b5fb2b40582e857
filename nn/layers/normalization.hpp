// Normalising layers.
#pragma once

#include <string>

#include <telaio/nn/layer.hpp>

namespace telaio::nn {

/// (x − mean)/√(variance + epsilon)·gamma + beta over all axes but the last (Ioffe and Szegedy 2015): while training of
/// the batch, afterwards of moving averages, moving ← momentum·moving + (1 − momentum)·batch. The variance divides by
/// N, in the moving average too, as in Keras. Parameters: gamma, beta [C]; state: moving_mean, moving_variance [C].
struct BatchNorm {
  static constexpr std::string_view type = "batch_norm";
  double momentum = 0.99;
  double epsilon = 1e-3;
  bool scale = true;   ///< gamma
  bool center = true;  ///< beta
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

/// The same over the last axis of each row (Ba et al. 2016), in training and afterwards. Parameters: gamma, beta [C].
struct LayerNorm {
  static constexpr std::string_view type = "layer_norm";
  double epsilon = 1e-3;
  bool scale = true;
  bool center = true;
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

}  // namespace telaio::nn
