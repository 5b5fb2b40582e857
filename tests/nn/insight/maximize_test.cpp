// Activation maximization: where the best image is known it is found, trained filters prefer theirs to noise and to
// real images, and what is dead is called so.
#include <telaio/nn/insight/maximize.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include <telaio/autograd/compile.hpp>
#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/data/dataset.hpp>
#include <telaio/nn/insight/responses.hpp>
#include <telaio/nn/layers.hpp>
#include <telaio/nn/networks.hpp>
#include <telaio/nn/train/training.hpp>
#include <telaio/telaio.hpp>

#include "../../message_of.hpp"

namespace telaio::nn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t side = 9;

Variable named(const Model& model, const std::string& name) {
  for (const Variable& variable : model.variables())
    if (variable.name() == name) return variable;
  throw Error("no variable " + name);
}
std::vector<double> numbers(const Tensor& x) { return cast(x, f64).to_vector<double>(); }

Model convolution(int64_t channels, ModelOptions options = {}) {
  return Model(Sequential({Conv2D{4, 3, "relu"}, Flatten{}, Dense{3}, Softmax{}}), {side, side, channels}, options);
}

// The pixel's place in the middle of the image, as its weight counts: [3,3,channels,4].
double weight(const std::vector<double>& w, int64_t pixel, int64_t filter) {
  return w[static_cast<size_t>(pixel * 4 + filter)];
}

TEST(Maximize, FindsTheBestImageOfALinearFilter) {
  for (const int64_t channels : {1, 3}) {
    const Model model = convolution(channels);
    const FilterImages found = maximize_filters(ImageModel(model), "conv1");
    ASSERT_EQ(found.best.images.shape(), (Shape{4, side, side, channels}));
    const std::vector<double> w = numbers(named(model, "conv1.weight"));
    for (int64_t f = 0; f < 4; ++f) {
      const Array part = cut(found.best.images, f, found.field.window);
      ASSERT_EQ(part.shape(), (Shape{3, 3, channels}));
      double best = 0;
      for (int64_t i = 0; i < 9 * channels; ++i) {
        best += std::max(0.0, weight(w, i, f));
        if (std::abs(weight(w, i, f)) < 1e-4) continue;
        EXPECT_NEAR(part.data<float>()[i], weight(w, i, f) > 0 ? 1 : 0, 1e-3) << f << " " << i;
      }
      EXPECT_NEAR(found.best.values[static_cast<size_t>(f)], best, 1e-5 * best);
    }
    EXPECT_THAT(found.dead, ElementsAre(false, false, false, false));
  }
}

// Of weights that differ a thousandfold, too: the penalties' memory would hold back the pixels of the small ones.
TEST(Maximize, FindsTheBestImageWhereSomePixelsMatterLittle) {
  const Model model = convolution(1);
  const Array values({f32, {3, 3, 1, 4}});
  float* weights = values.data<float>();
  for (int i = 0; i < 36; ++i)
    weights[i] = (i / 4 % 2 ? -1.0F : 1.0F) * std::pow(10.0F, -static_cast<float>(i / 4 * (1 + i % 4)) / 10);
  named(model, "conv1.weight").assign(constant(values));
  const ImageModel images(model);
  const FilterImages found = maximize_filters(images, "conv1");
  for (size_t f = 0; f < 4; ++f) {
    double best = 0;
    for (size_t i = 0; i < 9; ++i) best += std::max(0.0F, weights[4 * i + f]);
    EXPECT_NEAR(found.best.values[f], best, 1e-5 * best) << f;
  }
}

TEST(Maximize, SeesWhatStandsBeforeTheNetwork) {
  // With a mean of 0.5 and a deviation of −2 what is dark is bright, and the other way round.
  const Model model = convolution(1);
  const Tensor mean = full({side, side, 1}, 0.5), turned = full({side, side, 1}, -2.0);
  const ImageModel standardized(model, {.pixels = true, .mean = mean.eval(), .deviation = turned.eval()});
  const FilterImages dark = maximize_filters(standardized, "conv1");
  const std::vector<double> w = numbers(named(model, "conv1.weight"));
  for (int64_t f = 0; f < 4; ++f) {
    double best = 0;
    for (int64_t i = 0; i < 9; ++i) best += 0.25 * std::abs(weight(w, i, f));
    EXPECT_NEAR(dark.best.values[static_cast<size_t>(f)], best, 0.01 * best);
  }

  // Bytes: the same weights give 255 times as much, and a Rescaling takes that back.
  const Sequential network{Rescaling{}, Conv2D{4, 3, "relu"}, Flatten{}, Dense{3}, Softmax{}};
  const Model bytes(network, {side, side, 1}, {.input = u8});
  named(bytes, "conv1.weight").assign(named(model, "conv1.weight").read());
  const FilterImages same = maximize_filters(ImageModel(bytes), "conv1"),
                     floats = maximize_filters(ImageModel(model), "conv1");
  for (size_t f = 0; f < 4; ++f) EXPECT_NEAR(same.best.values[f], floats.best.values[f], 1e-3);
}

// Before they settle, images are what the penalties and the movements make of them.
TEST(Maximize, PenaltiesAndMovementsWork) {
  const Model model = convolution(1);
  const ImageModel images(model);
  const MaximizeOptions still{.steps = 60,
                              .total_variation = 0,
                              .brightness = 0,
                              .jitter = 0,
                              .rotate = 0,
                              .zoom = 0,
                              .settling = 0,
                              .starts = 1};
  const auto pixels = [&](const MaximizeOptions& options) {
    const Array x = maximize(images, channels_of(images, "conv1"), {0, 1, 2, 3}, options).images;
    return std::vector<float>(x.data<float>(), x.data<float>() + x.spec().numel());
  };
  const auto differences = [](const std::vector<float>& x) {
    double total = 0;
    for (size_t i = 1; i < x.size(); ++i) total += i % side == 0 ? 0 : std::abs(x[i] - x[i - 1]);
    return total;
  };
  const auto sum = [](const std::vector<float>& x) { return std::accumulate(x.begin(), x.end(), 0.0); };
  // The pixels that the filter sees only of moved images: those around the middle 3×3.
  const auto changed_around = [&](const std::vector<float>& x, const std::vector<float>& y) {
    int64_t count = 0;
    for (int64_t i = 0; i < std::ssize(x); ++i) {
      const int64_t row = i / side % side, column = i % side;
      const bool middle = std::abs(row - side / 2) <= 1 && std::abs(column - side / 2) <= 1;
      count += !middle && x[static_cast<size_t>(i)] != y[static_cast<size_t>(i)];
    }
    return count;
  };
  const std::vector<float> plain = pixels(still);
  MaximizeOptions options = still;
  options.total_variation = 2;
  EXPECT_LT(differences(pixels(options)), 0.5 * differences(plain));
  options = still;
  options.brightness = 2;
  EXPECT_LT(sum(pixels(options)), 0.5 * sum(plain));
  for (const auto movement : {&MaximizeOptions::jitter, &MaximizeOptions::rotate, &MaximizeOptions::zoom}) {
    options = still;
    EXPECT_EQ(changed_around(pixels(options), plain), 0);
    options.*movement = movement == &MaximizeOptions::rotate ? 30 : movement == &MaximizeOptions::zoom ? 0.5 : 2;
    EXPECT_GT(changed_around(pixels(options), plain), 0);
  }
}

TEST(Maximize, NamesWhatIsDead) {
  const Model model = convolution(1);
  named(model, "conv1.bias").assign(tensor({0.0F, -100.0F, 0.0F, -50.0F}));
  const FilterImages found = maximize_filters(ImageModel(model), "conv1", {.steps = 40});
  EXPECT_THAT(found.dead, ElementsAre(false, true, false, true));
  EXPECT_TRUE(found.activated);
  // Without a relu nothing is dead.
  const Model line(Sequential({Conv2D{4, 3}, Flatten{}, Dense{3}, Softmax{}}), {side, side, 1});
  named(line, "conv1.bias").assign(tensor({0.0F, -100.0F, 0.0F, -50.0F}));
  EXPECT_THAT(maximize_filters(ImageModel(line), "conv1", {.steps = 40}).dead, ElementsAre(false, false, false, false));
}

TEST(Maximize, FindsClasses) {
  // A dense layer's class is surest of an image that is bright where its weights are positive.
  const Model model(Sequential({Flatten{}, Dense{3}, Softmax{}}), {side, side, 1});
  const ImageModel images(model);
  const std::vector<double> w = numbers(named(model, "dense1.weight"));
  const Maximized found = maximize(images, classes_of(images), {0, 1, 2});
  const Maximized last = maximize(images, classes_of(images), {2});
  for (size_t c = 0; c < 3; ++c) {
    double best = 0;
    for (size_t i = c; i < w.size(); i += 3) best += std::max(0.0, w[i]);
    EXPECT_NEAR(found.values[c], best, 0.02 * best);
    if (c == 2) {
      EXPECT_NEAR(last.values[0], best, 0.02 * best);
    }
  }
  // A single output is two classes.
  const Model yes(Sequential({Flatten{}, Dense{1}, Activation{"sigmoid"}}), {side, side, 1});
  const ImageModel single(yes);
  const Maximized both = maximize(single, classes_of(single), {0, 1});
  double above = 0, below = 0;
  for (const double one : numbers(named(yes, "dense1.weight"))) (one > 0 ? above : below) += std::abs(one);
  EXPECT_NEAR(both.values[0], below, 0.02 * below);
  EXPECT_NEAR(both.values[1], above, 0.02 * above);
}

// A net that has learnt digits.
TEST(Maximize, FiltersPreferTheirImagesToNoiseAndMostToRealOnes) {
  const Dataset digits = load_dataset("digits:3000,300");
  const Model model(network_named("cnn"), digits.train.sample_shape());
  Trainer trainer(model);
  fit(trainer, digits.train, {.epochs = 2});
  const ImageModel images(model);
  const Array real = images_of(digits.train, {}, "test");
  for (const std::string& layer : images.convolutions()) {
    const FilterImages found = maximize_filters(images, layer);
    const size_t index = images.layer(layer);
    const Shape maps = model.layers()[index].output;
    const auto middle = compile([&](const Tensor& x) {
      const Tensor y = images.forward(x).layers[index].before_activation;
      const int64_t row = maps[0] / 2, column = maps[1] / 2;
      return max(slice(slice(y, 1, row, row + 1), 2, column, column + 1), {0, 1, 2});
    });
    std::vector<double> noise(found.dead.size(), -INFINITY);
    for (int64_t round = 0; round < 40; ++round) {  // 10,000 images
      Tensor x = uniform({250, 28, 28, 1}, random_key(7, round));
      for (int64_t blur = 0; blur < round % 4; ++blur) x = avg_pool2d(x, 3, {.stride = 1, .padding = Padding::same()});
      const Tensor low = min(x, {1, 2, 3}, true), high = max(x, {1, 2, 3}, true);
      const std::vector<double> values = numbers(middle(((x - low) / (high - low)).eval()));
      for (size_t f = 0; f < noise.size(); ++f) noise[f] = std::max(noise[f], values[f]);
    }
    const auto strongest = strongest_responses(images, layer, real, 1);
    size_t live = 0, better = 0;
    for (size_t f = 0; f < found.dead.size(); ++f) {
      if (found.dead[f]) continue;
      ++live;
      EXPECT_GT(found.best.values[f], noise[f]) << layer << " filter " << f;
      better += found.best.values[f] > strongest[f].at(0).value;
    }
    EXPECT_GE(live, 16U);
    EXPECT_GE(static_cast<double>(better), 0.6 * static_cast<double>(live)) << layer;
  }
}

TEST(Maximize, StartsFromNoise) {
  const ImageModel model(convolution(1));
  const Array noise = maximize(model, channels_of(model, "conv1"), {0, 1}, {.steps = 0, .starts = 1}).images;
  const float* x = noise.data<float>();
  double sum = 0, squares = 0;
  int64_t same = 0;
  for (int64_t i = 0; i < 2 * side * side; ++i) sum += x[i], squares += x[i] * x[i];
  for (int64_t i = 0; i < side * side; ++i) same += x[i] == x[i + side * side];
  const double mean = sum / (2 * side * side);
  EXPECT_NEAR(mean, 0.5, 0.1);
  EXPECT_NEAR(squares / (2 * side * side) - mean * mean, 1 / 12.0, 0.02);  // even between 0 and 1
  EXPECT_EQ(same, 0);
}

TEST(Maximize, TheSameOnAnyNumberOfThreads) {
  const ImageModel model(convolution(1));
  const auto run = [&](int threads, uint64_t seed) {
    const ThreadLimit limit(threads);
    const Maximized found = maximize(model, channels_of(model, "conv1"), {0, 1, 2, 3}, {.steps = 12, .seed = seed});
    const float* x = found.images.data<float>();
    return std::vector<float>(x, x + found.images.spec().numel());
  };
  const std::vector<float> one = run(1, 1);
  EXPECT_EQ(one, run(4, 1));
  EXPECT_NE(one, run(1, 2));
  for (const float pixel : one) EXPECT_TRUE(pixel >= 0 && pixel <= 1);
}

TEST(Maximize, AnImageDoesNotDependOnTheOthers) {
  const ImageModel model(Model(Sequential({Conv2D{40, 3, "relu"}}), {side, side, 1}));
  const auto image = [&](const Maximized& found, int64_t i) {
    const Array part = cut(found.images, i, {0, 0, side, side});
    return std::vector<float>(part.data<float>(), part.data<float>() + side * side);
  };
  // Of so many starts 25 units fit a batch of at most 1,024: one batch and a part of another.
  const MaximizeOptions options{.steps = 8, .starts = 40};
  std::vector<int64_t> all;
  for (int64_t c = 0; c < 40; ++c) all.push_back(c);
  const Maximized whole = maximize(model, channels_of(model, "conv1"), all, options);
  const Maximized some = maximize(model, channels_of(model, "conv1"), {39, 3, 24}, options);
  const std::pair<int64_t, int64_t> same[] = {{39, 0}, {3, 1}, {24, 2}};
  for (const auto& [in_whole, in_some] : same) {
    EXPECT_EQ(image(whole, in_whole), image(some, in_some)) << in_whole;
    EXPECT_EQ(whole.values[static_cast<size_t>(in_whole)], some.values[static_cast<size_t>(in_some)]);
  }
  EXPECT_NE(image(whole, 3), image(whole, 24));
  EXPECT_EQ(measure(model, channels_of(model, "conv1"), whole.images, all), whole.values);
}

TEST(Maximize, OfNumbersThatAreNoneIsNoImageOfChance) {
  const Model model = convolution(1);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  named(model, "conv1.bias").assign(tensor({0.0F, nan, 0.0F, 0.0F}));
  const FilterImages found = maximize_filters(ImageModel(model), "conv1", {.steps = 4});
  EXPECT_TRUE(std::isnan(found.best.values[1]));
  EXPECT_FALSE(std::isnan(found.best.values[2]));
  EXPECT_FALSE(found.dead[1]);
  for (int64_t i = 0; i < found.best.images.spec().numel(); ++i) {
    const float pixel = found.best.images.data<float>()[i];
    EXPECT_TRUE(pixel >= 0 && pixel <= 1) << i;
  }
}

TEST(Maximize, OfImagesOfOneLine) {
  for (const Shape& shape : {Shape{1, 12, 1}, Shape{12, 1, 1}, Shape{1, 1, 1}}) {
    const Model model(Sequential({Flatten{}, Dense{2}, Softmax{}}), shape);
    const ImageModel images(model);
    const std::vector<double> w = numbers(named(model, "dense1.weight"));
    const Maximized found = maximize(images, classes_of(images), {0, 1});
    for (size_t c = 0; c < 2; ++c) {
      double best = 0;
      for (size_t i = c; i < w.size(); i += 2) best += std::max(0.0, w[i]);
      EXPECT_NEAR(found.values[c], best, 0.02 * best + 1e-3) << to_string(shape);
    }
  }
}

TEST(Maximize, TellsHowFarItIs) {
  const ImageModel model(convolution(1));
  std::vector<double> shares;
  // Two batches: of at most 1,024 images, 600 starts each for one unit.
  maximize(model, channels_of(model, "conv1"), {0, 1},
           {.steps = 3, .starts = 600, .after_step = [&](double share) { shares.push_back(share); }});
  EXPECT_THAT(shares, testing::Pointwise(testing::DoubleEq(), {1 / 6.0, 2 / 6.0, 3 / 6.0, 4 / 6.0, 5 / 6.0, 1.0}));
}

TEST(Maximize, MeasuresOneUnitOrEachItsOwn) {
  const Model model = convolution(1);
  const ImageModel images(model);
  const Tensor x = uniform({4, side, side, 1}, random_key(3, 0)).eval();
  const std::vector<double> all = numbers(slice(
      slice(images.forward(x).layers[images.layer("conv1")].before_activation, 1, side / 2 - 1, side / 2), 2, 3, 4));
  const Array array = x.value().contiguous();
  const auto own = measure(images, channels_of(images, "conv1"), array, {0, 1, 2, 3}),
             second = measure(images, channels_of(images, "conv1"), array, {2, 2, 2, 2});
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_FLOAT_EQ(static_cast<float>(own[i]), static_cast<float>(all[4 * i + i]));
    EXPECT_FLOAT_EQ(static_cast<float>(second[i]), static_cast<float>(all[4 * i + 2]));
  }
}

TEST(Maximize, RefusesWrongInput) {
  const ImageModel model(convolution(1));
  EXPECT_EQ(message_of([&] { maximize_filters(model, "conv1", {}, {4}); }), "conv1: there is no channel 4; it has 4");
  EXPECT_EQ(message_of([&] { maximize_filters(model, "conv7"); }),
            "model 'model': there is no layer 'conv7'; it has conv1, flatten1, dense1, softmax1");
  EXPECT_EQ(message_of([&] {
              maximize(model, [](const Forward& f, const Tensor&) { return sum(f.output); }, {0, 1});
            }),
            "maximize: the objective gives f32[] for 8 images, expected a number for each");
  EXPECT_THAT(message_of([&] { ImageModel(Model(Dense{3}, {5})); }),
              HasSubstr("takes samples of shape [5], expected images"));
  const Model ids(Sequential({Embedding{9, 2}}), {2, 2, 1}, {.input = i64});
  EXPECT_THAT(message_of([&] { ImageModel images(ids); }),
              HasSubstr("it takes i64, expected images of floats or bytes"));
}

}  // namespace
}  // namespace telaio::nn
