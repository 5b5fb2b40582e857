#include "layer_testing.hpp"

namespace telaio::nn {
namespace {

constexpr int64_t width = 5000;

Doubles dropped(const Model& model, const Tensor& x, int64_t seed, int64_t step) {
  return values_of(model.forward_training(x, random_key(seed, step)).output);
}

int64_t zeros_in(const Doubles& y) { return std::count(y.begin(), y.end(), 0.0); }

TEST(DropoutLayer, DropsAtTheRateAndKeepsTheMean) {
  const Tensor x = ones({4, width}, f64);
  for (const double rate : {0.1, 0.5, 0.8}) {
    const Doubles y = dropped(model_of(Dropout{rate}, {width}), x, 7, 3);
    for (const double one : y) EXPECT_TRUE(one == 0 || std::abs(one - 1 / (1 - rate)) < 1e-15) << one;
    const double n = 4 * width, deviation = std::sqrt(rate * (1 - rate) / n);
    EXPECT_NEAR(static_cast<double>(zeros_in(y)) / n, rate, 5 * deviation);
    double mean = 0;
    for (const double one : y) mean += one / n;
    EXPECT_NEAR(mean, 1, 5 * deviation / (1 - rate));
  }
  EXPECT_EQ(dropped(model_of(Dropout{0}, {width}), x, 7, 3), Doubles(4 * width, 1));
}

TEST(DropoutLayer, IsAFunctionOfTheKey) {
  const Model model = model_of(Dropout{}, {width});
  const Tensor x = ones({2, width}, f64);
  const Doubles first = dropped(model, x, 1, 0);
  EXPECT_EQ(dropped(model, x, 1, 0), first);
  for (const auto& [seed, step] : {std::pair{1, 1}, std::pair{1, 2}, std::pair{2, 0}}) {
    const Doubles other = dropped(model, x, seed, step);
    int64_t both = 0;
    for (size_t i = 0; i < first.size(); ++i) both += first[i] == other[i];
    EXPECT_NEAR(static_cast<double>(both), width, 5 * std::sqrt(width / 2.0)) << seed << " " << step;
  }
  // The samples of a batch differ.
  EXPECT_FALSE(std::equal(first.begin(), first.begin() + width, first.begin() + width));
}

TEST(DropoutLayer, TwoOfThemAreIndependentOfEachOther) {
  const Model model = model_of(Parallel{{Dropout{}, Dropout{}}}, {width});
  const Tensor x = ones({1, width}, f64);
  for (const int64_t step : {int64_t{0}, int64_t{1}, (int64_t{1} << 32) - 1}) {
    const Doubles y = dropped(model, x, 1, step);
    int64_t both = 0;
    for (size_t i = 0; i < width; ++i) both += y[i] == y[i + width];
    EXPECT_NEAR(static_cast<double>(both), width / 2.0, 5 * std::sqrt(width / 4.0)) << step;
  }
}

TEST(DropoutLayer, NumbersDoNotComeBackInAnotherLayerAtAnotherStep) {
  const Model model = model_of(Parallel{{Dropout{}, Dropout{}, Dropout{}}}, {64});
  std::vector<Doubles> all;
  for (const int64_t step : {int64_t{0}, int64_t{1}, int64_t{16}, int64_t{1} << 31, (int64_t{1} << 32) - 1}) {
    const Doubles y = dropped(model, ones({1, 64}, f64), 5, step);
    for (auto part = y.begin(); part != y.end(); part += 64) all.emplace_back(part, part + 64);
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::unique(all.begin(), all.end()), all.end());
}

TEST(DropoutLayer, DoesNothingInInference) {
  const Model model = model_of(Sequential{Dropout{0.9}, Dropout{}}, {3});
  const Tensor x = doubles({1, 2, 3}, {1, 3});
  EXPECT_EQ(values_of(model(x)), (Doubles{1, 2, 3}));
  EXPECT_EQ(model.parameter_count(), 0);
}

TEST(DropoutLayer, GradientIsTheMask) {
  const Model model = model_of(Dropout{0.5}, {100});
  const Tensor x = ones({1, 100}, f64);
  const Tensor y = model.forward_training(x, random_key(3, 4)).output;
  EXPECT_EQ(values_of(grad(sum(y), x)), values_of(y));
}

TEST(DropoutLayer, CompiledWithTheKeyAsAnArgument) {
  const Model model = model_of(Dropout{}, {width});
  const auto step = compile([&](const Tensor& x, const Tensor& key) { return model.forward_training(x, key).output; });
  const Tensor x = ones({1, width}, f64);
  for (const int64_t number : {0, 1, 2})
    EXPECT_EQ(values_of(step(x, random_key(9, number))), dropped(model, x, 9, number));
}

TEST(DropoutLayer, Errors) {
  for (const double rate : {1.0, -0.1, 1.5, double(NAN)})
    EXPECT_THAT(building_error(Dropout{rate}, {3}),
                HasSubstr(fmt::format("dropout: rate: expected 0 or more and less than 1, got {}\n  at ", rate)));
  const Model model = model_of(Sequential{Dropout{}}, {3});
  EXPECT_THAT(message_of([&] {
                model.forward_training(zeros({1, 3}, f64), Tensor());
              }),
              HasSubstr("dropout1: random numbers are for training, and need a key"));
  EXPECT_THAT(message_of([&] { model.forward_training(zeros({1, 3}, f64), zeros({2})); }), HasSubstr("i64[2]"));
  EXPECT_THAT(message_of([&] { model.forward_training(zeros({1, 3}, f64), zeros({3}, i64)); }), HasSubstr("i64[2]"));
  EXPECT_THAT(message_of([&] { model.forward_training(zeros({1, 3}, f64), zeros({}, i64)); }), HasSubstr("i64[2]"));
}

}  // namespace
}  // namespace telaio::nn
