#include <telaio/nn/train/trainer.hpp>

#include <limits>

#include <telaio/nn/train/check_finite.hpp>

#include "training_testing.hpp"

namespace telaio::nn {
namespace {

using testing::HasSubstr;

Optimizer sgd(double rate) { return {.rule = SGD{}, .learning_rate = rate}; }

/// log(output), which is nan for a negative one.
Loss logarithm() {
  return Loss("logarithm", [](const Forward& forward, const Tensor&) { return reshape(log(forward.output), {-1}); });
}

TEST(Trainer, AStepByHand) {
  // loss = mean (w·x + b − y)², from w = 1, b = 0.
  const Model model(Dense{.units = 1, .weight_initializer = "ones"}, {1}, {.dtype = f64});
  Trainer trainer(model, {.optimizer = sgd(0.1)});
  const Tensor x = from_data(Values{1, 2}, {2, 1}), y = from_data(Values{0, 4}, {2});
  const StepResult result = trainer.step(x, y);
  EXPECT_EQ(result.loss.item<double>(), 2.5);
  EXPECT_EQ(result.losses.to_vector<double>(), (Values{1, 4}));
  EXPECT_FALSE(result.correct.defined());
  EXPECT_EQ(model.values()[0].item<double>(), 1 - 0.1 * (2 * 1 * 1 + 2 * -2 * 2) / 2);
  EXPECT_EQ(model.values()[1].item<double>(), -0.1 * (2 * 1 + 2 * -2) / 2);
  EXPECT_EQ(trainer.steps(), 1);
  // Another rate for one step, and weights.
  const std::vector<Tensor> before = model.values();
  trainer.step(x, y, {}, 0.0);
  EXPECT_TRUE(same_bits(before, model.values()));
  EXPECT_EQ(trainer.steps(), 2);
  model.set_values({ones({1, 1}, f64), zeros({1}, f64)});
  EXPECT_EQ(trainer.step(x, y, from_data(Values{3, 0.5}, {2}), 0.0).loss.item<double>(), 2.5);
  EXPECT_EQ(trainer.step(x, y, from_data(std::vector<float>{3, 0}, {2}), 0.0).loss.item<double>(), 1.5);
  Trainer by_weights(model, {.optimizer = sgd(0), .weight_mean = MeanBy::weights});
  EXPECT_EQ(by_weights.step(x, y, from_data(Values{3, 0.5}, {2})).loss.item<double>(), 5 / 3.5);
  EXPECT_EQ(by_weights.step(x, y).loss.item<double>(), 2.5);
}

TEST(Trainer, SaysWhatWasRight) {
  const Model model(Dense{.units = 2, .activation = "softmax", .weight_initializer = "ones"}, {1});
  Trainer trainer(model, {.optimizer = sgd(0)});
  const StepResult result = trainer.step(ones({3, 1}), from_data(std::vector<int64_t>{0, 1, 0}, {3}));
  EXPECT_EQ(result.correct.dtype(), boolean);
  EXPECT_EQ(result.correct.to_vector<int>(), (std::vector<int>{1, 0, 1}));
}

TEST(Trainer, AdamCountsItsSteps) {
  // Of a first step Adam's size is the rate, whatever the gradient; with set_steps it is not the first.
  const auto moved = [](int64_t steps) {
    const Model model(Dense{.units = 1, .use_bias = false, .weight_initializer = "ones"}, {1}, {.dtype = f64});
    Trainer trainer(model, {.optimizer = {.rule = Adam{.epsilon = 0}, .learning_rate = 0.5}});
    trainer.set_steps(steps);
    trainer.step(ones({2, 1}, f64), zeros({2}, f64));
    return 1 - model.values()[0].item<double>();
  };
  EXPECT_NEAR(moved(0), 0.5, 1e-15);
  EXPECT_NEAR(moved(1), 0.5 * 0.1 / (1 - 0.81) / std::sqrt(0.001 / (1 - 0.998001)), 1e-14);
}

TEST(Trainer, MayBeMoved) {
  const Model model(Dense{.units = 1}, {1});
  Trainer first(model, {.optimizer = sgd(0.1)});
  first.step(ones({2, 1}), zeros({2}));
  Trainer second = std::move(first);
  second.step(ones({2, 1}), zeros({2}));
  EXPECT_EQ(second.steps(), 2);
}

TEST(Trainer, Graph) {
  const Model model(dense_net({3, 2}, "softmax"), {2});
  const Trainer trainer(model);
  const auto [loss, gradients] = trainer.graph(ones({4, 2}), zeros({4}, i64));
  EXPECT_EQ(loss.shape(), Shape{});
  ASSERT_EQ(gradients.size(), 4u);
  EXPECT_EQ(gradients[0].shape(), (Shape{2, 3}));
}

TEST(Trainer, Errors) {
  const Model model(dense_net({3}, "softmax"), {2});
  Trainer trainer(model);
  EXPECT_THAT(message_of([&] { trainer.step(ones({4, 3}), zeros({4}, i64)); }), HasSubstr("expected f32[N,2]"));
  EXPECT_THAT(message_of([&] {
                trainer.step(ones({4, 2}), zeros({5}, i64));
              }),
              HasSubstr("the targets (b) do not fit"));
  EXPECT_THAT(message_of([&] {
                trainer.step(ones({4, 2}), zeros({4}, i64), ones({3}));
              }),
              HasSubstr("weights: expected one for each sample (b), the losses are (a)"));
  EXPECT_THAT(message_of([&] {
                trainer.step(ones({4, 2}), full({4}, 3, i64));
              }),
              HasSubstr("label 3 at place 0 is not one of 3 classes"));
  EXPECT_EQ(trainer.steps(), 0);
  EXPECT_EQ(message_of([] { Trainer(Model(Flatten{}, {2, 2})); }), "model 'model': there are no parameters to train");
  const Loss unreached("constant", [](const Forward&, const Tensor& targets) { return targets * 1.0; });
  Trainer lost(model, {.loss = unreached});
  EXPECT_NE(message_of([&] { lost.step(ones({4, 2}), zeros({4})); }), "no error");
}

TEST(Trainer, NonFiniteStepsChangeNothing) {
  for (const char* text : {"sgd", "adam", "rmsprop"}) {
    Optimizer optimizer = parse_optimizer(text);
    optimizer.learning_rate = 1e30;
    const Model model(Sequential{Dense{.units = 4}, BatchNorm{}, Dense{.units = 1}}, {2});
    Trainer trainer(model, {.optimizer = optimizer});
    const Tensor x = scrambled({8, 2}), y = scrambled(Shape{8});
    std::string message = "no error";
    std::vector<Tensor> before, slots;
    int64_t steps = 0;
    while (message == "no error" && steps < 10) {
      before = model.values();
      slots.clear();
      for (const Variable& slot : trainer.optimizer().slots()) slots.push_back(snapshot(slot));
      steps = trainer.steps();
      message = message_of([&] { trainer.step(x, y); });
    }
    EXPECT_GT(steps, 0) << text;
    EXPECT_THAT(message, HasSubstr("step " + std::to_string(steps + 1) +
                                   ": the loss or a gradient is not finite, so nothing was updated: "));
    EXPECT_TRUE(same_bits(before, model.values())) << text;
    for (const Tensor& value : before) EXPECT_EQ(not_finite(value.value()), "") << text;
    std::vector<Tensor> slots_now;
    for (const Variable& slot : trainer.optimizer().slots()) slots_now.push_back(snapshot(slot));
    EXPECT_TRUE(same_bits(slots, slots_now)) << text;
    EXPECT_EQ(trainer.steps(), steps);
  }
}

TEST(Trainer, NamesOpLayerAndLine) {
  const Model model(Sequential{Dense{.units = 2, .name = "inner"}, Activation{.function = "exp", .name = "blow"},
                               Dense{.units = 1, .name = "outer"}},
                    {1});
  model.set_values({full({1, 2}, 100), zeros({2}), ones({2, 1}), zeros({1})});
  Trainer trainer(model);
  const std::vector<Tensor> before = model.values();
  const std::string message = message_of([&] { trainer.step(ones({3, 1}), zeros({3})); });
  EXPECT_THAT(message, HasSubstr("step 1: the loss or a gradient is not finite, so nothing was updated: "));
  EXPECT_THAT(message, HasSubstr("exp of layer 'blow' gives an infinity"));
  EXPECT_THAT(message, HasSubstr("trainer_test.cpp:"));
  EXPECT_TRUE(same_bits(before, model.values()));
}

TEST(Trainer, NanOfALossOfOnesOwn) {
  const Model model(Dense{.units = 1, .weight_initializer = "ones"}, {1});
  Trainer trainer(model, {.loss = logarithm(), .optimizer = sgd(0.1)});
  EXPECT_EQ(message_of([&] { trainer.step(ones({3, 1}), zeros({3})); }), "no error");
  const std::vector<Tensor> before = model.values();
  const std::string message = message_of([&] { trainer.step(full({3, 1}, -5), zeros({3})); });
  EXPECT_THAT(message,
              HasSubstr("step 2: the loss or a gradient is not finite, so nothing was updated: log gives nan"));
  EXPECT_THAT(message, HasSubstr("trainer_test.cpp:"));
  EXPECT_TRUE(same_bits(before, model.values()));
  EXPECT_EQ(message_of([&] { trainer.step(ones({3, 1}), zeros({3})); }), "no error");  // it goes on
  EXPECT_EQ(trainer.steps(), 2);
}

TEST(Trainer, AGradientAloneMayBeInfinite) {
  // √x has the value 0 at 0, and no slope.
  const Model model(Dense{.units = 1, .weight_initializer = "zeros"}, {1});
  const Loss root("root", [](const Forward& f, const Tensor&) { return reshape(sqrt(f.output), {-1}); });
  Trainer trainer(model, {.loss = root});
  const std::string message = message_of([&] { trainer.step(ones({3, 1}), zeros({3})); });
  EXPECT_THAT(message, HasSubstr("(its gradient) gives an infinity"));
  EXPECT_EQ(model.values()[0].item<double>(), 0);
}

TEST(Trainer, NanInTheData) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Model model(Dense{.units = 1}, {1});
  Trainer trainer(model);
  const Tensor good = ones({3, 1}), bad = cast(from_data(Values{1, nan, 1}, {3, 1}), f32);
  const auto error = [&](const Tensor& x, const Tensor& y, const Tensor& weights) {
    return message_of([&] { trainer.step(x, y, weights); });
  };
  const std::string prefix = "step 1: the loss or a gradient is not finite, so nothing was updated: ";
  EXPECT_EQ(error(bad, zeros({3}), {}), prefix + "the batch's inputs have nan");
  EXPECT_EQ(error(good, bad, {}), prefix + "the batch's targets have nan");
  EXPECT_EQ(error(good, zeros({3}), reshape(bad, {3}) / 0.0), prefix + "the batch's weights have nan");
  EXPECT_EQ(error(full({3, 1}, 1.0 / 0.0), zeros({3}), {}), prefix + "the batch's inputs have an infinity");
}

TEST(Trainer, AnInfiniteConstantIsNotTheData) {
  const Loss masked(
      "masked", [](const Forward& f, const Tensor&) { return reshape(log(f.output) + full({1}, -INFINITY), {-1}); });
  const Model model(Dense{.units = 1, .weight_initializer = "ones"}, {1});
  Trainer trainer(model, {.loss = masked});
  const std::string message = message_of([&] { trainer.step(ones({3, 1}), zeros({3})); });
  EXPECT_THAT(message, HasSubstr("nothing was updated: a constant has an infinity\n  at "));
}

TEST(Trainer, FitNamesEpochAndBatch) {
  const Model model(Dense{.units = 1, .weight_initializer = "ones"}, {1});
  Trainer trainer(model, {.loss = logarithm(), .optimizer = sgd(1e-6)});
  const Tensor x = from_data(std::vector<float>{1, 1, 1, 1, -1, 1}, {6, 1});
  std::vector<Tensor> before;
  FitOptions options{.epochs = 2, .batch_size = 2, .shuffle = false};
  options.callbacks = {at_batch_end([&](Training& t) { before = t.trainer().model().values(); })};
  EXPECT_THAT(message_of([&] {
                fit(trainer, {x, zeros({6})}, options);
              }),
              HasSubstr("epoch 1, batch 3 of 3: step 3: the loss or a gradient is not finite"));
  EXPECT_TRUE(same_bits(before, model.values()));
}

}  // namespace
}  // namespace telaio::nn
