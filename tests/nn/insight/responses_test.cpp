// The outputs of layers, and the images to which channels respond most, against a search through all of them.
#include <telaio/nn/insight/responses.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include <telaio/nn/layers.hpp>
#include <telaio/telaio.hpp>

#include "../../message_of.hpp"

namespace telaio::nn {
namespace {

Model small() {
  return Model(Sequential({Conv2D{3, 3, "relu"}, MaxPool2D{2}, Residual{{Conv2D{3, 3, "relu", 1, Padding::same()}}},
                           Flatten{}, Dense{4}, Softmax{}}),
               {8, 10, 2});
}

Array some_images(int64_t count) { return uniform({count, 8, 10, 2}, random_key(1, 2)).value().contiguous(); }

TEST(Responses, StrongestAreThoseOfASearch) {
  const ImageModel model(small());
  const Array images = some_images(300);  // more than one batch
  for (const char* layer : {"conv1", "max_pool1", "dense1"}) {
    const Tensor values = model.forward(constant(images)).layers[model.layer(layer)].before_activation;
    const Shape shape = values.shape();
    const int64_t channels = shape.back(), places = values.numel() / 300 / channels;
    const int64_t columns = shape.rank() == 4 ? shape[2] : 1;
    const std::vector<double> y = cast(values, f64).to_vector<double>();
    const auto found = strongest_responses(model, layer, images, 5);
    ASSERT_EQ(static_cast<int64_t>(found.size()), channels);
    for (int64_t c = 0; c < channels; ++c) {
      std::vector<Response> all;
      for (int64_t i = 0; i < 300; ++i) {
        Response best{i, 0, 0, -1e30};
        for (int64_t p = 0; p < places; ++p) {
          const double value = y[static_cast<size_t>((i * places + p) * channels + c)];
          if (value > best.value) best = {i, p / columns, p % columns, value};
        }
        all.push_back(best);
      }
      std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.value > b.value; });
      const auto& mine = found[static_cast<size_t>(c)];
      ASSERT_EQ(mine.size(), 5U);
      for (size_t k = 0; k < 5; ++k) {
        EXPECT_EQ(mine[k].image, all[k].image) << layer << " " << c;
        EXPECT_EQ(mine[k].row, all[k].row);
        EXPECT_EQ(mine[k].column, all[k].column);
        EXPECT_NEAR(mine[k].value, all[k].value, 1e-5);
      }
    }
  }
}

TEST(Responses, WhatIsNoNumberComesLast) {
  const Model model(Sequential({Flatten{}, Dense{1}}), {1, 1, 1});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Array images = from_data(std::vector<float>{1, nan, 3, nan, 2}, {5, 1, 1, 1}).value().contiguous();
  std::vector<int64_t> order;
  for (Variable variable : model.variables())
    if (variable.shape().rank() == 2) variable.assign(tensor({{1.0F}}));
  const auto found = strongest_responses(ImageModel(model), "dense1", images, 5);
  for (const Response& one : found[0]) order.push_back(one.image);
  EXPECT_THAT(order, testing::ElementsAre(2, 4, 0, 1, 3));
}

TEST(Responses, LayersGiveWhatTheForwardPassGives) {
  const Model net = small();
  const ImageModel model(net);
  const Array image = reshape(constant(some_images(1)), {8, 10, 2}).value().contiguous();
  const auto outputs = layer_outputs(model, image);
  const Forward forward = model.forward(constant(some_images(1)));
  std::vector<std::string> paths;
  for (const LayerOutput& output : outputs) {
    paths.push_back(output.path);
    const Tensor expected = forward.layers[model.layer(output.path)].output;
    ASSERT_EQ(expected.numel(), output.values.spec().numel());
    const std::vector<float> y = expected.to_vector<float>();
    for (size_t i = 0; i < y.size(); ++i) EXPECT_NEAR(y[i], output.values.data<float>()[i], 1e-6);
  }
  EXPECT_THAT(paths, testing::ElementsAre("conv1", "max_pool1", "residual1.conv1", "flatten1", "dense1", "softmax1"));
  EXPECT_EQ(outputs[0].type, "conv2d");
  EXPECT_EQ(outputs[0].values.shape(), (Shape{6, 8, 3}));
  EXPECT_THAT(message_of([&] { layer_outputs(model, some_images(1)); }),
              testing::HasSubstr("the image is f32[1,8,10,2], expected f32[8,10,2]"));
}

TEST(Responses, ForwardSaysWhatStandsBeforeAnActivation) {
  const Model net = small();
  const Tensor x = constant(some_images(2));
  const Forward forward = net.forward(x);
  ASSERT_EQ(forward.layers.size(), net.layers().size());
  for (size_t i = 0; i < forward.layers.size(); ++i) EXPECT_EQ(forward.layers[i].path, net.layers()[i].path);
  const auto named = [&](const std::string& path) { return forward.layers[ImageModel(net).layer(path)]; };
  EXPECT_EQ(relu(named("conv1").before_activation).to_vector<float>(), named("conv1").output.to_vector<float>());
  EXPECT_TRUE(named("dense1").before_activation.same(named("dense1").output));
  EXPECT_TRUE(named("softmax1").before_activation.same(forward.logits));
  EXPECT_TRUE(named("softmax1").output.same(forward.output));
}

}  // namespace
}  // namespace telaio::nn
