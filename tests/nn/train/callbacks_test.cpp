#include <telaio/nn/train/callbacks.hpp>

#include <cstdio>

#include <fmt/format.h>

#include "../temp_dir.hpp"
#include "training_testing.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::shared_ptr<EarlyStopping> early(EarlyStopping::Options options) {
  return std::make_shared<EarlyStopping>(std::move(options));
}
std::shared_ptr<ReduceLROnPlateau> plateau(ReduceLROnPlateau::Options options) {
  return std::make_shared<ReduceLROnPlateau>(std::move(options));
}

size_t epochs_until(const std::vector<double>& losses, EarlyStopping::Options options) {
  return Scripted(losses).run({early(std::move(options))}).history.epochs.size();
}

TEST(EarlyStopping, Patience) {
  const std::vector<double> losses{5, 4, 4.5, 4.2, 3, 3.5, 3.5, 3.5, 3.5, 3.5};
  EXPECT_EQ(epochs_until(losses, {}), 3u);  // the first epoch that is not better
  EXPECT_EQ(epochs_until(losses, {.patience = 1}), 3u);
  EXPECT_EQ(epochs_until(losses, {.patience = 2}), 4u);  // two that are not better: Keras's meaning
  EXPECT_EQ(epochs_until(losses, {.patience = 3}), 8u);
  EXPECT_EQ(epochs_until(losses, {.patience = 9}), 10u);
  EXPECT_EQ(epochs_until({3, 3, 3}, {}), 2u);  // equal is no improvement
}

TEST(EarlyStopping, MinDelta) {
  const std::vector<double> losses{5, 4.9, 4.7, 4.65, 4.5};
  EXPECT_EQ(epochs_until(losses, {.min_delta = 0.15}), 2u);
  EXPECT_EQ(epochs_until(losses, {.min_delta = 0.15, .patience = 2}), 5u);  // 4.7 counts against 5
}

TEST(EarlyStopping, SaysWhy) {
  const FitResult result = Scripted({5, 4, 4.5, 4.6, 4.7}).run({early({.patience = 2})});
  EXPECT_EQ(result.stopped, "val_loss has not improved since epoch 2");
  EXPECT_EQ(result.history.epochs.size(), 4u);
  EXPECT_EQ(Scripted({5, 4, 3}).run({early({})}).stopped, "");
}

TEST(EarlyStopping, RestoresTheBestWeights) {
  for (const bool restore : {false, true}) {
    Scripted stopped({5, 4, 4.5, 4.6, 4.7});
    stopped.run({early({.patience = 2, .restore_best_weights = restore})});
    EXPECT_EQ(stopped.bias(), restore ? 4 : 4.6);
    Scripted ended({5, 4, 4.5});
    ended.run({early({.patience = 2, .restore_best_weights = restore})});
    EXPECT_EQ(ended.bias(), restore ? 4 : 4.5);
  }
}

TEST(EarlyStopping, MayBeUsedAgain) {
  const auto callback = early({.restore_best_weights = true});
  Scripted first({1, 2, 3}), second({9, 8, 7, 7.5});
  EXPECT_EQ(first.run({callback}).history.epochs.size(), 2u);
  EXPECT_EQ(second.run({callback}).history.epochs.size(), 4u);
  EXPECT_EQ(second.bias(), 7);
}

TEST(ReduceLROnPlateau, Multiplies) {
  const std::vector<double> losses{5, 4, 4, 4, 4, 4, 3, 3, 3};
  const auto rates = [&](ReduceLROnPlateau::Options options) {
    Scripted script(losses);
    script.run({plateau(std::move(options))});
    return script.rates;
  };
  EXPECT_THAT(rates({.factor = 0.5, .patience = 2}), ElementsAre(1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25));
  EXPECT_THAT(rates({.factor = 0.5, .patience = 1}), ElementsAre(1, 1, 1, 0.5, 0.25, 0.125, 0.0625, 0.0625, 0.03125));
  // An epoch of cooldown does not count.
  EXPECT_THAT(rates({.factor = 0.5, .patience = 1, .cooldown = 1}),
              ElementsAre(1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125));
  EXPECT_THAT(rates({.factor = 0.5, .patience = 1, .min_rate = 0.2}),
              ElementsAre(1, 1, 1, 0.5, 0.25, 0.2, 0.2, 0.2, 0.2));
  EXPECT_THAT(rates({}), testing::Each(1));
}

TEST(ReduceLROnPlateau, SmallImprovementsAreNone) {
  Scripted script({5, 4.99995, 4.9999, 4.99});
  script.run({plateau({.factor = 0.5, .patience = 2})});
  EXPECT_THAT(script.rates, ElementsAre(1, 1, 1, 0.5));
}

TEST(ReduceLROnPlateau, NeverRaisesTheRate) {
  Scripted script({1, 2, 3, 4});
  script.run({plateau({.factor = 0.5, .patience = 1, .min_rate = 3})});
  EXPECT_THAT(script.rates, ElementsAre(1, 1, 1, 1));
}

TEST(ReduceLROnPlateau, MayBeUsedAgain) {
  const auto callback = plateau({.factor = 0.5, .patience = 2});
  Scripted first({1, 2}), second({9, 9, 8, 7});
  first.run({callback});
  second.run({callback});
  EXPECT_THAT(second.rates, ElementsAre(1, 1, 1, 1));
}

TEST(Plateau, AsASchedule) {
  // The same as the callback, by validation loss where there is one.
  Model model(dense_net({1}, "linear"), {1}, {.dtype = f64});
  Trainer trainer(model, {.loss = "mae", .optimizer = {.rule = SGD{}, .learning_rate = 0}});
  const Tensor x = ones({4, 1}, f64);
  const FitResult result =
      fit(trainer, {x, x}, {.epochs = 4, .schedule = parse_schedule("plateau,factor=0.5,patience=1")});
  EXPECT_EQ(result.history.epochs.size(), 4u);
  std::vector<double> rates;
  Trainer moving(model, {.loss = "mae", .optimizer = {.rule = SGD{}, .learning_rate = 1e-9}});
  FitOptions options{.epochs = 4, .schedule = parse_schedule("plateau,factor=0.5,patience=1")};
  for (const EpochRecord& epoch : fit(moving, {x, x}, options).history.epochs) rates.push_back(epoch.learning_rate);
  EXPECT_THAT(rates, ElementsAre(1e-9, 1e-9, 0.5e-9, 0.25e-9));
}

TEST(LearningRateScheduler, SetsTheRate) {
  Scripted script({1, 1, 1, 1});
  std::vector<std::pair<int64_t, double>> seen;
  const FitResult result = script.run({std::make_shared<LearningRateScheduler>([&](int64_t epoch, double rate) {
    seen.emplace_back(epoch, rate);
    return rate / 2;
  })});
  EXPECT_THAT(script.rates, ElementsAre(0.5, 0.25, 0.125, 0.0625));
  EXPECT_THAT(seen, ElementsAre(std::pair(1, 1.0), std::pair(2, 0.5), std::pair(3, 0.25), std::pair(4, 0.125)));
  EXPECT_EQ(result.history.epochs[2].learning_rate, 0.125);
  const auto wrong = std::make_shared<LearningRateScheduler>([](int64_t, double) { return -1.0; });
  EXPECT_EQ(message_of([&] { script.run({wrong}); }), "LearningRateScheduler: epoch 1: -1 is no learning rate");
}

TEST(LearningRateScheduler, MultipliesTheSchedule) {
  Model model(dense_net({1}, "linear"), {1});
  Trainer trainer(model, {.optimizer = {.rule = SGD{}, .learning_rate = 1e-3}});
  FitOptions options{.epochs = 3, .schedule = parse_schedule("step,factor=0.5,every=1")};
  options.callbacks.push_back(
      std::make_shared<LearningRateScheduler>([](int64_t epoch, double) { return static_cast<double>(epoch); }));
  std::vector<double> rates;
  for (const EpochRecord& epoch : fit(trainer, {ones({4, 1}), ones({4})}, options).history.epochs)
    rates.push_back(epoch.learning_rate);
  EXPECT_THAT(rates, ElementsAre(1, 1, 0.75));
}

TEST(CSVLogger, WritesTheHistory) {
  const TempDir dir;
  const std::string path = dir / "log.csv";
  std::vector<size_t> lines;
  const FitResult result = Scripted({3, 2, 1}).run({std::make_shared<CSVLogger>(path), at_epoch_end([&](Training&) {
                                                      const std::string text = content(path);
                                                      lines.push_back(std::count(text.begin(), text.end(), '\n'));
                                                    })});
  EXPECT_THAT(lines, ElementsAre(2, 3, 4));
  EXPECT_EQ(content(path), to_csv(result.history));
  EXPECT_THAT(dir.names(), ElementsAre("log.csv"));
  EXPECT_NE(message_of([&] { Scripted({3}).run({std::make_shared<CSVLogger>(dir.path() + "/no/log.csv")}); }),
            "no error");
}

TEST(JSONLogger, WritesTheHistory) {
  const TempDir dir;
  const std::string path = dir / "log.json";
  const FitResult result = Scripted({3, 2}).run({std::make_shared<JSONLogger>(path)});
  EXPECT_EQ(content(path), to_json(result.history));
  EXPECT_EQ(
      to_json(History{{{.epoch = 1, .loss = 0.5, .val_loss = NAN, .seconds = 2}}}),
      "{\n  \"epochs\": [\n    {\n      \"epoch\": 1,\n      \"loss\": 0.5,\n      \"val_loss\": null,\n"
      "      \"learning_rate\": 0.0,\n      \"seconds\": 2.0,\n      \"images_per_second\": 0.0\n    }\n  ]\n}\n");
  EXPECT_EQ(to_json(History{}), "{\n  \"epochs\": []\n}\n");
}

TEST(ProgressBar, ALineAnEpoch) {
  std::FILE* file = std::tmpfile();
  Scripted({3, 2}).run({std::make_shared<ProgressBar>(file)});
  Model model(dense_net({3}, "softmax"), {2});
  Trainer trainer(model);
  fit(trainer, clouds(30, 3), {.callbacks = {std::make_shared<ProgressBar>(file)}});
  std::rewind(file);
  std::string text(1000, ' ');
  text.resize(std::fread(text.data(), 1, text.size(), file));
  std::fclose(file);
  EXPECT_THAT(text, testing::MatchesRegex("epoch 1/2  loss [.0-9]+  val_loss 3.0000  [.0-9]+s  [0-9]+ images/s\n"
                                          "epoch 2/2  loss [.0-9]+  val_loss 2.0000  [.0-9]+s  [0-9]+ images/s\n"
                                          "epoch 1/1  loss [.0-9]+  accuracy [.0-9]+%  [.0-9]+s  [0-9]+ images/s\n"));
}

TEST(Callbacks, RefuseWhatCannotBe) {
  EXPECT_EQ(message_of([] { EarlyStopping({.monitor = "f1"}); }),
            "monitor: 'f1' is unknown; expected loss, accuracy, val_loss, val_accuracy");
  EXPECT_EQ(message_of([] { EarlyStopping({.min_delta = -1}); }), "min_delta: expected at least 0, got -1");
  EXPECT_EQ(message_of([] { ReduceLROnPlateau({.factor = 1}); }),
            "ReduceLROnPlateau: factor: expected between 0 and 1, got 1");
  EXPECT_EQ(message_of([] { ReduceLROnPlateau({.monitor = "losss"}); }).substr(0, 29), "monitor: 'losss' is unknown; ");
}

TEST(Callbacks, AValueThatWillNotBeThereIsRefusedBeforeTheTraining) {
  Model model(dense_net({1}, "linear"), {1});
  Trainer trainer(model);
  const auto error = [&](std::shared_ptr<Callback> callback) {
    return message_of([&] { fit(trainer, {ones({4, 1}), ones({4})}, {.callbacks = {std::move(callback)}}); });
  };
  EXPECT_EQ(error(early({})), "monitor: there is no val_loss here: it needs validation data");
  EXPECT_EQ(error(early({.monitor = "val_accuracy"})),
            "monitor: there is no val_accuracy here: it needs validation data");
  EXPECT_EQ(error(plateau({})), "monitor: there is no val_loss here: it needs validation data");
  EXPECT_EQ(error(early({.monitor = "accuracy"})), "monitor: there is no accuracy here: it needs a classifier");
  EXPECT_EQ(trainer.steps(), 0);
  EXPECT_EQ(error(early({.monitor = "loss"})), "no error");
}

TEST(Callbacks, AccuraciesGrow) {
  Improvement better("val_accuracy", 0.1);
  const auto at = [&](double value) { return better({.val_accuracy = value}); };
  EXPECT_TRUE(at(0.5));
  EXPECT_FALSE(at(0.55));
  EXPECT_TRUE(at(0.65));
  EXPECT_FALSE(at(0.3));
}

/// Writes down what happens.
struct Recorder final : Callback {
  std::vector<std::string> events;
  void note(const char* what, Training& t) {
    events.push_back(fmt::format("{} {}:{}/{} {}", what, t.epoch(), t.batch(), t.batches(), t.history().epochs.size()));
  }
  void on_train_begin(Training& t) override { note("train", t); }
  void on_epoch_begin(Training& t) override { note("epoch", t); }
  void on_batch_end(Training& t) override { note("batch", t); }
  void on_epoch_end(Training& t) override { note("end", t); }
  void on_train_end(Training& t) override { note("over", t); }
};

TEST(Callbacks, Order) {
  Model model(dense_net({1}, "linear"), {1});
  Trainer trainer(model);
  const auto recorder = std::make_shared<Recorder>();
  fit(trainer, {ones({5, 1}), ones({5})}, {.epochs = 2, .batch_size = 3, .callbacks = {recorder}});
  EXPECT_THAT(recorder->events,
              ElementsAre("train 1:0/0 0", "epoch 1:0/2 0", "batch 1:1/2 0", "batch 1:2/2 0", "end 1:2/2 1",
                          "epoch 2:0/2 1", "batch 2:1/2 1", "batch 2:2/2 1", "end 2:2/2 2", "over 2:2/2 2"));
}

TEST(Callbacks, Stop) {
  Model model(dense_net({1}, "linear"), {1});
  Trainer trainer(model);
  const auto run = [&](std::shared_ptr<Callback> stopper) {
    const auto recorder = std::make_shared<Recorder>();
    const FitResult result = fit(trainer, {ones({5, 1}), ones({5})},
                                 {.epochs = 3, .batch_size = 2, .callbacks = {std::move(stopper), recorder}});
    EXPECT_EQ(result.stopped, "enough");
    return recorder->events;
  };
  EXPECT_THAT(run(at_batch_end([](Training& t) {
                if (t.epoch() == 2 && t.batch() == 1) t.stop("enough");
              })),
              ElementsAre("train 1:0/0 0", "epoch 1:0/3 0", "batch 1:1/3 0", "batch 1:2/3 0", "batch 1:3/3 0",
                          "end 1:3/3 1", "epoch 2:0/3 1", "batch 2:1/3 1", "over 2:1/3 1"));
  // After the last batch the epoch is complete.
  EXPECT_THAT(run(at_batch_end([](Training& t) {
                if (t.batch() == 3) t.stop("enough");
              })),
              ElementsAre("train 1:0/0 0", "epoch 1:0/3 0", "batch 1:1/3 0", "batch 1:2/3 0", "batch 1:3/3 0",
                          "end 1:3/3 1", "over 1:3/3 1"));
  EXPECT_THAT(run(at_epoch_end([](Training& t) { t.stop("enough"); })).back(), "over 1:3/3 1");
}

}  // namespace
}  // namespace telaio::nn
