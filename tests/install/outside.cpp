// Uses a graph, its gradient and a compiled function, as a program that knows Telaio only by find_package.
#include <iostream>

#include <telaio/telaio.hpp>

int main() {
  const auto f = telaio::compile([](const telaio::Tensor& x) { return telaio::grad(x * x * x, x); });
  const float slope = f(2.0f).item<float>();
  std::cout << "the derivative of x³ at 2 is " << slope << "\n";
  return slope == 12.0f ? 0 : 1;
}
