// Layers without parameters that give the same values in another form.
#pragma once

#include <string>

#include <telaio/nn/layer.hpp>

namespace telaio::nn {

/// [N,…] → [N, product of the rest].
struct Flatten {
  static constexpr std::string_view type = "flatten";
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

/// [N,…] → [N, shape…]; one size may be −1 and follows from the others.
struct Reshape {
  static constexpr std::string_view type = "reshape";
  Shape shape = {};
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

/// x·scale + offset as floats, whatever the type of x: bytes to [0,1] as it stands.
struct Rescaling {
  static constexpr std::string_view type = "rescaling";
  double scale = 1.0 / 255;
  double offset = 0;
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

/// An activation as a layer of its own.
struct Activation {
  static constexpr std::string_view type = "activation";
  ActivationFunction function = {};
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

/// Probabilities over the last axis. At the end of a net, losses start from the values before it.
struct Softmax {
  static constexpr std::string_view type = "softmax";
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

}  // namespace telaio::nn
