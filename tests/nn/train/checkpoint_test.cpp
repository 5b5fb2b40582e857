#include <telaio/nn/train/checkpoint.hpp>

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

using testing_ops::expect_same;

Examples points() {
  const Tensor x = uniform({40, 3}, random_key(1), -1, 1).eval();
  return {x, cast(sum(x, -1) > 0, i64).eval()};
}

Trainer trainer(double rate = 0.1) {
  return Trainer(Model(Dense{2, "softmax"}, {3}), {.optimizer = {.rule = SGD{.momentum = 0.5}, .learning_rate = rate}});
}

FitOptions options(const std::string& path, bool keep_state = false) {
  return {
      .epochs = 3,
      .batch_size = 16,
      .validation_split = 0.25,
      .callbacks = {std::make_shared<ModelCheckpoint>(ModelCheckpoint::Options{path, {"no", "yes"}, {}, keep_state})}};
}

TEST(ModelCheckpoint, KeepsTheBestParametersAndWhileItRunsAState) {
  const TempDir dir;
  Trainer t = trainer();
  FitOptions o = options(dir / "m");
  std::vector<bool> has_state;
  std::vector<int64_t> best;
  o.callbacks.push_back(
      std::make_shared<LambdaCallback>(LambdaCallback::Functions{.epoch_end = [&](Training& training) {
        const ModelFile file = load_model(dir / "m");
        has_state.push_back(file.training.has_value());
        best.push_back(training.best().epoch);
        for (size_t i = 0; i < training.best().values.size(); ++i)
          expect_same(file.model.values()[i], training.best().values[i]);
        EXPECT_EQ(file.class_names, (std::vector<std::string>{"no", "yes"}));
      }}));
  fit(t, points(), o);
  EXPECT_EQ(has_state, (std::vector<bool>{true, true, false}));
  EXPECT_EQ(best.front(), 1);

  Trainer kept = trainer();
  fit(kept, points(), options(dir / "kept", true));
  EXPECT_TRUE(load_model(dir / "kept").training);
}

TEST(ModelCheckpoint, AStoppedTrainingGoesOnFromItsFile) {
  const TempDir dir;
  Trainer whole = trainer();
  const FitResult expected = fit(whole, points(), options(dir / "whole"));
  for (int stop = 1; stop < 6; ++stop) {
    SCOPED_TRACE(stop);
    Trainer first = trainer();
    FitOptions o = options(dir / "part");
    int batches = 0;
    o.callbacks.insert(o.callbacks.begin(),
                       std::make_shared<LambdaCallback>(LambdaCallback::Functions{.batch_end = [&](Training& t) {
                         if (++batches == stop) t.stop("enough");
                       }}));
    EXPECT_EQ(fit(first, points(), o).stopped, "enough");

    const ModelFile file = load_model(dir / "part");
    Trainer second = trainer();
    // The first place is the callback's that stopped: it has no state of its own.
    FitOptions rest = options(dir / "part");
    rest.callbacks.insert(rest.callbacks.begin(), std::make_shared<LambdaCallback>(LambdaCallback::Functions{}));
    rest.resume = file.training;
    const FitResult result = fit(second, points(), rest);
    EXPECT_EQ(result.best.epoch, expected.best.epoch);
    EXPECT_EQ(result.best.loss, expected.best.loss);
    EXPECT_EQ(content(dir / "part"), content(dir / "whole"));
    for (size_t i = 0; i < whole.model().values().size(); ++i)
      expect_same(second.model().values()[i], whole.model().values()[i]);
  }
}

}  // namespace
}  // namespace telaio::nn
