#include <telaio/nn/describe.hpp>

#include "layer_testing.hpp"

namespace telaio::nn {
namespace {

std::vector<std::string> paths_of(const Model& model) {
  std::vector<std::string> paths;
  for (const LayerInfo& layer : model.layers()) paths.push_back(layer.path);
  return paths;
}

const Tensor x = doubles({1, -2, 3, 4, 5, -6}, {2, 3});

/// x·factor for each element, without parameters.
Layer times(double factor) { return Rescaling{factor}; }

TEST(SequentialLayer, OneBehindTheOther) {
  const Model model = model_of(Sequential{times(2), Rescaling{1, 1}, Activation{"relu"}}, {3});
  EXPECT_EQ(values_of(model(x)), (Doubles{3, 0, 7, 9, 11, 0}));
  EXPECT_EQ(values_of(model_of(Sequential{}, {3})(x)), values_of(x));
}

TEST(SequentialLayer, NamesWithoutThe2dAndWithANumber) {
  const Model model = model_of(
      Sequential{Conv2D{.filters = 2, .kernel = 1}, MaxPool2D{}, Conv2D{2, 1}, DepthwiseConv2D{1}, MaxPool2D{1},
                 AveragePool2D{1}, BatchNorm{}, Flatten{}, Dense{3}, Dropout{}, Dense{.units = 2, .name = "last"}},
      {2, 2, 1});
  EXPECT_EQ(paths_of(model),
            (std::vector<std::string>{"conv1", "max_pool1", "conv2", "depthwise_conv1", "max_pool2", "average_pool1",
                                      "batch_norm1", "flatten1", "dense1", "dropout1", "last", ""}));
  EXPECT_EQ(model.variables()[0].name(), "conv1.weight");
  EXPECT_EQ(model.variables().back().name(), "last.bias");
}

TEST(SequentialLayer, NamesInSequencesInSequences) {
  const Model model = model_of(Sequential{Sequential{{Dense{2}, Dense{2}}, "block"}, Sequential{Dense{2}}}, {3});
  EXPECT_EQ(paths_of(model), (std::vector<std::string>{"block.dense1", "block.dense2", "block", "sequential1.dense1",
                                                       "sequential1", ""}));
  EXPECT_EQ(variables_of(model),
            "block.dense1.weight [3,2], block.dense1.bias [2], block.dense2.weight [2,2], block.dense2.bias [2], "
            "sequential1.dense1.weight [2,2], sequential1.dense1.bias [2]");
}

TEST(SequentialLayer, OneInBracesIsTheInnerOne) {
  const Sequential inner({Dense{2}, Dense{3}}, "inner");
  EXPECT_EQ(to_json(Layer(Sequential{inner})), to_json(Layer(inner)));
  EXPECT_EQ(to_json(Layer(Sequential{Layer(inner)})), to_json(Layer(inner)));
  EXPECT_EQ(model_of(Sequential({inner}, "outer"), {2}).variables()[0].name(), "inner.dense1.weight");
  EXPECT_EQ(model_of(Sequential{Flatten{}, inner}, {2}).variables()[0].name(), "inner.dense1.weight");
  EXPECT_EQ(model_of(Sequential(std::vector<Layer>{inner}), {2}).variables()[0].name(), "inner.dense1.weight");
}

TEST(SequentialLayer, RefusedNames) {
  EXPECT_THAT(building_error(Sequential{Dense{2, {}, true, "zeros", "zeros", "a.b"}}, {3}),
              HasSubstr("layer 'a.b': a name has no dots: they separate the names of layers in layers"));
  const Layer twice = Sequential{Dense{.units = 2, .name = "a"}, Dense{.units = 2, .name = "a"}};
  EXPECT_EQ(building_error(twice, {3}), "layer 'a': two layers have this name");
  EXPECT_EQ(building_error(Sequential{Flatten{}, Sequential{{twice}, "block"}}, {3}),
            "layer 'a': two layers of block.sequential1 have this name");
  // A given name may meet an automatic one.
  EXPECT_EQ(building_error(Sequential{Dense{2}, Dense{.units = 2, .name = "dense1"}}, {3}),
            "layer 'dense1': two layers have this name");
  EXPECT_EQ(building_error(Sequential{Dense{2}, Layer()}, {3}), "layer 2 is undefined");
  EXPECT_EQ(building_error(Sequential{Flatten{}, Sequential{{Layer()}, "block"}}, {3}), "block: layer 1 is undefined");
}

TEST(ResidualLayer, AroundTheIdentity) {
  EXPECT_EQ(values_of(model_of(Residual{{times(2), Rescaling{1, 1}}}, {3})(x)), (Doubles{4, -5, 10, 13, 16, -17}));
  EXPECT_EQ(values_of(model_of(Residual{.layers = {times(2)}, .activation = "relu"}, {3})(x)),
            (Doubles{3, 0, 9, 12, 15, 0}));
}

TEST(ResidualLayer, AroundAShortcut) {
  const Model model = model_of(
      Sequential{Residual{.layers = {Dense{2}}, .shortcut = {Dense{2}, times(10)}}}, {3},
      {doubles({1, 0, 0, 1, 0, 0}, {3, 2}), zeros({2}, f64), doubles({0, 0, 0, 1, 1, 0}, {3, 2}), ones({2}, f64)});
  // Body (x0, x1), shortcut 10·(x2 + 1, x1 + 1).
  EXPECT_EQ(values_of(model(x)), (Doubles{1 + 40, -2 - 10, 4 - 50, 5 + 60}));
  EXPECT_EQ(variables_of(model),
            "residual1.dense1.weight [3,2], residual1.dense1.bias [2], residual1.shortcut.dense1.weight [3,2], "
            "residual1.shortcut.dense1.bias [2]");
  EXPECT_EQ(paths_of(model),
            (std::vector<std::string>{"residual1.dense1", "residual1.shortcut.dense1", "residual1.shortcut.rescaling1",
                                      "residual1.shortcut", "residual1", ""}));
  EXPECT_EQ(model.multiply_adds(), 12);
}

TEST(ResidualLayer, Errors) {
  EXPECT_THAT(building_error(Residual{}, {3}), HasSubstr("residual: layers: expected at least one\n  at "));
  const std::string shapes = building_error(Sequential{Residual{{Dense{2}}}}, {3});
  EXPECT_THAT(shapes, HasSubstr("residual1 (residual): the body's result (a) and the shortcut's (b) differ in shape\n"
                                "  a f32[1,2]   b f32[1,3]\n  at "));
  EXPECT_THAT(shapes, HasSubstr("combine_test.cpp:"));
  // Shapes that would broadcast are refused, too.
  EXPECT_THAT(building_error(Residual{{Dense{1}}}, {3}), HasSubstr("differ in shape"));
}

TEST(ResidualLayer, NoLayerOfTheBodyIsCalledShortcut) {
  // Their parameters would have the same names.
  const Layer layer = Residual{.layers = {Sequential{{Dense{2}}, "shortcut"}}, .shortcut = {Dense{2}}};
  EXPECT_EQ(building_error(layer, {3}), "layer 'shortcut': two layers have this name");
  EXPECT_EQ(building_error(Residual{.layers = {Sequential{{Dense{3}}, "shortcut"}}}, {3}), "no error");
}

TEST(ParallelLayer, EachJoin) {
  const auto joined = [](std::string join) {
    return values_of(model_of(Parallel{{times(2), Sequential{}, Rescaling{1, 3}}, std::move(join)}, {3})(x));
  };
  EXPECT_EQ(joined("concat"), (Doubles{2, -4, 6, 1, -2, 3, 4, 1, 6, 8, 10, -12, 4, 5, -6, 7, 8, -3}));
  EXPECT_EQ(joined("add"), (Doubles{7, -5, 15, 19, 23, -21}));
  EXPECT_EQ(joined("multiply"), (Doubles{8, 8, 108, 224, 400, -216}));
  EXPECT_EQ(joined("maximum"), (Doubles{4, 1, 6, 8, 10, -3}));
  EXPECT_LE(distance(joined("average"), {7.0 / 3, -5.0 / 3, 5, 19.0 / 3, 23.0 / 3, -7}), 1e-15);
}

TEST(ParallelLayer, ConcatenatesChannelsOfImages) {
  const Model model = model_of(
      Parallel{{Conv2D{.filters = 2, .padding = Padding::same()}, Conv2D{3, 1}, MaxPool2D{3, 1, Padding::same()}}},
      {4, 4, 5});
  EXPECT_EQ(model.output_shape(), (Shape{4, 4, 2 + 3 + 5}));
}

TEST(ParallelLayer, OneBranch) {
  for (const char* join : {"concat", "add", "multiply", "maximum", "average"})
    EXPECT_EQ(values_of(model_of(Parallel{{times(2)}, join}, {3})(x)), (Doubles{2, -4, 6, 8, 10, -12})) << join;
}

TEST(ParallelLayer, NamesOfBranches) {
  const Model model = model_of(Sequential{Parallel{{Dense{.units = 1, .name = "left"}, Dense{1}}}}, {3});
  EXPECT_EQ(variables_of(model),
            "parallel1.left.weight [3,1], parallel1.left.bias [1], parallel1.branch2.weight [3,1], "
            "parallel1.branch2.bias [1]");
  EXPECT_EQ(paths_of(model), (std::vector<std::string>{"parallel1.left", "parallel1.branch2", "parallel1", ""}));
}

TEST(ParallelLayer, Errors) {
  EXPECT_THAT(building_error(Parallel{}, {3}), HasSubstr("parallel: branches: expected at least one\n  at "));
  EXPECT_THAT(building_error(Parallel{{times(1)}, "sum"}, {3}),
              HasSubstr("join: 'sum' is unknown; expected concat, add, multiply, maximum, average\n  at "));
  const std::string shapes = building_error(Sequential{Parallel{{Dense{2}, Dense{1}}, "add"}}, {3});
  EXPECT_THAT(shapes, HasSubstr("parallel1 (parallel): join add: the branches differ in shape\n"
                                "  a f32[1,2]   b f32[1,1]\n  at "));
  const std::string ranks = building_error(Parallel{{Flatten{}, Sequential{}}}, {2, 2});
  EXPECT_THAT(ranks, HasSubstr("concat"));
  EXPECT_THAT(ranks, HasSubstr("combine_test.cpp:"));
  EXPECT_THAT(building_error(Sequential{Parallel{{Dense{2}, Layer()}}}, {3}),
              HasSubstr("parallel1: layer 2 is undefined"));
}

TEST(ParallelLayer, NamesOfBranchesAreCheckedAsInASequence) {
  const auto named = [](const char* name) { return Layer(Dense{.units = 2, .name = name}); };
  EXPECT_EQ(building_error(Parallel{{named("a"), named("a")}}, {3}), "layer 'a': two layers have this name");
  EXPECT_EQ(building_error(Sequential{Parallel{{named("branch2"), Dense{2}}}}, {3}),
            "layer 'branch2': two layers of parallel1 have this name");
  EXPECT_THAT(building_error(Parallel{{named("a.b")}}, {3}), HasSubstr("layer 'a.b': a name has no dots"));
}

}  // namespace
}  // namespace telaio::nn
