#include <telaio/nn/train/fit.hpp>

#include <fstream>

#include <telaio/nn/data/batches.hpp>

#include "../../ops/kernels/kernel_test.hpp"
#include "training_testing.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Optimizer sgd(double rate, double momentum = 0) { return {.rule = SGD{.momentum = momentum}, .learning_rate = rate}; }

/// Parameters, losses and history of a training, for comparing bits.
struct Outcome {
  std::vector<Tensor> values;
  FitResult result;
};
Outcome train(const Layer& network, const Shape& sample, const Examples& examples, const TrainerOptions& how,
              const FitOptions& options, ModelOptions model_options = {}) {
  const Model model(network, sample, model_options);
  Trainer trainer(model, how);
  FitResult result = fit(trainer, examples, options);
  return {model.values(), std::move(result)};
}
Outcome train_clouds(const FitOptions& options, const TrainerOptions& how = {.optimizer = sgd(0.1)}) {
  return train(dense_net({4, 3}, "softmax"), {2}, clouds(50, 3), how, options);
}

TEST(Fit, TheLossIsWeightedByBatchSize) {
  // With a rate of 0 the losses are those of one and the same model: (x·1 − 0)² = x².
  const Examples examples(from_data(Values{1, 2, 3, 4, 10}, {5, 1}), zeros({5}, f64));
  for (const bool shuffle : {false, true}) {
    const Outcome outcome = train(Dense{.units = 1, .weight_initializer = "ones"}, {1}, examples, {.optimizer = sgd(0)},
                                  {.epochs = 2, .batch_size = 2, .shuffle = shuffle}, {.dtype = f64});
    EXPECT_DOUBLE_EQ(outcome.result.history.epochs[0].loss, 130.0 / 5);
    EXPECT_DOUBLE_EQ(outcome.result.history.epochs[1].loss, 130.0 / 5);
    EXPECT_EQ(outcome.result.history.epochs[0].accuracy, std::nullopt);
    EXPECT_EQ(outcome.result.history.epochs[0].val_loss, std::nullopt);
  }
}

TEST(Fit, History) {
  FitOptions options{.epochs = 3, .batch_size = 16, .schedule = parse_schedule("step,factor=0.5,every=1")};
  options.validation_split = 0.2;
  const Outcome outcome = train_clouds(options);
  const std::vector<EpochRecord>& epochs = outcome.result.history.epochs;
  ASSERT_EQ(epochs.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(epochs[i].epoch, static_cast<int64_t>(i) + 1);
    EXPECT_EQ(epochs[i].learning_rate, 0.1 / (1 << i));
    EXPECT_GT(epochs[i].loss, 0);
    EXPECT_TRUE(epochs[i].accuracy && *epochs[i].accuracy >= 0 && *epochs[i].accuracy <= 1);
    EXPECT_TRUE(epochs[i].val_loss && epochs[i].val_accuracy);
    EXPECT_GT(epochs[i].seconds, 0);
    EXPECT_GT(epochs[i].images_per_second, 0);
  }
  EXPECT_LT(epochs[2].loss, epochs[0].loss);
  EXPECT_EQ(outcome.result.stopped, "");
  EXPECT_EQ(outcome.result.train_recall.size(), 3u);
  ASSERT_TRUE(outcome.result.validation);
  EXPECT_EQ(outcome.result.validation->total(), 10);
  EXPECT_DOUBLE_EQ(outcome.result.validation->accuracy(), *epochs[2].val_accuracy);
}

TEST(Fit, BestIsTheEpochOfTheLowestLoss) {
  Scripted script({3, 1, 2});
  const FitResult result = script.run({});
  EXPECT_EQ(result.best.epoch, 2);
  EXPECT_EQ(result.best.loss, 1);
  EXPECT_EQ(result.best.values[1].item<double>(), 1);
  const Outcome plain = train_clouds({.epochs = 2});  // without validation: the training's
  EXPECT_EQ(plain.result.best.epoch, 2);
  EXPECT_EQ(plain.result.best.loss, plain.result.history.epochs[1].loss);
  EXPECT_TRUE(same_bits(plain.result.best.values, plain.values));
}

TEST(Fit, VisitsInShuffledOrder) {
  // The batches' losses show which samples came: (x·1 − 0)² of 2^i.
  const auto visits = [](bool shuffle, uint64_t seed) {
    std::vector<int64_t> rows;
    Values powers;
    for (int i = 0; i < 10; ++i) powers.push_back(i + 1);
    double before = 0;
    const auto note = at_batch_end([&](Training& t) {
      const double sum = t.loss() * static_cast<double>(t.images());  // of all so far in this epoch
      rows.push_back(std::llround(std::sqrt(sum - (t.batch() == 1 ? 0 : before))) - 1);
      before = sum;
    });
    train(Dense{.units = 1, .weight_initializer = "ones"}, {1}, {from_data(powers, {10, 1}), zeros({10}, f64)},
          {.optimizer = sgd(0)}, {.epochs = 2, .batch_size = 1, .shuffle = shuffle, .seed = seed, .callbacks = {note}},
          {.dtype = f64});
    return rows;
  };
  const auto two_epochs = [](uint64_t seed) {
    std::vector<int64_t> rows = shuffled_order(10, seed, 0);
    for (const int64_t row : shuffled_order(10, seed, 1)) rows.push_back(row);
    return rows;
  };
  EXPECT_EQ(visits(true, 1), two_epochs(1));
  EXPECT_EQ(visits(true, 2), two_epochs(2));
  const std::vector<int64_t> rows = visits(false, 1);
  EXPECT_EQ(std::vector<int64_t>(rows.begin(), rows.begin() + 10), plain_order(10));
  EXPECT_EQ(std::vector<int64_t>(rows.begin() + 10, rows.end()), plain_order(10));
}

TEST(Fit, ValidationSplitTakesTheTail) {
  const auto split = [](int64_t n, double fraction) {
    Model model(Dense{.units = 1}, {1});
    Trainer trainer(model);
    const Training training(trainer, {zeros({n, 1}), zeros({n})}, {.validation_split = fraction});
    EXPECT_EQ(training.training_samples() + training.validation_samples(), n);
    return training.training_samples();
  };
  EXPECT_EQ(split(1000, 0.9), 99);
  EXPECT_EQ(split(60'000, 0.1), 54'000);
  EXPECT_EQ(split(10, 0.25), 7);
  EXPECT_EQ(split(2, 0.5), 1);

  // The tail, as it was before shuffling: all that is learnt comes from the first three.
  const Examples examples(from_data(Values{1, 1, 1, 5}, {4, 1}), from_data(Values{0, 0, 0, 7}, {4}));
  const Outcome outcome = train(Dense{.units = 1, .weight_initializer = "ones"}, {1}, examples, {.optimizer = sgd(0)},
                                {.epochs = 2, .batch_size = 2, .validation_split = 0.25}, {.dtype = f64});
  for (const EpochRecord& epoch : outcome.result.history.epochs) {
    EXPECT_EQ(epoch.loss, 1);
    EXPECT_EQ(epoch.val_loss, 4);
  }
}

TEST(Fit, ValidationDataOverrideTheSplit) {
  Model model(Dense{.units = 1, .weight_initializer = "ones"}, {1}, {.dtype = f64});
  Trainer trainer(model, {.optimizer = sgd(0)});
  FitOptions options{.validation_split = 0.5, .validation = {full({3, 1}, 2, f64), zeros({3}, f64)}};
  const FitResult result = fit(trainer, {ones({4, 1}, f64), zeros({4}, f64)}, options);
  EXPECT_EQ(result.history.epochs[0].val_loss, 4);
  const Training training(trainer, {ones({4, 1}, f64), zeros({4}, f64)}, options);
  EXPECT_EQ(training.training_samples(), 4);
  EXPECT_EQ(training.validation_samples(), 3);
}

/// One step with all samples: x [4,1], classes 0 0 0 1, from weights of zero, so that all probabilities are ½ and all
/// losses log 2. The gradient of Σ wᵢ·lossᵢ / divisor by the bias of class 0 is Σ wᵢ(½ − yᵢ) / divisor.
struct OneStep {
  Values x{1, 2, -1, 3};
  std::vector<int64_t> y{0, 0, 0, 1};

  void expect(FitOptions options, const Values& weights, double divisor, MeanBy mean_by = MeanBy::count) const {
    options.batch_size = 4;
    options.validation = {from_data(Values{0.5, -2}, {2, 1}), from_data(std::vector<int64_t>{1, 0}, {2})};
    const Model model(Dense{.units = 2, .activation = "softmax", .weight_initializer = "zeros"}, {1}, {.dtype = f64});
    Trainer trainer(model, {.optimizer = sgd(0.1), .weight_mean = mean_by});
    const FitResult result = fit(trainer, {from_data(x, {4, 1}), from_data(y, {4})}, options);
    double total = 0, slope_w = 0, slope_b = 0;  // of class 0; class 1 has the opposite
    for (size_t i = 0; i < 4; ++i) {
      total += weights[i];
      slope_w += weights[i] * (0.5 - (y[i] == 0 ? 1 : 0)) * x[i] / divisor;
      slope_b += weights[i] * (0.5 - (y[i] == 0 ? 1 : 0)) / divisor;
    }
    const Values w = model.values()[0].to_vector<double>(), b = model.values()[1].to_vector<double>();
    EXPECT_NEAR(w[0], -0.1 * slope_w, 1e-15);
    EXPECT_NEAR(w[1], 0.1 * slope_w, 1e-15);
    EXPECT_NEAR(b[0], -0.1 * slope_b, 1e-15);
    const EpochRecord& epoch = result.history.epochs[0];
    EXPECT_NEAR(epoch.loss, std::log(2.0) * total / divisor, 1e-15);
    EXPECT_EQ(epoch.accuracy, 0.75);  // all are taken for class 0
    // Validation is without weights.
    const auto loss = [&](double at, size_t c) {
      return -std::log(1 / (1 + std::exp((w[1 - c] - w[c]) * at + b[1 - c] - b[c])));
    };
    EXPECT_NEAR(*epoch.val_loss, (loss(0.5, 1) + loss(-2, 0)) / 2, 1e-14);
  }
};

TEST(Fit, ClassWeightsByHand) {
  const OneStep step;
  step.expect({}, {1, 1, 1, 1}, 4);
  step.expect({.class_weight = {.weights = {{1, 5}}}}, {1, 1, 1, 5}, 4);
  step.expect({.class_weight = {.weights = {{0, 0.25}, {1, 2}}}}, {0.25, 0.25, 0.25, 2}, 4);
  const auto weighed = static_cast<double>(static_cast<float>(4.0 / 6));  // balanced: 4/(2·3) and 4/(2·1)
  step.expect({.class_weight = {.balanced = true}}, {weighed, weighed, weighed, 2}, 4);
  step.expect({.class_weight = {.weights = {{1, 5}}}}, {1, 1, 1, 5}, 8, MeanBy::weights);
  step.expect({.class_weight = {.balanced = true}}, {weighed, weighed, weighed, 2}, 3 * weighed + 2, MeanBy::weights);
}

TEST(Fit, SampleWeightsByHand) {
  const OneStep step;
  step.expect({.sample_weight = {1, 2, 0, 0.5f}}, {1, 2, 0, 0.5}, 4);
  step.expect({.sample_weight = {1, 2, 0, 0.5f}}, {1, 2, 0, 0.5}, 3.5, MeanBy::weights);
  step.expect({.class_weight = {.weights = {{1, 4}}}, .sample_weight = {1, 2, 0, 0.5f}}, {1, 2, 0, 2}, 4);
}

TEST(Fit, SampleWeightsCanBeClassWeights) {
  const std::vector<int64_t> labels = clouds(50, 3).targets.to_vector<int64_t>();
  std::vector<float> weights;
  for (const int64_t label : labels) weights.push_back(label == 1 ? 3.0f : label == 2 ? 0.5f : 1.0f);
  const Outcome by_class = train_clouds({.epochs = 2, .class_weight = {.weights = {{1, 3}, {2, 0.5}}}}),
                by_sample = train_clouds({.epochs = 2, .sample_weight = weights}), none = train_clouds({.epochs = 2});
  EXPECT_TRUE(same_bits(by_class.values, by_sample.values));
  expect_same_history(by_class.result.history, by_sample.result.history);
  EXPECT_FALSE(same_bits(by_class.values, none.values));
  // Weights of the split's tail are given but not used.
  weights[49] = 100;
  EXPECT_TRUE(same_bits(train_clouds({.validation_split = 0.1, .class_weight = {.weights = {{1, 3}, {2, 0.5}}}}).values,
                        train_clouds({.validation_split = 0.1, .sample_weight = weights}).values));
}

TEST(Fit, AWeightOfTwoIsADoubledSample) {
  const Tensor x = from_data(Values{1, 2, 3, 2}, {4, 1}), y = from_data(Values{2, 3, 7, 3}, {4});
  const auto run = [&](int64_t count, const std::vector<float>& weights) {
    return train(Dense{.units = 1, .weight_initializer = "ones"}, {1}, {slice(x, 0, 0, count), slice(y, 0, 0, count)},
                 {.optimizer = sgd(0.01), .weight_mean = MeanBy::weights},
                 {.epochs = 3, .shuffle = false, .sample_weight = weights}, {.dtype = f64});
  };
  const Outcome doubled = run(4, {}), weighted = run(3, {1, 2, 1});
  for (size_t i = 0; i < 2; ++i)
    EXPECT_NEAR(doubled.values[i].item<double>(), weighted.values[i].item<double>(), 1e-14);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(doubled.result.history.epochs[i].loss, weighted.result.history.epochs[i].loss, 1e-13);
}

TEST(Fit, LinearRegressionFindsTheWeights) {
  const Tensor x = scrambled({200, 3}, f64), truth = from_data(Values{2, -1, 0.5}, {3, 1});
  const Tensor y = (matmul(x, truth) + 0.25).eval();
  for (const Tensor& targets : {y, reshape(y, {200})}) {
    const Outcome outcome = train(Dense{.units = 1}, {3}, {x, targets}, {.optimizer = sgd(0.1, 0.9)},
                                  {.epochs = 60, .batch_size = 20}, {.dtype = f64});
    const Values w = outcome.values[0].to_vector<double>();
    EXPECT_NEAR(w[0], 2, 1e-9);
    EXPECT_NEAR(w[1], -1, 1e-9);
    EXPECT_NEAR(w[2], 0.5, 1e-9);
    EXPECT_NEAR(outcome.values[1].item<double>(), 0.25, 1e-9);
    EXPECT_EQ(outcome.values[0].dtype(), f64);
  }
}

TEST(Fit, ClassifiersLearn) {
  const auto accuracy = [](int64_t outputs, const char* ending, const Examples& examples, const TrainerOptions& how) {
    const Outcome outcome =
        train(dense_net({8, outputs}, ending), {2}, examples, how, {.epochs = 20, .batch_size = 10});
    return *outcome.result.history.epochs.back().accuracy;
  };
  const TrainerOptions adam{.optimizer = {.learning_rate = 0.02}};
  const Examples two = clouds(200, 2), ten = clouds(300, 10), three = clouds(200, 3);
  EXPECT_GT(accuracy(1, "sigmoid", two, adam), 0.99);
  EXPECT_GT(accuracy(1, "sigmoid", {two.inputs, cast(reshape(two.targets, {200, 1}), f32)}, adam), 0.99);
  EXPECT_GT(accuracy(1, "linear", two, {.loss = "binary_crossentropy", .optimizer = {.learning_rate = 0.02}}), 0.99);
  EXPECT_GT(accuracy(3, "softmax", three, adam), 0.99);
  EXPECT_GT(accuracy(10, "sigmoid", {ten.inputs, one_hot(ten.targets, 10)}, {.optimizer = {.learning_rate = 0.1}}),
            0.9);
  EXPECT_GT(accuracy(10, "softmax", ten, {.optimizer = {.learning_rate = 0.1}}), 0.9);
}

TEST(Fit, OneHotTargetsTrainLikeIndices) {
  const Examples indices = clouds(50, 3);
  for (const char* ending : {"softmax", "sigmoid"}) {
    const auto run = [&](const Tensor& targets) {
      return train(dense_net({4, 3}, ending), {2}, {indices.inputs, targets}, {.optimizer = sgd(0.1, 0.9)},
                   {.epochs = 3});
    };
    const Outcome plain = run(indices.targets);
    for (const Tensor& targets :
         {one_hot(indices.targets, 3), one_hot(indices.targets, 3, f64), cast(indices.targets, u8)}) {
      const Outcome other = run(targets);
      EXPECT_TRUE(same_bits(plain.values, other.values)) << ending << " " << to_string(targets.spec());
      expect_same_history(plain.result.history, other.result.history);
    }
  }
}

TEST(Fit, MovingAveragesMove) {
  const Model model(Sequential{Dense{.units = 8}, BatchNorm{.momentum = 0.5}, Activation{"relu"}, Dropout{0.25},
                               Dense{.units = 3, .activation = "softmax"}},
                    {2});
  Trainer trainer(model, {.optimizer = sgd(0.1)});
  std::vector<std::string> names;
  for (const Variable& variable : model.variables()) names.push_back(variable.name());
  const auto at = [&](std::string_view end) {
    for (size_t i = 0; i < names.size(); ++i)
      if (std::string_view(names[i]).ends_with(end)) return model.values()[i].to_vector<double>();
    return Values();
  };
  EXPECT_EQ(at("moving_mean"), Values(8, 0.0));
  EXPECT_EQ(at("moving_variance"), Values(8, 1.0));
  const FitResult result = fit(trainer, clouds(300, 3), {.epochs = 10});
  EXPECT_THAT(at("moving_mean"), testing::Each(testing::Ne(0)));
  EXPECT_THAT(at("moving_variance"), testing::Each(testing::AllOf(testing::Ne(1), testing::Gt(0))));
  EXPECT_GT(*evaluate(model, clouds(300, 3, 5)).accuracy(), 0.97);
}

TEST(Fit, IntegerInputsOfAnEmbedding) {
  // The class is the parity of the sum of two words, each below 6.
  std::vector<int64_t> words, labels;
  for (int64_t i = 0; i < 72; ++i) {
    words.insert(words.end(), {i % 6, i / 6 % 6});
    labels.push_back((i % 6 + i / 6 % 6) % 2);
  }
  const Layer network =
      Sequential{Embedding{.vocabulary = 6, .dim = 4, .weight_initializer = "normal(1)"}, Flatten{},
                 Dense{.units = 16, .activation = "tanh"}, Dense{.units = 2, .activation = "softmax"}};
  for (const DType type : {i64, i32}) {
    const Outcome outcome =
        train(network, {2}, {cast(from_data(words, {72, 2}), type), from_data(labels, {72})},
              {.optimizer = {.learning_rate = 0.03}}, {.epochs = 60, .batch_size = 12}, {.input = type});
    EXPECT_EQ(outcome.result.history.epochs.back().accuracy, 1);
  }
}

TEST(Fit, BytesThatTheModelRescales) {
  const Tensor bytes = cast(scrambled({40, 3}, f64) * 100 + 128, u8).eval(), y = from_data(scrambled(40, 4), {40});
  const Outcome own = train(Sequential{Rescaling{}, Dense{.units = 1}}, {3}, {bytes, y}, {.optimizer = sgd(0.1)},
                            {.epochs = 3}, {.input = u8});
  // The loader's scaling gives the same numbers but for rounding.
  const Outcome prepared =
      train(Sequential{Dense{.units = 1}}, {3}, {bytes, y}, {.optimizer = sgd(0.1)}, {.epochs = 3});
  EXPECT_NEAR(own.result.history.epochs[2].loss, prepared.result.history.epochs[2].loss, 1e-5);
  const Outcome wide =
      train(Sequential{Dense{.units = 1}}, {3}, {bytes, y}, {.optimizer = sgd(0.1)}, {.epochs = 3}, {.dtype = f64});
  EXPECT_NEAR(wide.result.history.epochs[2].loss, prepared.result.history.epochs[2].loss, 1e-5);
  EXPECT_EQ(wide.values[0].dtype(), f64);
}

TEST(Fit, StandardizesByTheTrainingPart) {
  const Tensor x = (scrambled({20, 3}, f32) * 5 + 3).eval(), y = from_data(scrambled(20), {20});
  const Outcome outcome = train(Dense{.units = 1}, {3}, {x, y}, {.optimizer = sgd(0.1)},
                                {.epochs = 1, .validation_split = 0.5, .standardization = {.pixels = true}});
  const Tensor expected = mean(slice(x, 0, 0, 10), 0);
  for (size_t i = 0; i < 3; ++i)
    EXPECT_NEAR(outcome.result.standardization.mean.to_vector<double>()[i], expected.to_vector<double>()[i], 1e-5);
}

TEST(Fit, CopiesAreTrainedOnButDoNotCount) {
  // Rate 0: every epoch has the loss of the samples as they are, whatever is augmented besides.
  const Tensor images = (scrambled({12, 4, 4, 1}) * 0.5 + 0.5).eval();
  const std::vector<int64_t> labels{0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1};
  std::vector<int64_t> sizes;
  FitOptions options{.epochs = 3, .batch_size = 5, .augmentation = parse_augmentation("shift=1,noise=0.5")};
  options.augment_where = {.kind = AugmentWhere::Kind::hard, .copies = 0.5};
  options.callbacks = {at_epoch_end([&](Training& t) { sizes.push_back(t.images()); })};
  const Outcome outcome = train(Sequential{Flatten{}, Dense{.units = 2, .activation = "softmax"}}, {4, 4, 1},
                                {images, from_data(labels, {12})}, {.optimizer = sgd(0)}, options);
  EXPECT_THAT(sizes, ElementsAre(12, 18, 18));
  for (const EpochRecord& epoch : outcome.result.history.epochs) {
    EXPECT_NEAR(epoch.loss, outcome.result.history.epochs[0].loss, 1e-6);
    EXPECT_EQ(epoch.accuracy, outcome.result.history.epochs[0].accuracy);
  }
}

TEST(Fit, TheSameSeedGivesTheSameBits) {
  const Layer network = Sequential{Conv2D{.filters = 4, .activation = "relu"}, BatchNorm{}, Flatten{}, Dropout{},
                                   Dense{.units = 3, .activation = "softmax"}};
  const Tensor images = (scrambled({60, 8, 8, 1}) * 0.5 + 0.5).eval();
  const Examples examples(images, slice(clouds(60, 3).targets, 0, 0, 60));
  const auto run = [&](uint64_t seed, uint64_t dropout_seed, uint64_t model_seed) {
    FitOptions options{
        .epochs = 2, .batch_size = 16, .augmentation = parse_augmentation("shift=1,rotate=10"), .seed = seed};
    return train(network, {8, 8, 1}, examples, {.optimizer = sgd(0.1, 0.9), .seed = dropout_seed}, options,
                 {.seed = model_seed});
  };
  const Outcome first = run(1, 1, 1), again = run(1, 1, 1);
  EXPECT_TRUE(same_bits(first.values, again.values));
  expect_same_history(first.result.history, again.result.history);
  EXPECT_FALSE(same_bits(first.values, run(2, 1, 1).values));
  EXPECT_FALSE(same_bits(first.values, run(1, 2, 1).values));
  EXPECT_FALSE(same_bits(first.values, run(1, 1, 2).values));
  for (const int threads : {1, 4}) {
    kernels::with_threads(threads, [&] {
      const Outcome other = run(1, 1, 1);
      EXPECT_TRUE(same_bits(first.values, other.values)) << threads;
      expect_same_history(first.result.history, other.result.history);
    });
  }
}

int64_t resident_kilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmRSS:") {
      int64_t kilobytes = 0;
      status >> kilobytes;
      return kilobytes;
    }
  return 0;
}

TEST(Fit, MemoryIsBounded) {
  const Model model(dense_net({8, 3}, "softmax"), {2});
  Trainer trainer(model);
  const Examples examples = clouds(32, 3);
  std::vector<int64_t> sizes;
  FitOptions options{.epochs = 1000, .batch_size = 8};
  options.callbacks = {at_epoch_end([&](Training&) { sizes.push_back(resident_kilobytes()); })};
  fit(trainer, examples, options);
  EXPECT_EQ(trainer.steps(), 4000);
  EXPECT_GT(sizes[100], 0);
#ifndef TELAIO_SANITIZE  // which holds back memory that was freed
  EXPECT_LT(sizes.back() - sizes[100], 4096);
#endif
}

TEST(Fit, OptionsThatDoNotFit) {
  const Model model(dense_net({3}, "softmax"), {2});
  Trainer trainer(model);
  const std::vector<Tensor> before = model.values();
  const Examples data = clouds(20, 3);
  const auto error = [&](const FitOptions& options, const Examples& examples) {
    return message_of([&] { fit(trainer, examples, options); });
  };
  EXPECT_EQ(error({.epochs = 0}, data), "fit: epochs: expected at least 1, got 0");
  EXPECT_EQ(error({.batch_size = 0}, data), "fit: batch_size: expected at least 1, got 0");
  EXPECT_EQ(error({.validation_split = 1}, data), "fit: validation_split: expected 0 or more and less than 1, got 1");
  EXPECT_THAT(error({.validation_split = NAN}, data), HasSubstr("validation_split: expected"));
  EXPECT_EQ(error({.validation_split = 0.99}, data),
            "fit: validation_split 0.99 of 20 samples leaves 0 for training and 20 for validation");
  EXPECT_EQ(error({.validation_split = 1e-20}, data),
            "fit: validation_split 1e-20 of 20 samples leaves 20 for training and 0 for validation");
  EXPECT_EQ(error({}, {}), "fit: there are no samples, or no targets");
  EXPECT_EQ(error({}, {data.inputs, Tensor()}), "fit: there are no samples, or no targets");
  EXPECT_EQ(error({}, {zeros({0, 2}), zeros({0}, i64)}), "fit: there are no samples");
  EXPECT_EQ(error({}, {data.inputs, zeros({19}, i64)}), "fit: 20 samples, but targets i64[19]");
  EXPECT_EQ(error({}, {zeros({20, 3}), data.targets}),
            "model 'model': expected samples of shape [2], the data have [3]");
  EXPECT_EQ(error({}, {zeros({20, 2}, i64), data.targets}),
            "model 'model': expected inputs of type f32, the data are i64");
  EXPECT_EQ(error({}, {data.inputs, full({20}, 3, i64)}), "fit: sample 0 has class 3, the model has outputs for 0 … 2");
  EXPECT_EQ(error({}, {data.inputs, full({20}, -1, i64)}),
            "fit: sample 0 has class -1, the model has outputs for 0 … 2");
  EXPECT_THAT(error({}, {data.inputs, zeros({20, 4})}), HasSubstr("the targets (b) do not fit the outputs (a)"));
  EXPECT_EQ(error({.class_weight = {.weights = {{3, 1}}}}, data), "class weights: class 3 of 3");
  EXPECT_EQ(error({.sample_weight = {1, 2}}, data), "fit: sample_weight: 2 weights for 20 samples");
  EXPECT_EQ(error({.sample_weight = std::vector<float>(20, -1.0f)}, data),
            "fit: sample_weight: -1 is no finite number of at least 0");
  EXPECT_EQ(error({.augmentation = {.shift = 1}}, data),
            "augmentation: shift=1 needs images [N,H,W,C], the samples are f32[20,2]");
  EXPECT_EQ(error({.augment_where = {.kind = AugmentWhere::Kind::hard}}, data),
            "fit: augmenting where the model struggles needs an augmentation");
  EXPECT_TRUE(same_bits(before, model.values()));
  EXPECT_EQ(trainer.steps(), 0);
}

TEST(Fit, ValidationDataThatDoNotFit) {
  const Model model(dense_net({3}, "softmax"), {2});
  Trainer trainer(model);
  const Examples data = clouds(20, 3);
  const auto error = [&](const Examples& validation) {
    FitOptions options;
    options.validation = validation;
    return message_of([&] { fit(trainer, data, options); });
  };
  EXPECT_EQ(error({zeros({4, 3}), zeros({4}, i64)}), "model 'model': expected samples of shape [2], the data have [3]");
  EXPECT_EQ(error({zeros({4, 2}), Tensor()}), "fit: the validation data have no targets");
  EXPECT_EQ(error({zeros({0, 2}), zeros({0}, i64)}), "fit: there are no validation samples");
  EXPECT_EQ(error({zeros({4, 2}), full({4}, 3, i64)}),
            "fit: validation sample 0 has class 3, the model has outputs for 0 … 2");
  EXPECT_THAT(error({zeros({4, 2}), zeros({4, 4})}), HasSubstr("the targets (b) do not fit the outputs (a)"));
  EXPECT_EQ(trainer.steps(), 0);
}

TEST(Fit, OnlyClassifiersHaveClasses) {
  const Model model(dense_net({1}, "linear"), {2});
  Trainer trainer(model);
  const Examples data(zeros({4, 2}), zeros({4}));
  const auto error = [&](const FitOptions& options) { return message_of([&] { fit(trainer, data, options); }); };
  EXPECT_EQ(error({.class_weight = {.balanced = true}}),
            "fit: class_weight is for classifiers: the loss has no classes");
  EXPECT_EQ(error({.augment_where = {.kind = AugmentWhere::Kind::classes, .classes = {1}}}),
            "fit: augmentation by class or by loss is for classifiers: the loss has no classes");
}

TEST(Fit, OneOutputHasTwoClasses) {
  const Model model(dense_net({1}, "sigmoid"), {2});
  Trainer trainer(model);
  EXPECT_EQ(message_of([&] {
              fit(trainer, {zeros({3, 2}), from_data(std::vector<int64_t>{0, 1, 2}, {3})});
            }),
            "fit: sample 2 has class 2, the model has outputs for 0 … 1");
}

TEST(Fit, OutputsWithMoreAxesHaveLossesButNoClasses) {
  // A class for each of five places: whether its number is positive.
  const Tensor x = scrambled({24, 5, 1}), positive = cast(reshape(x, {24, 5}) > 0, i64);
  const auto run = [&](int64_t outputs, const char* ending, const Tensor& targets) {
    const Model model(Dense{.units = outputs, .activation = ending}, {5, 1});
    Trainer trainer(model, {.optimizer = {.learning_rate = 0.2}});
    FitOptions options{.epochs = 30, .batch_size = 8, .validation = {x, targets}};
    const FitResult result = fit(trainer, {x, targets}, options);
    EXPECT_EQ(result.history.epochs.back().accuracy, std::nullopt);
    EXPECT_EQ(result.history.epochs.back().val_accuracy, std::nullopt);
    EXPECT_FALSE(result.validation);
    options.class_weight.balanced = true;
    EXPECT_EQ(message_of([&] {
                fit(trainer, {x, targets}, options);
              }),
              "fit: class_weight is for classifiers: the outputs of a sample are no classes");
    return *result.history.epochs.back().val_loss;
  };
  EXPECT_LT(run(2, "softmax", positive), 0.2);
  EXPECT_LT(run(1, "sigmoid", reshape(positive, {24, 5, 1})), 0.2);
}

TEST(Fit, ABatchThatWeighsNothingChangesNothing) {
  const Model model(dense_net({4, 3}, "softmax"), {2});
  for (const MeanBy mean_by : {MeanBy::count, MeanBy::weights}) {
    Trainer trainer(model, {.optimizer = sgd(0.1), .weight_mean = mean_by});
    const std::vector<Tensor> before = model.values();
    const FitResult result =
        fit(trainer, clouds(6, 3), {.batch_size = 3, .sample_weight = std::vector<float>(6, 0.0f)});
    EXPECT_EQ(result.history.epochs[0].loss, 0);
    EXPECT_TRUE(same_bits(before, model.values()));
  }
}

TEST(Fit, BinaryTargetsAreProbabilities) {
  const Model one(dense_net({1}, "sigmoid"), {2}), three(dense_net({3}, "sigmoid"), {2});
  const auto error = [](const Model& model, const Tensor& targets, const Tensor& validation = {}) {
    Trainer trainer(model);
    FitOptions options;
    const Tensor x = zeros({2, 2});
    if (validation.defined()) options.validation = {x, validation};
    return message_of([&] { fit(trainer, {x, targets}, options); });
  };
  const Tensor signs = from_data(Values{1, -1}, {2}), good = from_data(Values{1, 0.25}, {2});
  EXPECT_EQ(error(one, signs), "fit: binary_crossentropy: sample 1 has the target -1, expected 0 … 1");
  EXPECT_EQ(error(one, good, signs), "fit: binary_crossentropy: validation sample 1 has the target -1, expected 0 … 1");
  EXPECT_EQ(error(one, good, good), "no error");
  EXPECT_EQ(error(three, full({2, 3}, 2)), "fit: binary_crossentropy: sample 0 has the target 2, expected 0 … 1");
  EXPECT_EQ(error(three, full({2, 3}, 2, u8)), "fit: binary_crossentropy: sample 0 has the target 2, expected 0 … 1");
  EXPECT_EQ(error(three, full({2}, 2, i64)), "no error");  // a class
}

TEST(Fit, CallbacksMustBeThere) {
  const Model model(dense_net({1}, "sigmoid"), {2});
  Trainer trainer(model);
  EXPECT_EQ(message_of([&] {
              fit(trainer, {zeros({2, 2}), zeros({2})}, {.callbacks = {nullptr}});
            }),
            "fit: callback 0 is null");
}

TEST(Fit, GoesOnWithTheSameTrainer) {
  const Model model(dense_net({4, 3}, "softmax"), {2});
  Trainer trainer(model, {.optimizer = {.learning_rate = 0.02}});
  double before = 1e9;
  for (int i = 0; i < 3; ++i) {
    const double loss = fit(trainer, clouds(64, 3), {.epochs = 2}).history.epochs.back().loss;
    EXPECT_LT(loss, before);
    before = loss;
  }
  EXPECT_EQ(trainer.steps(), 12);
}

}  // namespace
}  // namespace telaio::nn
