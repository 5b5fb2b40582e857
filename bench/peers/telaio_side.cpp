// Telaio's side of the comparison: what it has to do in all of the cases.
#include <vector>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/networks.hpp>
#include <telaio/nn/train/trainer.hpp>
#include <telaio/telaio.hpp>

#include "rate.hpp"

namespace {

using namespace telaio;
using namespace telaio::bench;

Tensor draw(const Shape& shape, int64_t stream) { return normal(shape, random_key(1, stream)).eval(); }

// Results go into a variable: fresh memory at each call would be measured too.
template <class F>
void report_op(const Run& run, const char* name, double amount, const std::vector<Tensor>& inputs, F&& f) {
  Variable y("y", zeros(f(inputs).shape()));
  const auto step = compile([&](const std::vector<Tensor>& x) { y.assign(f(x)); });
  report(run, name, "default", amount, [&] { step(inputs); });
}

void measure_step(const Run& run, const StepCase& c) {
  const char* network = c.dense ? "dense" : "cnn";
  const nn::Model model(nn::network_named(network), {28, 28, 1}, {.name = network});
  const Tensor x = uniform({c.batch, 28, 28, 1}, random_key(1, 0)).eval();
  const Tensor classes = cast(floor(uniform({c.batch}, random_key(1, 1)) * 10), i64).eval();
  if (c.training) {
    nn::Trainer trainer(model);
    report(run, c.name, "default", c.batch, [&] { trainer.step(x, classes).loss.item<float>(); });
  } else {
    report_op(run, c.name, c.batch, {x}, [&](const std::vector<Tensor>& t) { return model(t[0]); });
  }
}

void measure(const Run& run) {
  const ThreadLimit limit(run.threads);
  for (const StepCase& c : step_cases) measure_step(run, c);
  using X = const std::vector<Tensor>&;
  for (const MatmulCase& c : matmul_cases)
    report_op(run, c.name, gflop(c), {draw({c.m, c.k}, 0), draw({c.k, c.n}, 1)},
              [](X x) { return matmul(x[0], x[1]); });
  for (const ConvCase& c : conv_cases) {
    const std::vector<Tensor> inputs{draw({c.batch, c.size, c.size, c.in}, 0), draw({3, 3, c.in, c.out}, 1),
                                     draw({c.batch, c.size, c.size, c.out}, 2)};
    const auto conv = [](X x) { return conv2d(x[0], x[1], {.padding = Padding::same()}); };
    report_op(run, c.forward, gflop(c), inputs, conv);
    report_op(run, c.input_gradient, gflop(c), inputs, [&](X x) { return vjp({conv(x)}, {x[2]}, {x[0]})[0]; });
    report_op(run, c.weight_gradient, gflop(c), inputs, [&](X x) { return vjp({conv(x)}, {x[2]}, {x[1]})[0]; });
  }
}

}  // namespace

int main(int count, char** arguments) { return run_main(count, arguments, measure); }
