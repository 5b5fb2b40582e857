#include "op_testing.hpp"

namespace telaio {
namespace {

using namespace testing_ops;
using testing::HasSubstr;

// All expected numbers were computed in Python with math.fsum, by −Σ w_c·((1−s)·y_c + s/C)·log p_c for each sample.
Tensor logits() { return from_data(std::vector<double>{1, 2, 0.5, -1, 0, 3, 0.2, -0.3, 0.1, 4, -2, 1}, {4, 3}); }
Tensor labels(DType dtype = i64) { return cast(from_data(std::vector<int64_t>{1, 2, 0, 2}, {4}), dtype); }
Tensor distributions() { return from_data(std::vector<double>{.2, .5, .3, 0, 0, 1, .6, .3, .1, .25, .25, .5}, {4, 3}); }
Tensor class_weights() { return from_data(std::vector<double>{0.5, 2, 1.5}, {3}); }
Tensor sample_weights() { return from_data(std::vector<double>{1, 3, 0.5, 2}, {4}); }

void expect_loss(const Tensor& loss, const std::vector<double>& expected) {
  EXPECT_LE(distance(loss.to_vector<double>(), expected), 1e-14);
}

TEST(CrossEntropy, OfLabels) {
  expect_loss(cross_entropy(logits(), labels()), {1.125506526735408});
  expect_loss(cross_entropy(logits(), labels(), {.reduction = Reduction::sum}), {4.502026106941632});
  expect_loss(cross_entropy(logits(), labels(), {.reduction = Reduction::none}),
              {0.4643687841079449, 0.06588390375742911, 0.9208276555532594, 3.0509457635229986});
  for (const DType dtype : {u8, i32}) expect_loss(cross_entropy(logits(), labels(dtype)), {1.125506526735408});
}

TEST(CrossEntropy, Weights) {
  CrossEntropyOptions options{.class_weights = class_weights()};
  expect_loss(cross_entropy(logits(), labels(), options), {1.5160989742282904});
  options.mean_by = MeanBy::weights;
  expect_loss(cross_entropy(logits(), labels(), options), {1.102617435802393});
  options.sample_weights = sample_weights();
  expect_loss(cross_entropy(logits(), labels(), options), {1.0880265989314495});
  options.mean_by = MeanBy::count;
  expect_loss(cross_entropy(logits(), labels(), options), {2.652064834895408});
  options.reduction = Reduction::none;
  expect_loss(cross_entropy(logits(), labels(), options),
              {0.9287375682158898, 0.296477566908431, 0.23020691388831485, 9.152837290568996});
}

TEST(CrossEntropy, LabelSmoothing) {
  CrossEntropyOptions options{.label_smoothing = 0.1};
  expect_loss(cross_entropy(logits(), labels(), options), {1.2096731934020748});
  options.class_weights = class_weights();
  options.mean_by = MeanBy::weights;  // PyTorch's loss
  expect_loss(cross_entropy(logits(), labels(), options), {1.2008896584510416});
}

TEST(CrossEntropy, OfDistributions) {
  expect_loss(cross_entropy(logits(), distributions()), {1.328006526735408});
  CrossEntropyOptions options{class_weights(), sample_weights(), 0.1, Reduction::mean, MeanBy::count};
  expect_loss(cross_entropy(logits(), distributions(), options), {3.484783219010889});
  options.mean_by = MeanBy::weights;
  expect_loss(cross_entropy(logits(), distributions(), options), {1.4948131770556095});
}

TEST(CrossEntropy, OneHotTargetsAreLikeLabels) {
  for (const MeanBy mean_by : {MeanBy::count, MeanBy::weights}) {
    for (const double smoothing : {0.0, 0.3, 1.0}) {
      const CrossEntropyOptions options{class_weights(), sample_weights(), smoothing, Reduction::mean, mean_by};
      EXPECT_NEAR(cross_entropy(logits(), one_hot(labels(), 3), options).item<double>(),
                  cross_entropy(logits(), labels(), options).item<double>(), 1e-14);
    }
  }
}

TEST(CrossEntropy, OfMoreAndOfFewerAxes) {
  const Tensor grid = reshape(logits(), {2, 2, 3}), grid_labels = reshape(labels(), {2, 2});
  EXPECT_EQ(cross_entropy(grid, grid_labels, {.reduction = Reduction::none}).shape(), (Shape{2, 2}));
  expect_loss(cross_entropy(grid, grid_labels), {1.125506526735408});
  expect_loss(cross_entropy(slice(logits(), 0, 0, 1), slice(labels(), 0, 0, 1)), {0.4643687841079449});
  const Tensor one = reshape(slice(logits(), 0, 0, 1), {3});
  expect_loss(cross_entropy(one, Tensor(int64_t{1})), {0.4643687841079449});
}

TEST(CrossEntropy, TheGradientIsSoftmaxMinusTargets) {
  const Tensor x = logits();
  const auto g = grad(cross_entropy(x, labels(), {.reduction = Reduction::sum}), x);
  EXPECT_LE(distance(g.to_vector<double>(), (softmax(x) - one_hot(labels(), 3)).to_vector<double>()), 1e-15);
}

TEST(CrossEntropy, Derivatives) {
  const CrossEntropyOptions weighted{class_weights(), sample_weights(), 0.2, Reduction::mean, MeanBy::weights};
  for (const CrossEntropyOptions& options : {CrossEntropyOptions{}, weighted}) {
    expect_derivatives([&](const std::vector<Tensor>& t) { return cross_entropy(t[0], labels(), options); },
                       {logits()});
    expect_derivatives([&](const std::vector<Tensor>& t) { return cross_entropy(t[0], t[1], options); },
                       {logits(), distributions()});
    expect_derivatives(
        [&](const std::vector<Tensor>& t) { return cross_entropy_from_probabilities(t[0], t[1], options); },
        {softmax(logits()) + 0.1, distributions()});
  }
}

TEST(CrossEntropy, CompiledFunctionsSeeNewLabels) {
  const auto f = compile([](const Tensor& x, const Tensor& y) { return cross_entropy(x, y); });
  expect_loss(f(logits(), labels()), {1.125506526735408});
  expect_loss(f(logits(), zeros({4}, i64)), cross_entropy(logits(), zeros({4}, i64)).to_vector<double>());
}

TEST(CrossEntropy, FromProbabilitiesRenormalisesAndClips) {
  const Tensor p = from_data(std::vector<double>{.2, .5, .3, 0, 0, 1, 1, 3, 4}, {3, 3});
  const auto of = [&](std::vector<int64_t> y) {
    return cross_entropy_from_probabilities(p, from_data(y, {3}), {.reduction = Reduction::none});
  };
  expect_loss(of({1, 0, 2}), {0.6931471805599453, 16.11809565095832, 0.6931471805599453});
  expect_loss(of({1, 2, 2}), {0.6931471805599453, 1.0000000494736474e-07, 0.6931471805599453});
}

TEST(CrossEntropy, ALabelThatIsNoClassNamesItself) {
  const auto of = [](std::vector<int32_t> y) {
    return message_of([&] { cross_entropy(zeros({4, 10}), from_data(y, {4})).eval(); });
  };
  const std::string large = of({1, 2, 3, 12});
  EXPECT_THAT(large, HasSubstr("cross_entropy: label 12 at place 3 is not one of 10 classes\n  targets i32[4]"));
  EXPECT_THAT(large, HasSubstr("cross_entropy_test.cpp:"));
  EXPECT_THAT(of({1, -1, 3, 9}), HasSubstr("label -1 at place 1 is not one of 10 classes"));
  EXPECT_EQ(of({1, 0, 3, 9}), "no error");
}

TEST(CrossEntropy, Errors) {
  const auto of = [](const Tensor& x, const Tensor& y, const CrossEntropyOptions& options = {}) {
    return message_of([&] { cross_entropy(x, y, options); });
  };
  const std::string shape = of(zeros({8, 10}), zeros({7}, i64));
  EXPECT_THAT(shape, HasSubstr("cross_entropy: class indices must have shape [8]; one-hot targets must be floats\n"
                               "  logits f32[8,10]   targets i64[7]"));
  EXPECT_THAT(shape, HasSubstr("cross_entropy_test.cpp:"));
  EXPECT_THAT(of(zeros({8, 10}), zeros({8, 1}, i64)), HasSubstr("class indices must have shape [8]"));
  EXPECT_THAT(of(zeros({8, 10}), zeros({8})),
              HasSubstr("distributions must have shape [8,10]; class indices must be integers"));
  EXPECT_THAT(of(zeros({8, 10}), zeros({8}, boolean)), HasSubstr("the targets must be class indices"));
  EXPECT_THAT(of(zeros({8, 10}, i64), zeros({8}, i64)), HasSubstr("the logits must be f32 or f64"));
  EXPECT_THAT(of(zeros({8, 0}), zeros({8}, i64)), HasSubstr("the logits need a last axis of classes"));
  EXPECT_THAT(of(zeros({}), zeros({}, i64)), HasSubstr("the logits need a last axis of classes"));
  const Tensor x = zeros({8, 10}), y = zeros({8}, i64);
  EXPECT_THAT(of(x, y, {.class_weights = zeros({9})}), HasSubstr("the class weights must have shape [10]"));
  EXPECT_THAT(of(x, y, {.sample_weights = zeros({8, 1})}), HasSubstr("the sample weights must have shape [8]"));
  EXPECT_THAT(of(x, y, {.label_smoothing = 1.5}), HasSubstr("label_smoothing must be in [0, 1], got 1.5"));
  EXPECT_THAT(of(x, y, {.label_smoothing = NAN}), HasSubstr("label_smoothing"));
  EXPECT_THAT(of(Tensor(), y), HasSubstr("the logits tensor is undefined"));
  EXPECT_THAT(message_of([&] { cross_entropy_from_probabilities(x, zeros({7}, i64)); }),
              HasSubstr("cross_entropy_from_probabilities: class indices must have shape [8]"));
}

}  // namespace
}  // namespace telaio
