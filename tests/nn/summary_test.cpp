#include <telaio/nn/summary.hpp>

#include <gtest/gtest.h>

#include <telaio/nn/layers.hpp>
#include <telaio/nn/networks.hpp>

namespace telaio::nn {
namespace {

TEST(Summary, IsKerassTable) {
  const Model model(
      Sequential(
          {Residual{{Conv2D{.filters = 2, .kernel = 3, .padding = Padding::same()}, BatchNorm{}}, {}, "relu", "block"},
           Flatten{}, Dropout{0.5}, Dense{10}}),
      {4, 4, 2}, {.name = "small", .dtype = f64});
  EXPECT_EQ(summary(model), R"(Model: "small"
Layer (type)                    Output Shape     Param #  MACs  Dense equivalent
--------------------------------------------------------------------------------
block.conv1 (conv2d)            (None, 4, 4, 2)       38   576             1,056
block.batch_norm1 (batch_norm)  (None, 4, 4, 2)        8     0
flatten1 (flatten)              (None, 32)             0     0
dropout1 (dropout)              (None, 32)             0     0
dense1 (dense)                  (None, 10)           330   320               330
--------------------------------------------------------------------------------
Total params: 376 (2.94 KB)
Trainable params: 372 (2.91 KB)
Non-trainable params: 4 (32 B)
Multiply-adds per sample: 896
)");
}

TEST(Summary, OfASingleLayer) {
  EXPECT_EQ(summary(Model(Dense{3}, {5}, {.name = "one"})),
            R"(Model: "one"
Layer (type)  Output Shape  Param #  MACs  Dense equivalent
-----------------------------------------------------------
one (dense)   (None, 3)          18    15                18
-----------------------------------------------------------
Total params: 18 (72 B)
Trainable params: 18 (72 B)
Non-trainable params: 0 (0 B)
Multiply-adds per sample: 15
)");
}

TEST(Summary, Memory) {
  const auto total = [](int64_t units) {
    const std::string text = summary(Model(Dense{.units = units, .use_bias = false}, {1}));
    const size_t at = text.find("Total params: ");
    return text.substr(at, text.find('\n', at) - at);
  };
  EXPECT_EQ(total(255), "Total params: 255 (1020 B)");
  EXPECT_EQ(total(256), "Total params: 256 (1.00 KB)");
  EXPECT_EQ(total(262'144), "Total params: 262,144 (1.00 MB)");
}

TEST(Summary, DenseEquivalentOfTheConvolutions) {
  const Model cnn(network_named("cnn"), {28, 28, 1});
  for (const LayerInfo& layer : cnn.layers()) {
    if (layer.path == "conv1") {
      EXPECT_EQ(dense_equivalent(layer), 784 * 21'632 + 21'632);
    }
    if (layer.path == "conv2") {
      EXPECT_EQ(dense_equivalent(layer), 5'408 * 3'872 + 3'872);
    }
    if (layer.type == "dense") {
      EXPECT_EQ(dense_equivalent(layer), layer.parameters);
    }
  }
}

TEST(Summary, WithCommas) {
  const std::pair<int64_t, const char*> cases[] = {{0, "0"},
                                                   {7, "7"},
                                                   {999, "999"},
                                                   {1000, "1,000"},
                                                   {61'482, "61,482"},
                                                   {1'361'664, "1,361,664"},
                                                   {-999, "-999"},
                                                   {-1000, "-1,000"},
                                                   {-123'456, "-123,456"},
                                                   {INT64_MAX, "9,223,372,036,854,775,807"}};
  for (const auto& [number, text] : cases) EXPECT_EQ(with_commas(number), text);
}

}  // namespace
}  // namespace telaio::nn
