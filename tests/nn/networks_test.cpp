#include <telaio/nn/networks.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/nn/describe.hpp>

#include "../message_of.hpp"

namespace telaio::nn {
namespace {

std::string layers_of(std::string_view name, const NetworkOptions& options = {}) {
  return to_json(network_named(name, options));
}

TEST(Networks, Numbers) {
  struct Expected {
    const char* name;
    int64_t parameters, multiply_adds;
  };
  // LeNet-5's: 784·25·6 + 100·150·16 + 400·120 + 120·84 + 84·10.
  for (const auto& [name, parameters, multiply_adds] : {Expected{"cnn", 61'482, 1'361'664},
                                                        {"dense", 669'706, 668'672},
                                                        {"linear", 7'850, 7'840},
                                                        {"lenet", 61'706, 416'520}}) {
    const Model model(network_named(name), {28, 28, 1});
    EXPECT_EQ(model.parameter_count(), parameters) << name;
    EXPECT_EQ(model.multiply_adds(), multiply_adds) << name;
    EXPECT_EQ(model.output_shape(), Shape{10});
    EXPECT_EQ(model.ending(), Ending::softmax);
  }
  EXPECT_THAT(network_names(), testing::ElementsAre("cnn", "dense", "linear", "lenet"));
}

TEST(Networks, Layers) {
  EXPECT_EQ(layers_of("linear"), R"({"sequential":{"layers":[{"flatten":{}},{"dense":{"units":10}},{"softmax":{}}]}})");
  EXPECT_EQ(
      layers_of("cnn", {.classes = 3, .ending = Ending::sigmoid}),
      R"({"sequential":{"layers":[{"conv2d":{"filters":32,"activation":"relu"}},{"max_pool2d":{}},)"
      R"({"conv2d":{"filters":32,"activation":"relu"}},{"max_pool2d":{}},{"flatten":{}},)"
      R"({"dense":{"units":64,"activation":"relu"}},{"dense":{"units":3}},{"activation":{"function":"sigmoid"}}]}})");
  EXPECT_EQ(layers_of("dense", {.ending = Ending::linear}),
            R"({"sequential":{"layers":[{"flatten":{}},{"dense":{"units":512,"activation":"relu"}},)"
            R"({"dense":{"units":512,"activation":"relu"}},{"dense":{"units":10}}]}})");
}

TEST(Networks, Options) {
  for (const std::string& name : network_names()) {
    for (const Ending ending : {Ending::linear, Ending::softmax, Ending::sigmoid}) {
      const Model model(network_named(name, {.classes = 7, .ending = ending, .dropout = 0.25}), {28, 28, 1});
      EXPECT_EQ(model.ending(), ending);
      EXPECT_EQ(model.output_shape(), Shape{7});
    }
    // Before each dense layer but one that would have no input left to learn from.
    const std::string dropped = layers_of(name, {.dropout = 0.25});
    EXPECT_THAT(dropped, testing::HasSubstr(R"({"dropout":{"rate":0.25}},{"dense":{"units":10}})")) << name;
    EXPECT_THAT(layers_of(name), testing::Not(testing::HasSubstr("dropout")));
  }
}

TEST(Networks, Errors) {
  EXPECT_EQ(message_of([] { network_named("vgg"); }), "there is no network 'vgg'; expected cnn, dense, linear, lenet");
  EXPECT_EQ(message_of([] {
              Model(network_named("linear", {.dropout = 1}), {28, 28, 1});
            }),
            "dropout1 (dropout): rate: expected 0 or more and less than 1, got 1")
      << "no line of the library";
}

}  // namespace
}  // namespace telaio::nn
