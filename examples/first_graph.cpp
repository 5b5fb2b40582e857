#include <iostream>

#include <telaio/telaio.hpp>

int main() {
  using namespace telaio;
  const Tensor x = tensor({{1.0, 2.0}, {3.0, 4.0}, {5.0, 7.0}});  // f64[3,2]
  const Variable w("w", tensor({0.0, 0.0}));                      // a parameter: a named slot with a value

  // Building a graph checks shapes and types and computes nothing. A gradient is more of the same graph.
  const Tensor target = tensor({1.0, 2.0, 4.0});
  const Tensor loss = mean(square(matmul(x, w) - target));
  const Tensor slope = grad(loss, w);

  std::cout << "loss  " << loss << "\nslope " << slope << "\n";  // the values are asked for, so they are computed
  std::cout << to_text({loss});                                  // the graph itself, a line a node
}
