#include <telaio/autograd/composed_vjp.hpp>

#include <telaio/autograd/grad.hpp>

namespace telaio {

std::vector<Tensor> composed_vjp(Tensors x, Tensors y, Tensors gy, Needs needs) {
  std::vector<Tensor> reached, cotangents, wrt;
  for (size_t i = 0; i < y.size(); ++i) {
    if (!gy[i].defined()) continue;
    reached.push_back(y[i]);
    cotangents.push_back(gy[i]);
  }
  for (size_t i = 0; i < x.size(); ++i)
    if (needs[i]) wrt.push_back(x[i]);
  const std::vector<Tensor> gradients = vjp(reached, cotangents, wrt, {.independent = true});
  std::vector<Tensor> gx(x.size());
  for (size_t i = 0, next = 0; i < x.size(); ++i)
    if (needs[i]) gx[i] = gradients[next++];
  return gx;
}

}  // namespace telaio
