#include <limits>

#include <fmt/format.h>

#include "training_testing.hpp"

namespace telaio::nn {
namespace {

using testing::HasSubstr;

/// Small images of three kinds: bright left, bright top, and neither.
Examples pictures(int64_t count, double phase = 0) {
  const Values noise = scrambled(count * 36, phase);
  std::vector<float> pixels;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < count; ++i) {
    labels.push_back(i * 5 % 3);
    for (int64_t p = 0; p < 36; ++p) {
      const double light = labels.back() == 0   ? (p % 6 < 3 ? 0.7 : 0.3)
                           : labels.back() == 1 ? (p < 18 ? 0.7 : 0.3)
                                                : 0.5;
      pixels.push_back(static_cast<float>(light + 0.3 * noise[static_cast<size_t>(i * 36 + p)]));
    }
  }
  return {from_data(pixels, {count, 6, 6, 1}), from_data(labels, {count})};
}

Model make_model(uint64_t seed) {
  return Model(Sequential{Conv2D{.filters = 4, .activation = "relu"}, BatchNorm{.momentum = 0.8}, Flatten{},
                          Dropout{0.3}, Dense{.units = 3, .activation = "softmax"}},
               {6, 6, 1}, {.seed = seed});
}

TrainerOptions trainer_options() {
  return {.optimizer = {.rule = SGD{.momentum = 0.9}, .learning_rate = 0.1}, .seed = 3};
}

FitOptions fit_options() {
  FitOptions options{.epochs = 3, .batch_size = 8, .validation_split = 0.25};
  options.class_weight = {.weights = {{1, 2}}};
  options.schedule = parse_schedule("plateau,factor=0.5,patience=1,warmup=0.5");
  options.augmentation = parse_augmentation("shift=1,noise=0.1");
  options.augment_where = {.kind = AugmentWhere::Kind::hard, .copies = 0.5};
  options.standardization.pixels = true;
  options.callbacks = {
      std::make_shared<EarlyStopping>(EarlyStopping::Options{.patience = 5, .restore_best_weights = true}),
      std::make_shared<LearningRateScheduler>([](int64_t, double rate) { return 0.9 * rate; })};
  return options;
}

struct Saved {
  std::string where;
  TrainingState state;
};

struct Outcome {
  std::vector<Tensor> values, slots;
  FitResult result;
  std::vector<Saved> saved;
};

Outcome run(const std::optional<TrainingState>& from, uint64_t model_seed = 1, FitOptions options = fit_options()) {
  const Model model = make_model(model_seed);
  Trainer trainer(model, trainer_options());
  Outcome outcome;
  options.resume = from;
  options.callbacks.push_back(std::make_shared<LambdaCallback>(LambdaCallback::Functions{
      .epoch_end =
          [&](Training& t) {
            outcome.saved.push_back({fmt::format("end of epoch {}", t.epoch()), t.state()});
          },
      .batch_end =
          [&](Training& t) {
            outcome.saved.push_back(
                {fmt::format("epoch {}, batch {} of {}", t.epoch(), t.batch(), t.batches()), t.state()});
          },
      .train_end =
          [&](Training& t) {
            outcome.saved.push_back({"end", t.state()});
          }}));
  outcome.result = fit(trainer, pictures(32), options);
  outcome.values = model.values();
  for (const Variable& slot : trainer.optimizer().slots()) outcome.slots.push_back(snapshot(slot));
  return outcome;
}

void expect_same(const Outcome& a, const Outcome& b) {
  EXPECT_TRUE(same_bits(a.values, b.values));
  EXPECT_TRUE(same_bits(a.slots, b.slots));
  expect_same_history(a.result.history, b.result.history);
  EXPECT_EQ(a.result.best.epoch, b.result.best.epoch);
  EXPECT_EQ(a.result.best.loss, b.result.best.loss);
  EXPECT_TRUE(same_bits(a.result.best.values, b.result.best.values));
  EXPECT_EQ(a.result.stopped, b.result.stopped);
  EXPECT_EQ(a.result.train_recall, b.result.train_recall);
  ASSERT_EQ(a.result.validation.has_value(), b.result.validation.has_value());
  if (!a.result.validation) return;
  for (int64_t t = 0; t < 3; ++t)
    for (int64_t p = 0; p < 3; ++p) EXPECT_EQ(a.result.validation->count(t, p), b.result.validation->count(t, p));
}

TEST(Resume, FromEveryBatch) {
  const Outcome whole = run({});
  ASSERT_EQ(whole.result.history.epochs.size(), 3u);
  ASSERT_EQ(whole.saved.size(), 3 + 5 + 5 + 3 + 1u);  // 24 samples, and from the second epoch on 12 copies
  for (const Saved& saved : whole.saved) {
    SCOPED_TRACE(saved.where);
    // The new model has other initial parameters, which must not matter. Restored weights are only loaded at the end.
    const Outcome continued = run(saved.state, 99);
    if (saved.where != "end") expect_same(whole, continued);
    else EXPECT_TRUE(same_bits(whole.values, continued.values));
  }
}

TEST(Resume, WithoutValidationOrClasses) {
  const auto regression = [](const std::optional<TrainingState>& from, std::vector<TrainingState>* states) {
    const Model model(dense_net({3, 1}, "linear"), {2});
    Trainer trainer(model);
    FitOptions options{.epochs = 2, .batch_size = 4, .shuffle = false, .resume = from};
    if (states != nullptr) options.callbacks = {at_batch_end([=](Training& t) { states->push_back(t.state()); })};
    const FitResult result = fit(trainer, {scrambled({10, 2}), scrambled(Shape{10})}, options);
    return std::pair(model.values(), result.history);
  };
  std::vector<TrainingState> states;
  const auto whole = regression({}, &states);
  EXPECT_EQ(states.size(), 6u);
  for (const TrainingState& state : states) {
    const auto continued = regression(state, nullptr);
    EXPECT_TRUE(same_bits(whole.first, continued.first));
    expect_same_history(whole.second, continued.second);
  }
}

TEST(Resume, ATrainingThatStoppedEarlyStaysStopped) {
  const auto run_script = [](const std::optional<TrainingState>& from, TrainingState* last) {
    Model model(dense_net({1}, "linear"), {1});
    Trainer trainer(model, {.optimizer = {.rule = SGD{}, .learning_rate = 0}});
    FitOptions options{.epochs = 6, .resume = from};
    options.callbacks = {std::make_shared<EarlyStopping>(EarlyStopping::Options{.monitor = "loss", .patience = 2}),
                         at_epoch_end([=](Training& t) { *last = t.state(); })};
    return fit(trainer, {ones({4, 1}), zeros({4})}, options);
  };
  TrainingState last;
  const FitResult stopped = run_script({}, &last);
  EXPECT_EQ(stopped.history.epochs.size(), 3u);
  const FitResult again = run_script(last, &last);
  EXPECT_EQ(again.history.epochs.size(), 3u);
  EXPECT_EQ(again.stopped, stopped.stopped);
}

TEST(Resume, WhereverTheSaverStandsAmongTheCallbacks) {
  // A saver in front of the others sees the end of the epoch before they do.
  const auto run_script = [](const std::optional<TrainingState>& from, std::vector<TrainingState>* states) {
    Model model(dense_net({1}, "linear"), {1});
    Trainer trainer(model, {.optimizer = {.rule = SGD{}, .learning_rate = 0}});
    FitOptions options{.epochs = 9, .resume = from};
    options.callbacks = {at_epoch_end([=](Training& t) { states->push_back(t.state()); }),
                         std::make_shared<ReduceLROnPlateau>(
                             ReduceLROnPlateau::Options{.monitor = "loss", .factor = 0.5, .patience = 2}),
                         std::make_shared<EarlyStopping>(EarlyStopping::Options{.monitor = "loss", .patience = 5})};
    return fit(trainer, {ones({4, 1}), zeros({4})}, options);
  };
  std::vector<TrainingState> states, others;
  const FitResult whole = run_script({}, &states);
  ASSERT_EQ(states.size(), 6u);
  for (const TrainingState& state : states) {
    const FitResult continued = run_script(state, &others);
    expect_same_history(whole.history, continued.history);
    EXPECT_EQ(whole.stopped, continued.stopped);
  }
}

TEST(Resume, TheStateIsACopy) {
  const Outcome whole = run({});
  const TrainingState& early = whole.saved[0].state;
  const Tensor before = early.tensors.at("model.dense1.weight");
  const std::vector<double> numbers = before.to_vector<double>();
  run(early);
  EXPECT_EQ(before.to_vector<double>(), numbers);
}

TEST(Resume, OtherOptionsAreNamed) {
  const Outcome whole = run({});
  const TrainingState& state = whole.saved[4].state;
  const auto error = [&](const std::function<void(FitOptions&)>& change) {
    FitOptions options = fit_options();
    change(options);
    return message_of([&] { run(state, 1, options); });
  };
  EXPECT_EQ(error([](FitOptions&) {}), "no error");
  EXPECT_EQ(error([](FitOptions& o) { o.batch_size = 9; }), "resume: batch size is 9, the saved training had 8");
  EXPECT_EQ(error([](FitOptions& o) { o.epochs = 4; }), "resume: epochs is 4, the saved training had 3");
  EXPECT_EQ(error([](FitOptions& o) { o.seed = 2; }), "resume: seed is 2, the saved training had 1");
  EXPECT_EQ(error([](FitOptions& o) { o.shuffle = false; }), "resume: shuffle is no, the saved training had yes");
  EXPECT_EQ(error([](FitOptions& o) { o.schedule.factor = 0.25; }),
            "resume: schedule is plateau,factor=0.25,patience=1,warmup=0.5, the saved training had "
            "plateau,factor=0.5,patience=1,warmup=0.5");
  EXPECT_EQ(error([](FitOptions& o) { o.class_weight = {}; }),
            "resume: class weights is none, the saved training had 1=2");
  EXPECT_EQ(error([](FitOptions& o) { o.sample_weight.assign(32, 1); }),
            "resume: sample weights is yes, the saved training had no");
  EXPECT_EQ(error([](FitOptions& o) { o.validation_split = 0.5; }),
            "resume: training samples is 16, the saved training had 24");
  EXPECT_EQ(error([](FitOptions& o) { o.augmentation.noise = 0; }),
            "resume: augmentation is shift=1, the saved training had shift=1,noise=0.1");
  EXPECT_EQ(error([](FitOptions& o) { o.augment_where = {}; }),
            "resume: augment where is all, the saved training had hard,copies=0.5");
  EXPECT_EQ(error([](FitOptions& o) { o.standardization.pixels = false; }),
            "resume: standardization is none, the saved training had pixels");
  EXPECT_THAT(error([](FitOptions& o) { o.callbacks.clear(); }), testing::Eq("no error"));

  const auto with = [&](const TrainerOptions& how, const Model& model) {
    Trainer trainer(model, how);
    FitOptions options = fit_options();
    options.resume = state;
    const std::vector<Tensor> before = model.values();
    const std::string message = message_of([&] { fit(trainer, pictures(32), options); });
    EXPECT_TRUE(same_bits(before, model.values()));
    EXPECT_EQ(trainer.steps(), 0);
    return message;
  };
  TrainerOptions how = trainer_options();
  how.optimizer.learning_rate = 0.2;
  EXPECT_THAT(with(how, make_model(1)),
              HasSubstr("resume: optimizer is sgd,momentum=0.9,nesterov=0,learning_rate=0.2"));
  how = trainer_options();
  how.loss = "categorical_crossentropy(0.1)";
  EXPECT_EQ(with(how, make_model(1)),
            "resume: loss is categorical_crossentropy(0.1), the saved training had categorical_crossentropy");
  how = trainer_options();
  how.weight_mean = MeanBy::weights;
  EXPECT_EQ(with(how, make_model(1)), "resume: weights' mean is weights, the saved training had count");
  how = trainer_options();
  how.seed = 4;
  EXPECT_EQ(with(how, make_model(1)), "resume: seed of dropout is 4, the saved training had 3");
  EXPECT_THAT(
      with(trainer_options(), Model(Sequential{Flatten{}, Dense{.units = 3, .activation = "softmax"}}, {6, 6, 1})),
      HasSubstr("resume: parameters is 111, the saved training had"));
  // As many parameters, but others.
  const Model renamed(
      Sequential{Conv2D{.filters = 4, .activation = "relu", .name = "first"}, BatchNorm{.momentum = 0.8}, Flatten{},
                 Dropout{0.3}, Dense{.units = 3, .activation = "softmax"}},
      {6, 6, 1});
  EXPECT_EQ(with(trainer_options(), renamed), "resume: the saved training has no 'model.first.weight'");
}

TEST(Resume, StatesThatAreDamaged) {
  const Outcome whole = run({});
  const auto error = [&](const std::function<void(TrainingState&)>& damage) {
    const Model model = make_model(7);
    Trainer trainer(model, trainer_options());
    FitOptions options = fit_options();
    options.resume = whole.saved[4].state;
    damage(*options.resume);
    const std::vector<Tensor> before = model.values();
    const std::string message = message_of([&] { fit(trainer, pictures(32), options); });
    EXPECT_TRUE(same_bits(before, model.values())) << message;
    return message;
  };
  EXPECT_EQ(error([](TrainingState& s) { s.tensors.erase("epoch"); }), "resume: the saved training has no 'epoch'");
  EXPECT_EQ(error([](TrainingState& s) { s.tensors.erase("optimizer.dense1.bias/velocity"); }),
            "resume: the saved training has no 'optimizer.dense1.bias/velocity'");
  EXPECT_EQ(error([](TrainingState& s) { s.tensors.erase("callback1.best"); }),
            "resume: a callback finds no saved 'best'");
  EXPECT_EQ(error([](TrainingState& s) {
              s.tensors["history"] = zeros({2, 3});
            }),
            "resume: the saved history is f32[2,3]");
  EXPECT_EQ(error([](TrainingState& s) { s.settings.pop_back(); }),
            "resume: the saved training was written by another version");
  EXPECT_NE(error([](TrainingState& s) { s.tensors["optimizer.dense1.bias/velocity"] = zeros({4}); }), "no error");
  EXPECT_THAT(error([](TrainingState& s) { s.tensors["losses"] = zeros({4}); }), HasSubstr("resume: "));
}

}  // namespace
}  // namespace telaio::nn
