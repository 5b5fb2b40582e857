#include <telaio/nn/train/epoch_plan.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/nn/data/batches.hpp>

#include "../../message_of.hpp"

namespace telaio::nn {
namespace {

using Kind = AugmentWhere::Kind;
const std::vector<std::string> names{"cat", "dog", "ox"};

TEST(AugmentWhere, Parse) {
  EXPECT_EQ(parse_augment_where("all", names).kind, Kind::all);
  EXPECT_EQ(parse_augment_where("hard", names).kind, Kind::hard);
  EXPECT_EQ(parse_augment_where("hard", names).copies, 0.5);
  EXPECT_EQ(parse_augment_where("hard,copies=1.25", names).copies, 1.25);
  const AugmentWhere some = parse_augment_where("classes=ox,0", names);
  EXPECT_EQ(some.kind, Kind::classes);
  EXPECT_EQ(some.classes, (std::vector<int64_t>{2, 0}));
  for (const char* text : {"all", "hard,copies=0.5", "hard,copies=0.30000000000000004", "classes=2,0"})
    EXPECT_EQ(to_string(parse_augment_where(text, names)), text);
}

TEST(AugmentWhere, ParseErrors) {
  const auto error = [](std::string_view text) { return message_of([&] { parse_augment_where(text, names); }); };
  EXPECT_EQ(error("easy"), "augment where: 'easy' is unknown; expected all, hard, classes=…");
  EXPECT_EQ(error(""), "augment where: '' is unknown; expected all, hard, classes=…");
  EXPECT_EQ(error("classes="), "augment where: classes= names none");
  EXPECT_EQ(error("classes=cat,fish"), "unknown class 'fish': the classes are cat dog ox");
  EXPECT_EQ(error("hard,copies=-1"), "augment where: copies is -1, expected 0 … 100");
  EXPECT_EQ(error("hard,copies=many"), "augment where: copies needs a number, as in copies=0.5, got 'many'");
  EXPECT_EQ(error("all,copies=1"), "augment where: unknown option 'copies', expected none");
}

TEST(PlanEpoch, InOrder) {
  const EpochPlan plan = plan_epoch(5, false, 1, 3, {}, {}, {});
  EXPECT_EQ(plan.rows, plain_order(5));
  EXPECT_EQ(plan.ids, plain_order(5));
  EXPECT_EQ(plan.strength, std::vector<float>(5, 1.0f));
  EXPECT_EQ(plan.counted, std::vector<uint8_t>(5, 1));
}

TEST(PlanEpoch, ShufflesEachEpochAnew) {
  const auto rows = [](uint64_t seed, int64_t epoch) { return plan_epoch(100, true, seed, epoch, {}, {}, {}).rows; };
  EXPECT_EQ(rows(1, 0), shuffled_order(100, 1, 0));
  EXPECT_EQ(rows(1, 7), shuffled_order(100, 1, 7));
  EXPECT_NE(rows(1, 0), rows(1, 1));
  EXPECT_NE(rows(1, 0), rows(2, 0));
  std::vector<int64_t> sorted = rows(1, 4);
  std::sort(sorted.begin(), sorted.end());
  EXPECT_EQ(sorted, plain_order(100));
}

TEST(PlanEpoch, AugmentsClasses) {
  const std::vector<int64_t> labels{0, 1, 2, 1, 0, 2};
  const EpochPlan plan = plan_epoch(6, true, 1, 0, {.kind = Kind::classes, .classes = {2, 0}}, labels, {});
  ASSERT_EQ(plan.rows.size(), 6u);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(plan.strength[i], labels[static_cast<size_t>(plan.rows[i])] == 1 ? 0.0f : 1.0f);
    EXPECT_EQ(plan.ids[i], plan.rows[i]);
    EXPECT_EQ(plan.counted[i], 1);
  }
}

struct Hard {
  std::vector<int64_t> labels;
  std::vector<float> losses;
  std::vector<double> share;  // of the copies, by the documented formula
};

Hard hard_samples(int64_t n) {
  Hard hard;
  double all = 0, sums[3] = {}, counts[3] = {};
  for (int64_t i = 0; i < n; ++i) {
    hard.labels.push_back(i % 10 == 0 ? 2 : i % 2);
    hard.losses.push_back(i % 7 == 3 ? 0.0f : static_cast<float>(0.1 + static_cast<double>(i * i % 31) / 10));
    const auto c = static_cast<size_t>(hard.labels.back());
    all += static_cast<double>(hard.losses.back());
    sums[c] += static_cast<double>(hard.losses.back());
    counts[c] += 1;
  }
  double means = 0;
  for (size_t c = 0; c < 3; ++c) means += sums[c] / counts[c];
  for (size_t i = 0; i < hard.losses.size(); ++i) {
    const auto c = static_cast<size_t>(hard.labels[i]);
    hard.share.push_back(0.5 * static_cast<double>(hard.losses[i]) / all +
                         0.5 * sums[c] / counts[c] / means / counts[c]);
  }
  return hard;
}

TEST(PlanEpoch, HardCopiesFollowTheLosses) {
  constexpr int64_t n = 200;
  const Hard hard = hard_samples(n);
  EXPECT_NEAR(std::accumulate(hard.share.begin(), hard.share.end(), 0.0), 1, 1e-12);
  for (const double copies : {0.0, 0.1, 0.5, 1.0, 3.005}) {
    const auto count = static_cast<int64_t>(std::llround(copies * n));
    std::vector<double> total(n);
    constexpr int epochs = 400;
    for (int64_t epoch = 1; epoch <= epochs; ++epoch) {
      const EpochPlan plan =
          plan_epoch(n, false, 5, epoch, {.kind = Kind::hard, .copies = copies}, hard.labels, hard.losses);
      ASSERT_EQ(static_cast<int64_t>(plan.rows.size()), n + count);
      std::vector<int64_t> times(n);
      for (size_t i = 0; i < plan.rows.size(); ++i) {
        const bool copy = i >= n;  // in order: first all samples as they are
        EXPECT_EQ(plan.ids[i], static_cast<int64_t>(i));
        EXPECT_EQ(plan.strength[i], copy ? 1.0f : 0.0f);
        EXPECT_EQ(plan.counted[i], copy ? 0 : 1);
        if (copy) ++times[static_cast<size_t>(plan.rows[i])];
        else EXPECT_EQ(plan.rows[i], static_cast<int64_t>(i));
      }
      for (size_t i = 0; i < n; ++i) {  // its share of the copies, up to one
        const double expected = hard.share[i] * static_cast<double>(count);
        EXPECT_GE(static_cast<double>(times[i]), std::floor(expected - 1e-9)) << i;
        EXPECT_LE(static_cast<double>(times[i]), std::ceil(expected + 1e-9)) << i;
        total[i] += static_cast<double>(times[i]);
      }
    }
    // And exactly its share in the long run: five deviations of a draw between two neighbouring counts.
    for (size_t i = 0; i < n; ++i)
      EXPECT_NEAR(total[i] / epochs, hard.share[i] * static_cast<double>(count), 5 * 0.5 / std::sqrt(epochs)) << i;
  }
}

TEST(PlanEpoch, HardCopiesAreMixedIn) {
  const Hard hard = hard_samples(100);
  const AugmentWhere where{.kind = Kind::hard, .copies = 0.5};
  const EpochPlan mixed = plan_epoch(100, true, 5, 2, where, hard.labels, hard.losses),
                  plain = plan_epoch(100, false, 5, 2, where, hard.labels, hard.losses);
  const std::vector<int64_t> order = shuffled_order(150, 5, 2);
  for (size_t i = 0; i < 150; ++i) {
    const auto from = static_cast<size_t>(order[i]);
    EXPECT_EQ(mixed.rows[i], plain.rows[from]);
    EXPECT_EQ(mixed.ids[i], plain.ids[from]);
    EXPECT_EQ(mixed.strength[i], plain.strength[from]);
    EXPECT_EQ(mixed.counted[i], plain.counted[from]);
  }
  EXPECT_NE(plain.rows, plan_epoch(100, false, 5, 3, where, hard.labels, hard.losses).rows);
  EXPECT_NE(plain.rows, plan_epoch(100, false, 6, 2, where, hard.labels, hard.losses).rows);
}

TEST(PlanEpoch, HardWithoutLosses) {
  const AugmentWhere where{.kind = Kind::hard, .copies = 1};
  const std::vector<int64_t> labels{0, 1, 0};
  const EpochPlan first = plan_epoch(3, false, 1, 0, where, labels, {});
  EXPECT_EQ(first.rows, plain_order(3));
  EXPECT_EQ(first.strength, std::vector<float>(3, 0.0f));
  EXPECT_EQ(plan_epoch(3, false, 1, 1, where, labels, std::vector<float>(3, 0.0f)).rows, plain_order(3));
  // All the loss is one sample's: half of the copies are its own, the others go to its class.
  const EpochPlan one =
      plan_epoch(3, false, 1, 1, {.kind = Kind::hard, .copies = 40}, labels, std::vector<float>{0, 0, 2});
  EXPECT_EQ(std::count(one.rows.begin(), one.rows.end(), 1), 1);
  EXPECT_NEAR(static_cast<double>(std::count(one.rows.begin(), one.rows.end(), 2)), 1 + 120 * 0.75, 1);
}

}  // namespace
}  // namespace telaio::nn
