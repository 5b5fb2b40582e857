// Batches that are made beside the steps change nothing but time.
#include <cmath>

#include <telaio/autograd/runtime/parallel.hpp>

#include "training_testing.hpp"

namespace telaio::nn {
namespace {

/// Large enough that batches are made in tasks.
Examples pictures(int64_t count) {
  const Values noise = scrambled(count * 784);
  std::vector<uint8_t> pixels;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < count; ++i) {
    labels.push_back(i * 5 % 3);
    for (int64_t p = 0; p < 784; ++p)
      pixels.push_back(static_cast<uint8_t>(128 + 30 * static_cast<double>(labels.back() * (p % 3)) / 2 +
                                            60 * noise[static_cast<size_t>(i * 784 + p)]));
  }
  return {from_data(pixels, {count, 28, 28, 1}), from_data(labels, {count})};
}

Model make_model() {
  return Model(Sequential{Flatten{}, Dense{.units = 8, .activation = "tanh"}, Dropout{0.2},
                          Dense{.units = 3, .activation = "softmax"}},
               {28, 28, 1});
}

struct Outcome {
  std::vector<Tensor> values;
  FitResult result;
};

Outcome run(int64_t ahead, AugmentWhere where, int threads, const std::optional<TrainingState>& from = {},
            std::shared_ptr<Callback> callback = nullptr) {
  const ThreadLimit limit(threads);
  const Model model = make_model();
  Trainer trainer(model, {.optimizer = {.rule = SGD{.momentum = 0.9}, .learning_rate = 0.05}});
  FitOptions options{.epochs = 3, .batch_size = 24, .validation_split = 0.25};
  options.augmentation = parse_augmentation("shift=2,rotate=10,zoom=0.1,noise=0.1,flip");
  options.augment_where = std::move(where);
  options.standardization.pixels = true;
  options.batches_ahead = ahead;
  options.resume = from;
  if (callback) options.callbacks = {callback};
  const FitResult result = fit(trainer, pictures(200), options);
  return {model.values(), result};
}

TEST(BatchesAhead, GiveTheSameBits) {
  for (const AugmentWhere& where : {AugmentWhere{}, AugmentWhere{.kind = AugmentWhere::Kind::classes, .classes = {1}},
                                    AugmentWhere{.kind = AugmentWhere::Kind::hard, .copies = 0.7}}) {
    const Outcome plain = run(0, where, 1);
    for (const int threads : {1, 4})
      for (const int64_t ahead : {1, 2, 100}) {
        SCOPED_TRACE(to_string(where) + ", threads " + std::to_string(threads) + ", ahead " + std::to_string(ahead));
        const Outcome other = run(ahead, where, threads);
        EXPECT_TRUE(same_bits(plain.values, other.values));
        expect_same_history(plain.result.history, other.result.history);
      }
  }
}

TEST(BatchesAhead, AStateSavedInsideAnEpochKnowsNothingOfThem) {
  const AugmentWhere hard{.kind = AugmentWhere::Kind::hard, .copies = 0.7};
  std::vector<TrainingState> saved;
  const Outcome whole = run(2, hard, 4, {}, at_batch_end([&](Training& training) {
                              if (training.batch() % 3 == 2) saved.push_back(training.state());
                            }));
  ASSERT_GE(saved.size(), 6u);
  for (size_t i = 0; i < saved.size(); ++i) {
    const Outcome resumed = run(static_cast<int64_t>(i % 3), hard, 2, saved[i]);
    EXPECT_TRUE(same_bits(whole.values, resumed.values));
  }
}

TEST(BatchesAhead, AnExceptionLeavesNothingBehind) {
  for (const int threads : {1, 4})
    for (int round = 0; round < 10; ++round) {
      EXPECT_EQ(message_of([&] {
                  run(2, {}, threads, {}, at_batch_end([&](Training& training) {
                        if (training.batch() == 1 + round % 4) throw Error("enough");
                      }));
                }),
                "enough");
    }
}

TEST(BatchesAhead, StoppingInsideAnEpoch) {
  for (const int threads : {1, 4}) {
    const Outcome stopped = run(2, {}, threads, {}, at_batch_end([](Training& training) {
                                  if (training.batch() == 2) training.stop("enough");
                                }));
    EXPECT_EQ(stopped.result.stopped, "enough");
    EXPECT_TRUE(stopped.result.history.epochs.empty());
  }
}

TEST(BatchesAhead, AreNotNegative) {
  EXPECT_EQ(message_of([] { run(-1, {}, 1); }), "fit: batches_ahead: expected at least 0, got -1");
}

// What a callback sees through a kept evaluation is that of the present parameters.
TEST(Evaluator, MeasuresThePresentParameters) {
  const Model model = make_model();
  const Examples examples = pictures(300);
  Evaluator evaluator(model, examples);
  Trainer trainer(model);
  for (int epoch = 0; epoch < 3; ++epoch) {
    const Evaluation kept = evaluator.run(), fresh = evaluate(model, examples);
    EXPECT_EQ(kept.loss, fresh.loss);
    EXPECT_EQ(kept.losses, fresh.losses);
    EXPECT_TRUE(same_bits(kept.outputs, fresh.outputs));
    fit(trainer, examples);
    EXPECT_NE(kept.loss, evaluate(model, examples).loss);
  }
}

TEST(Evaluator, MayBeMoved) {
  const Model model = make_model();
  const Examples examples = pictures(30);
  Evaluator first(model, examples);
  const double loss = first.run().loss;
  Evaluator second = std::move(first);
  EXPECT_EQ(second.run().loss, loss);
}

}  // namespace
}  // namespace telaio::nn
