// Pooling layers, channels-last.
#pragma once

#include <optional>
#include <string>

#include <telaio/nn/layer.hpp>

namespace telaio::nn {

/// The largest value of each window: [N,H,W,C] → [N,OH,OW,C]. Strides are the window's size unless given.
struct MaxPool2D {
  static constexpr std::string_view type = "max_pool2d";
  Size2d size = 2;
  std::optional<Size2d> strides = {};
  Padding padding = Padding::valid();
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

/// The mean of each window; padding does not count.
struct AveragePool2D {
  static constexpr std::string_view type = "average_pool2d";
  Size2d size = 2;
  std::optional<Size2d> strides = {};
  Padding padding = Padding::valid();
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

/// The mean, or the maximum, over all positions: [N,H,W,C] → [N,C].
struct GlobalAveragePool2D {
  static constexpr std::string_view type = "global_average_pool2d";
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};
struct GlobalMaxPool2D {
  static constexpr std::string_view type = "global_max_pool2d";
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

}  // namespace telaio::nn
