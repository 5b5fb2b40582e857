#include <telaio/nn/insight/invariance.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include <telaio/nn/layers.hpp>
#include <telaio/nn/networks.hpp>
#include <telaio/telaio.hpp>

#include "../../message_of.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t side = 14;

// Images with one bright pixel, in the left or the right half, which is their class.
Samples points() {
  Array images({f32, {40, side, side, 1}});
  std::vector<int64_t> labels;
  std::fill_n(images.data<float>(), images.spec().numel(), 0.0F);
  for (int64_t i = 0; i < 40; ++i) {
    const int64_t x = i % 4 < 2 ? 5 : 8, y = 5 + i % 3;  // within two pixels of the middle between 6 and 7
    images.data<float>()[(i * side + y) * side + x] = 1;
    labels.push_back(x > 6);
  }
  return {constant(images), from_data(labels, {40}), {"left", "right"}};
}

// A dense layer that adds up either half: it tells the classes apart until the pixel crosses the middle.
Model halves() {
  Model model(Sequential({Flatten{}, Dense{2}, Softmax{}}), {side, side, 1});
  Array weights({f32, {side * side, 2}});
  for (int64_t i = 0; i < side * side; ++i) {
    weights.data<float>()[2 * i] = i % side < side / 2 ? 9.0F : 0.0F;
    weights.data<float>()[2 * i + 1] = i % side < side / 2 ? 0.0F : 9.0F;
  }
  for (Variable parameter : model.parameters())
    if (parameter.shape().rank() == 2) parameter.assign(constant(weights));
  return model;
}

InvarianceTest to_the_right(std::vector<double> amounts) {
  InvarianceTest test = standard_invariance_tests({side, side, 1})[0];
  test.amounts = std::move(amounts);
  return test;
}

TEST(Invariance, AccuracyFollowsTheImages) {
  // Shifted by 2 or more the left pixels are in the right half, by -2 or less the right ones in the left.
  const InvarianceCurve curve = measure_invariance(halves(), points(), to_the_right({-3, -2, -1, 0, 1, 2, 3}));
  std::vector<double> accuracy, left, right;
  for (const InvariancePoint& point : curve.points) {
    accuracy.push_back(point.accuracy);
    left.push_back(point.class_accuracy.at(0));
    right.push_back(point.class_accuracy.at(1));
  }
  EXPECT_THAT(accuracy, ElementsAre(0.5, 0.5, 1, 1, 1, 0.5, 0.5));
  EXPECT_THAT(left, ElementsAre(1, 1, 1, 1, 1, 0, 0));
  EXPECT_THAT(right, ElementsAre(0, 0, 1, 1, 1, 1, 1));
  EXPECT_EQ(curve.points[1].amount, -2);
  EXPECT_EQ(curve.unit, "pixels");
}

TEST(Invariance, TakesAnyTransformation) {
  const InvarianceTest inverted{
      "swap", "", {0, 1}, [](double amount, const ImageShape& shape, const float* x, float* y) {
        for (int64_t row = 0; row < shape.height; ++row)
          for (int64_t column = 0; column < shape.width; ++column)
            y[row * shape.width + column] = x[row * shape.width + (amount > 0 ? shape.width - 1 - column : column)];
      }};
  const InvarianceCurve curve = measure_invariance(halves(), points(), inverted);
  EXPECT_EQ(curve.points[0].accuracy, 1);
  EXPECT_EQ(curve.points[1].accuracy, 0);
}

TEST(Invariance, BytesAndNumbersAreTheSame) {
  const Samples numbers = points();
  Samples bytes = numbers;
  bytes.inputs = cast(numbers.inputs * 255, u8).eval();
  const auto test = to_the_right({0, 1.5});
  const InvarianceCurve a = measure_invariance(halves(), numbers, test), b = measure_invariance(halves(), bytes, test);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(a.points[i].accuracy, b.points[i].accuracy);
}

TEST(Invariance, StandardTestsHaveFortyPointsAndTheUnchangedImage) {
  size_t points = 0;
  for (const InvarianceTest& test : standard_invariance_tests({28, 28, 1})) {
    points += test.amounts.size();
    const double unchanged = test.name == "size" ? 1 : 0;
    EXPECT_EQ(std::count(test.amounts.begin(), test.amounts.end(), unchanged), 1) << test.name;
    EXPECT_TRUE(std::is_sorted(test.amounts.begin(), test.amounts.end()));
    std::vector<float> image(28 * 28), out(28 * 28);
    for (size_t i = 0; i < image.size(); ++i) image[i] = static_cast<float>(i % 11) / 10;
    test.transform(unchanged, {28, 28, 1}, image.data(), out.data());
    EXPECT_EQ(image, out) << test.name;
  }
  EXPECT_EQ(points, 40U);
  EXPECT_THAT(standard_invariance_tests({28, 28, 1})[1].amounts, ElementsAre(-8, -6, -4, -2, 0, 2, 4, 6, 8));
  EXPECT_THAT(standard_invariance_tests({5, 5, 3})[0].amounts, ElementsAre(-4, -3, -2, -1, 0, 1, 2, 3, 4));
}

TEST(Invariance, TellsHowFarItIs) {
  std::atomic<int> seen = 0;
  measure_invariance(halves(), points(), to_the_right({0, 1, 2}), {.after_point = [&] { ++seen; }});
  EXPECT_EQ(seen, 3);
}

TEST(Invariance, RefusesWrongInput) {
  const auto error = [](const Model& model, const Samples& samples, const InvarianceTest& test) {
    return message_of([&] { measure_invariance(model, samples, test); });
  };
  const auto test = to_the_right({0});
  EXPECT_THAT(error(halves(), {}, test), HasSubstr("no samples"));
  EXPECT_THAT(error(halves(), points(), to_the_right({})), HasSubstr("'shift to the right' has no amounts"));
  Samples flat = points();
  flat.inputs = reshape(flat.inputs, {40, side * side}).eval();
  EXPECT_THAT(error(halves(), flat, test), HasSubstr("expected images"));
  const Model other(Sequential({Flatten{}, Dense{2}, Softmax{}}), {8, 8, 1});
  EXPECT_THAT(error(other, points(), test), HasSubstr("8"));
  const Model line(Sequential({Flatten{}, Dense{2}}), {side, side, 1});
  EXPECT_NE(error(line, points(), test), "");
}

}  // namespace
}  // namespace telaio::nn
