// Gradient × input, integrated gradients and Grad-CAM against formulas worked out here.
#include <telaio/nn/insight/attribution.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include <telaio/nn/layers.hpp>
#include <telaio/nn/networks.hpp>
#include <telaio/telaio.hpp>

#include "../../message_of.hpp"

namespace telaio::nn {
namespace {

using testing::Each;
using testing::HasSubstr;

std::vector<double> numbers(const Array& array) { return constant(array).to_vector<double>(); }
double total(const Array& array) {
  const std::vector<double> all = numbers(array);
  return std::accumulate(all.begin(), all.end(), 0.0);
}

Array random_images(int64_t n, const Shape& sample) {
  Shape shape = sample;
  shape.insert(0, n);
  const Array images({f32, shape});
  uint32_t state = 7;
  for (int64_t i = 0; i < images.spec().numel(); ++i) {
    state = state * 1664525 + 1013904223;
    images.data<float>()[i] = static_cast<float>(state >> 8) / static_cast<float>(1 << 24);
  }
  return images;
}

std::vector<double> weights_of(const Model& model) { return model.parameters().front().read().to_vector<double>(); }

Model linear(int64_t outputs, Ending ending, DType dtype = f32) {
  return Model(network_named("linear", {outputs, ending}), {4, 5, 2}, {.dtype = dtype});
}

Model small_net(DType dtype = f32) {
  return Model(
      Sequential({Conv2D{.filters = 4, .kernel = 3, .activation = "tanh", .padding = Padding::same()}, MaxPool2D{2},
                  Conv2D{.filters = 6, .kernel = 3, .activation = "relu"}, Flatten{}, Dense{5}, Softmax{}}),
      {12, 10, 2}, {.dtype = dtype, .seed = 3});
}

TEST(Attribution, SaysWhatTheModelSays) {
  for (const Ending ending : {Ending::softmax, Ending::sigmoid})
    for (const int64_t outputs : {1, 3}) {
      if (outputs == 1 && ending == Ending::softmax) continue;
      const Model model = linear(outputs, ending, f64);
      const Array images = random_images(70, {4, 5, 2});
      const std::vector<double> p = model.predict(constant(images)).to_vector<double>();
      const Attribution attribution(ImageModel(model), images);
      EXPECT_EQ(attribution.size(), 70);
      for (int64_t i = 0; i < 70; ++i) {
        const auto at = static_cast<size_t>(i * outputs);
        const double* row = p.data() + at;
        EXPECT_EQ(attribution.classes()[static_cast<size_t>(i)], attribution.predicted(i));
        if (outputs == 1) {
          EXPECT_EQ(attribution.predicted(i), row[0] > 0.5);
          EXPECT_NEAR(attribution.probability(i, 0), 1 - row[0], 1e-12);
          EXPECT_NEAR(attribution.probability(i, 1), row[0], 1e-12);
          EXPECT_EQ(attribution.logit(i, 0), -attribution.logit(i, 1));
          continue;
        }
        EXPECT_EQ(attribution.predicted(i), std::max_element(row, row + outputs) - row);
        for (int64_t c = 0; c < outputs; ++c) EXPECT_NEAR(attribution.probability(i, c), row[c], 1e-12);
      }
    }
}

// There both are the weights times the pixels, whatever the baseline takes away.
TEST(Attribution, OfALinearModelItIsWeightTimesInput) {
  for (const Ending ending : {Ending::softmax, Ending::sigmoid})
    for (const DType dtype : {f32, f64})
      for (const int64_t outputs : {1, 3}) {
        if (outputs == 1 && ending == Ending::softmax) continue;
        const Model model = linear(outputs, ending, dtype);
        const std::vector<double> w = weights_of(model);
        const Array images = random_images(3, {4, 5, 2}), baseline = random_images(1, {4, 5, 2});
        const std::vector<double> x = numbers(images), b = numbers(baseline);
        const std::vector<int64_t> classes =
            outputs == 1 ? std::vector<int64_t>{1, 0, 1} : std::vector<int64_t>{2, 0, 1};
        const Attribution attribution(ImageModel(model), images, classes);
        const std::vector<Array> plain = attribution.gradient_times_input();
        const IntegratedGradients black = attribution.integrated_gradients();
        const IntegratedGradients from =
            attribution.integrated_gradients({.steps = 3, .baseline = reshape(constant(baseline), {4, 5, 2}).value()});
        ASSERT_EQ(plain.size(), 3U);
        for (size_t i = 0; i < 3; ++i) {
          EXPECT_EQ(plain[i].spec(), (TensorSpec{f32, {4, 5}}));
          const auto c = static_cast<size_t>(outputs == 1 ? 0 : classes[i]), k = static_cast<size_t>(outputs);
          const double sign = outputs == 1 && classes[i] == 0 ? -1 : 1;
          for (size_t p = 0; p < 20; ++p) {
            double expected = 0, beyond = 0;
            for (size_t channel = 0; channel < 2; ++channel) {
              const double weight = sign * w[(2 * p + channel) * k + c];
              expected += weight * x[40 * i + 2 * p + channel];
              beyond += weight * (x[40 * i + 2 * p + channel] - b[2 * p + channel]);
            }
            EXPECT_EQ(plain[i].data<float>()[p], static_cast<float>(expected));
            EXPECT_FLOAT_EQ(black.maps[i].data<float>()[p], static_cast<float>(expected));
            EXPECT_NEAR(from.maps[i].data<float>()[p], beyond, 1e-6);
          }
        }
      }
}

TEST(Attribution, IntegratedGradientsAddUpToTheLogit) {
  for (const DType dtype : {f32, f64}) {
    const Model model = small_net(dtype);
    const ImageModel images_model(model);
    const Array images = random_images(4, {12, 10, 2}), grey({f32, {12, 10, 2}});
    std::fill_n(grey.data<float>(), 240, 0.5F);
    for (const Array& baseline : {Array(), grey}) {
      const Tensor start = baseline.defined() ? reshape(constant(baseline), {1, 12, 10, 2}) : zeros({1, 12, 10, 2});
      const std::vector<double> l = model.forward(constant(images)).logits.to_vector<double>();
      const std::vector<double> l0 = model.forward(start).logits.to_vector<double>();
      const std::vector<int64_t> classes{0, 4, 2, 3};
      const Attribution attribution(images_model, images, classes);
      double error[2] = {0, 0};
      for (const int fine : {0, 1}) {
        const IntegratedGradients result =
            attribution.integrated_gradients({.steps = fine != 0 ? 1000 : 4, .baseline = baseline});
        for (size_t i = 0; i < 4; ++i) {
          const auto c = static_cast<size_t>(classes[i]);
          EXPECT_NEAR(result.differences[i], l[5 * i + c] - l0[c], 1e-5);
          EXPECT_NEAR(result.sums[i], total(result.maps[i]), 1e-5);
          error[fine] += std::abs(result.sums[i] - result.differences[i]);
        }
      }
      // Not so coarse a step has it by chance; what is left are the kinks of relu and max.
      EXPECT_GT(error[0], 1e-3);
      EXPECT_LT(error[1], error[0] / 20);
      EXPECT_LT(error[1], 1e-3);
      const IntegratedGradients usual = attribution.integrated_gradients({.baseline = baseline});
      for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(usual.sums[i], usual.differences[i], 5e-3);
    }
  }
}

// A smooth net in f64: the midpoint rule's error is a quarter with twice the steps.
TEST(Attribution, IntegratedGradientsInDoublePrecision) {
  const Model model(
      Sequential({Conv2D{.filters = 3, .kernel = 3, .activation = "tanh"}, Flatten{}, Dense{1}, Activation{"sigmoid"}}),
      {6, 6, 1}, {.dtype = f64});
  const Attribution attribution(ImageModel(model), random_images(1, {6, 6, 1}), {0});
  const auto error = [&](int64_t steps) {
    const IntegratedGradients result = attribution.integrated_gradients({.steps = steps});
    return std::abs(result.sums[0] - result.differences[0]);
  };
  EXPECT_NEAR(error(50) / error(100), 4, 0.01);
  EXPECT_NEAR(error(100) / error(200), 4, 0.01);
}

/// Σ of all places, weighted with triangles about where the pixel (u, v) of a larger image falls.
double bilinear(const std::vector<double>& map, int64_t h, int64_t w, int64_t height, int64_t width, int64_t v,
                int64_t u) {
  const auto place = [](int64_t i, int64_t from, int64_t to) {
    const double at = (static_cast<double>(i) + 0.5) * static_cast<double>(from) / static_cast<double>(to) - 0.5;
    return std::min(std::max(at, 0.0), static_cast<double>(from - 1));
  };
  const double y = place(v, h, height), x = place(u, w, width);
  double sum = 0;
  for (int64_t r = 0; r < h; ++r)
    for (int64_t c = 0; c < w; ++c)
      sum += std::max(0.0, 1 - std::abs(y - static_cast<double>(r))) *
             std::max(0.0, 1 - std::abs(x - static_cast<double>(c))) * map[static_cast<size_t>(r * w + c)];
  return sum;
}

TEST(Attribution, GradCamAgainstLoops) {
  for (const DType dtype : {f32, f64}) {
    const Model model = small_net(dtype);
    const ImageModel image_model(model);
    const Array images = random_images(3, {12, 10, 2});
    const std::vector<int64_t> classes{1, 3, 0};
    const Attribution attribution(image_model, images, classes);
    for (const std::string layer : {"", "conv1", "conv2", "max_pool1"}) {
      const std::vector<Array> maps = attribution.grad_cam(layer);
      double largest = 0;
      for (int64_t i = 0; i < 3; ++i) {
        const Forward forward = image_model.forward(slice(constant(images), 0, i, i + 1));
        const Tensor a = forward.layers[image_model.layer(layer.empty() ? "conv2" : layer)].output;
        const int64_t c = classes[static_cast<size_t>(i)], h = a.dim(1), w = a.dim(2), maps_of = a.dim(3);
        const std::vector<double> gradient = grad(sum(slice(forward.logits, 1, c, c + 1)), a).to_vector<double>();
        const std::vector<double> output = a.to_vector<double>();
        std::vector<double> cam(static_cast<size_t>(h * w));
        for (int64_t k = 0; k < maps_of; ++k) {
          double weight = 0;
          for (int64_t p = 0; p < h * w; ++p) weight += gradient[static_cast<size_t>(p * maps_of + k)];
          for (int64_t p = 0; p < h * w; ++p)
            cam[static_cast<size_t>(p)] +=
                weight / static_cast<double>(h * w) * output[static_cast<size_t>(p * maps_of + k)];
        }
        for (double& value : cam) value = std::max(value, 0.0);
        const Array& map = maps[static_cast<size_t>(i)];
        ASSERT_EQ(map.spec(), (TensorSpec{f32, {12, 10}}));
        for (int64_t v = 0; v < 12; ++v)
          for (int64_t u = 0; u < 10; ++u) {
            EXPECT_NEAR(map.data<float>()[v * 10 + u], bilinear(cam, h, w, 12, 10, v, u), 1e-6) << layer;
            largest = std::max<double>(largest, map.data<float>()[v * 10 + u]);
          }
      }
      EXPECT_GT(largest, 1e-2) << layer;
    }
  }
}

TEST(Attribution, GradCamOfLayersInsideOthers) {
  const Model model(
      Sequential({Conv2D{.filters = 4, .padding = Padding::same()},
                  Residual{.layers = {Conv2D{.filters = 4, .activation = "relu", .padding = Padding::same()}},
                           .activation = "relu"},
                  GlobalAveragePool2D{}, Dense{3}, Softmax{}}),
      {8, 8, 1});
  const ImageModel image_model(model);
  const Attribution attribution(image_model, random_images(2, {8, 8, 1}));
  const std::string inner = image_model.convolutions().back();
  EXPECT_NE(inner.find('.'), std::string::npos);
  const std::vector<Array> by_default = attribution.grad_cam(), named = attribution.grad_cam(inner);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(numbers(by_default[i]), numbers(named[i]));
  EXPECT_NE(numbers(attribution.grad_cam("residual1")[0]), numbers(named[0]));
}

// The same network over bytes and over numbers in 0…1.
TEST(Attribution, ModelsOfBytes) {
  const std::vector<Layer> behind{Conv2D{.filters = 4, .kernel = 3, .activation = "relu"}, Flatten{}, Dense{3},
                                  Softmax{}};
  const Model of_numbers(Sequential(behind), {7, 7, 1});
  std::vector<Layer> layers = behind;
  layers.insert(layers.begin(), Rescaling{1.0 / 255});
  const Model of_bytes(Sequential(layers), {7, 7, 1}, {.input = u8});
  of_bytes.set_values(of_numbers.values());
  const Array images = random_images(2, {7, 7, 1});
  const Attribution a(ImageModel(of_numbers), images, {0, 1}), b(ImageModel(of_bytes), images, {0, 1});
  const auto near = [](const std::vector<Array>& x, const std::vector<Array>& y) {
    for (size_t i = 0; i < 2; ++i)
      EXPECT_THAT(numbers(x[i]), testing::Pointwise(testing::DoubleNear(1e-5), numbers(y[i])));
  };
  EXPECT_GT(std::abs(total(a.gradient_times_input()[0])), 1e-3);
  near(a.gradient_times_input(), b.gradient_times_input());
  near(a.integrated_gradients().maps, b.integrated_gradients().maps);
  near(a.grad_cam(), b.grad_cam());
  near(a.occlusion().maps, b.occlusion().maps);
}

// The gradient goes through (x − mean) / deviation; black stays the baseline.
TEST(Attribution, StandardizedPixels) {
  const Model model = linear(3, Ending::softmax);
  const std::vector<double> w = weights_of(model);
  const Array images = random_images(1, {4, 5, 2});
  Standardization standardization{.pixels = true};
  standardization.mean = constant(random_images(1, {40}));
  standardization.mean = reshape(standardization.mean, {4, 5, 2}).eval();
  standardization.deviation = (standardization.mean + 0.25).eval();
  const std::vector<double> x = numbers(images), deviation = standardization.deviation.to_vector<double>();
  const Attribution attribution(ImageModel(model, standardization), images, {1});
  const Array plain = attribution.gradient_times_input()[0];
  const IntegratedGradients integrated = attribution.integrated_gradients();
  for (size_t p = 0; p < 20; ++p) {
    double expected = 0;
    for (size_t i = 2 * p; i < 2 * p + 2; ++i) expected += w[3 * i + 1] / deviation[i] * x[i];
    EXPECT_NEAR(plain.data<float>()[p], expected, 1e-5);
    EXPECT_NEAR(integrated.maps[0].data<float>()[p], expected, 1e-5);
  }
  EXPECT_NEAR(integrated.sums[0], integrated.differences[0], 1e-4);
}

TEST(Attribution, TheSameOnAnyNumberOfThreads) {
  const Model model(network_named("cnn"), {28, 28, 1});
  const Array images = random_images(67, {28, 28, 1});
  const auto all = [&](int threads) {
    const ThreadLimit limit(threads);
    const Attribution many(ImageModel(model), images);
    const Attribution few(ImageModel(model), slice(constant(images), 0, 0, 2).value());
    std::vector<Array> maps = many.gradient_times_input();
    for (const auto& more : {many.grad_cam(), few.integrated_gradients().maps, few.occlusion().maps})
      maps.insert(maps.end(), more.begin(), more.end());
    return maps;
  };
  const std::vector<Array> one = all(1), four = all(4);
  ASSERT_EQ(one.size(), 67U + 67 + 2 + 2);
  ASSERT_EQ(four.size(), one.size());
  for (size_t i = 0; i < one.size(); ++i)
    EXPECT_EQ(std::memcmp(one[i].bytes(), four[i].bytes(), 28 * 28 * sizeof(float)), 0) << i;
}

TEST(Attribution, RefusesWrongInput) {
  const Model model = linear(3, Ending::softmax);
  const Array images = random_images(2, {4, 5, 2});
  const auto error = [](const Model& of, const Array& x, const std::vector<int64_t>& classes) {
    return message_of([&] { Attribution(ImageModel(of), x, classes); });
  };
  EXPECT_EQ(error(model, images, {0}), "attribution: 1 classes for 2 images");
  EXPECT_EQ(error(model, images, {0, 3}), "attribution: class 3, expected 0 … 2");
  EXPECT_EQ(error(model, images, {-1, 0}), "attribution: class -1, expected 0 … 2");
  EXPECT_EQ(error(linear(1, Ending::sigmoid), images, {2, 0}), "attribution: class 2, expected 0 … 1");
  EXPECT_EQ(error(model, {}, {}), "attribution: there are no images");
  EXPECT_EQ(error(model, random_images(0, {4, 5, 2}), {}), "attribution: there are no images");
  EXPECT_EQ(error(model, random_images(1, {5, 5, 2}), {}),
            "attribution: expected images f32 [N,4,5,2], got f32[1,5,5,2]");
  EXPECT_EQ(error(model, random_images(4, {5, 2}), {}), "attribution: expected images f32 [N,4,5,2], got f32[4,5,2]");
  EXPECT_THAT(
      error(linear(3, Ending::linear), images, {}),
      HasSubstr("expected a model that ends in a softmax, or a sigmoid for each class; 'model' gives [3] with a "
                "linear ending"));
  EXPECT_EQ(error(linear(1, Ending::softmax), images, {}),
            "attribution: 'model' ends in a softmax of a single output, which is always 1; expected a sigmoid, or an "
            "output for each class");
  const Model broken = linear(3, Ending::softmax);
  Array nan({f32, {40, 3}});
  std::fill_n(nan.data<float>(), 120, std::nanf(""));
  Variable(broken.parameters()[0]).assign(constant(nan));
  EXPECT_EQ(error(broken, images, {}), "attribution: the logits of image 0 are not finite");

  const Attribution attribution(ImageModel(model), images);
  EXPECT_EQ(message_of([&] { attribution.grad_cam(); }), "Grad-CAM: model 'model' has no convolutional layer");
  EXPECT_EQ(message_of([&] { attribution.integrated_gradients({.steps = 0}); }),
            "integrated gradients: 0 steps, expected at least 1");
  EXPECT_EQ(message_of([&] { attribution.integrated_gradients({.baseline = images}); }),
            "integrated gradients: expected a baseline f32[4,5,2], got f32[2,4,5,2]");
  const Attribution of_net(ImageModel(small_net()), random_images(1, {12, 10, 2}));
  EXPECT_THAT(message_of([&] { of_net.grad_cam("conv"); }), HasSubstr("there is no layer 'conv'; it has conv1, "));
  EXPECT_EQ(message_of([&] { of_net.grad_cam("dense1"); }),
            "Grad-CAM: layer 'dense1' gives [5], expected a layer that gives maps [H,W,K]");
}

}  // namespace
}  // namespace telaio::nn
