// Gradients through layers in training, by every parameter and by the input.
#include "layer_testing.hpp"

namespace telaio::nn {
namespace {

/// Analytic gradients of Σ output·weights by all parameters against central differences, element by element.
void expect_gradients(const Model& model, const Tensor& x, bool training) {
  const Tensor key = random_key(11, 5);
  const auto loss = compile([&](const Tensor& samples) {
    const Tensor y = training ? model.forward_training(samples, key).output : model.forward(samples).output;
    return sum(y * sin(reshape(cast(arange(y.numel()), f64), y.shape()) + 1));
  });
  const auto slopes = compile([&](const Tensor& samples) {
    const Tensor y = training ? model.forward_training(samples, key).output : model.forward(samples).output;
    const Tensor total = sum(y * sin(reshape(cast(arange(y.numel()), f64), y.shape()) + 1));
    std::vector<Tensor> by;
    for (const Variable& parameter : model.parameters()) by.push_back(parameter);
    return grad(total, by, {.strict = true});
  });
  const std::vector<Tensor> analytic = slopes(x);
  const std::vector<Variable> parameters = model.parameters();
  ASSERT_EQ(analytic.size(), parameters.size());
  constexpr double step = 1e-5;
  for (size_t p = 0; p < parameters.size(); ++p) {
    Variable parameter = parameters[p];
    const Doubles g = values_of(analytic[p]), before = values_of(parameter);
    double largest = 0;
    for (size_t i = 0; i < g.size(); ++i) {
      const auto at = [&](double moved) {
        Doubles changed = before;
        changed[i] += moved;
        parameter.assign(doubles(changed, parameter.shape()));
        return loss(x).template item<double>();
      };
      const double numeric = (at(step) - at(-step)) / (2 * step);
      EXPECT_NEAR(g[i], numeric, 1e-7 * std::max(1.0, std::abs(numeric))) << parameter.name() << " " << i;
      largest = std::max(largest, std::abs(g[i]));
    }
    parameter.assign(doubles(before, parameter.shape()));
    EXPECT_GT(largest, 1e-4) << parameter.name();
  }
  if (!is_float(x.dtype())) return;
  const CheckedFunction by_input([&](const Tensor& samples) { return loss(samples); });
  const GradcheckReport report = gradcheck(by_input, {x}, {.eps = 6e-6, .atol = 1e-8, .rtol = 1e-6, .raise = false});
  EXPECT_TRUE(report.passed && report.compared > 0) << report.message();
}

Layer everything() {
  return Sequential{
      Rescaling{1.5, 0.25},
      Conv2D{.filters = 4, .activation = "tanh", .padding = Padding::same()},
      BatchNorm{},
      Residual{
          .layers = {Conv2D{.filters = 4, .kernel = {1, 3}, .padding = Padding::same(), .dilation = 2, .groups = 2},
                     LayerNorm{}, Activation{"gelu"}},
          .shortcut = {Conv2D{.filters = 4, .kernel = 1, .use_bias = false}},
          .activation = "softplus"},
      MaxPool2D{},
      DepthwiseConv2D{.kernel = 2, .multiplier = 2, .activation = "silu"},
      Parallel{.branches = {GlobalAveragePool2D{}, GlobalMaxPool2D{},
                            Sequential{AveragePool2D{.strides = 1, .padding = Padding::same()}, Flatten{}},
                            Sequential{Reshape{{-1, 8}}, Dense{3, "sigmoid"}, Flatten{}}}},
      Dropout{0.3},
      Dense{.units = 5, .activation = "elu(0.7)"},
      Dense{4},
      Softmax{}};
}

TEST(LayerGradients, OfEveryLayerInTraining) {
  expect_gradients(model_of(everything(), {6, 5, 2}), scattered({2, 6, 5, 2}), true);
}

TEST(LayerGradients, OfEveryLayerInInference) {
  expect_gradients(model_of(everything(), {6, 5, 2}), scattered({2, 6, 5, 2}), false);
}

TEST(LayerGradients, OfAnEmbedding) {
  Model model(
      Sequential{Embedding{.vocabulary = 4, .dim = 3, .weight_initializer = "normal(1)"}, Flatten{}, Dense{2, "tanh"}},
      {3}, {.dtype = f64, .input = i64});
  expect_gradients(model, cast(tensor({{0, 3, 1}, {2, 2, 0}}), i64), true);
}

TEST(LayerGradients, TrainingFitsALine) {
  // The whole way: y = 2x − 1 by gradient steps in one compiled function.
  const Model model = model_of(Dense{1}, {1});
  const Tensor x = doubles({-1, 0, 1, 2}, {4, 1}), target = doubles({-3, -1, 1, 3}, {4, 1});
  const auto step = compile([&](const Tensor& samples, const Tensor& goals) {
    const Tensor loss = mean(square(model.forward_training(samples, {}).output - goals));
    std::vector<Tensor> by;
    for (const Variable& parameter : model.parameters()) by.push_back(parameter);
    const std::vector<Tensor> gradients = grad(loss, by, {.strict = true});
    std::vector<std::pair<Variable, Tensor>> next;
    for (size_t i = 0; i < by.size(); ++i) next.emplace_back(model.parameters()[i], by[i] - gradients[i] * 0.2);
    assign(next);
    return loss;
  });
  for (int i = 0; i < 200; ++i) step(x, target);
  EXPECT_LE(distance(values_of(model.variables()[0]), {2}), 1e-9);
  EXPECT_LE(distance(values_of(model.variables()[1]), {-1}), 1e-9);
}

}  // namespace
}  // namespace telaio::nn
