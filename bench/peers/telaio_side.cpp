// Telaio's side of the comparison: what it has to do in all of the cases.
#include <algorithm>
#include <memory>
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
void add_op(Cases& cases, const char* name, double amount, const std::vector<Tensor>& inputs, const F& f) {
  const auto y = std::make_shared<Variable>("y", zeros(f(inputs).shape()));
  const auto assign = [y, f](const std::vector<Tensor>& x) { y->assign(f(x)); };
  using Step = decltype(compile(assign));
  const std::shared_ptr<Step> step(new Step(compile(assign)));
  cases.add(name, "default", amount, [step, inputs] { (*step)(inputs); });
}

void add_step(Cases& cases, const StepCase& c) {
  const char* network = c.dense ? "dense" : "cnn";
  const nn::Model model(nn::network_named(network), {28, 28, 1}, {.name = network});
  const Tensor x = uniform({c.batch, 28, 28, 1}, random_key(1, 0)).eval();
  const Tensor classes = cast(floor(uniform({c.batch}, random_key(1, 1)) * 10), i64).eval();
  if (c.training) {
    const auto trainer = std::make_shared<nn::Trainer>(model);
    cases.add(c.name, "default", c.batch, [trainer, x, classes] { trainer->step(x, classes).loss.item<float>(); });
  } else {
    add_op(cases, c.name, c.batch, {x}, [model](const std::vector<Tensor>& t) { return model(t[0]); });
  }
}

void add_cases(int, Cases& cases) {
  for (const StepCase& c : step_cases) add_step(cases, c);
  using X = const std::vector<Tensor>&;
  for (const MatmulCase& c : matmul_cases)
    add_op(cases, c.name, gflop(c), {draw({c.m, c.k}, 0), draw({c.k, c.n}, 1)}, [](X x) { return matmul(x[0], x[1]); });
  for (const ConvCase& c : conv_cases) {
    const std::vector<Tensor> inputs{draw({c.batch, c.size, c.size, c.in}, 0), draw({3, 3, c.in, c.out}, 1),
                                     draw({c.batch, c.size, c.size, c.out}, 2)};
    const auto conv = [](X x) { return conv2d(x[0], x[1], {.padding = Padding::same()}); };
    add_op(cases, c.forward, gflop(c), inputs, conv);
    add_op(cases, c.input_gradient, gflop(c), inputs, [conv](X x) { return vjp({conv(x)}, {x[2]}, {x[0]})[0]; });
    add_op(cases, c.weight_gradient, gflop(c), inputs, [conv](X x) { return vjp({conv(x)}, {x[2]}, {x[1]})[0]; });
  }
}

}  // namespace

int main(int count, char** arguments) {
  const ThreadLimit limit(count > 1 ? std::max(std::atoi(arguments[1]), 1) : 1);
  return run_main(count, arguments, add_cases);
}
