#include <telaio/nn/io/model_file.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/nn/describe.hpp>
#include <telaio/nn/io/safetensors.hpp>
#include <telaio/nn/layers.hpp>
#include <telaio/telaio.hpp>

#include "../../ops/op_testing.hpp"
#include "../temp_dir.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing_ops::expect_same;

// A layer of one's own: y = x·factor, with a parameter.
struct Scale {
  static constexpr std::string_view type = "scale";
  double start = 1;
  std::string name = {};
  Tensor call(const Tensor& x, LayerContext& context) const {
    return x * context.parameter("factor", {x.dim(-1)}, Initializer("ones")) * start;
  }
  void fields(Fields& f) {
    f("start", start);
    f("name", name);
  }
};

Sequential network() {
  return {Conv2D{.filters = 2, .activation = "relu"}, BatchNorm{}, Flatten{}, Dropout{0.25}, Dense{3, "softmax"}};
}

TEST(ModelFile, KeepsAllOfAModel) {
  const TempDir dir;
  const Model model(network(), {5, 4, 1}, {.name = "mine", .seed = 9});
  ModelFile file{.model = model, .class_names = {"a", "b", "\"c\" – ünï"}};
  file.standardization = parse_standardization("center,pixels");
  file.standardization.mean = uniform({5, 4, 1}, random_key(1)).eval();
  file.standardization.deviation = uniform({5, 4, 1}, random_key(2), 0.5, 1).eval();
  file.training.emplace();
  file.training->tensors["epoch"] = from_data(std::vector<double>{3}, {});
  file.training->tensors["x.y"] = tensor({1.0f, 2.0f});
  file.training->settings = {{"seed", "9"}, {"batch size", "128"}};
  file.notes["data"] = "some data";
  save_model(dir / "m", file);

  const ModelFile read = load_model(dir / "m");
  EXPECT_EQ(read.model.name(), "mine");
  EXPECT_EQ(to_json(read.model.network()), to_json(model.network()));
  EXPECT_TRUE(read.model.sample_shape() == model.sample_shape());
  EXPECT_EQ(read.model.ending(), Ending::softmax);
  const std::vector<Tensor> before = model.values(), after = read.model.values();
  ASSERT_EQ(before.size(), after.size());
  for (size_t i = 0; i < before.size(); ++i) expect_same(after[i], before[i]);
  const Tensor x = uniform({7, 5, 4, 1}, random_key(3)).eval();
  expect_same(read.model.predict(x), model.predict(x));

  EXPECT_EQ(read.class_names, file.class_names);
  EXPECT_EQ(to_string(read.standardization), "center,pixels");
  expect_same(read.standardization.mean, file.standardization.mean);
  expect_same(read.standardization.deviation, file.standardization.deviation);
  ASSERT_TRUE(read.training);
  EXPECT_EQ(read.training->settings, file.training->settings);
  ASSERT_EQ(read.training->tensors.size(), 2u);
  expect_same(read.training->tensors.at("x.y"), file.training->tensors.at("x.y"));
  EXPECT_EQ(read.notes, file.notes);

  // Written again it is the same file.
  save_model(dir / "again", read);
  EXPECT_EQ(content(dir / "again"), content(dir / "m"));
}

TEST(ModelFile, KeepsOtherValuesThanThePresentOnesWhereTheyAreGiven) {
  const TempDir dir;
  const Model model(Dense{2}, {3}, {.seed = 1}), other(Dense{2}, {3}, {.seed = 2});
  const std::vector<Tensor> values = other.values();
  save_model(dir / "m", {.model = model}, &values);
  expect_same(load_model(dir / "m").model.values()[0], values[0]);
}

TEST(ModelFile, KeepsTypes) {
  const TempDir dir;
  const Model bytes(Sequential{Rescaling{}, Flatten{}, Dense{2}}, {2, 2, 1}, {.dtype = f64, .input = u8});
  save_model(dir / "u8", {.model = bytes});
  const Model read = load_model(dir / "u8").model;
  EXPECT_EQ(read.dtype(), f64);
  EXPECT_EQ(read.input_dtype(), u8);
  expect_same(read.predict(full({1, 2, 2, 1}, 200, u8)), bytes.predict(full({1, 2, 2, 1}, 200, u8)));
}

TEST(ModelFile, ReadsLayersOfOnesOwn) {
  const TempDir dir;
  const Model model(Sequential{Scale{.start = 2}, Dense{2}}, {3});
  save_model(dir / "m", {.model = model});
  EXPECT_THAT(message_of([&] { load_model(dir / "m"); }), HasSubstr("there is no layer type 'scale'"));
  LayerTypes types = LayerTypes::standard();
  types.add<Scale>();
  expect_same(load_model(dir / "m", types).model.predict(ones({1, 3})), model.predict(ones({1, 3})));
}

TEST(ModelFile, AnyOtherReaderFindsTheParameters) {
  const TempDir dir;
  save_model(dir / "m", {.model = Model(network(), {5, 4, 1})});
  std::vector<std::string> names;
  for (const auto& [name, tensor] : read_safetensors(dir / "m").tensors) names.push_back(name);
  EXPECT_THAT(names,
              ElementsAre("conv1.weight", "conv1.bias", "batch_norm1.gamma", "batch_norm1.beta",
                          "batch_norm1.moving_mean", "batch_norm1.moving_variance", "dense1.weight", "dense1.bias"));
}

TEST(ModelFile, RefusesWhatDoesNotBelongTogether) {
  const TempDir dir;
  save_model(dir / "m", {.model = Model(Sequential{Dense{2}}, {3}), .class_names = {"a", "b"}});
  const SafeTensors good = read_safetensors(dir / "m");
  const auto error = [&](auto&& change) {
    SafeTensors changed = good;
    change(changed);
    write_safetensors(dir / "bad", changed);
    const std::string message = message_of([&] { load_model(dir / "bad"); });
    EXPECT_TRUE(message.starts_with(dir / "bad")) << message;
    return message.substr(std::min(message.size(), (dir / "bad").size()));
  };
  EXPECT_EQ(error([](SafeTensors& f) { f.metadata.clear(); }), ": no model of Telaio: the metadata have no \"format\"");
  EXPECT_EQ(error([](SafeTensors& f) { f.metadata["format"] = "onnx"; }),
            ": expected the format telaio-model-1, got 'onnx'");
  EXPECT_EQ(error([](SafeTensors& f) { f.metadata["dtype"] = "f16"; }), ": there is no type 'f16'");
  EXPECT_EQ(error([](SafeTensors& f) { f.tensors.pop_back(); }), ": the parameter 'dense1.bias' is missing");
  EXPECT_EQ(error([](SafeTensors& f) {
              f.tensors[0].second = zeros({3, 5});
            }),
            ": 'dense1.weight' is f32[3,5], the network needs f32[3,2]");
  EXPECT_EQ(error([](SafeTensors& f) {
              f.tensors[0].second = zeros({3, 2}, f64);
            }),
            ": 'dense1.weight' is f64[3,2], the network needs f32[3,2]");
  EXPECT_EQ(error([](SafeTensors& f) { f.tensors.emplace_back("more", zeros({1})); }),
            ": 'more' is no parameter of the network");
  EXPECT_EQ(error([](SafeTensors& f) { f.metadata["network"] = "[]"; }),
            ": expected an object with \"layers\", got []");
  EXPECT_THAT(error([](SafeTensors& f) { f.metadata["classes"] = "[1]"; }), HasSubstr("no list of names"));
  EXPECT_THAT(error([](SafeTensors& f) { f.metadata["standardization"] = "center"; }),
              HasSubstr("center needs images"));
  EXPECT_THAT(error([](SafeTensors& f) { f.metadata["standardization"] = "pixels"; }), HasSubstr("were not fitted"));
  EXPECT_THAT(error([](SafeTensors& f) { f.metadata["training"] = "{}"; }), HasSubstr("no list of pairs"));
  EXPECT_THAT(message_of([&] {
                save_model(dir / "n", {.model = Model(Dense{2}, {3}), .notes = {{"network", "x"}}});
              }),
              HasSubstr("a note cannot be called 'network'"));
}

TEST(ModelFile, IsTold) {
  const TempDir dir;
  save_model(dir / "m", {.model = Model(Dense{2}, {3})});
  EXPECT_TRUE(is_model_file(dir / "m"));
  EXPECT_FALSE(is_model_file(dir.put("text", R"({"layers": ["flatten"]})")));
  EXPECT_FALSE(is_model_file(dir / "none"));
}

}  // namespace
}  // namespace telaio::nn
