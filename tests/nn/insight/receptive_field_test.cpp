// What units see, against the arithmetic of windows, and pieces of images.
#include <telaio/nn/insight/receptive_field.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/nn/layers.hpp>
#include <telaio/nn/networks.hpp>
#include <telaio/telaio.hpp>

#include "../../message_of.hpp"

namespace telaio::nn {
namespace {

void expect_window(const Window& window, int64_t top, int64_t left, int64_t height, int64_t width) {
  EXPECT_EQ(window.top, top);
  EXPECT_EQ(window.left, left);
  EXPECT_EQ(window.height, height);
  EXPECT_EQ(window.width, width);
}

TEST(ReceptiveField, OfConvolutionsAndPools) {
  const ImageModel cnn(Model(network_named("cnn"), {28, 28, 1}));
  const ReceptiveField first = receptive_field(cnn, "conv1"), pool = receptive_field(cnn, "max_pool1"),
                       second = receptive_field(cnn, "conv2"), last = receptive_field(cnn, "max_pool2");
  expect_window(first.window, 13, 13, 3, 3);   // of unit (13, 13)
  expect_window(pool.window, 12, 12, 4, 4);    // of unit (6, 6): rows 12 … 13 of conv1
  expect_window(second.window, 10, 10, 8, 8);  // of unit (5, 5): rows 5 … 7 of the pool
  expect_window(last.window, 8, 8, 10, 10);    // of unit (2, 2): rows 4 … 5 of conv2
  EXPECT_EQ(first.row_step, 1);
  EXPECT_EQ(pool.column_step, 2);
  EXPECT_EQ(second.row_step, 2);
  EXPECT_EQ(last.column_step, 4);
  expect_window(second.at(0, 10), 0, 20, 8, 8);
}

TEST(ReceptiveField, OfStridesDilationAndPadding) {
  const ImageModel model(
      Model(Sequential({Conv2D{.filters = 3, .kernel = {5, 3}, .strides = {2, 1}},
                        Conv2D{.filters = 3, .kernel = 3, .padding = Padding::same(), .dilation = 2}}),
            {33, 30, 3}));
  // Unit (7, 14) of [15,28]: rows 5 … 9 of the first layer, which are rows 10 … 22 of the image; columns 12 … 16, and
  // so 12 … 18.
  const ReceptiveField field = receptive_field(model, "conv2");
  expect_window(field.window, 10, 12, 13, 7);
  EXPECT_EQ(field.row_step, 2);
  EXPECT_EQ(field.column_step, 1);
  expect_window(field.at(0, 0), -4, -2, 13, 7);  // in the padding
}

TEST(ReceptiveField, AtTheBorderOfTheImage) {
  const auto conv = [](int64_t size) { return Conv2D{.filters = 4, .kernel = size, .padding = Padding::same()}; };
  const Sequential network{conv(5), MaxPool2D{2}, conv(5), MaxPool2D{2}, conv(3)};
  // Rows of the last layer see 3 of the pool's, so 6 + 4 = 10 of the first one's, so 20 + 4 = 24 pixels, 4 apart: unit
  // 3 of 7 those from 2·(2·(3 − 1) − 2) − 2 = 2 on, unit 2 those from −2.
  const ReceptiveField field = receptive_field(ImageModel(Model(network, {28, 28, 1})), "conv3");
  expect_window(field.window, 2, 2, 24, 24);
  EXPECT_EQ(field.row_step, 4);
  EXPECT_EQ(field.column_step, 4);
  expect_window(field.at(6, 0), 14, -10, 24, 24);
  // Of an image of 24 rows unit 3 of 6 sees those from 2 to 26, beyond the end, and unit 2 those from −2 to 22.
  const ReceptiveField low = receptive_field(ImageModel(Model(network, {24, 28, 1})), "conv3");
  expect_window(low.window, 2, 2, 22, 24);
  EXPECT_EQ(low.row_step, 4);
  // All of an image of 16.
  const ReceptiveField all = receptive_field(ImageModel(Model(network, {16, 28, 1})), "conv3");
  expect_window(all.window, 0, 2, 16, 24);
  EXPECT_EQ(all.row_step, 0);
}

TEST(ReceptiveField, OfWhatSeesTheWholeImage) {
  const ImageModel model(Model(network_named("dense"), {8, 9, 1}));
  expect_window(receptive_field(model, "dense1").window, 0, 0, 8, 9);
  // No path from the image: nothing is known, so everything is shown.
  const Model blind(Sequential({Conv2D{2, 3, "relu"}}), {8, 9, 1});
  for (Variable variable : blind.variables())
    if (variable.name() == "conv1.weight") variable.assign(zeros({3, 3, 1, 2}));
  expect_window(receptive_field(ImageModel(blind), "conv1").window, 0, 0, 8, 9);
}

TEST(ReceptiveField, CutsPieces) {
  const Tensor images = reshape(cast(arange(2 * 4 * 3 * 2), f32), {2, 4, 3, 2});
  const Array array = images.value().contiguous();
  const auto piece = [&](int64_t i, const Window& window) {
    const Array part = cut(array, i, window);
    return std::vector<float>(part.data<float>(), part.data<float>() + part.spec().numel());
  };
  EXPECT_THAT(piece(1, {1, 1, 2, 2}), testing::ElementsAre(32, 33, 34, 35, 38, 39, 40, 41));
  EXPECT_THAT(piece(0, {-1, 2, 2, 2}), testing::ElementsAre(0, 0, 0, 0, 4, 5, 0, 0));
  EXPECT_THAT(piece(0, {3, -1, 2, 2}), testing::ElementsAre(0, 0, 18, 19, 0, 0, 0, 0));
  EXPECT_THAT(piece(0, {9, 9, 1, 1}), testing::ElementsAre(0, 0));
  EXPECT_THAT(message_of([&] { cut(array, 2, {0, 0, 1, 1}); }), testing::HasSubstr("image 2 of f32[2,4,3,2]"));
}

}  // namespace
}  // namespace telaio::nn
