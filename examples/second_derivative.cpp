// Derivatives of derivatives.
//
// grad() returns tensors that are built from the same public ops as everything else. So a gradient can be
// differentiated again, as often as you like, and nothing special is needed for it. Three uses:
//
//   1. d²y/dx² of a function of one number, against the formula;
//   2. the product of a Hessian with a vector, without the Hessian: the gradient of (gradient · vector);
//   3. Newton's method on Rosenbrock's valley, where gradient descent takes thousands of steps and Newton six.
//
// The program checks each result and exits with 1 if one is wrong.
#include <algorithm>
#include <cmath>
#include <iostream>
#include <vector>

#include <telaio/telaio.hpp>

using namespace telaio;

namespace {

bool all_right = true;

void expect(const char* what, double got, double wanted) {
  const bool right = std::abs(got - wanted) <= 1e-9 * std::max(1.0, std::abs(wanted));
  std::cout << what << ": " << got << (right ? "\n" : "   WRONG, it should be ");
  if (!right) std::cout << wanted << "\n";
  all_right = all_right && right;
}

// (1 − x)² + 100·(y − x²)²: a bent valley whose lowest point is (1, 1). Takes f64[2].
Tensor rosenbrock(const Tensor& at) {
  const Tensor x = slice(at, 0, 0, 1), y = slice(at, 0, 1, 2);
  return sum(square(1 - x) + 100 * square(y - square(x)));
}

}  // namespace

int main() {
  // 1. y = eˣ·sin x has y″ = 2·eˣ·cos x.
  const Tensor x = full({}, 0.5, f64);
  const Tensor dy = grad(exp(x) * sin(x), x);
  const Tensor ddy = grad(dy, x);
  expect("second derivative of exp(x)·sin(x) at 0.5", ddy.item<double>(), 2 * std::exp(0.5) * std::cos(0.5));

  // 2. H·v = ∇(∇f · v). At (−1.2, 1) the Hessian is [[1330, 480], [480, 200]]; v = (1, 2).
  const Tensor at = from_data<double>(std::vector<double>{-1.2, 1}, {2});
  const Tensor v = from_data<double>(std::vector<double>{1, 2}, {2});
  const Tensor hv = grad(sum(grad(rosenbrock(at), at) * v), at);
  expect("Hessian times vector, first element ", slice(hv, 0, 0, 1).item<double>(), 1330 + 2 * 480);
  expect("Hessian times vector, second element", slice(hv, 0, 1, 2).item<double>(), 480 + 2 * 200);

  // 3. Newton: walk to where the second-order model is lowest, p − H⁻¹·g. The rows of H are the gradients of the
  // elements
  //    of g. All of it, both derivatives and the 2×2 solution, is compiled into one function.
  const auto newton = compile([](const Tensor& p) {
    const Tensor g = grad(rosenbrock(p), p);
    const Tensor g0 = slice(g, 0, 0, 1), g1 = slice(g, 0, 1, 2);
    const Tensor h0 = grad(sum(g0), p), h1 = grad(sum(g1), p);
    const Tensor a = slice(h0, 0, 0, 1), b = slice(h0, 0, 1, 2), c = slice(h1, 0, 0, 1), d = slice(h1, 0, 1, 2);
    const Tensor step = concat({d * g0 - b * g1, a * g1 - c * g0}, 0) / (a * d - b * c);  // Cramer's rule
    return p - step;
  });
  Tensor p = at;
  for (int i = 1; i <= 7; ++i) {
    p = newton(p);
    std::cout << "Newton step " << i << ": " << p << ", height " << rosenbrock(p).item<double>() << "\n";
  }
  expect("lowest point, x", slice(p, 0, 0, 1).item<double>(), 1);
  expect("lowest point, y", slice(p, 0, 1, 2).item<double>(), 1);
  return all_right ? 0 : 1;
}
