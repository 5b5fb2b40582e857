// Keeping a model in a file, and using it in another program.
//
// The first half trains a small net on the built-in digits and saves it; the second half is all that a program needs
// that only predicts. Exits with 1 if the loaded model answers otherwise than the one that was saved.
#include <filesystem>
#include <iostream>
#include <string>

#include <telaio/nn/nn.hpp>
#include <telaio/telaio.hpp>

using namespace telaio;

namespace {

void train_and_save(const std::string& path) {
  const nn::Dataset digits = nn::make_digits({.train = 3000, .test = 0});
  const nn::Sequential network{nn::Conv2D{.filters = 8, .activation = "relu"}, nn::MaxPool2D{4}, nn::Flatten{},
                               nn::Dense{10}, nn::Softmax{}};
  nn::Trainer trainer(nn::Model(network, {28, 28, 1}, {.name = "small"}), {.optimizer = {.learning_rate = 0.01}});
  nn::fit(trainer, digits.train, {.epochs = 2});
  nn::save_model(path, {.model = trainer.model(), .class_names = digits.train.class_names});
}

}  // namespace

int main() {
  const std::string path = (std::filesystem::temp_directory_path() / "telaio_example.telaio").string();
  train_and_save(path);

  // From here on as in a program of its own. The file tells what the network is and what its classes are called; any
  // other reader of safetensors can get at the parameters, too.
  const nn::ModelFile file = nn::load_model(path);
  const nn::Samples images = nn::make_digits({.train = 1, .test = 8}).test;                   // u8[8,28,28,1]
  const Tensor probabilities = nn::predict(file.model, images.inputs, file.standardization);  // f32[8,10]
  const std::vector<int64_t> best = argmax(probabilities).to_vector<int64_t>(), truth = nn::label_values(images);
  const std::vector<float> likely = max(probabilities, -1).to_vector<float>();

  int right = 0;
  for (size_t i = 0; i < best.size(); ++i) {
    const auto c = static_cast<size_t>(best[i]);
    std::cout << "image " << i << " is a " << file.class_names[c] << " (" << static_cast<int>(100 * likely[i])
              << "% sure); it was drawn as a " << truth[i] << '\n';
    right += best[i] == truth[i];
  }
  std::filesystem::remove(path);
  return right >= 4 ? 0 : 1;
}
