#include <telaio/nn/train/metrics.hpp>

#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/telaio.hpp>

#include "../../message_of.hpp"

namespace telaio::nn {
namespace {

using testing::HasSubstr;
using Classes = std::vector<int64_t>;
using Names = std::vector<std::string>;

/// Class 3 never occurs, class 2 is never predicted.
ConfusionMatrix some() {
  ConfusionMatrix confusion(4);
  confusion.add(Classes{0, 0, 0, 0, 1, 1, 1, 2, 2, 1}, Classes{0, 0, 0, 1, 1, 1, 0, 3, 1, 1});
  return confusion;
}

TEST(Confusion, Counts) {
  const ConfusionMatrix confusion = some();
  EXPECT_EQ(confusion.classes(), 4);
  EXPECT_EQ(confusion.total(), 10);
  EXPECT_EQ(confusion.count(0, 0), 3);
  EXPECT_EQ(confusion.count(0, 1), 1);
  EXPECT_EQ(confusion.count(1, 0), 1);
  EXPECT_EQ(confusion.count(2, 3), 1);
  EXPECT_EQ(confusion.count(3, 2), 0);
  EXPECT_DOUBLE_EQ(confusion.accuracy(), 0.6);
}

// scikit-learn's precision_recall_fscore_support(…, zero_division=0).
TEST(Confusion, ClassMetrics) {
  const ConfusionMatrix confusion = some();
  const auto expect = [&](int64_t c, double precision, double recall, double f1, int64_t support) {
    const ClassMetrics m = confusion.of(c);
    EXPECT_DOUBLE_EQ(m.precision, precision) << c;
    EXPECT_DOUBLE_EQ(m.recall, recall) << c;
    EXPECT_DOUBLE_EQ(m.f1, f1) << c;
    EXPECT_EQ(m.support, support) << c;
  };
  expect(0, 0.75, 0.75, 0.75, 4);
  expect(1, 3.0 / 5, 0.75, 2.0 / 3, 4);
  expect(2, 0, 0, 0, 2);
  expect(3, 0, 0, 0, 0);
  const ClassMetrics macro = confusion.macro();  // over the three that occur
  EXPECT_DOUBLE_EQ(macro.precision, (0.75 + 0.6) / 3);
  EXPECT_DOUBLE_EQ(macro.recall, 0.5);
  EXPECT_DOUBLE_EQ(macro.f1, (0.75 + 2.0 / 3) / 3);
  EXPECT_EQ(macro.support, 10);
}

TEST(Confusion, OfNothing) {
  const ConfusionMatrix nothing(3);
  EXPECT_EQ(nothing.accuracy(), 0);
  EXPECT_EQ(nothing.macro().f1, 0);
  EXPECT_EQ(nothing.of(1).recall, 0);
  EXPECT_EQ(ConfusionMatrix().accuracy(), 0);
}

TEST(Confusion, Errors) {
  ConfusionMatrix confusion(3);
  EXPECT_EQ(message_of([&] { confusion.add(3, 0); }), "confusion matrix: class 3 of 3");
  EXPECT_EQ(message_of([&] { confusion.add(0, -1); }), "confusion matrix: class -1 of 3");
  EXPECT_EQ(message_of([&] {
              confusion.add(Classes{1}, Classes{1, 2});
            }),
            "confusion matrix: 1 true and 2 predicted classes");
  EXPECT_EQ(message_of([] { ConfusionMatrix(-1); }), "confusion matrix: -1 classes");
  EXPECT_EQ(confusion.total(), 0);
}

Tensor outputs(const std::vector<double>& values, int64_t classes) {
  return from_data(values, {static_cast<int64_t>(values.size()) / classes, classes});
}
Tensor labels(const Classes& values) { return from_data(values, {static_cast<int64_t>(values.size())}); }

TEST(TopK, Counts) {
  const Tensor x = outputs({0.1, 0.6, 0.3, 0.5, 0.2, 0.3, 0.3, 0.3, 0.4, 0.2, 0.7, 0.1}, 3);
  const Tensor y = labels({1, 2, 0, 2});
  EXPECT_DOUBLE_EQ(top_k_accuracy(x, y, 1), 0.25);
  EXPECT_DOUBLE_EQ(top_k_accuracy(x, y, 2), 0.75);
  EXPECT_DOUBLE_EQ(top_k_accuracy(x, y, 3), 1);
  EXPECT_DOUBLE_EQ(top_k_accuracy(cast(x, f32), cast(y, u8), 2), 0.75);
}

TEST(TopK, OfEqualOutputsTheFirstCounts) {
  const Tensor x = outputs({1, 1, 1, 1}, 4);
  for (int64_t c = 0; c < 4; ++c)
    for (int64_t k = 1; k <= 4; ++k) EXPECT_EQ(top_k_accuracy(x, labels({c}), k), c < k ? 1 : 0) << c << " " << k;
}

TEST(TopK, NanIsNeverRight) {
  const double nan = std::nan("");
  EXPECT_EQ(top_k_accuracy(outputs({nan, 1, 0}, 3), labels({0}), 3), 0);
  EXPECT_EQ(top_k_accuracy(outputs({nan, nan, nan}, 3), labels({0}), 1), 0);
  EXPECT_EQ(top_k_accuracy(outputs({-INFINITY, 1, INFINITY}, 3), labels({2}), 1), 1);
}

TEST(TopK, Errors) {
  const Tensor x = zeros({2, 3});
  EXPECT_EQ(message_of([&] { top_k_accuracy(x, labels({0, 1}), 0); }), "top-k accuracy: k is 0, expected 1 … 3");
  EXPECT_EQ(message_of([&] { top_k_accuracy(x, labels({0, 1}), 4); }), "top-k accuracy: k is 4, expected 1 … 3");
  EXPECT_EQ(message_of([&] { top_k_accuracy(x, labels({0, 3}), 1); }), "top-k accuracy: class 3 of 3");
  EXPECT_EQ(message_of([&] { top_k_accuracy(x, labels({0}), 1); }),
            "top-k accuracy: expected outputs [N,C] and class indices [N], got f32[2,3] and i64[1]");
  EXPECT_EQ(top_k_accuracy(zeros({0, 3}), zeros({0}, i64), 1), 0);
}

TEST(Tables, OfClasses) {
  ConfusionMatrix confusion(2);
  confusion.add(Classes{0, 0, 0, 0, 1, 1}, Classes{0, 0, 0, 1, 1, 1});
  EXPECT_EQ(class_table(confusion, Names{"cat", "elephant"}),
            "class     precision   recall       F1  images\n"
            "cat         100.00%   75.00%   85.71%       4\n"
            "elephant     66.67%  100.00%   80.00%       2\n"
            "mean         83.33%   87.50%   82.86%       6\n");
}

TEST(Tables, OfConfusions) {
  ConfusionMatrix confusion(3);
  confusion.add(Classes{0, 0, 0, 1, 2, 2}, Classes{0, 0, 1, 1, 0, 2});
  EXPECT_EQ(confusion_table(confusion, Names{"0", "1", "2"}),
            "true  0  1  2  < predicted\n"
            "0     2  1  .\n"
            "1     .  1  .\n"
            "2     1  .  1\n");
  for (int i = 0; i < 98; ++i) confusion.add(0, 1);
  EXPECT_EQ(confusion_table(confusion, Names{"cat", "elephant", "ox"}),
            "true        cat  eleph     ox  < predicted\n"
            "cat           2     99      .\n"
            "elephant      .      1      .\n"
            "ox            1      .      1\n");
}

TEST(Tables, NamesMayHaveAnyLetters) {
  ConfusionMatrix confusion(2);
  confusion.add(Classes{0, 1}, Classes{0, 1});
  EXPECT_EQ(confusion_table(confusion, Names{"größer", "żółć"}),
            "true    größe   żółć  < predicted\n"
            "größer      1      .\n"
            "żółć        .      1\n");
  EXPECT_EQ(class_table(confusion, Names{"größerer", "ż"}),
            "class     precision   recall       F1  images\n"
            "größerer    100.00%  100.00%  100.00%       1\n"
            "ż           100.00%  100.00%  100.00%       1\n"
            "mean        100.00%  100.00%  100.00%       2\n");
}

TEST(Tables, NeedANameForEachClass) {
  EXPECT_EQ(message_of([] { class_table(ConfusionMatrix(3), Names{"a", "b"}); }), "class table: 2 names for 3 classes");
  EXPECT_EQ(message_of([] { confusion_table(ConfusionMatrix(3), Names{"a"}); }),
            "confusion table: 1 names for 3 classes");
}

}  // namespace
}  // namespace telaio::nn
