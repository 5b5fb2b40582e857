#include <telaio/nn/train/evaluate.hpp>

#include <limits>

#include "training_testing.hpp"

namespace telaio::nn {
namespace {

using testing::HasSubstr;

TEST(Evaluate, AgainstPlainArithmetic) {
  const Model model(dense_net({5, 3}, "softmax"), {2}, {.dtype = f64});
  const Examples data = clouds(37, 3);
  // Logits → probabilities and losses, in double.
  const Tensor logits = model.forward(cast(data.inputs, f64)).logits;
  const Values x = logits.to_vector<double>();
  const std::vector<int64_t> y = data.targets.to_vector<int64_t>();
  Values losses, probabilities, class_loss(3), counts(3);
  ConfusionMatrix confusion(3);
  double total = 0;
  for (size_t i = 0; i < 37; ++i) {
    double sum = 0;
    size_t best = 0;
    for (size_t c = 0; c < 3; ++c) {
      sum += std::exp(x[3 * i + c]);
      if (x[3 * i + c] > x[3 * i + best]) best = c;
    }
    for (size_t c = 0; c < 3; ++c) probabilities.push_back(std::exp(x[3 * i + c]) / sum);
    const auto truth = static_cast<size_t>(y[i]);
    losses.push_back(std::log(sum) - x[3 * i + truth]);
    total += losses.back();
    class_loss[truth] += losses.back();
    ++counts[truth];
    confusion.add(y[i], static_cast<int64_t>(best));
  }
  for (const int64_t batch_size : {1, 5, 36, 37, 256}) {
    const Evaluation result = evaluate(model, data, {.batch_size = batch_size});
    EXPECT_EQ(result.samples, 37);
    EXPECT_NEAR(result.loss, total / 37, 1e-12);
    ASSERT_EQ(result.losses.size(), 37u);
    for (size_t i = 0; i < 37; ++i) EXPECT_NEAR(static_cast<double>(result.losses[i]), losses[i], 1e-6);
    EXPECT_EQ(result.outputs.spec(), (TensorSpec{f64, {37, 3}}));
    const Values outputs = result.outputs.to_vector<double>();
    for (size_t i = 0; i < outputs.size(); ++i) EXPECT_NEAR(outputs[i], probabilities[i], 1e-12);
    ASSERT_TRUE(result.confusion);
    for (int64_t t = 0; t < 3; ++t)
      for (int64_t p = 0; p < 3; ++p) EXPECT_EQ(result.confusion->count(t, p), confusion.count(t, p));
    EXPECT_EQ(result.accuracy(), confusion.accuracy());
    ASSERT_EQ(result.class_loss.size(), 3u);
    for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(result.class_loss[c], class_loss[c] / counts[c], 1e-6);
  }
  for (const int64_t batch_size : {1, 7, 256}) {
    const Values outputs = predict(model, data.inputs, {}, batch_size).to_vector<double>();
    for (size_t i = 0; i < outputs.size(); ++i) EXPECT_NEAR(outputs[i], probabilities[i], 1e-12);
  }
}

TEST(Evaluate, OfNumbers) {
  const Model model(Dense{.units = 1, .weight_initializer = "ones"}, {1});
  const Tensor x = from_data(std::vector<float>{1, 2, 3}, {3, 1}), y = from_data(std::vector<float>{0, 2, 5}, {3});
  const Evaluation result = evaluate(model, {x, y}, {.batch_size = 2});
  EXPECT_NEAR(result.loss, 5.0 / 3, 1e-12);
  EXPECT_EQ(result.losses, (std::vector<float>{1, 0, 4}));
  EXPECT_EQ(result.accuracy(), std::nullopt);
  EXPECT_FALSE(result.confusion);
  EXPECT_TRUE(result.class_loss.empty());
  EXPECT_NEAR(evaluate(model, {x, y}, {.loss = "mae"}).loss, 1, 1e-12);
}

TEST(Evaluate, OfOneOutputAndOfOneHot) {
  const Model one(dense_net({4, 1}, "sigmoid"), {2}), three(dense_net({4, 3}, "softmax"), {2});
  const Examples two_classes = clouds(20, 2), three_classes = clouds(20, 3);
  const Evaluation binary = evaluate(one, two_classes);
  EXPECT_EQ(binary.confusion->classes(), 2);
  EXPECT_EQ(evaluate(one, {two_classes.inputs, cast(reshape(two_classes.targets, {20, 1}), f32)}).loss, binary.loss);
  const Evaluation hot = evaluate(three, {three_classes.inputs, one_hot(three_classes.targets, 3)});
  EXPECT_EQ(hot.loss, evaluate(three, three_classes).loss);
  EXPECT_EQ(hot.accuracy(), evaluate(three, three_classes).accuracy());
}

TEST(Evaluate, AClassThatDoesNotOccurHasNoLoss) {
  const Model model(dense_net({4, 3}, "softmax"), {2});
  const Evaluation result = evaluate(model, {zeros({4, 2}), zeros({4}, i64)});
  EXPECT_GT(result.class_loss[0], 0);
  EXPECT_EQ(result.class_loss[1], 0);
}

TEST(Evaluate, PreparesInputs) {
  const Tensor bytes = cast(scrambled({9, 4}, f64) * 100 + 128, u8).eval();
  const Model model(Dense{.units = 1}, {4}), rescaling(Sequential{Rescaling{}, Dense{.units = 1}}, {4}, {.input = u8});
  const Tensor y = zeros({9});
  EXPECT_NEAR(evaluate(model, {bytes, y}).loss, evaluate(model, {cast(bytes, f32) / 255.0, y}).loss, 1e-6);
  EXPECT_NEAR(evaluate(rescaling, {bytes, y}).loss, evaluate(model, {bytes, y}).loss, 1e-6);
  const Standardization pixels{.pixels = true, .mean = full({4}, 0.5), .deviation = full({4}, 2)};
  EXPECT_NEAR(evaluate(model, {bytes, y}, {.standardization = pixels}).loss,
              evaluate(model, {(cast(bytes, f32) / 255.0 - 0.5) / 2.0, y}).loss, 1e-6);
  const Tensor predicted = predict(model, bytes, pixels), plain = model.predict((cast(bytes, f32) / 255.0 - 0.5) / 2.0);
  for (size_t i = 0; i < 9; ++i) EXPECT_NEAR(predicted.to_vector<double>()[i], plain.to_vector<double>()[i], 1e-6);
}

TEST(Evaluate, DropsAndMovesNothing) {
  const Model model(Sequential{Dense{.units = 4}, BatchNorm{}, Dropout{}, Dense{.units = 3, .activation = "softmax"}},
                    {2});
  const std::vector<Tensor> before = model.values();
  EXPECT_EQ(evaluate(model, clouds(20, 3)).loss, evaluate(model, clouds(20, 3)).loss);
  EXPECT_TRUE(same_bits(before, model.values()));
}

TEST(Evaluate, ImagesOut) {
  const Model model(Conv2D{.filters = 2, .padding = Padding::same()}, {4, 4, 1});
  const Evaluation result = evaluate(model, {ones({5, 4, 4, 1}), zeros({5, 4, 4, 2})}, {.batch_size = 2});
  EXPECT_EQ(result.outputs.shape(), (Shape{5, 4, 4, 2}));
  EXPECT_EQ(predict(model, ones({5, 4, 4, 1})).shape(), (Shape{5, 4, 4, 2}));
  EXPECT_EQ(predict(model, zeros({0, 4, 4, 1})).shape(), (Shape{0, 4, 4, 2}));
}

TEST(Evaluate, Errors) {
  const Model model(dense_net({4, 3}, "softmax"), {2});
  const auto error = [&](const Examples& data, const EvaluateOptions& options = {}) {
    return message_of([&] { evaluate(model, data, options); });
  };
  EXPECT_EQ(error({}), "model 'model': there are no samples");
  EXPECT_EQ(error({zeros({4, 2}), Tensor()}), "evaluate: there are no targets");
  EXPECT_EQ(error({zeros({0, 2}), zeros({0}, i64)}), "evaluate: there are no samples");
  EXPECT_EQ(error({zeros({4, 3}), zeros({4}, i64)}), "model 'model': expected samples of shape [2], the data have [3]");
  EXPECT_EQ(error({zeros({4, 2}, i32), zeros({4}, i64)}),
            "model 'model': expected inputs of type f32, the data are i32");
  EXPECT_THAT(error({zeros({4, 2}), zeros({5}, i64)}), HasSubstr("expected targets [4, …]"));
  EXPECT_THAT(error({zeros({4, 2}), full({4}, 3, i64)}), HasSubstr("label 3 at place 0 is not one of 3 classes"));
  EXPECT_THAT(error({zeros({4, 2}), zeros({4}, i64)}, {.batch_size = 0}), HasSubstr("batch_size"));
  EXPECT_THAT(error({zeros({4, 2}), zeros({4, 2})}), HasSubstr("the targets (b) do not fit"));
}

}  // namespace
}  // namespace telaio::nn
