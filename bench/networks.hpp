// The networks and batches that steps are measured with.
#pragma once

#include <string>
#include <vector>

#include <telaio/nn/layers.hpp>
#include <telaio/nn/networks.hpp>
#include <telaio/telaio.hpp>

namespace telaio::bench {

/// Pairs of 3×3 convolutions of a width that doubles where the image is halved, as VGG has them (Simonyan and Zisserman
/// 2014).
inline nn::Layer vgg() {
  std::vector<nn::Layer> layers;
  for (const int64_t filters : {32, 64, 128}) {
    for (int i = 0; i < 2; ++i)
      layers.emplace_back(nn::Conv2D{.filters = filters, .activation = "relu", .padding = Padding::same()});
    layers.emplace_back(nn::MaxPool2D{2});
  }
  layers.emplace_back(nn::Flatten{});
  layers.emplace_back(nn::Dense{128, "relu"});
  layers.emplace_back(nn::Dense{10});
  layers.emplace_back(nn::Softmax{});
  return nn::Sequential(std::move(layers));
}

inline nn::Model model_named(const std::string& name) {
  if (name == "vgg") return nn::Model(vgg(), {32, 32, 3}, {.name = name});
  return nn::Model(nn::network_named(name), {28, 28, 1}, {.name = name});
}

struct Batch {
  Tensor x, classes;
};
inline Batch make_batch(const nn::Model& model, int64_t size) {
  Shape shape = model.sample_shape();
  shape.insert(0, size);
  return {uniform(shape, random_key(1, 0)).eval(), cast(floor(uniform({size}, random_key(1, 1)) * 10), i64).eval()};
}

}  // namespace telaio::bench
