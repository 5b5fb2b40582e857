// Training a classifier on data that the program has in memory.
//
//   Model      layers with their parameters, built for samples of one shape
//   Trainer    a model with a loss and an optimizer
//   fit        epochs, batches, validation, callbacks: as in Keras
//   evaluate   loss, accuracy and what was taken for what
//
// The data are points of three spirals that wind around one another, which no straight line separates. Exits with 1 if
// the net has not learnt them.
#include <cmath>
#include <cstdint>
#include <iostream>
#include <numbers>
#include <random>
#include <vector>

#include <telaio/nn/nn.hpp>
#include <telaio/telaio.hpp>

using namespace telaio;

namespace {

constexpr int64_t classes = 3;

// inputs f32[N,2], targets i64[N]. Any tensors will do: images are [N,height,width,channels], as u8 or as f32 in 0…1.
nn::Examples spirals(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> unit(0, 1);
  std::normal_distribution<float> noise(0, 0.02f);
  std::vector<float> points;
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < count; ++i) {
    const int64_t arm = i % classes;
    const float radius = 0.1f + 0.9f * unit(random);
    const float angle = 4 * radius + 2 * std::numbers::pi_v<float> * static_cast<float>(arm) / classes;
    points.push_back(radius * std::cos(angle) + noise(random));
    points.push_back(radius * std::sin(angle) + noise(random));
    labels.push_back(arm);
  }
  return {from_data(points, {count, 2}), from_data(labels, {count})};
}

}  // namespace

int main() {
  const nn::Examples train = spirals(3000, 1), test = spirals(1000, 2);

  // Layers are plain values; the last one says how the net ends, and so which loss suits it.
  const nn::Sequential network{nn::Dense{32, "relu"}, nn::Dense{32, "relu"}, nn::Dense{classes}, nn::Softmax{}};
  const nn::Model model(network, {2}, {.name = "spirals"});
  std::cout << nn::summary(model) << '\n';

  nn::Trainer trainer(model, {.optimizer = {.rule = nn::Adam{}, .learning_rate = 0.01}});
  const auto stop_early =
      std::make_shared<nn::EarlyStopping>(nn::EarlyStopping::Options{.patience = 3, .restore_best_weights = true});
  const nn::FitResult result = nn::fit(trainer, train,
                                       {.epochs = 20,
                                        .batch_size = 64,
                                        .validation_split = 0.1,
                                        .schedule = {.kind = nn::Schedule::Kind::cosine},
                                        .callbacks = {std::make_shared<nn::ProgressBar>(), stop_early}});

  const nn::Evaluation measured = nn::evaluate(model, test);
  const std::vector<std::string> names{"first", "second", "third"};
  std::cout << '\n' << nn::class_table(*measured.confusion, names) << '\n';
  for (const std::string& line : nn::diagnose(result, measured.confusion, names)) std::cout << line << '\n';
  return measured.accuracy() > 0.97 ? 0 : 1;
}
