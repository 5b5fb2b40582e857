// The networks of bench/peers/rate.hpp in LibTorch: steps of training (forward, backward, Adam) and inference, with
// both layouts of images; which is the better one differs.
#include <memory>
#include <string_view>

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <torch/torch.h>

#include "rate.hpp"

namespace {

using namespace telaio::bench;

struct Cnn : torch::nn::Module {
  torch::nn::Conv2d conv1{register_module("conv1", torch::nn::Conv2d(1, 32, 3))},
      conv2{register_module("conv2", torch::nn::Conv2d(32, 32, 3))};
  torch::nn::Linear dense1{register_module("dense1", torch::nn::Linear(800, 64))},
      dense2{register_module("dense2", torch::nn::Linear(64, 10))};

  torch::Tensor forward(const torch::Tensor& x) {
    torch::Tensor y = torch::max_pool2d(torch::relu(conv1(x)), 2);
    y = torch::max_pool2d(torch::relu(conv2(y)), 2);
    return dense2(torch::relu(dense1(y.flatten(1))));
  }
};

struct DenseNet : torch::nn::Module {
  torch::nn::Linear dense1{register_module("dense1", torch::nn::Linear(784, 512))},
      dense2{register_module("dense2", torch::nn::Linear(512, 512))},
      dense3{register_module("dense3", torch::nn::Linear(512, 10))};

  torch::Tensor forward(const torch::Tensor& x) {
    return dense3(torch::relu(dense2(torch::relu(dense1(x.flatten(1))))));
  }
};

template <class Network>
void add_step(Cases& cases, const StepCase& c, bool channels_last) {
  torch::manual_seed(1);
  const auto network = std::make_shared<Network>();
  torch::Tensor x = torch::rand({c.batch, 1, 28, 28});
  const torch::Tensor classes = torch::randint(10, {c.batch}, torch::kLong);
  if (channels_last) {
    x = x.contiguous(torch::MemoryFormat::ChannelsLast);
    // Only the convolutions' weights have four axes.
    for (torch::Tensor& parameter : network->parameters())
      if (parameter.dim() == 4) parameter.set_data(parameter.contiguous(torch::MemoryFormat::ChannelsLast));
  }
  const char* setting = channels_last ? "channels_last" : "contiguous";
  if (c.training) {
    const auto adam =
        std::make_shared<torch::optim::Adam>(network->parameters(), torch::optim::AdamOptions(0.001).eps(1e-7));
    cases.add(c.name, setting, c.batch, [network, adam, x, classes] {
      // Gradients are dropped and not filled with zeros, which is the faster way.
      for (torch::Tensor& parameter : network->parameters()) parameter.mutable_grad().reset();
      const torch::Tensor loss = torch::cross_entropy_loss(network->forward(x), classes);
      loss.backward();
      adam->step();
      static_cast<void>(loss.template item<float>());
    });
  } else {
    network->eval();
    cases.add(c.name, setting, c.batch, [network, x] {
      const c10::InferenceMode inference;
      torch::softmax(network->forward(x), 1);
    });
  }
}

void add_cases(int threads, Cases& cases) {
  at::set_num_threads(threads);
  for (const StepCase& c : step_cases) {
    if (c.dense) {
      add_step<DenseNet>(cases, c, false);
    } else {
      for (const bool channels_last : {false, true}) add_step<Cnn>(cases, c, channels_last);
    }
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count == 2 && std::string_view(arguments[1]) == "--info") {
    std::printf("LibTorch %s\n%s", TORCH_VERSION, at::get_parallel_info().c_str());
    return 0;
  }
  at::globalContext().setFlushDenormal(true);  // as Telaio does; off, it is the slower after a thousand steps
  return run_main(count, arguments, add_cases);
}
