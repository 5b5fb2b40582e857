#include <telaio/nn/train/loss.hpp>

#include <fmt/format.h>

#include "../../ops/op_testing.hpp"

namespace telaio::nn {
namespace {

using namespace testing_ops;
using testing::HasSubstr;

using Values = std::vector<double>;

Forward ends(const Tensor& logits, Ending ending) {
  const Tensor output = ending == Ending::softmax   ? softmax(logits)
                        : ending == Ending::sigmoid ? sigmoid(logits)
                                                    : logits;
  Forward forward;
  forward.output = output;
  forward.logits = logits;
  forward.ending = ending;
  return forward;
}

Tensor table(const Values& values, int64_t columns) {
  return from_data(values, {static_cast<int64_t>(values.size()) / columns, columns});
}
Tensor list(const Values& values) { return from_data(values, {static_cast<int64_t>(values.size())}); }
Tensor indices(const std::vector<int64_t>& values) { return from_data(values, {static_cast<int64_t>(values.size())}); }

void expect_losses(const Tensor& losses, const Values& expected) {
  EXPECT_EQ(losses.shape(), (Shape{static_cast<int64_t>(expected.size())}));
  EXPECT_LE(distance(losses.to_vector<double>(), expected), 1e-14) << losses << " expected " << list(expected);
}

/// −Σ y·log softmax(x), row by row, in long double.
Values categorical(const Values& x, const Values& y, size_t classes) {
  Values losses;
  for (size_t row = 0; row < x.size(); row += classes) {
    long double total = 0, loss = 0;
    for (size_t c = 0; c < classes; ++c) total += std::exp(static_cast<long double>(x[row + c]));
    for (size_t c = 0; c < classes; ++c)
      loss -= static_cast<long double>(y[row + c]) * (static_cast<long double>(x[row + c]) - std::log(total));
    losses.push_back(static_cast<double>(loss));
  }
  return losses;
}

/// The mean over the outputs of −y·log σ(x) − (1−y)·log(1−σ(x)).
Values binary(const Values& x, const Values& y, size_t outputs) {
  Values losses;
  for (size_t row = 0; row < x.size(); row += outputs) {
    long double loss = 0;
    for (size_t c = row; c < row + outputs; ++c) {
      const long double p = 1 / (1 + std::exp(-static_cast<long double>(x[c]))), t = y[c];
      loss -= t * std::log(p) + (1 - t) * std::log(1 - p);
    }
    losses.push_back(static_cast<double>(loss / static_cast<long double>(outputs)));
  }
  return losses;
}

const Values some_logits{1, 2, 0.5, -1, 0, 3, 0.2, -0.3, 0.1, 4, -2, 1};  // [4,3]
const Values some_classes{0, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 1};            // 1, 2, 0, 2
Tensor logits() { return table(some_logits, 3); }

TEST(Loss, CategoricalByHand) {
  const Tensor x = table({0, std::log(3.0), 0, std::log(3.0)}, 2);  // probabilities ¼ and ¾
  expect_losses(Loss("categorical_crossentropy")(ends(x, Ending::softmax), indices({0, 1})),
                {std::log(4.0), std::log(4.0 / 3)});
}

TEST(Loss, CategoricalTakesIndicesAndDistributions) {
  const Loss loss("categorical_crossentropy");
  const Values expected = categorical(some_logits, some_classes, 3);
  // The same from the softmax's logits and from the outputs of a linear ending.
  for (const Ending ending : {Ending::softmax, Ending::linear}) {
    const Forward forward = ends(logits(), ending);
    for (const DType type : {i64, i32, u8}) expect_losses(loss(forward, cast(indices({1, 2, 0, 2}), type)), expected);
    for (const DType type : {f64, f32, boolean})
      expect_losses(loss(forward, cast(table(some_classes, 3), type)), expected);
    const Values soft{.2, .5, .3, 0, 0, 1, .6, .3, .1, .25, .25, .5};
    expect_losses(loss(forward, table(soft, 3)), categorical(some_logits, soft, 3));
  }
}

TEST(Loss, LabelSmoothing) {
  Values smooth = some_classes, halfway = some_classes;
  for (double& y : smooth) y = 0.9 * y + 0.1 / 3;
  expect_losses(Loss("categorical_crossentropy(0.1)")(ends(logits(), Ending::softmax), indices({1, 2, 0, 2})),
                categorical(some_logits, smooth, 3));
  for (double& y : halfway) y = 0.8 * y + 0.1;
  expect_losses(Loss("binary_crossentropy(0.2)")(ends(logits(), Ending::sigmoid), table(some_classes, 3)),
                binary(some_logits, halfway, 3));
}

TEST(Loss, BinaryOfSeveralOutputs) {
  const Loss loss("binary_crossentropy");
  const Values several{1, 1, 0, 0, 0, 0, 1, 1, 1, 0, 1, 0.25};
  for (const Ending ending : {Ending::sigmoid, Ending::linear}) {
    const Forward forward = ends(logits(), ending);
    expect_losses(loss(forward, table(several, 3)), binary(some_logits, several, 3));
    expect_losses(loss(forward, cast(table(some_classes, 3), u8)), binary(some_logits, some_classes, 3));
    expect_losses(loss(forward, indices({1, 2, 0, 2})), binary(some_logits, some_classes, 3));
  }
}

TEST(Loss, BinaryOfOneOutput) {
  const Loss loss("binary_crossentropy");
  const Values x{1, -2, 0.5, 3}, y{1, 0, 0, 0.75};
  const Forward forward = ends(table(x, 1), Ending::sigmoid);
  expect_losses(loss(forward, list(y)), binary(x, y, 1));
  expect_losses(loss(forward, table(y, 1)), binary(x, y, 1));
  for (const DType type : {i64, u8, boolean})
    expect_losses(loss(forward, cast(list({1, 0, 0, 1}), type)), binary(x, {1, 0, 0, 1}, 1));
}

TEST(Loss, OfNumbers) {
  const Values x{1, -2, 0.5, 3}, y{1.5, -2, 3, 0};
  const Forward one = ends(table(x, 1), Ending::linear), flat = ends(list(x), Ending::linear),
                two = ends(table(x, 2), Ending::linear);
  for (const Tensor& target : {list(y), table(y, 1), cast(list(y), f32)}) {
    expect_losses(Loss("mse")(one, target), {0.25, 0, 6.25, 9});
    expect_losses(Loss("mae")(one, target), {0.5, 0, 2.5, 3});
    expect_losses(Loss("huber")(one, target), {0.125, 0, 2, 2.5});
    expect_losses(Loss("huber(2.75)")(one, target), {0.125, 0, 3.125, 2.75 * (3 - 1.375)});
  }
  expect_losses(Loss("mse")(flat, list(y)), {0.25, 0, 6.25, 9});
  expect_losses(Loss("mse")(two, table(y, 2)), {0.125, 7.625});
  expect_losses(Loss("mae")(two, table(y, 2)), {0.25, 2.75});
  expect_losses(Loss("huber")(two, table(y, 2)), {0.0625, 2.25});
  expect_losses(Loss("mae")(one, indices({1, 2, 3, 4})), {0, 4, 2.5, 1});
  const Forward images = ends(reshape(list(x), {1, 2, 1, 2}), Ending::linear);
  expect_losses(Loss("mse")(images, reshape(list(y), {1, 2, 1, 2})), {3.875});
}

TEST(Loss, AutoGoesByTheEnding) {
  EXPECT_EQ(Loss().name(), "auto");
  EXPECT_EQ(Loss().resolved(Ending::softmax).name(), "categorical_crossentropy");
  EXPECT_EQ(Loss().resolved(Ending::sigmoid).name(), "binary_crossentropy");
  EXPECT_EQ(Loss().resolved(Ending::linear).name(), "mse");
  EXPECT_EQ(Loss("mae").resolved(Ending::softmax).name(), "mae");
  EXPECT_FALSE(Loss().classifies());
  EXPECT_TRUE(Loss().resolved(Ending::sigmoid).classifies());
  expect_losses(Loss()(ends(logits(), Ending::softmax), indices({1, 2, 0, 2})),
                categorical(some_logits, some_classes, 3));
  expect_losses(Loss()(ends(logits(), Ending::sigmoid), table(some_classes, 3)), binary(some_logits, some_classes, 3));
  expect_losses(Loss()(ends(table({1, 2}, 1), Ending::linear), list({0, 4})), {1, 4});
}

TEST(Loss, LargeLogitsStayFinite) {
  const Tensor x = table({1000, -1000, 0, -1000, 1000, 0}, 3);
  expect_losses(Loss("categorical_crossentropy")(ends(x, Ending::softmax), indices({1, 1})), {2000, 0});
  const Tensor one = cast(table({1000, -1000, 1000, -1000}, 1), f32);
  expect_losses(Loss("binary_crossentropy")(ends(one, Ending::sigmoid), list({1, 0, 0, 1})), {0, 0, 1000, 1000});
  const auto g = grad(sum(Loss("binary_crossentropy")(ends(one, Ending::sigmoid), list({1, 0, 0, 1}))), one);
  EXPECT_EQ(g.to_vector<double>(), (Values{0, 0, 1, -1}));
  const auto h = grad(sum(Loss("categorical_crossentropy")(ends(x, Ending::softmax), indices({1, 1}))), x);
  EXPECT_EQ(h.to_vector<double>(), (Values{1, -1, 0, 0, 0, 0}));
}

TEST(Loss, Derivatives) {
  const auto check = [](const char* text, Ending ending, const Tensor& x, const Tensor& targets) {
    SCOPED_TRACE(text);
    expect_derivatives([&](const std::vector<Tensor>& t) { return Loss(text)(ends(t[0], ending), targets); }, {x});
  };
  check("categorical_crossentropy", Ending::softmax, logits(), indices({1, 2, 0, 2}));
  check("categorical_crossentropy(0.1)", Ending::softmax, logits(), table(some_classes, 3));
  check("binary_crossentropy", Ending::sigmoid, logits(), indices({1, 2, 0, 2}));
  check("binary_crossentropy(0.1)", Ending::sigmoid, table({1, -2, 0.5}, 1), list({1, 0, 1}));
  check("mse", Ending::linear, logits(), logits() + 1);
  check("mse", Ending::softmax, logits(), table(some_classes, 3));
  check("mae", Ending::linear, logits(), logits() + scattered({4, 3}));
  check("huber", Ending::linear, logits(), logits() + scattered({4, 3}, 5));
}

TEST(Loss, TargetsThatDoNotFit) {
  const auto error = [](const char* name, const Tensor& x, const Tensor& y) {
    return message_of([&] { Loss{name}(ends(x, Ending::linear), y); });
  };
  const std::string categorical_error = error("categorical_crossentropy", zeros({8, 10}), zeros({8, 9}));
  EXPECT_THAT(categorical_error,
              HasSubstr("categorical_crossentropy: the targets (b) do not fit the outputs (a): expected class indices "
                        "[N] (whole numbers) or distributions [N,C] (floats)\n  a f32[8,10]   b f32[8,9]"));
  EXPECT_THAT(categorical_error, HasSubstr("loss_test.cpp:"));
  for (const Tensor& y : {zeros({7}, i64), zeros({8, 1}, i64), zeros({8, 10}, i64), zeros({8})})
    EXPECT_THAT(error("categorical_crossentropy", zeros({8, 10}), y), HasSubstr("the targets (b) do not fit"));
  EXPECT_THAT(error("categorical_crossentropy", zeros({8, 1}), zeros({8}, i64)),
              HasSubstr("expected two outputs or more, one a class (a single one suits binary_crossentropy)"));
  EXPECT_THAT(error("categorical_crossentropy", zeros({8}), zeros({8}, i64)), HasSubstr("expected two outputs"));
  EXPECT_THAT(error("binary_crossentropy", zeros({8, 1}), zeros({7})),
              HasSubstr("binary_crossentropy: the targets (b)"));
  EXPECT_THAT(error("binary_crossentropy", zeros({8, 3}), zeros({8, 2})), HasSubstr("expected the same shape"));
  EXPECT_THAT(error("binary_crossentropy", zeros({8, 3}), zeros({7}, i64)), HasSubstr("binary_crossentropy: "));
  for (const char* name : {"mse", "mae", "huber"}) {
    EXPECT_THAT(error(name, zeros({8, 3}), zeros({8})), HasSubstr(std::string(name) + ": the targets (b) do not fit"));
    EXPECT_THAT(error(name, zeros({8, 1}), zeros({7, 1})), HasSubstr("expected the same shape"));
  }
  EXPECT_THAT(message_of([] {
                Loss("categorical_crossentropy")(ends(zeros({4, 10}), Ending::linear), indices({1, 2, 3, 10})).eval();
              }),
              HasSubstr("label 10 at place 3 is not one of 10 classes"));
  EXPECT_NE(message_of([] {
              Loss("binary_crossentropy")(ends(zeros({2, 3}), Ending::linear), indices({1, 3})).eval();
            }),
            "no error");
}

TEST(Loss, OfOnesOwn) {
  const Loss loss("cubed", [](const Forward& forward, const Tensor& targets) {
    return reshape(pow(forward.output - targets, 3.0), {-1});
  });
  expect_losses(loss(ends(table({3, 4}, 1), Ending::linear), table({1, 1}, 1)), {8, 27});
  EXPECT_EQ(loss.name(), "cubed");
  EXPECT_EQ(loss.text(), "cubed");
  EXPECT_FALSE(loss.classifies());
  EXPECT_EQ(loss.resolved(Ending::softmax).name(), "cubed");
  const Loss scalar("scalar", [](const Forward& forward, const Tensor&) { return mean(forward.output); });
  EXPECT_THAT(message_of([&] {
                scalar(ends(zeros({8, 2}), Ending::linear), zeros({8}));
              }),
              HasSubstr("scalar: the function must give a loss for each of the 8 samples"));
  const Loss nothing("nothing", [](const Forward&, const Tensor&) { return Tensor(); });
  EXPECT_THAT(message_of([&] {
                nothing(ends(zeros({8, 2}), Ending::linear), zeros({8}));
              }),
              HasSubstr("nothing: the function must give a loss"));
}

TEST(Loss, OfOnesOwnMayHaveAnyName) {
  for (const char* name : {"auto", "mse", "categorical_crossentropy"}) {
    const Loss loss(name, [](const Forward& forward, const Tensor&) { return sum(forward.output, 1); });
    expect_losses(loss.resolved(Ending::softmax)(ends(table({1, 2, 3, 4}, 2), Ending::linear), list({0, 0})), {3, 7});
    EXPECT_FALSE(loss.resolved(Ending::softmax).classifies()) << name;
  }
}

TEST(Loss, Text) {
  for (const char* text : {"auto", "categorical_crossentropy", "categorical_crossentropy(0.1)", "binary_crossentropy",
                           "binary_crossentropy(0.25)", "mse", "mae", "huber", "huber(2.5)"})
    EXPECT_EQ(Loss(text).text(), text);
  EXPECT_EQ(Loss("huber(1)").text(), "huber");
  const auto error = [](const char* text) { return message_of([&] { Loss{text}; }); };
  EXPECT_EQ(error("hinge"),
            "loss: 'hinge' is unknown; expected one of auto, categorical_crossentropy, binary_crossentropy, mse, mae, "
            "huber");
  EXPECT_THAT(error(""), HasSubstr("loss: '' is unknown"));
  EXPECT_EQ(error("mse(1)"), "loss: 'mse(1)': expected no number behind 'mse'");
  EXPECT_EQ(error("huber(0)"), "loss: 'huber(0)': delta is more than 0");
  EXPECT_EQ(error("huber("), "loss: 'huber(': expected a number in parentheses, as in huber(1)");
  EXPECT_EQ(error("huber()"), "loss: 'huber()': expected a finite number in parentheses, as in huber(1)");
  EXPECT_EQ(error("huber(inf)"), "loss: 'huber(inf)': expected a finite number in parentheses, as in huber(1)");
  for (const char* text : {"categorical_crossentropy(1)", "binary_crossentropy(-0.1)"})
    EXPECT_EQ(error(text), fmt::format("loss: '{}': label smoothing is 0 or more and less than 1", text));
}

TEST(Classes, OfOutputsAndTargets) {
  const auto predicted = [](const Tensor& x) { return predicted_class(ends(x, Ending::linear)).to_vector<int64_t>(); };
  EXPECT_EQ(predicted(logits()), (std::vector<int64_t>{1, 2, 0, 0}));
  EXPECT_EQ(predicted(table({1, 1, 2, 2}, 2)), (std::vector<int64_t>{0, 0}));  // the first of equal ones
  EXPECT_EQ(predicted(table({-1, 0, 0.1}, 1)), (std::vector<int64_t>{0, 0, 1}));
  EXPECT_EQ(predicted(list({-1, 0, 0.1})), (std::vector<int64_t>{0, 0, 1}));
  const auto truth = [](const Tensor& y) { return target_class(y).to_vector<int64_t>(); };
  EXPECT_EQ(truth(indices({3, 0, 7})), (std::vector<int64_t>{3, 0, 7}));
  EXPECT_EQ(truth(cast(indices({3, 0, 7}), u8)), (std::vector<int64_t>{3, 0, 7}));
  EXPECT_EQ(truth(table(some_classes, 3)), (std::vector<int64_t>{1, 2, 0, 2}));
  EXPECT_EQ(truth(cast(table(some_classes, 3), u8)), (std::vector<int64_t>{1, 2, 0, 2}));
  EXPECT_EQ(truth(cast(table(some_classes, 3), boolean)), (std::vector<int64_t>{1, 2, 0, 2}));
  EXPECT_EQ(truth(list({0, 0.5, 0.6, 1})), (std::vector<int64_t>{0, 0, 1, 1}));
  EXPECT_EQ(truth(table({0, 1}, 1)), (std::vector<int64_t>{0, 1}));
  EXPECT_EQ(truth(cast(list({0, 1}), boolean)), (std::vector<int64_t>{0, 1}));
}

}  // namespace
}  // namespace telaio::nn
