// Ten steps of training, with all that another framework needs to take the same ones: for compare_pytorch.py.
//
//   ten_steps NETWORK ENDING OPTIMIZER DTYPE BATCH FILE
//
// writes to FILE (safetensors) the parameters before (initial/…) and after (final/…), the batches (inputs, targets),
// and the loss of each step.
#include <iostream>
#include <string>

#include <telaio/nn/io/safetensors.hpp>
#include <telaio/nn/nn.hpp>
#include <telaio/telaio.hpp>

using namespace telaio;

int main(int count, char** arguments) {
  try {
    if (count != 7) throw Error("usage: ten_steps NETWORK ENDING OPTIMIZER f32|f64 BATCH FILE");
    const std::string network = arguments[1], ending = arguments[2], optimizer = arguments[3], file = arguments[6];
    const DType dtype = std::string(arguments[4]) == "f64" ? f64 : f32;
    const int64_t batch = std::stoll(arguments[5]), steps = 10;

    const nn::Samples digits = nn::make_digits({.train = steps * batch, .test = 0}).train;
    const Tensor inputs = cast(digits.inputs, dtype) / 255;
    const nn::Layer layers =
        nn::network_named(network, {.ending = ending == "sigmoid" ? nn::Ending::sigmoid : nn::Ending::softmax});
    const nn::Model model(layers, {28, 28, 1}, {.name = network, .dtype = dtype});
    nn::Trainer trainer(model, {.optimizer = nn::parse_optimizer(optimizer)});

    nn::SafeTensors out;
    out.metadata = {{"network", network}, {"ending", ending}, {"optimizer", optimizer}};
    const auto keep_parameters = [&](const std::string& prefix) {
      for (const Variable& parameter : model.parameters())
        out.tensors.emplace_back(prefix + parameter.name(), nn::snapshot(parameter));
    };
    out.tensors.emplace_back("inputs", inputs);
    out.tensors.emplace_back("targets", digits.labels);
    keep_parameters("initial/");
    std::vector<double> losses;
    for (int64_t step = 0; step < steps; ++step) {
      const Tensor x = slice(inputs, 0, step * batch, (step + 1) * batch);
      const Tensor y = slice(digits.labels, 0, step * batch, (step + 1) * batch);
      losses.push_back(trainer.step(x, y).loss.item<double>());
    }
    keep_parameters("final/");
    out.tensors.emplace_back("losses", from_data(losses, {steps}));
    nn::write_safetensors(file, out);
  } catch (const std::exception& error) {
    std::cerr << "ten_steps: " << error.what() << '\n';
    return 2;
  }
  return 0;
}
