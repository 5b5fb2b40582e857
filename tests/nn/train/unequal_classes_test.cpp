// Two remedies for a class that is rare in the training data, on the built-in digits.
#include <telaio/nn/data/digits.hpp>

#include "training_testing.hpp"

namespace telaio::nn {
namespace {

constexpr int64_t rare = 8;

/// The digits with a tenth of the eights.
Samples with_few_eights(const Samples& all) {
  const std::vector<int64_t> labels = label_values(all);
  std::vector<int64_t> rows;
  int64_t seen = 0;
  for (size_t i = 0; i < labels.size(); ++i)
    if (labels[i] != rare || seen++ % 10 == 0) rows.push_back(static_cast<int64_t>(i));
  return take(all, rows);
}

Model small_net(uint64_t seed) {
  return Model(Sequential{Conv2D{.filters = 8, .kernel = 5, .activation = "relu", .strides = 2},
                          Conv2D{.filters = 16, .activation = "relu", .strides = 2}, Flatten{},
                          Dense{.units = 10, .activation = "softmax"}},
               {28, 28, 1}, {.seed = seed});
}

TEST(UnequalClasses, WeightsAndHardCopiesHelpTheRareClass) {
  const Dataset digits = make_digits({.train = 6000, .test = 5000});
  const Samples train = with_few_eights(digits.train);
  const auto recall = [&](uint64_t seed, bool balanced, bool hard) {
    const Model model = small_net(seed);
    Trainer trainer(model, {.optimizer = {.learning_rate = 0.003}, .seed = seed});
    FitOptions options{.epochs = 3, .schedule = parse_schedule("cosine"), .seed = seed};
    options.class_weight.balanced = balanced;
    if (hard) {
      options.augmentation = parse_augmentation("shift=1,rotate=8,zoom=0.1");
      options.augment_where = parse_augment_where("hard,copies=0.5", train.class_names);
    }
    fit(trainer, train, options);
    return evaluate(model, digits.test).confusion->of(rare).recall;
  };
  double plain = 0, weighted = 0, copied = 0;
  for (const uint64_t seed : {1, 2, 3}) {
    plain += recall(seed, false, false) / 3;
    weighted += recall(seed, true, false) / 3;
    copied += recall(seed, false, true) / 3;
  }
  // About 38%, 70% and 59% on average; of a dozen seeds none gained less than 13 points from either.
  EXPECT_GT(weighted, plain + 0.01);
  EXPECT_GT(copied, plain + 0.01);
}

}  // namespace
}  // namespace telaio::nn
