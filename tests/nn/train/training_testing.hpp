// What the tests of trainings share: small data, networks, bits.
#pragma once

#include <cmath>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/nn/layers.hpp>
#include <telaio/nn/train/callbacks.hpp>
#include <telaio/nn/train/training.hpp>
#include <telaio/telaio.hpp>

#include "../../message_of.hpp"

namespace telaio::nn {

using Values = std::vector<double>;

/// Numbers in [−1, 1] in no order, the same each time.
inline Values scrambled(int64_t count, double phase = 0) {
  Values values;
  for (int64_t i = 0; i < count; ++i) {
    const double large = 43758.5453 * std::sin(1 + phase + 12.9898 * static_cast<double>(i));
    values.push_back(2 * (large - std::floor(large)) - 1);
  }
  return values;
}
inline Tensor scrambled(const Shape& shape, DType dtype = f32, double phase = 0) {
  return cast(from_data(scrambled(numel(shape), phase), shape), dtype).eval();
}

/// `classes` clouds of points in a plane, around a circle.
inline Examples clouds(int64_t count, int64_t classes, double phase = 0) {
  const Values noise = scrambled(2 * count, phase);
  std::vector<float> x;
  std::vector<int64_t> y;
  for (int64_t i = 0; i < count; ++i) {
    y.push_back(i * 7 % classes);
    const double angle = 6.28318530718 * static_cast<double>(y.back()) / static_cast<double>(classes);
    x.push_back(static_cast<float>(2 * std::cos(angle) + 0.5 * noise[static_cast<size_t>(2 * i)]));
    x.push_back(static_cast<float>(2 * std::sin(angle) + 0.5 * noise[static_cast<size_t>(2 * i + 1)]));
  }
  return {from_data(x, {count, 2}), from_data(y, {count})};
}

/// Dense layers: hidden ones with tanh, the last with `ending`.
inline Layer dense_net(const std::vector<int64_t>& units, const char* ending) {
  std::vector<Layer> layers;
  for (size_t i = 0; i < units.size(); ++i)
    layers.push_back(Dense{.units = units[i], .activation = i + 1 < units.size() ? "tanh" : ending});
  return Sequential(layers);
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  if (!(a.spec() == b.spec())) return false;
  const Array x = a.value().contiguous(), y = b.value().contiguous();
  return std::memcmp(x.bytes(), y.bytes(), static_cast<size_t>(x.spec().bytes())) == 0;
}
inline bool same_bits(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i)
    if (!same_bits(a[i], b[i])) return false;
  return true;
}

/// Histories are equal but for the time that things took.
inline void expect_same_history(const History& a, const History& b) {
  ASSERT_EQ(a.epochs.size(), b.epochs.size());
  for (size_t i = 0; i < a.epochs.size(); ++i) {
    EXPECT_EQ(a.epochs[i].epoch, b.epochs[i].epoch);
    EXPECT_EQ(a.epochs[i].loss, b.epochs[i].loss) << "epoch " << i + 1;
    EXPECT_EQ(a.epochs[i].accuracy, b.epochs[i].accuracy) << "epoch " << i + 1;
    EXPECT_EQ(a.epochs[i].val_loss, b.epochs[i].val_loss) << "epoch " << i + 1;
    EXPECT_EQ(a.epochs[i].val_accuracy, b.epochs[i].val_accuracy) << "epoch " << i + 1;
    EXPECT_EQ(a.epochs[i].learning_rate, b.epochs[i].learning_rate) << "epoch " << i + 1;
  }
}

/// A callback for the end of each epoch or batch.
inline std::shared_ptr<Callback> at_epoch_end(std::function<void(Training&)> f) {
  return std::make_shared<LambdaCallback>(LambdaCallback::Functions{.epoch_end = std::move(f)});
}
inline std::shared_ptr<Callback> at_batch_end(std::function<void(Training&)> f) {
  return std::make_shared<LambdaCallback>(LambdaCallback::Functions{.batch_end = std::move(f)});
}

/// Losses without meaning: what a training "reaches" is given, epoch by epoch, by a parameter that is set to it. The
/// model has one parameter b and the outputs x·0 + b; the targets are 0, so that the mae is |b|.
class Scripted {
 public:
  explicit Scripted(std::vector<double> losses)
      : model(Dense{.units = 1, .weight_initializer = "zeros"}, {1}, {.dtype = f64}), losses_(std::move(losses)) {}

  /// The validation losses are the script's. Runs until the script ends or the callbacks stop it.
  FitResult run(std::vector<std::shared_ptr<Callback>> callbacks) {
    Trainer trainer(model, {.loss = "mae", .optimizer = {.rule = SGD{}, .learning_rate = 1}});
    const Tensor x = ones({2, 1}, f64), y = zeros({2, 1}, f64);
    FitOptions options{.epochs = static_cast<int64_t>(losses_.size()), .batch_size = 2};
    options.validation = {x, y};
    options.callbacks.push_back(at_batch_end([this](Training& training) {
      rates.push_back(training.base_rate());
      model.set_values({zeros({1, 1}, f64), full({1}, losses_[static_cast<size_t>(training.epoch() - 1)], f64)});
    }));
    for (auto& callback : callbacks) options.callbacks.push_back(callback);
    rates.clear();
    return fit(trainer, {x, y}, options);
  }
  double bias() const { return model.values()[1].item<double>(); }

  Model model;
  std::vector<double> rates;  ///< base rates of the epochs

 private:
  std::vector<double> losses_;
};

}  // namespace telaio::nn
