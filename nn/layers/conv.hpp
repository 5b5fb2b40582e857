// Convolutional layers, channels-last.
#pragma once

#include <string>

#include <telaio/nn/layer.hpp>

namespace telaio::nn {

/// activation(conv2d(x, weight) + bias): [N,H,W,C] → [N,OH,OW,filters]. Parameters: weight [kh,kw,C/groups,filters],
/// bias [filters]. The fans are window × channels.
struct Conv2D {
  static constexpr std::string_view type = "conv2d";
  int64_t filters = 0;
  Size2d kernel = 3;
  ActivationFunction activation = {};
  Size2d strides = 1;
  Padding padding = Padding::valid();
  Size2d dilation = 1;
  int64_t groups = 1;
  bool use_bias = true;
  Initializer weight_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

/// Each channel by filters of its own: [N,H,W,C] → [N,OH,OW,C·multiplier]. Parameters: weight [kh,kw,1,C·multiplier],
/// bias [C·multiplier]. The fans are those of one filter: window and window × multiplier.
struct DepthwiseConv2D {
  static constexpr std::string_view type = "depthwise_conv2d";
  Size2d kernel = 3;
  int64_t multiplier = 1;
  ActivationFunction activation = {};
  Size2d strides = 1;
  Padding padding = Padding::valid();
  Size2d dilation = 1;
  bool use_bias = true;
  Initializer weight_initializer = "glorot_uniform";
  Initializer bias_initializer = "zeros";
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

}  // namespace telaio::nn
