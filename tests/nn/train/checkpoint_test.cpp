#include <telaio/nn/train/checkpoint.hpp>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/nn/io/model_file.hpp>
#include <telaio/nn/layers.hpp>
#include <telaio/nn/train/callbacks.hpp>
#include <telaio/nn/train/training.hpp>
#include <telaio/telaio.hpp>

#include "../../ops/op_testing.hpp"
#include "../temp_dir.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;
using testing_ops::expect_same;

/// Two classes of points in the plane.
Examples points(int64_t n) {
  std::vector<float> x;
  std::vector<int64_t> y;
  for (int64_t i = 0; i < n; ++i) {
    const auto k = static_cast<float>(i);
    y.push_back(i % 2);
    x.insert(x.end(), {std::sin(k) + (i % 2 ? 1.0f : -1.0f), std::cos(3 * k)});
  }
  return {from_data(x, {n, 2}), from_data(y, {n})};
}

Model model() { return Model(Sequential({Dense{8, "tanh"}, BatchNorm{}, Dense{2, "softmax"}}), {2}, {.name = "p"}); }

class ModelCheckpointTest : public testing::Test {
 protected:
  FitOptions options(int64_t epochs) {
    FitOptions o{.epochs = epochs, .batch_size = 8, .validation_split = 0.25};
    o.callbacks.push_back(
        std::make_shared<ModelCheckpoint>(ModelCheckpoint::Options{path_, {"left", "right"}, {{"note", "mine"}}}));
    return o;
  }
  void expect_values(const Model& from_file, const std::vector<Tensor>& values) {
    const std::vector<Tensor> read = from_file.values();
    ASSERT_EQ(read.size(), values.size());
    for (size_t i = 0; i < read.size(); ++i) expect_same(read[i], values[i]);
  }

  TempDir dir_;
  std::string path_ = dir_ / "m";
};

TEST_F(ModelCheckpointTest, HoldsTheBestEpochAfterEachOne) {
  Trainer trainer(model(), {.optimizer = parse_optimizer("sgd,learning_rate=1.5")});
  FitOptions o = options(6);
  o.standardization = parse_standardization("pixels");
  int calls = 0;
  o.callbacks.push_back(
      std::make_shared<LambdaCallback>(LambdaCallback::Functions{.epoch_end = [&](Training& training) {
        ++calls;
        const ModelFile file = load_model(path_);
        expect_values(file.model, training.best().values);
        EXPECT_EQ(file.training.has_value(), training.epoch() < 6) << "in epoch " << training.epoch();
        EXPECT_EQ(file.class_names, (std::vector<std::string>{"left", "right"}));
        EXPECT_EQ(file.notes.at("note"), "mine");
        expect_same(file.standardization.mean, training.standardization().mean);
      }}));
  const FitResult result = fit(trainer, points(40), o);
  EXPECT_EQ(calls, 6);
  EXPECT_THAT(dir_.names(), ElementsAre("m"));
  expect_values(load_model(path_).model, result.best.values);
}

TEST_F(ModelCheckpointTest, StoppedInTheFirstEpochItHoldsThePresentParameters) {
  Trainer trainer(model());
  FitOptions o = options(3);
  o.callbacks.push_back(std::make_shared<LambdaCallback>(LambdaCallback::Functions{.batch_end = [](Training& training) {
    if (training.batch() == 2) training.stop("enough");
  }}));
  const FitResult result = fit(trainer, points(40), o);
  EXPECT_EQ(result.best.epoch, 0);
  const ModelFile file = load_model(path_);
  expect_values(file.model, trainer.model().values());
  EXPECT_TRUE(file.training);
}

TEST_F(ModelCheckpointTest, GoesOnToTheSameBits) {
  Trainer whole(model());
  const FitResult expected = fit(whole, points(40), options(4));
  const std::string bytes = content(path_);
  for (const int64_t stop_at : {1, 5, 8, 9, 15}) {  // of 16 batches, 4 an epoch
    SCOPED_TRACE(stop_at);
    std::filesystem::remove(path_);
    Trainer first(model());
    FitOptions o = options(4);
    o.callbacks.push_back(std::make_shared<LambdaCallback>(LambdaCallback::Functions{.batch_end = [&](Training& t) {
      if (t.trainer().steps() == stop_at) t.stop("enough");
    }}));
    fit(first, points(40), o);
    const ModelFile file = load_model(path_);
    Trainer second(model());
    o = options(4);
    o.resume = file.training;
    const FitResult result = fit(second, points(40), o);
    EXPECT_TRUE(content(path_) == bytes);
    EXPECT_EQ(result.best.epoch, expected.best.epoch);
    ASSERT_EQ(result.history.epochs.size(), 4u);
    for (size_t i = 0; i < 4; ++i) EXPECT_EQ(result.history.epochs[i].loss, expected.history.epochs[i].loss);
  }
}

TEST_F(ModelCheckpointTest, WhatEarlyStoppingHadStoppedStaysStopped) {
  const auto with_stopping = [&] {
    FitOptions o = options(9);
    o.callbacks.insert(o.callbacks.begin(), std::make_shared<EarlyStopping>(EarlyStopping::Options{.min_delta = 10}));
    return o;
  };
  Trainer first(model());
  const FitResult stopped = fit(first, points(40), with_stopping());
  ASSERT_EQ(stopped.history.epochs.size(), 2u) << "no loss falls by 10";
  const std::string bytes = content(path_);
  Trainer second(model());
  FitOptions again = with_stopping();
  again.resume = load_model(path_).training;
  ASSERT_TRUE(again.resume);
  const FitResult result = fit(second, points(40), again);
  EXPECT_EQ(result.history.epochs.size(), stopped.history.epochs.size());
  EXPECT_EQ(result.stopped, stopped.stopped);
  EXPECT_EQ(result.best.epoch, stopped.best.epoch);
  EXPECT_TRUE(content(path_) == bytes);
}

TEST_F(ModelCheckpointTest, AStateThatDoesNotFitIsRefused) {
  Trainer first(model());
  FitOptions o = options(2);
  o.augmentation = {};
  o.callbacks.push_back(std::make_shared<LambdaCallback>(
      LambdaCallback::Functions{.epoch_end = [](Training& training) { training.stop("enough"); }}));
  fit(first, points(40), o);
  const TrainingState saved = *load_model(path_).training;
  const auto with = [&](const char* name, Tensor value) {
    Trainer second(model());
    FitOptions again = options(2);
    again.resume = saved;
    if (value.defined()) again.resume->tensors[name] = std::move(value);
    else again.resume->tensors.erase(name);
    return message_of([&] { fit(second, points(40), again); });
  };
  EXPECT_EQ(with("right", zeros({3}, i64)), "resume: the saved 'right' is i64[3], expected 2 numbers");
  EXPECT_EQ(with("seen", zeros({}, i64)), "resume: the saved 'seen' is i64[], expected 2 numbers");
  EXPECT_EQ(with("history", zeros({2, 3})), "resume: the saved history is f32[2,3]");
  EXPECT_EQ(with("epoch", Tensor()), "resume: the saved training has no 'epoch'");
  EXPECT_EQ(with("model.dense1.weight", Tensor()), "resume: the saved training has no 'model.dense1.weight'");
  for (const char* name : {"model.dense1.weight", "optimizer.dense1.weight/m", "best.model.dense1.weight"})
    EXPECT_THAT(with(name, zeros({2, 9})),
                testing::StartsWith(fmt::format("resume: the saved '{}' is f32[2,9], expected f32[", name)));
  EXPECT_NE(with("epoch", zeros({2})), "no error");
}

TEST_F(ModelCheckpointTest, AFullDiskEndsTheTraining) {
  Trainer trainer(model());
  path_ = "/dev/full";
  EXPECT_EQ(message_of([&] { fit(trainer, points(40), options(2)); }),
            "/dev/full: cannot be written: No space left on device");
}

}  // namespace
}  // namespace telaio::nn
