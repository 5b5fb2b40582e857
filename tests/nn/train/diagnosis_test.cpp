#include <telaio/nn/train/diagnosis.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace telaio::nn {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const std::vector<std::string> names{"cat", "dog", "cow"};

FitResult training(std::vector<double> accuracies) {
  FitResult result;
  int64_t epoch = 0;
  for (const double accuracy : accuracies) {
    EpochRecord record{.epoch = ++epoch, .loss = 1 - accuracy};
    record.accuracy = accuracy;
    result.history.epochs.push_back(record);
  }
  result.best = {epoch, 1 - accuracies.back(), {}};
  result.train_recall = {accuracies.back(), accuracies.back(), accuracies.back()};
  return result;
}

/// 100 samples of each class, so many of which are right.
ConfusionMatrix right(int64_t cats, int64_t dogs, int64_t cows) {
  ConfusionMatrix matrix(3);
  const int64_t counts[] = {cats, dogs, cows};
  for (int64_t c = 0; c < 3; ++c)
    for (int64_t i = 0; i < 100; ++i) matrix.add(c, i < counts[c] ? c : (c + 1) % 3);
  return matrix;
}

TEST(Diagnosis, TooSmallOrTooShort) {
  EXPECT_THAT(diagnose(training({0.5, 0.7}), {}, names),
              ElementsAre(AllOf(HasSubstr("training accuracy is 70.0%, far from 100%"), HasSubstr("still rising"))));
  EXPECT_THAT(diagnose(training({0.5, 0.7, 0.701}), {}, names),
              ElementsAre(HasSubstr("the model is too small for the task")));
  EXPECT_THAT(diagnose(training({0.7}), {}, names), ElementsAre(HasSubstr("a single epoch is too short to judge by")));
  EXPECT_THAT(diagnose(training({0.5, 0.7, 0.701}), right(70, 71, 69), names),
              ElementsAre(HasSubstr("too small"), "The test accuracy is 70.0%: no sign of overfitting."));
}

TEST(Diagnosis, Overfitting) {
  FitResult result = training({0.9, 0.995});
  result.validation = right(97, 60, 90);
  EXPECT_THAT(
      diagnose(result, right(100, 100, 100), names),
      ElementsAre(AllOf(HasSubstr("The validation accuracy is 82.3%, 17.2 points below that of training: overfitting, "
                                  "most of all of dog (60.0% against 99.5%), cow (90.0% against 99.5%)."),
                        Not(HasSubstr("cat")))));
  // A difference that few samples make by chance is none.
  result = training({0.9, 0.999});
  ConfusionMatrix few(3);
  for (int i = 0; i < 20; ++i) few.add(0, i == 0 ? 1 : 0);
  EXPECT_THAT(diagnose(result, few, names), ElementsAre(HasSubstr("does not overfit")));
  // Both at once: it neither learns its own samples nor carries over what it has learnt.
  result = training({0.9, 0.92, 0.921});
  EXPECT_THAT(diagnose(result, right(80, 80, 80), names),
              ElementsAre(HasSubstr("too small"), HasSubstr("The test accuracy is 80.0%, 12.1 points below")));
}

TEST(Diagnosis, ValidationThatRisesAgain) {
  FitResult result = training({0.9, 0.99, 0.999});
  for (EpochRecord& record : result.history.epochs) record.val_loss = 0.1 * static_cast<double>(record.epoch);
  result.best = {1, 0.1, {}};
  result.validation = right(99, 99, 99);
  EXPECT_THAT(
      diagnose(result, {}, names),
      ElementsAre(
          HasSubstr("large enough"),
          "The validation loss was lowest in epoch 1 (0.1000) and has risen to 0.3000 since: training longer only "
          "overfits."));
}

TEST(Diagnosis, AllIsWell) {
  EXPECT_THAT(
      diagnose(training({0.9, 0.99}), right(99, 99, 98), names),
      ElementsAre(
          "The training accuracy is 99.0%, the test accuracy 98.7%: the model is large enough and does not overfit."));
  EXPECT_THAT(diagnose(training({0.9, 0.99}), {}, names),
              ElementsAre(HasSubstr("no telling how it does on other samples")));
  // With dropout and augmentation training looks worse than it is.
  EXPECT_THAT(diagnose(training({0.9, 0.95}), right(99, 99, 99), names), ElementsAre(HasSubstr("does not overfit")));
}

TEST(Diagnosis, RegressionAndNothing) {
  FitResult result;
  EXPECT_THAT(diagnose(result, {}, {}), ElementsAre(HasSubstr("nothing to judge yet")));
  result.history.epochs.push_back({.epoch = 1, .loss = 0.5});
  EXPECT_THAT(diagnose(result, {}, {}), ElementsAre(HasSubstr("no telling")));
  result.history.epochs.back().val_loss = 0.9;
  EXPECT_THAT(diagnose(result, {}, {}),
              ElementsAre(HasSubstr("validation loss 0.9: it fits the training samples better")));
  result.history.epochs.back().val_loss = 0.51;
  EXPECT_THAT(diagnose(result, {}, {}), ElementsAre(Not(HasSubstr("better"))));
}

}  // namespace
}  // namespace telaio::nn
