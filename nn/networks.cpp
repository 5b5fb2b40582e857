#include <telaio/nn/networks.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <telaio/nn/layers.hpp>

namespace telaio::nn {

const std::vector<std::string>& network_names() {
  static const std::vector<std::string> names{"cnn", "dense", "linear", "lenet"};
  return names;
}

Layer network_named(std::string_view name, const NetworkOptions& options) {
  std::vector<Layer> layers;
  // Messages name the layer: a line in this file would tell nobody anything.
  const auto add = [&]<class L>(L layer) {
    layer.where = SourceLocation();
    layers.emplace_back(std::move(layer));
  };
  const auto dropout = [&] {
    if (options.dropout != 0) add(Dropout{options.dropout});
  };
  if (name == "cnn") {
    for (int i = 0; i < 2; ++i) {
      add(Conv2D{32, 3, "relu"});
      add(MaxPool2D{2});
    }
    add(Flatten{});
    dropout();
    add(Dense{64, "relu"});
  } else if (name == "dense") {
    add(Flatten{});
    add(Dense{512, "relu"});
    dropout();
    add(Dense{512, "relu"});
  } else if (name == "linear") {
    add(Flatten{});
  } else if (name == "lenet") {
    add(Conv2D{.filters = 6, .kernel = 5, .activation = "tanh", .padding = Padding::same()});
    add(AveragePool2D{2});
    add(Conv2D{.filters = 16, .kernel = 5, .activation = "tanh"});
    add(AveragePool2D{2});
    add(Flatten{});
    add(Dense{120, "tanh"});
    dropout();
    add(Dense{84, "tanh"});
  } else {
    throw Error(fmt::format("there is no network '{}'; expected {}", name, fmt::join(network_names(), ", ")));
  }
  dropout();
  add(Dense{options.classes});
  if (options.ending == Ending::softmax) add(Softmax{});
  if (options.ending == Ending::sigmoid) add(Activation{"sigmoid"});
  return Sequential(std::move(layers));
}

}  // namespace telaio::nn
