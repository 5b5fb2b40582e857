// The public functions of reverse mode itself that are ops.
#include <cmath>

#include <telaio/autograd/builtin.hpp>
#include <telaio/autograd/grad.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/samples/draw.hpp>
#include <telaio/ops/unary.hpp>

namespace telaio::samples {

namespace {

std::vector<Sample> stop_gradient_samples(uint64_t seed) {
  Draw draw(seed);
  const auto same = [](const Reference& x) { return x; };
  std::vector<Sample> all;
  // Its derivative is not the function's: only what does not depend on the inputs can be compared with differences.
  for (const Shape& shape : {Shape{2, 3}, Shape{}, Shape{0, 2}})
    all.push_back(sample(
                      draw.floats(shape), [](const Tensor& x) { return stop_gradient(x); }, same)
                      .without_derivative());
  all.push_back(sample(
      {draw.floats({2, 3}), draw.integers({3}, 1, 5)},
      [](const std::vector<Tensor>& x) { return std::vector<Tensor>{x[0] * stop_gradient(cast(x[1], x[0].dtype()))}; },
      [](const References& x) { return References{map(x[0], x[1], [](double a, double b) { return a * b; })}; },
      "as a factor"));
  return all;
}

std::vector<Sample> checkpoint_samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  for (const Shape& shape : {Shape{2, 3}, Shape{}, Shape{0, 2}, Shape{100'003}}) {
    all.push_back(sample(
        draw.floats(shape),
        [](const Tensor& x) { return checkpoint([](const Tensor& inner) { return tanh(inner * inner) * inner; }, x); },
        [](const Reference& x) { return map(x, [](double v) { return std::tanh(v * v) * v; }); }));
  }
  all.push_back(sample(
      {draw.floats({3}), draw.floats({2, 3})},
      [](const std::vector<Tensor>& x) {
        const Tensor captured = exp(x[1]);
        return checkpoint(
            [&](const std::vector<Tensor>& in) {
              return std::vector<Tensor>{sin(in[0]) * captured, in[0] * in[1]};
            },
            x);
      },
      [](const References& x) {
        return References{map(x[0], x[1], [](double a, double b) { return std::sin(a) * std::exp(b); }),
                          map(x[0], x[1], [](double a, double b) { return a * b; })};
      },
      "two outputs"));
  return all;
}

std::vector<Sample> add_n_samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const Shape& shape, int count) {
    std::vector<Tensor> terms;
    for (int i = 0; i < count; ++i) terms.push_back(draw.floats(shape));
    all.push_back(sample(
        terms, [](const std::vector<Tensor>& x) { return std::vector<Tensor>{add_n(x)}; },
        [](const References& x) {
          Reference sum = x[0];
          for (size_t i = 1; i < x.size(); ++i) sum = map(sum, x[i], [](double a, double b) { return a + b; });
          return References{sum};
        }));
  };
  add({2, 3}, 3);
  add({}, 2);
  add({5}, 1);
  add({0, 2}, 2);
  add({200'003}, 3);
  return all;
}

}  // namespace

void add_builtin(std::vector<OpRow>& table) {
  table.push_back({"stop_gradient", stop_gradient_samples, {{[] { stop_gradient(Tensor()); }, "undefined"}}});
  table.push_back({"checkpoint", checkpoint_samples, {}});
  table.push_back({"add_n",
                   add_n_samples,
                   {{[] { add_n({}); }, "nothing to add"},
                    {[] {
                       add_n({ones({2}), ones({3})});
                     },
                     "differ"},
                    {[] {
                       add_n({ones({2}), ones({2}, f64)});
                     },
                     "differ"},
                    {[] {
                       add_n({ones({2}), Tensor()});
                     },
                     "undefined"}}});
}

}  // namespace telaio::samples
