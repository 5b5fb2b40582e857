#include <telaio/nn/layers/dense.hpp>

#include <telaio/autograd/op.hpp>
#include <telaio/nn/layers/checks.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/indexing.hpp>
#include <telaio/ops/matmul.hpp>

namespace telaio::nn {

Tensor Dense::call(const Tensor& x, LayerContext& context) const {
  check_at_least(type, "units", units, 1, where);
  check_has_axes(type, x, "[N,…,in]", where);
  const int64_t in = x.dim(-1);
  const Fans fans{in, units};
  Tensor y = matmul(x, context.parameter("weight", {in, units}, weight_initializer, fans), where);  // [N,in]·[in,units]
  if (use_bias) y = add({y, where}, {context.parameter("bias", {units}, bias_initializer, fans), where});
  return context.activate(y, activation, where);
}

void Dense::fields(Fields& f) {
  f("units", units);
  f("activation", activation);
  f("use_bias", use_bias);
  f("weight_initializer", weight_initializer);
  f("bias_initializer", bias_initializer);
  f("name", name);
}

Tensor Embedding::call(const Tensor& x, LayerContext& context) const {
  check_at_least(type, "vocabulary", vocabulary, 1, where);
  check_at_least(type, "dim", dim, 1, where);
  if (!is_integer(x.dtype())) fail(type, "expected whole numbers, the indices of rows", {&x, 1}, where);
  return take(context.parameter("weight", {vocabulary, dim}, weight_initializer, {vocabulary, dim}), x, 0, where);
}

void Embedding::fields(Fields& f) {
  f("vocabulary", vocabulary);
  f("dim", dim);
  f("weight_initializer", weight_initializer);
  f("name", name);
}

}  // namespace telaio::nn
