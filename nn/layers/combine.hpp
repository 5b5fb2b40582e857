// Layers made of layers: in a row, around a shortcut, side by side.
#pragma once

#include <initializer_list>
#include <string>
#include <vector>

#include <telaio/nn/layer.hpp>

namespace telaio::nn {

/// One layer behind the other. Layers without a name are called by their type and number: conv1, pool1, conv2, dense1.
struct Sequential {
  static constexpr std::string_view type = "sequential";
  std::vector<Layer> layers;
  std::string name;

  Sequential() = default;
  /// Sequential{Sequential{…}} is the inner one: for some compilers the braces are a copy, for others a list of one, so
  /// here both mean the same. With a name, or further layers, the inner one is a layer of the outer.
  Sequential(std::initializer_list<Layer> list, std::string called = {});
  explicit Sequential(std::vector<Layer> list, std::string called = {})
      : layers(std::move(list)), name(std::move(called)) {}

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

/// activation(body(x) + shortcut(x)): He et al. 2016. The shortcut is x itself where none is given; both ends must have
/// one shape.
struct Residual {
  static constexpr std::string_view type = "residual";
  std::vector<Layer> layers = {};    ///< the body, in a row
  std::vector<Layer> shortcut = {};  ///< in a row; none: x itself
  ActivationFunction activation = {};
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

/// The same x through several branches, whose results are joined: "concat" along the last axis, or elementwise "add",
/// "multiply", "maximum", "average". An empty Sequential is a branch that leaves x as it is. Branches without a name
/// are called branch1, branch2, … by their places.
struct Parallel {
  static constexpr std::string_view type = "parallel";
  std::vector<Layer> branches = {};
  std::string join = "concat";
  std::string name = {};
  SourceLocation where = TELAIO_HERE;

  Tensor call(const Tensor& x, LayerContext& context) const;
  void fields(Fields& f);
};

}  // namespace telaio::nn
