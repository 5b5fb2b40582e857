// Noise against overfitting.
#pragma once

#include <string>

#include <telaio/nn/layer.hpp>

namespace telaio::nn {

/// While training each element becomes 0 with probability `rate`, and the others are divided by 1 − rate (Srivastava
/// et al. 2014); afterwards x passes unchanged.
struct Dropout {
  static constexpr std::string_view type = "dropout";
  double rate = 0.5;
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

}  // namespace telaio::nn
