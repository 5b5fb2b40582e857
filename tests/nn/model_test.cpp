#include <telaio/nn/model.hpp>

#include <thread>

#include "layers/layer_testing.hpp"

namespace telaio::nn {
namespace {

Layer cnn(bool hidden) {
  std::vector<Layer> layers{Conv2D{.filters = 32, .activation = "relu"}, MaxPool2D{},
                            Conv2D{.filters = 32, .activation = "relu"}, MaxPool2D{}, Flatten{}};
  if (hidden) layers.push_back(Dense{64, "relu"});
  layers.push_back(Dense{10, "softmax"});
  return Sequential(layers);
}

Layer small() { return Sequential{Dense{4, "tanh"}, BatchNorm{}, Dropout{}, Dense{3, "softmax"}}; }

TEST(Model, CountsOfTheConvolutionalNets) {
  const Model with(cnn(true), {28, 28, 1});
  EXPECT_EQ(with.parameter_count(), 61482);
  EXPECT_EQ(with.multiply_adds(), 1361664);
  const Model without(cnn(false), {28, 28, 1});
  EXPECT_EQ(without.parameter_count(), 17578);
  EXPECT_EQ(without.multiply_adds(), 1317824);
  EXPECT_EQ(without.output_shape(), (Shape{10}));

  const std::vector<LayerInfo>& layers = with.layers();
  ASSERT_EQ(layers.size(), 8u);
  const LayerInfo& conv = layers[2];
  EXPECT_EQ(conv.path, "conv2");
  EXPECT_EQ(conv.type, "conv2d");
  EXPECT_EQ(conv.input, (Shape{13, 13, 32}));
  EXPECT_EQ(conv.output, (Shape{11, 11, 32}));
  EXPECT_EQ(conv.parameters, 9248);
  EXPECT_EQ(conv.trainable, 9248);
  EXPECT_EQ(conv.multiply_adds, 121 * 9 * 32 * 32);
  EXPECT_TRUE(conv.leaf);
  EXPECT_EQ(layers.back().type, "sequential");
  EXPECT_EQ(layers.back().input, (Shape{28, 28, 1}));
  EXPECT_FALSE(layers.back().leaf);
  // The leaves have everything.
  int64_t parameters = 0, multiply_adds = 0;
  for (const LayerInfo& layer : layers)
    if (layer.leaf) parameters += layer.parameters, multiply_adds += layer.multiply_adds;
  EXPECT_EQ(parameters, 61482);
  EXPECT_EQ(multiply_adds, 1361664);
}

TEST(Model, CountsOfTheDenseNet) {
  const Model model(Sequential{Flatten{}, Dense{512, "relu"}, Dense{512, "relu"}, Dense{10}}, {28, 28, 1});
  EXPECT_EQ(model.parameter_count(), 669706);
  EXPECT_EQ(model.multiply_adds(), 668672);
}

TEST(Model, CountsOfStatesAndOfLayersInLayers) {
  const Model model = model_of(Sequential{Sequential{{Dense{4}, BatchNorm{}}, "block"}, Dense{2}}, {3});
  const LayerInfo& block = model.layers()[2];
  EXPECT_EQ(block.path, "block");
  EXPECT_EQ(block.parameters, 16 + 16);
  EXPECT_EQ(block.trainable, 16 + 8);
  EXPECT_EQ(block.multiply_adds, 12);
  EXPECT_EQ(model.parameter_count(), 32 + 10);
  EXPECT_EQ(model.parameters().size(), 6u);
  EXPECT_EQ(model.variables().size(), 8u);
}

TEST(Model, Endings) {
  const Tensor x = doubles({1, -2, 0.5, 3, 0, 1}, {2, 3});
  const auto expect_ending = [&](const Layer& layer, Ending ending) {
    const Model model = model_of(layer, {3});
    EXPECT_EQ(model.ending(), ending);
    for (const Forward& forward : {model.forward(x), model.forward_training(x, random_key(1))}) {
      EXPECT_EQ(forward.ending, ending);
      if (ending == Ending::linear) {
        EXPECT_TRUE(forward.logits.same(forward.output));
      } else {
        EXPECT_FALSE(forward.logits.same(forward.output));
        const Tensor again = ending == Ending::softmax ? softmax(forward.logits) : sigmoid(forward.logits);
        EXPECT_EQ(values_of(again), values_of(forward.output));
      }
    }
  };
  expect_ending(Dense{2}, Ending::linear);
  expect_ending(Sequential{Dense{2}, Softmax{}}, Ending::softmax);
  expect_ending(Sequential{Dense{2, "softmax"}}, Ending::softmax);
  expect_ending(Sequential{Sequential{Dense{2}, Activation{"softmax"}}}, Ending::softmax);
  expect_ending(Sequential{Dense{2, "softmax"}, Activation{}, Sequential{}}, Ending::softmax);
  expect_ending(Sequential{Dense{1, "sigmoid"}}, Ending::sigmoid);
  expect_ending(Residual{.layers = {Dense{3}}, .activation = "sigmoid"}, Ending::sigmoid);
  expect_ending(Sequential{Dense{2, "softmax"}, Dense{2}}, Ending::linear);
  expect_ending(Sequential{Dense{2, "softmax"}, Rescaling{2}}, Ending::linear);
  expect_ending(Sequential{Dense{2, "softmax"}, Activation{"relu"}}, Ending::linear);
  expect_ending(Sequential{Softmax{}, Dense{2, "sigmoid"}}, Ending::sigmoid);
  expect_ending(Parallel{{Dense{2, "softmax"}, Dense{2, "softmax"}}}, Ending::linear);
  expect_ending(Dense{2, "log_softmax"}, Ending::linear);
  EXPECT_EQ(name_of(Ending::softmax), "softmax");
  EXPECT_EQ(name_of(Ending::sigmoid), "sigmoid");
  EXPECT_EQ(name_of(Ending::linear), "linear");
}

TEST(Model, LogitsAreWhatSoftmaxWasAppliedTo) {
  const Model model = model_of(Dense{2, "softmax"}, {2}, {doubles({1, 0, 0, 1}, {2, 2}), doubles({0, 1}, {2})});
  EXPECT_EQ(values_of(model.forward(doubles({3, 4}, {1, 2})).logits), (Doubles{3, 5}));
}

TEST(Model, PredictsInBatchesWhatForwardGives) {
  const Model model(small(), {3}, {.dtype = f64});
  const Tensor x = scattered({10, 3});
  const Doubles expected = values_of(model(x));
  for (const int64_t size : {1, 3, 5, 9, 10, 11, 1000})
    EXPECT_LE(distance(values_of(model.predict(x, size)), expected), 1e-15) << size;
  EXPECT_EQ(model.predict(x).shape(), (Shape{10, 3}));
  EXPECT_EQ(model.predict(x).dtype(), f64);
  // Views, such as columns, are taken as they lie.
  EXPECT_LE(distance(values_of(model.predict(transpose(transpose(x).eval()), 4)), expected), 1e-15);
}

TEST(Model, PredictsNothingOfNothing) {
  const Model model(Sequential{Reshape{{4, -1}}, Flatten{}, small()}, {2, 6}, {.dtype = f64});
  EXPECT_EQ(model.predict(zeros({0, 2, 6}, f64)).shape(), (Shape{0, 3}));
  EXPECT_EQ(model(zeros({0, 2, 6}, f64)).shape(), (Shape{0, 3}));
  EXPECT_TRUE(values_of(model(zeros({0, 2, 6}, f64))).empty());
}

TEST(Model, PredictsImages) {
  const Model model(cnn(false), {28, 28, 1});
  const Tensor x = cast(scattered({7, 28, 28, 1}), f32);
  const auto expected = model(x).to_vector<double>();
  EXPECT_LE(distance(model.predict(x, 3).to_vector<double>(), expected), 1e-6);
}

TEST(Model, PredictFollowsTheParameters) {
  const Model model = model_of(Dense{1}, {1}, {doubles({2}, {1, 1}), zeros({1}, f64)});
  const Tensor x = doubles({1, 2, 3}, {3, 1});
  EXPECT_EQ(values_of(model.predict(x, 2)), (Doubles{2, 4, 6}));
  model.set_values({doubles({3}, {1, 1}), ones({1}, f64)});
  EXPECT_EQ(values_of(model.predict(x, 2)), (Doubles{4, 7, 10}));
}

TEST(Model, PredictErrors) {
  const Model model = model_of(Dense{1}, {1});
  EXPECT_EQ(message_of([&] {
              model.predict(zeros({2, 1}, f64), 0);
            }),
            "predict: batch_size: expected at least 1, got 0");
  EXPECT_THAT(message_of([&] { model.predict(zeros({2, 3}, f64)); }), HasSubstr("model 'm': expected f64[N,1]"));
}

TEST(Model, RefusesOtherInputs) {
  const Model model(Sequential{Flatten{}, Dense{2}}, {4, 3}, {.name = "digits"});
  const auto error = [&](const Tensor& x) { return message_of([&] { model(x); }); };
  EXPECT_THAT(error(zeros({5, 3, 4})), HasSubstr("model 'digits': expected f32[N,4,3]\n  input f32[5,3,4]\n  at "));
  EXPECT_THAT(error(zeros({5, 3, 4})), HasSubstr("model_test.cpp:"));
  EXPECT_THAT(error(zeros({4, 3})), HasSubstr("expected f32[N,4,3]\n  input f32[4,3]"));
  EXPECT_THAT(error(zeros({1, 4, 3, 1})), HasSubstr("expected f32[N,4,3]"));
  EXPECT_THAT(error(zeros({1, 4, 3}, u8)), HasSubstr("expected f32[N,4,3]\n  input u8[1,4,3]"));
  EXPECT_THAT(error(Tensor()), HasSubstr("expected f32[N,4,3]"));
  EXPECT_THAT(message_of([&] { model.forward_training(zeros({3}), {}); }), HasSubstr("expected f32[N,4,3]"));
  // Floats become the floats of the model.
  EXPECT_EQ(model(zeros({1, 4, 3}, f64)).dtype(), f32);
  const Model bytes(Sequential{Rescaling{}, Dense{2}}, {3}, {.input = u8});
  EXPECT_EQ(bytes.input_dtype(), u8);
  EXPECT_THAT(message_of([&] { bytes(zeros({1, 3})); }), HasSubstr("expected u8[N,3]\n  input f32[1,3]"));
  EXPECT_EQ(bytes(zeros({1, 3}, u8)).dtype(), f32);
  const Model scalars(Reshape{{1}}, {});
  EXPECT_THAT(message_of([&] { scalars(zeros({})); }), HasSubstr("expected f32[N]\n  input f32[]"));
}

TEST(Model, IsAsItWasMade) {
  const Model model(small(), {3}, {.name = "net", .dtype = f64});
  EXPECT_EQ(model.name(), "net");
  EXPECT_EQ(model.dtype(), f64);
  EXPECT_EQ(model.input_dtype(), f64);
  EXPECT_EQ(model.sample_shape(), (Shape{3}));
  EXPECT_EQ(model.output_shape(), (Shape{3}));
  EXPECT_EQ(model.network().type(), "sequential");
  EXPECT_EQ(Model(Dense{2}, {3}).dtype(), f32);
  EXPECT_EQ(Model(Dense{2}, {3}).name(), "model");
  for (const Variable& one : model.variables()) EXPECT_EQ(one.dtype(), f64);
}

TEST(Model, SeedsOfTheParameters) {
  const auto first_values = [](uint64_t seed) {
    return Model(small(), {3}, {.dtype = f64, .seed = seed}).values()[0].to_vector<double>();
  };
  EXPECT_EQ(first_values(5), first_values(5));
  EXPECT_NE(first_values(5), first_values(6));
  // f32 has the rounded values of f64.
  const auto wide = first_values(5);
  EXPECT_EQ(Model(small(), {3}, {.seed = 5}).values()[0].to_vector<float>(),
            std::vector<float>(wide.begin(), wide.end()));
}

TEST(Model, CopiesShareAndClonesDoNot) {
  const Model model(small(), {3}, {.dtype = f64, .seed = 9});
  model.variables()[1].assign(doubles({1, 2, 3, 4}, {4}));
  const Model copy = model, clone = model.clone();
  const Tensor x = scattered({4, 3});
  const Doubles before = values_of(model(x));
  EXPECT_EQ(values_of(clone(x)), before);
  model.variables()[1].assign(doubles({-4, 3, 9, 0}, {4}));
  EXPECT_NE(values_of(model(x)), before);
  EXPECT_EQ(values_of(copy(x)), values_of(model(x)));
  EXPECT_EQ(values_of(clone(x)), before);
  EXPECT_EQ(values_of(clone.predict(x)), before);
  EXPECT_EQ(clone.name(), model.name());
  EXPECT_EQ(clone.variables()[1].name(), "dense1.bias");
}

TEST(Model, ClonePredictsAfterTheOriginalIsGone) {
  const Tensor x = scattered({4, 3});
  Doubles before;
  const Model clone = [&] {
    const Model model(small(), {3}, {.dtype = f64});
    before = values_of(model.predict(x));
    return model.clone();
  }();
  EXPECT_EQ(values_of(clone.predict(x)), before);
}

TEST(Model, Values) {
  const Model model(small(), {3}, {.dtype = f64});
  const std::vector<Tensor> values = model.values();
  ASSERT_EQ(values.size(), model.variables().size());
  const Tensor x = scattered({4, 3});
  const Doubles before = values_of(model(x));
  std::vector<Tensor> others;
  for (const Tensor& value : values) others.push_back(value + 1);
  model.set_values(others);
  EXPECT_NE(values_of(model(x)), before);
  model.set_values(values);
  EXPECT_EQ(values_of(model(x)), before);
}

TEST(Model, ValuesAreCopies) {
  const Model model = model_of(Dense{.units = 1, .use_bias = false}, {1}, {doubles({2}, {1, 1})});
  const std::vector<Tensor> values = model.values();
  const auto step = compile([&] {
    Variable w = model.variables()[0];
    w.assign(w.read() * 3);
  });
  step();
  step();
  EXPECT_EQ(values_of(values[0]), (Doubles{2}));
  EXPECT_EQ(values_of(model.variables()[0]), (Doubles{18}));
}

TEST(Model, SetValuesErrors) {
  const Model model = model_of(Dense{2}, {3});
  EXPECT_EQ(message_of([&] { model.set_values({zeros({3, 2}, f64)}); }), "model 'm': 1 values for 2 variables");
  const std::vector<Tensor> before = model.values();
  const std::string shape = message_of([&] { model.set_values({ones({3, 2}, f64), ones({3}, f64)}); });
  EXPECT_THAT(shape, HasSubstr("bias"));
  EXPECT_THAT(shape, HasSubstr("f64[3]"));
  EXPECT_THAT(message_of([&] { model.set_values({ones({3, 2}), ones({2})}); }), HasSubstr("f32[3,2]"));
  expect_same(model.values()[0], before[0]);  // nothing was set
}

// Two dense layers, of which the second is the first again where both have one name.
struct Twice {
  static constexpr std::string_view type = "twice";
  Layer inner;
  std::string second = "same";
  std::string name;
  Tensor call(const Tensor& x, LayerContext& context) const {
    return context(inner, context(inner, x, "same"), second);
  }
};

TEST(Model, LayersOfOneNameShareTheirParameters) {
  const Model shared =
      model_of(Sequential{Twice{Dense{2}, "same", {}}}, {2}, {doubles({0, 1, 2, 0}, {2, 2}), ones({2}, f64)});
  EXPECT_EQ(variables_of(shared), "twice1.same.weight [2,2], twice1.same.bias [2]");
  EXPECT_EQ(shared.parameter_count(), 6);
  EXPECT_EQ(shared.multiply_adds(), 8);
  // [3 5] → [11 4] → [9 12].
  EXPECT_EQ(values_of(shared(doubles({3, 5}, {1, 2}))), (Doubles{9, 12}));
  EXPECT_EQ(model_of(Twice{Dense{2}, "other", {}}, {2}).parameter_count(), 12);
  EXPECT_EQ(building_error(Sequential{Twice{Dense{2}, "same", {}}}, {3}),
            "twice1.same.weight: the parameter has shape [3,2], the layer asks for [2,2]");
}

// Asks for one name as a parameter and as a state.
struct Both {
  static constexpr std::string_view type = "both";
  std::string name;
  Tensor call(const Tensor& x, LayerContext& context) const {
    return x + context.parameter("a", {1}, "ones") + context.state("a", {1}, 3);
  }
};

TEST(Model, AParameterIsNoState) {
  EXPECT_EQ(building_error(Both{}, {2}), "a: it is asked for as a parameter and as a state");
}

// Asks for a second parameter in training only; updates a state that is not there; adds samples up; gives bytes.
struct Odd {
  static constexpr std::string_view type = "odd";
  int kind;
  std::string name;
  Tensor call(const Tensor& x, LayerContext& context) const {
    if (kind == 0 && context.training()) return x + context.parameter("late", {1}, "ones");
    if (kind == 1) context.update("nowhere", x);
    if (kind == 2) return sum(x, 0, true);
    if (kind == 3) return cast(x, u8);
    if (kind == 4) return sum(x);
    if (kind == 5) return concat({x, x}, 0);
    if (kind == 6) return context(Layer(), x, "inner");
    if (kind == 7) return Tensor();
    return x;
  }
};

TEST(Model, LayersThatDoNotKeepTheRules) {
  const Tensor x = zeros({2, 3}, f64);
  const auto training_error = [&](int kind) {
    const Model model = model_of(Sequential{Odd{kind, "o"}}, {3});
    return message_of([&] { model.forward_training(x, random_key(1)); });
  };
  EXPECT_EQ(training_error(0),
            "o.late: the model has no such parameter: the layer asks for others than when it was built");
  EXPECT_EQ(training_error(1), "o.nowhere: there is no such state to update");
  EXPECT_EQ(building_error(Sequential{Odd{6, "o"}}, {3}), "o.inner: the layer is undefined");
  EXPECT_EQ(building_error(Sequential{Odd{7, "o"}}, {3}), "layer 'o': its type odd gave an undefined tensor");
}

TEST(Model, TheOutputIsFloatsOfAsManySamples) {
  EXPECT_EQ(building_error(Odd{3, ""}, {3}), "model 'model': the network gives u8, expected f32");
  EXPECT_THAT(building_error(Flatten{}, {2, 2}, {.name = "raw", .input = u8}),
              HasSubstr("model 'raw': the network gives u8, expected f32"));
  for (const int kind : {4, 5})
    EXPECT_THAT(building_error(Odd{kind, ""}, {3}), HasSubstr("model 'model': of 1 sample the network gives f32["));
  // What adds samples up shows with more than one.
  const Model model = model_of(Odd{2, ""}, {3});
  EXPECT_THAT(message_of([&] {
                model.predict(zeros({2, 3}, f64));
              }),
              HasSubstr("model 'm': of 2 samples the network gives f64[1,3]"));
}

TEST(Model, BuildingErrorsNameTheLayerAndItsLine) {
  const Layer last = Conv2D{.filters = 4, .kernel = 5};
  const int line = __LINE__ - 1;
  const Layer wrong =
      Sequential{Conv2D{.filters = 4}, Sequential{{MaxPool2D{}, Conv2D{.filters = 4, .kernel = 1}, last}, "block"}};
  const std::string message = building_error(wrong, {8, 8, 1});
  EXPECT_THAT(message, HasSubstr("block.conv2 (conv2d): "));
  EXPECT_THAT(message, HasSubstr("image f32[1,3,3,4]"));
  EXPECT_THAT(message, HasSubstr(fmt::format("model_test.cpp:{}", line)));
}

TEST(Model, OptionErrors) {
  EXPECT_EQ(building_error(Dense{2}, {3}, {.name = "n", .dtype = i64}),
            "model 'n': parameters are f32 or f64, not i64");
  EXPECT_EQ(building_error(Layer(), {3}), "model 'model': the network is undefined");
  EXPECT_EQ(building_error(Dense{2}, {3, 0}), "model 'model': a sample of shape [3,0]: sizes are 1 or more");
  EXPECT_EQ(building_error(Dense{2}, {-1}), "model 'model': a sample of shape [-1]: sizes are 1 or more");
  EXPECT_EQ(building_error(Dense{2}, {1, 1, 1, 1, 1, 1, 1, 1}),
            "model 'model': a sample of shape [1,1,1,1,1,1,1,1]: expected fewer than 8 axes");
}

TEST(Model, NodesCarryLinesAndNames) {
  const Model model = model_of(Sequential{Dense{2, "relu"}, BatchNorm{}, Dropout{}}, {3});
  const Tensor y = model.forward_training(zeros({2, 3}, f64), random_key(1)).output;
  const std::string text = to_text({y});
  EXPECT_THAT(text, HasSubstr("dense1  "));
  EXPECT_THAT(text, HasSubstr("batch_norm1  "));
  EXPECT_THAT(text, HasSubstr("dropout1  "));
  EXPECT_THAT(text, HasSubstr("model_test.cpp:"));
}

TEST(Model, PredictsFromSeveralThreads) {
  const Model model(small(), {3}, {.dtype = f64});
  const Tensor x = scattered({50, 3}).eval();
  const Doubles expected = values_of(model(x));
  std::vector<std::thread> threads;
  std::atomic<int> right = 0;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) right += distance(values_of(model.predict(x, 7 + t)), expected) <= 1e-15;
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 80);
}

}  // namespace
}  // namespace telaio::nn
