#include <telaio/nn/train/diagnosis.hpp>

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace telaio::nn {
namespace {

using testing::ElementsAre;

const std::vector<std::string> names{"cat", "dog", "cow"};

EpochRecord epoch(int64_t number, double loss, double accuracy) {
  return {.epoch = number, .loss = loss, .accuracy = accuracy};
}
EpochRecord epoch(int64_t number, double loss, double accuracy, double val_loss, double val_accuracy) {
  return {.epoch = number, .loss = loss, .accuracy = accuracy, .val_loss = val_loss, .val_accuracy = val_accuracy};
}

/// 100 samples a class, of which so many are right.
ConfusionMatrix right(std::vector<int64_t> counts) {
  ConfusionMatrix matrix(static_cast<int64_t>(counts.size()));
  for (int64_t c = 0; c < matrix.classes(); ++c)
    for (int64_t i = 0; i < 100; ++i)
      matrix.add(c, i < counts[static_cast<size_t>(c)] ? c : (c + 1) % matrix.classes());
  return matrix;
}

FitResult result(std::vector<EpochRecord> epochs, std::vector<double> recall = {},
                 std::optional<ConfusionMatrix> validation = {}) {
  FitResult r;
  for (const EpochRecord& e : epochs) {
    const double loss = e.val_loss.value_or(e.loss);
    if (r.best.epoch == 0 || loss < r.best.loss) r.best = {e.epoch, loss, {}};
  }
  r.history.epochs = std::move(epochs);
  r.train_recall = std::move(recall);
  r.validation = std::move(validation);
  return r;
}

std::vector<std::string> said(const FitResult& r, const std::optional<ConfusionMatrix>& test = {}) {
  return diagnose(r, test, names);
}

TEST(Diagnosis, NothingToJudge) {
  EXPECT_THAT(said(result({})), ElementsAre("No epoch has ended, so there is nothing to judge yet."));
}

TEST(Diagnosis, TrainedTooBriefly) {
  EXPECT_THAT(
      said(result({epoch(1, 2, 0.5), epoch(2, 1, 0.6)})),
      ElementsAre("The training accuracy is 60.0%, far from 100%: it was still rising, so more epochs may help; "
                  "if it stops there, the model is too small for the task."));
  EXPECT_THAT(said(result({epoch(1, 2, 0.5)})),
              ElementsAre("The training accuracy is 50.0%, far from 100%: after a single epoch there is no telling "
                          "whether it still rises; more epochs will show."));
}

TEST(Diagnosis, TooSmall) {
  EXPECT_THAT(
      said(result({epoch(1, 2, 0.77), epoch(2, 1, 0.78)})),
      ElementsAre("The training accuracy is 78.0%, far from 100%: it no longer rises, so the model is too small "
                  "for the task (more layers or more units), or the learning rate does not suit it."));
  // Just short of a tenth of the errors, and just more.
  EXPECT_THAT(said(result({epoch(1, 2, 0.8), epoch(2, 1, 0.819)}))[0], testing::HasSubstr("no longer rises"));
  EXPECT_THAT(said(result({epoch(1, 2, 0.8), epoch(2, 1, 0.821)}))[0], testing::HasSubstr("still rising"));
}

TEST(Diagnosis, OverfittingNamesTheWorstClasses) {
  const FitResult r =
      result({epoch(1, 0.5, 0.9, 0.6, 0.85), epoch(2, 0.1, 0.99, 0.6, 0.9)}, {1, 0.99, 0.98}, right({98, 75, 97}));
  EXPECT_THAT(said(r), ElementsAre("The validation accuracy is 90.0%, 9.0 points below that of training: overfitting, "
                                   "most of all of dog (75.0% against 99.0%), cat (98.0% against 100.0%). More data, "
                                   "augmentation, dropout or fewer parameters narrow the gap."));
  // Of the test part where there is no validation; validation goes first.
  const FitResult plain = result({epoch(1, 0.5, 0.9), epoch(2, 0.1, 0.99)}, {1, 0.99, 0.98});
  EXPECT_THAT(
      said(plain, right({70, 80, 90})),
      ElementsAre("The test accuracy is 80.0%, 19.0 points below that of training: overfitting, most of all of "
                  "cat (70.0% against 100.0%), dog (80.0% against 99.0%), cow (90.0% against 98.0%). More data, "
                  "augmentation, dropout or fewer parameters narrow the gap."));
  EXPECT_EQ(said(r, right({0, 0, 0})), said(r));
  // Classes that were not seen in training, or are not among those held out, are not named; nor where none falls.
  ConfusionMatrix some(3);
  for (int i = 0; i < 100; ++i) some.add(0, i < 80 ? 0 : 1);
  const FitResult unseen = result({epoch(1, 0.1, 0.99)}, {std::numeric_limits<double>::quiet_NaN(), 0.99, 0.98}, some);
  EXPECT_THAT(said(unseen), ElementsAre("The validation accuracy is 80.0%, 19.0 points below that of training: "
                                        "overfitting. More data, augmentation, dropout or fewer parameters narrow the "
                                        "gap."));
  // Without names they are numbers.
  EXPECT_THAT(diagnose(r, {}, {})[0], testing::HasSubstr("most of all of 1 (75.0% against 99.0%), 0 ("));
}

TEST(Diagnosis, BothTooSmallAndOverfitting) {
  const FitResult r = result({epoch(1, 0.9, 0.80), epoch(2, 0.8, 0.81)}, {0.8, 0.8, 0.83});
  EXPECT_THAT(said(r, right({60, 60, 60})),
              ElementsAre(testing::StartsWith("The training accuracy is 81.0%, far from 100%: it no longer rises"),
                          testing::StartsWith("The test accuracy is 60.0%, 21.0 points below that of training: ")));
}

TEST(Diagnosis, AValidationLossThatRisesAgain) {
  const FitResult r =
      result({epoch(1, 0.5, 0.9, 0.3, 0.98), epoch(2, 0.3, 0.95, 0.2, 0.98), epoch(3, 0.1, 0.99, 0.3, 0.98)},
             {0.99, 0.99, 0.99}, right({98, 98, 98}));
  EXPECT_THAT(said(r),
              ElementsAre("Training and validation accuracy agree (99.0% and 98.0%): the model is large enough "
                          "and does not overfit.",
                          "The validation loss was lowest in epoch 2 (0.2000) and has risen to 0.3000 since: "
                          "training longer only overfits."));
  // A twentieth is noise.
  const FitResult noise =
      result({epoch(1, 0.5, 0.9, 0.2, 0.98), epoch(2, 0.1, 0.99, 0.209, 0.98)}, {}, right({98, 98, 98}));
  EXPECT_EQ(said(noise).size(), 1u);
}

TEST(Diagnosis, AllWell) {
  const std::vector<double> recall{0.99, 0.99, 0.99};
  EXPECT_THAT(
      said(result({epoch(1, 0.5, 0.9, 0.3, 0.9), epoch(2, 0.1, 0.99, 0.1, 0.99)}, recall, right({99, 99, 99}))),
      ElementsAre("Training and validation accuracy agree (99.0% and 99.0%): the model is large enough and does "
                  "not overfit."));
  EXPECT_THAT(said(result({epoch(1, 0.5, 0.9), epoch(2, 0.1, 0.99)}, recall), right({99, 99, 98})),
              ElementsAre("Training and test accuracy agree (99.0% and 98.7%): the model is large enough and does not "
                          "overfit."));
  EXPECT_THAT(said(result({epoch(1, 0.5, 0.9), epoch(2, 0.1, 0.99)}, recall)),
              ElementsAre("The training accuracy is 99.0%: the model is large enough. Without validation or test data "
                          "there is no telling how it does on other samples."));
  // Augmentation and dropout make training harder than what is held out.
  EXPECT_THAT(said(result({epoch(1, 0.5, 0.9), epoch(2, 0.3, 0.95)}, recall), right({99, 99, 99}))[1],
              "The test accuracy is 99.0%: no sign of overfitting.");
}

TEST(Diagnosis, Regression) {
  EXPECT_THAT(said(result({{.epoch = 1, .loss = 0.25}})),
              ElementsAre("The training loss is 0.25; without validation data there is no telling how it does on "
                          "others."));
  EXPECT_THAT(said(result({{.epoch = 1, .loss = 0.25, .val_loss = 0.26}})),
              ElementsAre("The training loss is 0.25, the validation loss 0.26."));
  EXPECT_THAT(
      said(result({{.epoch = 1, .loss = 0.25, .val_loss = 0.5}})),
      ElementsAre("The training loss is 0.25, the validation loss 0.5: it fits the training samples better than "
                  "others (overfitting)."));
  EXPECT_THAT(
      said(result({{.epoch = 1, .loss = 0.25, .val_loss = 0.3}, {.epoch = 2, .loss = 0.1, .val_loss = 0.5}}))[1],
      "The validation loss was lowest in epoch 1 (0.3000) and has risen to 0.5000 since: training longer only "
      "overfits.");
}

}  // namespace
}  // namespace telaio::nn
