#include <telaio/nn/layers/reshape.hpp>

#include <telaio/ops/binary.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio::nn {

Tensor Flatten::call(const Tensor& x, LayerContext&) const { return flatten(x, 1, where); }
void Flatten::fields(Fields& f) { f("name", name); }

Tensor Reshape::call(const Tensor& x, LayerContext&) const {
  Shape full = shape;
  full.insert(0, x.dim(0));
  return reshape(x, full, where);
}
void Reshape::fields(Fields& f) {
  f("shape", shape);
  f("name", name);
}

Tensor Rescaling::call(const Tensor& x, LayerContext& context) const {
  const Tensor scaled = mul({cast(x, context.dtype(), where), where}, scale);
  return offset == 0 ? scaled : add({scaled, where}, offset);
}
void Rescaling::fields(Fields& f) {
  f("scale", scale);
  f("offset", offset);
  f("name", name);
}

Tensor Activation::call(const Tensor& x, LayerContext& context) const { return context.activate(x, function, where); }
void Activation::fields(Fields& f) {
  f("function", function);
  f("name", name);
}

Tensor Softmax::call(const Tensor& x, LayerContext& context) const { return context.activate(x, "softmax", where); }
void Softmax::fields(Fields& f) { f("name", name); }

}  // namespace telaio::nn
