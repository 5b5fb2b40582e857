#include <telaio/nn/io/model_file.hpp>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/nn/describe.hpp>
#include <telaio/nn/io/safetensors.hpp>
#include <telaio/nn/layers.hpp>
#include <telaio/nn/networks.hpp>
#include <telaio/telaio.hpp>

#include "../../ops/op_testing.hpp"
#include "../temp_dir.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;
using testing_ops::expect_same;

/// A layer of one's own: x·factor + weight.
struct Affinity {
  static constexpr std::string_view type = "affinity";
  double factor = 1;
  std::string name = {};

  Tensor call(const Tensor& x, LayerContext& context) const {
    return x * factor + context.parameter("weight", {x.shape().back()}, "normal");
  }
  void fields(Fields& f) {
    f("factor", factor);
    f("name", name);
  }
};

void expect_same_models(const Model& a, const Model& b) {
  EXPECT_EQ(to_json(NetworkDescription{a.network(), a.name(), a.sample_shape()}),
            to_json(NetworkDescription{b.network(), b.name(), b.sample_shape()}));
  EXPECT_EQ(a.dtype(), b.dtype());
  EXPECT_EQ(a.input_dtype(), b.input_dtype());
  const std::vector<Variable> x = a.variables(), y = b.variables();
  ASSERT_EQ(x.size(), y.size());
  for (size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(x[i].name(), y[i].name());
    expect_same(x[i].read(), y[i].read());
  }
}

class ModelFileTest : public testing::Test {
 protected:
  /// Writes a file whose content was changed, and gives what reading it says.
  template <class Change>
  std::string changed(Change&& change) {
    SafeTensors content = read_safetensors(path_);
    change(content);
    write_safetensors(dir_ / "x", content);
    const std::string message = message_of([&] { load_model(dir_ / "x"); });
    EXPECT_THAT(message, StartsWith(dir_ / "x" + ": "));
    EXPECT_EQ(std::count(message.begin(), message.end(), '\n') > 0, message.find("\n  ") != std::string::npos);
    return message.substr(std::min(message.size(), (dir_ / "x").size() + 2));
  }
  std::string with(const char* key, const char* value) {
    return changed([&](SafeTensors& content) { content.metadata[key] = value; });
  }

  TempDir dir_;
  std::string path_ = dir_ / "m";
};

TEST_F(ModelFileTest, RoundTripOfEverything) {
  const Model model(
      Sequential({Conv2D{2, 3, "relu"}, BatchNorm{}, Flatten{}, Dense{.units = 3, .name = "last"}, Softmax{}}),
      {5, 4, 1}, {.name = "all of \"it\"", .seed = 7});
  Standardization standardization = parse_standardization("center,pixels");
  standardization.mean = testing_ops::counting({5, 4, 1}, f32);
  standardization.deviation = testing_ops::counting({5, 4, 1}, f32) + 1;
  TrainingState training;
  training.settings = {{"epochs", "7"}, {"a \"b\"", "c\nd"}, {"epochs", "again"}};
  training.tensors = {{"epoch", Tensor(3.5)}, {"model.last.weight", tensor({1.5f, INFINITY})}};
  save_model(path_, {model, {"cat", "dög", "\"x\""}, standardization, training, {{"data", "mine"}, {"b", ""}}});
  EXPECT_THAT(dir_.names(), ElementsAre("m"));

  const ModelFile file = load_model(path_);
  expect_same_models(file.model, model);
  EXPECT_EQ(file.class_names, (std::vector<std::string>{"cat", "dög", "\"x\""}));
  EXPECT_EQ(to_string(file.standardization), "center,pixels");
  expect_same(file.standardization.mean, standardization.mean);
  expect_same(file.standardization.deviation, standardization.deviation);
  ASSERT_TRUE(file.training);
  EXPECT_EQ(file.training->settings, training.settings);
  ASSERT_EQ(file.training->tensors.size(), 2u);
  for (const auto& [name, value] : training.tensors) expect_same(file.training->tensors.at(name), value);
  EXPECT_EQ(file.notes, (std::map<std::string, std::string>{{"data", "mine"}, {"b", ""}}));

  // Saved again it is the same file, to the byte; and what was read is a model of its own.
  save_model(dir_ / "again", file);
  EXPECT_TRUE(content(dir_ / "again") == content(path_));
  file.model.set_values(Model(model.network(), model.sample_shape(), {.seed = 8}).values());
  expect_same_models(load_model(path_).model, model);
}

TEST_F(ModelFileTest, LittleIsEnough) {
  const Model model(Dense{2}, {3});
  save_model(path_, {model});
  const ModelFile file = load_model(path_);
  expect_same_models(file.model, model);
  EXPECT_TRUE(file.class_names.empty());
  EXPECT_FALSE(file.standardization.any());
  EXPECT_FALSE(file.training);
  EXPECT_TRUE(file.notes.empty());
}

TEST_F(ModelFileTest, EachNetworkType) {
  const std::pair<Model, const char*> models[] = {
      {Model(Sequential({Dense{3, "tanh"}, Dense{1, "sigmoid"}}), {4}, {.dtype = f64}), "f64"},
      {Model(Sequential({Rescaling{}, Flatten{}, Dense{2}}), {2, 2, 1}, {.input = u8}), "bytes"},
      {Model(Sequential({Embedding{9, 3}, Flatten{}, Dense{2}}), {4}, {.input = i64}), "words"},
      {Model(Residual{{Dense{4}}, {}, "relu"}, {4}), "no sequence at the root"},
      {Model(Sequential({Dense{2}}, "named"), {4}), "a named sequence"},
      {Model(Sequential{}, {4}), "without parameters"},
      {Model(Activation{"relu"}, {}), "samples without axes"},
  };
  for (const auto& [model, what] : models) {
    SCOPED_TRACE(what);
    save_model(path_, {model});
    expect_same_models(load_model(path_).model, model);
  }
  for (const std::string& name : network_names()) {
    const Model model(network_named(name), {28, 28, 1}, {.name = name});
    save_model(path_, {model, {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}});
    expect_same_models(load_model(path_).model, model);
  }
}

TEST_F(ModelFileTest, LayersOfOnesOwn) {
  const Model model(Sequential({Affinity{2.5}, Dense{2}}), {3});
  save_model(path_, {model});
  expect_same_models(load_model(path_, LayerTypes::standard().add<Affinity>()).model, model);
  EXPECT_THAT(message_of([&] { load_model(path_); }),
              StartsWith(path_ + ": layers[0]: there is no layer type 'affinity'; expected one of dense, "));
}

TEST_F(ModelFileTest, OtherValuesThanThePresentOnes) {
  const Model model(Dense{2}, {3}, {.seed = 1}), other(Dense{2}, {3}, {.seed = 2});
  const std::vector<Tensor> values = other.values();
  save_model(path_, {model}, &values);
  expect_same_models(load_model(path_).model, other);
}

TEST_F(ModelFileTest, WhatIsNotWritten) {
  const Model model(Dense{2}, {3});
  for (const char* name : {"format", "network", "training", "classes"})
    EXPECT_EQ(message_of([&] {
                save_model(path_, {.model = model, .notes = {{name, ""}}});
              }),
              fmt::format("{}: a note cannot be called '{}'", path_, name));
  EXPECT_EQ(message_of([&] { save_model("/no/such/m", {model}); }),
            "/no/such/m: cannot be written: No such file or directory");
  EXPECT_EQ(message_of([&] { save_model("/dev/full", {model}); }),
            "/dev/full: cannot be written: No space left on device");
  EXPECT_TRUE(dir_.names().empty());
}

TEST_F(ModelFileTest, AFailureLeavesTheOldFile) {
  const Model model(Dense{2}, {3});
  save_model(path_, {model});
  const std::string before = content(path_);
  EXPECT_THAT(message_of([&] {
                save_model(path_, {.model = model, .notes = {{"x", "\xff"}}});
              }),
              HasSubstr("not UTF-8"));
  EXPECT_TRUE(content(path_) == before);
  EXPECT_THAT(dir_.names(), ElementsAre("m"));
}

TEST_F(ModelFileTest, Errors) {
  const Model model(Sequential({Flatten{}, Dense{3, "softmax"}}), {2, 2, 1}, {.name = "n"});
  Standardization standardization = parse_standardization("pixels");
  standardization.mean = zeros({2, 2, 1});
  standardization.deviation = ones({2, 2, 1});
  TrainingState training;
  save_model(path_, {model, {"a", "b", "c"}, standardization, training});
  EXPECT_EQ(message_of([&] { load_model(path_); }), "no error");
  const auto tensor_named = [](SafeTensors& file, std::string_view name) -> Tensor& {
    for (auto& [key, value] : file.tensors)
      if (key == name) return value;
    throw Error("none");
  };

  for (const char* key : {"format", "network", "dtype", "input_dtype", "classes", "standardization"})
    EXPECT_EQ(changed([&](SafeTensors& f) { f.metadata.erase(key); }),
              fmt::format("no model of Telaio: the metadata have no \"{}\"", key));
  EXPECT_EQ(with("format", "telaio-model-9"), "expected the format telaio-model-1, got 'telaio-model-9'");
  EXPECT_EQ(with("dtype", "f16"), "there is no type 'f16'");
  EXPECT_EQ(with("dtype", "i64"), "model 'n': parameters are f32 or f64, not i64");
  EXPECT_EQ(with("dtype", "f64"), "'dense1.weight' is f32[4,3], the network needs f64[4,3]");
  EXPECT_THAT(with("network", "{"), HasSubstr("line 1, column 2: no JSON: "));
  EXPECT_THAT(with("network", R"({"input": [2,2,1], "layers": ["flat"]})"), HasSubstr("there is no layer type 'flat'"));
  EXPECT_THAT(with("network", R"({"input": [2,2,1], "layers": [{"conv2d": {"filters": 1, "kernel": 3}}]})"),
              StartsWith("conv1 (conv2d): the window's height 3 is more than the image's 2"));
  EXPECT_EQ(with("network", R"({"input": [3], "layers": ["flatten", {"dense": 3}]})"),
            "'dense1.weight' is f32[4,3], the network needs f32[3,3]");
  EXPECT_EQ(with("classes", "[1]"), "the classes are no list of names");
  EXPECT_EQ(with("classes", "{}"), "the classes are no list of names");
  EXPECT_EQ(with("classes", R"(["a","b"])"), "2 classes, but the network tells 3 apart: its outputs are [3]");
  EXPECT_THAT(with("standardization", "pixel"), HasSubstr("unknown option 'pixel'"));
  for (const char* settings : {"{}", "[1]", "[[]]", R"([["a"]])", R"([["a", 1]])"})
    EXPECT_EQ(with("training", settings), "the settings of the training are no list of pairs") << settings;
  EXPECT_THAT(with("training", "["), HasSubstr("no JSON"));

  EXPECT_EQ(changed([&](SafeTensors& f) { f.tensors.erase(f.tensors.begin()); }),
            "the parameter 'dense1.weight' is missing");
  EXPECT_EQ(changed([&](SafeTensors& f) { tensor_named(f, "dense1.bias") = zeros({4}); }),
            "'dense1.bias' is f32[4], the network needs f32[3]");
  EXPECT_EQ(changed([&](SafeTensors& f) { f.tensors.emplace_back("other", zeros({1})); }),
            "'other' is no parameter of the network");
  EXPECT_THAT(
      changed([&](SafeTensors& f) { std::erase_if(f.tensors, [](auto& t) { return t.first == "preparation/mean"; }); }),
      HasSubstr("fit"));
  EXPECT_THAT(changed([&](SafeTensors& f) { tensor_named(f, "preparation/mean") = zeros({4}); }), HasSubstr("[4]"));
}

TEST_F(ModelFileTest, CutOffAnywhere) {
  save_model(path_, {Model(Dense{2}, {3}), {"a", "b"}});
  const std::string whole = content(path_);
  for (size_t length = 0; length < whole.size(); length += 1 + whole.size() / 97) {
    dir_.put("cut", whole.substr(0, length));
    EXPECT_THAT(message_of([&] { load_model(dir_ / "cut"); }), StartsWith(dir_ / "cut" + ": ")) << length;
  }
}

TEST_F(ModelFileTest, IsModelFile) {
  save_model(path_, {Model(Dense{2}, {3})});
  EXPECT_TRUE(is_model_file(path_));
  EXPECT_FALSE(is_model_file(dir_ / "none"));
  EXPECT_FALSE(is_model_file(dir_.path()));
  EXPECT_FALSE(is_model_file(dir_.put("json", R"({"layers": ["flatten", {"dense": 10}]})")));
  EXPECT_FALSE(is_model_file(dir_.put("empty", "")));
}

}  // namespace
}  // namespace telaio::nn
