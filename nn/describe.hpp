// Layers as JSON text and back.
//
// A layer is {"TYPE": {FIELD: VALUE, …}}: {"conv2d": {"filters": 32, "kernel": 3, "activation": "relu"}}. Fields that
// are not given have the defaults of the struct; the first one can stand alone, {"dropout": 0.25}, and a layer
// without fields can be its name, "flatten". A list is a Sequential.
#pragma once

#include <string>
#include <string_view>

#include <telaio/nn/layer.hpp>

namespace telaio::nn {

/// Error "WHERE: residual.layers[2].conv2d: …" for text that is no JSON (with line and column), an unknown type (which
/// lists the known ones), an unknown field (which lists the layer's), or a value of another type; `source` is WHERE.
Layer parse_layer(std::string_view json, const std::string& source, const LayerTypes& types = LayerTypes::standard());

/// Fields that have their default are left out. Error when a layer's type has no `fields`, a layer is undefined, or a
/// number is not finite. One line.
std::string to_json(const Layer& layer);

/// A network and what a file says besides: {"name": …, "input": [28, 28, 1], "layers": […]}, or "network": {…} where
/// the outermost layer is no Sequential. `input` and `name` may be missing.
struct NetworkDescription {
  Layer network;
  std::string name;
  Shape input;  ///< without the batch; empty when the description leaves it to the data
};
NetworkDescription parse_network(std::string_view json, const std::string& source,
                                 const LayerTypes& types = LayerTypes::standard());
/// With line breaks, a layer a line, for people.
std::string to_json(const NetworkDescription& description);

}  // namespace telaio::nn
