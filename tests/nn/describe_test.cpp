#include <telaio/nn/describe.hpp>

#include "layers/layer_testing.hpp"

namespace telaio::nn {
namespace {

/// The same JSON again, and the same parameters and outputs, in inference and in training.
void expect_round_trip(const Layer& layer, const std::string& json, const Shape& sample, ModelOptions options = {}) {
  SCOPED_TRACE(json);
  EXPECT_EQ(to_json(layer), json);
  const Layer back = parse_layer(json, "s");
  EXPECT_EQ(to_json(back), json);
  options.dtype = f64;
  const Model a(layer, sample, options), b(back, sample, options);
  EXPECT_EQ(variables_of(a), variables_of(b));
  Shape shape = sample;
  shape.insert(0, 2);
  const Tensor x = is_float(a.input_dtype()) ? scattered(shape) : cast(counting(shape), a.input_dtype());
  expect_same(a(x), b(x));
  expect_same(a.forward_training(x, random_key(1, 2)).output, b.forward_training(x, random_key(1, 2)).output);
}

TEST(Describe, EveryFieldOfEveryLayer) {
  expect_round_trip(
      Dense{.units = 2,
            .activation = "elu(0.3)",
            .use_bias = false,
            .weight_initializer = "he_normal",
            .bias_initializer = "ones",
            .name = "d"},
      R"J({"dense":{"units":2,"activation":"elu(0.3)","use_bias":false,"weight_initializer":"he_normal",)J"
      R"("bias_initializer":"ones","name":"d"}})",
      {3});
  expect_round_trip(Conv2D{.filters = 4,
                           .kernel = {2, 3},
                           .activation = "tanh",
                           .strides = {1, 2},
                           .padding = Padding::of(0, 1, 2, 0),
                           .dilation = {2, 1},
                           .groups = 2,
                           .use_bias = false,
                           .weight_initializer = "orthogonal(0.5)",
                           .bias_initializer = "constant(0.1)",
                           .name = "c"},
                    R"({"conv2d":{"filters":4,"kernel":[2,3],"activation":"tanh","strides":[1,2],"padding":[0,1,2,0],)"
                    R"J("dilation":[2,1],"groups":2,"use_bias":false,"weight_initializer":"orthogonal(0.5)",)J"
                    R"J("bias_initializer":"constant(0.1)","name":"c"}})J",
                    {7, 8, 2});
  expect_round_trip(
      DepthwiseConv2D{.kernel = 2,
                      .multiplier = 3,
                      .activation = "relu",
                      .strides = 2,
                      .padding = Padding::same(),
                      .dilation = 1,
                      .use_bias = false,
                      .weight_initializer = "pytorch",
                      .bias_initializer = "pytorch",
                      .name = "d"},
      R"({"depthwise_conv2d":{"kernel":2,"multiplier":3,"activation":"relu","strides":2,"padding":"same",)"
      R"("use_bias":false,"weight_initializer":"pytorch","bias_initializer":"pytorch","name":"d"}})",
      {7, 8, 2});
  expect_round_trip(DepthwiseConv2D{.dilation = 2}, R"({"depthwise_conv2d":{"dilation":2}})", {7, 8, 2});
  expect_round_trip(MaxPool2D{{2, 3}, Size2d(3, 1), Padding::of(1), "p"},
                    R"({"max_pool2d":{"size":[2,3],"strides":[3,1],"padding":[1,1,1,1],"name":"p"}})", {7, 8, 2});
  expect_round_trip(AveragePool2D{3, Size2d(1), Padding::same(), "p"},
                    R"({"average_pool2d":{"size":3,"strides":1,"padding":"same","name":"p"}})", {7, 8, 2});
  expect_round_trip(GlobalAveragePool2D{"g"}, R"({"global_average_pool2d":{"name":"g"}})", {3, 2, 2});
  expect_round_trip(GlobalMaxPool2D{"g"}, R"({"global_max_pool2d":{"name":"g"}})", {3, 2, 2});
  expect_round_trip(Flatten{"f"}, R"({"flatten":{"name":"f"}})", {3, 2});
  expect_round_trip(Reshape{{2, -1}, "r"}, R"({"reshape":{"shape":[2,-1],"name":"r"}})", {3, 4});
  expect_round_trip(Rescaling{0.5, -1.25, "r"}, R"({"rescaling":{"scale":0.5,"offset":-1.25,"name":"r"}})", {3},
                    {.input = u8});
  expect_round_trip(Activation{"leaky_relu(0.2)", "a"}, R"J({"activation":{"function":"leaky_relu(0.2)","name":"a"}})J",
                    {3});
  expect_round_trip(Softmax{"s"}, R"({"softmax":{"name":"s"}})", {3});
  expect_round_trip(Dropout{0.25, "d"}, R"({"dropout":{"rate":0.25,"name":"d"}})", {30});
  expect_round_trip(BatchNorm{0.9, 0.01, false, false, "b"},
                    R"({"batch_norm":{"momentum":0.9,"epsilon":0.01,"scale":false,"center":false,"name":"b"}})", {3});
  expect_round_trip(LayerNorm{0.01, false, false, "l"},
                    R"({"layer_norm":{"epsilon":0.01,"scale":false,"center":false,"name":"l"}})", {3});
  expect_round_trip(Embedding{30, 4, "normal", "e"},
                    R"({"embedding":{"vocabulary":30,"dim":4,"weight_initializer":"normal","name":"e"}})", {3},
                    {.input = i64});
  expect_round_trip(Sequential{{Dense{2}, Flatten{}}, "q"},
                    R"({"sequential":{"layers":[{"dense":{"units":2}},{"flatten":{}}],"name":"q"}})", {3});
  expect_round_trip(Residual{{Dense{2}}, {Dense{.units = 2, .use_bias = false}}, "relu", "r"},
                    R"({"residual":{"layers":[{"dense":{"units":2}}],"shortcut":[{"dense":{"units":2,)"
                    R"("use_bias":false}}],"activation":"relu","name":"r"}})",
                    {3});
  expect_round_trip(Parallel{{Dense{.units = 3, .name = "left"}, Sequential{}}, "multiply", "p"},
                    R"({"parallel":{"branches":[{"dense":{"units":3,"name":"left"}},{"sequential":{}}],)"
                    R"("join":"multiply","name":"p"}})",
                    {3});
}

TEST(Describe, NumbersKeepTheirBits) {
  for (const double rate : {0.1 + 0.2, 1.0 / 3, 3.1657557184155814e-9, 9.191024891732005e-6, 1e-300, 0.0}) {
    const Layer back = parse_layer(to_json(Dropout{rate}), "s");
    EXPECT_EQ(back.as<Dropout>()->rate, rate);
  }
}

TEST(Describe, NamesKeepTheirLetters) {
  const std::string name = "a \"b\" \\ \n é";
  EXPECT_EQ(parse_layer(to_json(Dense{.units = 1, .name = name}), "s").name(), name);
}

TEST(Describe, DefaultsAreLeftOut) {
  EXPECT_EQ(LayerTypes::standard().list().size(), 19u);
  for (const Layer& layer : LayerTypes::standard().list()) {
    const std::string json = fmt::format("{{\"{}\":{{}}}}", layer.type());
    EXPECT_EQ(to_json(layer), json);
    EXPECT_EQ(to_json(parse_layer(json, "s")), json);
    EXPECT_EQ(to_json(parse_layer(fmt::format("\"{}\"", layer.type()), "s")), json);
  }
}

TEST(Describe, ShortForms) {
  const auto same = [](const char* a, const char* b) { EXPECT_EQ(to_json(parse_layer(a, "s")), b) << a; };
  same(R"("flatten")", R"({"flatten":{}})");
  same(R"({"dropout": 0.25})", R"({"dropout":{"rate":0.25}})");
  same(R"({"dropout": 0})", R"({"dropout":{"rate":0.0}})");
  same(R"({"dense": 10})", R"({"dense":{"units":10}})");
  same(R"({"max_pool2d": 2})", R"({"max_pool2d":{}})");
  same(R"({"max_pool2d": [2, 3]})", R"({"max_pool2d":{"size":[2,3]}})");
  same(R"({"activation": "relu"})", R"({"activation":{"function":"relu"}})");
  same(R"({"reshape": [4, -1]})", R"({"reshape":{"shape":[4,-1]}})");
  same(R"({"residual": [{"dense": 3}]})", R"({"residual":{"layers":[{"dense":{"units":3}}]}})");
  same(R"(["flatten", {"dense": 2}])", R"({"sequential":{"layers":[{"flatten":{}},{"dense":{"units":2}}]}})");
  same(R"([["flatten"], []])", R"({"sequential":{"layers":[{"sequential":{"layers":[{"flatten":{}}]}},)"
                               R"({"sequential":{}}]}})");
  same(R"({"conv2d": {"filters": 2, "padding": 1}})", R"({"conv2d":{"filters":2,"padding":[1,1,1,1]}})");
  same(R"({"conv2d": {"filters": 2, "padding": "valid", "kernel": [3, 3]}})", R"({"conv2d":{"filters":2}})");
  same(R"({"max_pool2d": {"strides": null}})", R"({"max_pool2d":{}})");
}

std::string error_of(std::string_view json) {
  return message_of([&] { parse_layer(json, "net.json"); });
}

TEST(Describe, ErrorsSayWhereAndWhatWasExpected) {
  EXPECT_EQ(error_of("{\n  \"dense\": }"), "net.json: line 2, column 12: no JSON: syntax error");
  EXPECT_EQ(error_of("3"), R"(net.json: expected a layer: {"TYPE": {FIELDS}}, "TYPE" or a list of layers, got 3)");
  EXPECT_THAT(error_of(R"({"dense": 3, "flatten": {}})"), HasSubstr("net.json: expected a layer: "));
  EXPECT_THAT(error_of("[{}]"), HasSubstr("net.json: [0]: expected a layer: "));
  EXPECT_THAT(error_of(R"(["flatten", null])"), HasSubstr("net.json: [1]: expected a layer: "));
  EXPECT_EQ(error_of(R"({"dens": 3})"),
            "net.json: there is no layer type 'dens'; expected one of dense, conv2d, depthwise_conv2d, max_pool2d, "
            "average_pool2d, global_average_pool2d, global_max_pool2d, flatten, reshape, rescaling, activation, "
            "softmax, dropout, batch_norm, layer_norm, embedding, sequential, residual, parallel");
  EXPECT_EQ(error_of(R"({"layer_norm": {"eps": 3}})"),
            "net.json: layer_norm: unknown field 'eps'; expected epsilon, scale, center, name");
  EXPECT_EQ(error_of(R"({"dense": {"units": 2.5}})"), "net.json: dense.units: expected a whole number, got 2.5");
  EXPECT_EQ(error_of(R"({"dense": {"units": 9223372036854775808}})"),
            "net.json: dense.units: expected a whole number, got 9223372036854775808");
  EXPECT_EQ(error_of(R"({"dense": "2"})"), "net.json: dense.units: expected a whole number, got \"2\"");
  EXPECT_EQ(error_of(R"({"dense": null})"), "net.json: dense.units: expected a whole number, got null");
  EXPECT_EQ(error_of(R"({"dense": {"use_bias": 1}})"), "net.json: dense.use_bias: expected true or false, got 1");
  EXPECT_EQ(error_of(R"({"dense": {"name": 1}})"), "net.json: dense.name: expected text, got 1");
  EXPECT_EQ(error_of(R"({"dropout": "half"})"), "net.json: dropout.rate: expected a number, got \"half\"");
  EXPECT_THAT(error_of(R"({"dropout": 1e999})"), HasSubstr("net.json: "));
  EXPECT_EQ(error_of(R"({"reshape": 3})"), "net.json: reshape.shape: expected a list of whole numbers, got 3");
  EXPECT_EQ(error_of(R"({"reshape": [1, "a"]})"), "net.json: reshape.shape: expected a whole number, got \"a\"");
  EXPECT_EQ(error_of(R"({"reshape": [1,1,1,1,1,1,1,1]})"),
            "net.json: reshape.shape: expected fewer than 8 axes, got [1,1,1,1,1,1,1,1]");
  EXPECT_EQ(error_of(R"({"max_pool2d": [1,2,3]})"),
            "net.json: max_pool2d.size: expected a whole number or [height, width], got [1,2,3]");
  EXPECT_EQ(error_of(R"({"max_pool2d": {"strides": true}})"),
            "net.json: max_pool2d.strides: expected a whole number or [height, width], got true");
  for (const char* padding : {"\"full\"", "[1,2]", "1.5", "null"})
    EXPECT_EQ(error_of(fmt::format(R"({{"conv2d": {{"padding": {}}}}})", padding)),
              fmt::format("net.json: conv2d.padding: expected \"valid\", \"same\", a whole number or [top, bottom, "
                          "left, right], got {}",
                          padding));
  EXPECT_EQ(error_of(R"({"conv2d": {"padding": [1,2,3,true]}})"),
            "net.json: conv2d.padding: expected a whole number, got true");
  EXPECT_THAT(error_of(R"({"activation": "rleu"})"),
              HasSubstr("net.json: activation.function: activation: 'rleu' is unknown; expected one of linear, relu"));
  EXPECT_EQ(error_of(R"({"activation": 3})"), "net.json: activation.function: expected text, got 3");
  EXPECT_THAT(error_of(R"({"dense": {"weight_initializer": "he"}})"),
              HasSubstr("net.json: dense.weight_initializer: initializer: 'he' is unknown; expected one of zeros"));
  EXPECT_EQ(error_of(R"({"sequential": {"layers": {"dense": 3}}})"),
            R"(net.json: sequential.layers: expected a list of layers, got {"dense":3})");
  EXPECT_EQ(error_of(R"(["flatten", {"residual": {"layers": ["flatten", {"dense": {"unit": 3}}]}}])"),
            "net.json: [1].residual.layers[1].dense: unknown field 'unit'; expected units, activation, use_bias, "
            "weight_initializer, bias_initializer, name");
  EXPECT_THAT(error_of(R"({"dense": ")" + std::string(100, 'x') + "\"}"), HasSubstr("…"));
}

TEST(Describe, ErrorsOfALayerThatWasReadShowNoLineOfTheLibrary) {
  const std::string message = building_error(parse_layer(R"([{"dense": {"name": "last"}}])", "s"), {3});
  EXPECT_EQ(message, "last (dense): units: expected at least 1, got 0");
}

TEST(Describe, Networks) {
  const std::string text = R"({"name": "small", "input": [28, 28, 1], "layers": ["flatten", {"dense": 10}]})";
  const NetworkDescription read = parse_network(text, "net.json");
  EXPECT_EQ(read.name, "small");
  EXPECT_EQ(read.input, (Shape{28, 28, 1}));
  EXPECT_EQ(Model(read.network, read.input).parameter_count(), 7850);
  const std::string written = to_json(read);
  EXPECT_EQ(written,
            "{\n"
            "  \"name\": \"small\",\n"
            "  \"input\": [28,28,1],\n"
            "  \"layers\": [\n"
            "    {\"flatten\":{}},\n"
            "    {\"dense\":{\"units\":10}}\n"
            "  ]\n"
            "}\n");
  EXPECT_EQ(to_json(parse_network(written, "s")), written);

  const NetworkDescription bare = parse_network(R"({"layers": ["flatten"]})", "s");
  EXPECT_EQ(bare.name, "");
  EXPECT_TRUE(bare.input.empty());
  EXPECT_EQ(to_json(bare), "{\n  \"layers\": [\n    {\"flatten\":{}}\n  ]\n}\n");
  // A network that is no sequence stays what it is, and so do the names of its parameters.
  const std::string alone = "{\n  \"network\": {\"dense\":{\"units\":3}}\n}\n";
  EXPECT_EQ(to_json(NetworkDescription{Dense{3}, {}, {}}), alone);
  EXPECT_EQ(to_json(parse_network(alone, "s")), alone);
}

TEST(Describe, NetworkErrors) {
  const auto error = [](std::string_view json) { return message_of([&] { parse_network(json, "net.json"); }); };
  EXPECT_EQ(error("[]"), "net.json: expected an object with \"layers\", got []");
  EXPECT_EQ(error("{}"), "net.json: \"layers\" is missing: expected a list of layers");
  EXPECT_EQ(error(R"({"layers": []})"), "net.json: layers: expected one layer or more, got []");
  EXPECT_EQ(error(R"({"layers": ["flatten"], "network": "flatten"})"),
            "net.json: expected \"layers\" or \"network\", not both");
  EXPECT_EQ(error(R"({"name": "a", "name": "b", "layers": ["flatten"]})"), "net.json: 'name' is given twice");
  EXPECT_EQ(error(R"({"layers": "flatten"})"), "net.json: layers: expected a list of layers, got \"flatten\"");
  EXPECT_EQ(error(R"({"layer": []})"), "net.json: unknown field 'layer'; expected name, input, layers, network");
  EXPECT_EQ(error(R"({"name": 3, "layers": ["flatten"]})"), "net.json: name: expected text, got 3");
  EXPECT_EQ(error(R"({"input": 784, "layers": ["flatten"]})"),
            "net.json: input: expected a list of whole numbers, got 784");
  EXPECT_EQ(error(R"({"input": [28, 0], "layers": ["flatten"]})"),
            "net.json: input: expected sizes of 1 or more, got [28,0]");
  EXPECT_EQ(error(R"({"layers": ["flatten", {"dense": {"units": true}}]})"),
            "net.json: layers[1].dense.units: expected a whole number, got true");
  EXPECT_EQ(error("{\"layers\": [\n\"flatten\"\n"), "net.json: line 3, column 1: no JSON: incomplete JSON");
}

// A layer of a user's own, with every kind of field that the library's layers do not have.
struct Wrapped {
  static constexpr std::string_view type = "wrapped";
  Layer inner = Flatten{};
  std::optional<Size2d> window = Size2d(2);
  double factor = 1;
  std::string name;
  Tensor call(const Tensor& x, LayerContext& context) const {
    const Tensor y = inner.defined() ? context(inner, x, "inner") : x;
    return y * factor;
  }
  void fields(Fields& f) {
    f("inner", inner);
    f("window", window);
    f("factor", factor);
    f("name", name);
  }
};

// One that cannot be written.
struct Bare {
  static constexpr std::string_view type = "bare";
  std::string name;
  Tensor call(const Tensor& x, LayerContext&) const { return x; }
};

// One of the library's names.
struct OtherDense {
  static constexpr std::string_view type = "dense";
  int64_t outputs = 1;
  std::string name;
  Tensor call(const Tensor& x, LayerContext&) const { return x; }
  void fields(Fields& f) { f("outputs", outputs); }
};

TEST(Describe, LayersOfAUsersOwn) {
  LayerTypes types = LayerTypes::standard();
  types.add<Wrapped>();
  const std::string json = R"([{"wrapped":{"inner":{"wrapped":{"inner":{"dense":2},"factor":3}},"window":[1,2]}}])";
  const Layer layer = parse_layer(json, "s", types);
  EXPECT_EQ(to_json(layer), R"({"sequential":{"layers":[{"wrapped":{"inner":{"wrapped":{"inner":{"dense":{"units":2}},)"
                            R"("factor":3.0}},"window":[1,2]}}]}})");
  EXPECT_EQ(variables_of(model_of(layer, {3})), "wrapped1.inner.inner.weight [3,2], wrapped1.inner.inner.bias [2]");
  EXPECT_THAT(error_of(R"("wrapped")"), HasSubstr("there is no layer type 'wrapped'"));
}

TEST(Describe, NullIsNothingAlsoWhereTheDefaultIsSomething) {
  LayerTypes types;
  types.add<Wrapped>();
  const std::string json = to_json(Wrapped{.inner = Layer(), .window = {}, .name = {}});
  EXPECT_EQ(json, R"({"wrapped":{"inner":null,"window":null}})");
  const Layer back = parse_layer(json, "s", types);
  EXPECT_FALSE(back.as<Wrapped>()->inner.defined());
  EXPECT_FALSE(back.as<Wrapped>()->window.has_value());
}

TEST(Describe, ATypeCanBeReplaced) {
  LayerTypes types = LayerTypes::standard();
  types.add<OtherDense>();
  EXPECT_EQ(types.list().size(), 19u);
  EXPECT_NE(parse_layer(R"({"dense": 3})", "s", types).as<OtherDense>(), nullptr);
  EXPECT_EQ(parse_layer(R"({"dense": 3})", "s", types).as<Dense>(), nullptr);
  EXPECT_EQ(types.find("nothing"), nullptr);
}

TEST(Describe, LayersWithoutFields) {
  EXPECT_EQ(message_of([] { to_json(Sequential{Bare{"b"}}); }),
            "layer 'b': its type bare has no fields(), so it cannot be written as JSON");
  LayerTypes types;
  types.add<Bare>();
  EXPECT_NE(parse_layer(R"("bare")", "s", types).as<Bare>(), nullptr);
  EXPECT_NE(parse_layer(R"({"bare": {}})", "s", types).as<Bare>(), nullptr);
  EXPECT_EQ(message_of([&] { parse_layer(R"({"bare": {"a": 1}})", "s", types); }),
            "s: bare: unknown field 'a'; expected none");
  EXPECT_EQ(message_of([&] { parse_layer(R"({"bare": 1})", "s", types); }),
            "s: bare: expected an object with the layer's fields, got 1");
}

TEST(Describe, WhatCannotBeWritten) {
  EXPECT_EQ(message_of([] { to_json(Layer()); }), "an undefined layer cannot be written as JSON");
  EXPECT_EQ(message_of([] {
              to_json(Sequential{Flatten{}, Layer()});
            }),
            "an undefined layer cannot be written as JSON");
  EXPECT_EQ(message_of([] { to_json(Rescaling{INFINITY}); }), "scale: inf cannot be written as JSON");
}

TEST(Describe, CompiledModelsOfWhatWasRead) {
  // The whole way: text, model, training pass.
  const NetworkDescription read = parse_network(
      R"({"input": [6, 6, 1], "layers": [{"conv2d": {"filters": 4, "activation": "relu"}}, "batch_norm", "flatten",
          {"dropout": 0.2}, {"dense": {"units": 3, "activation": "softmax"}}]})",
      "s");
  const Model model(read.network, read.input);
  EXPECT_EQ(model.ending(), Ending::softmax);
  const Forward forward = model.forward_training(zeros({2, 6, 6, 1}), random_key(1));
  EXPECT_EQ(forward.output.shape(), (Shape{2, 3}));
  EXPECT_EQ(forward.updates.size(), 2u);
}

}  // namespace
}  // namespace telaio::nn
