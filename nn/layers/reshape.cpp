#include <telaio/nn/layers/reshape.hpp>

#include <fmt/format.h>

#include <telaio/autograd/op.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio::nn {

Tensor Flatten::call(const Tensor& x, LayerContext&) const {
  return x.rank() == 1 ? unsqueeze(x, 1, where) : flatten(x, 1, where);
}
void Flatten::fields(Fields& f) { f("name", name); }

Tensor Reshape::call(const Tensor& x, LayerContext&) const {
  if (shape.rank() >= max_rank)
    fail(type, fmt::format("shape: expected fewer than {} axes, got {}", max_rank, to_string(shape)), {&x, 1}, where);
  Shape full = shape;
  if (x.dim(0) == 0) {  // a size of −1 follows from a sample: from nothing it does not
    int64_t open = 1;
    for (int axis = 1; axis < x.rank(); ++axis) open *= x.dim(axis);
    for (const int64_t size : shape)
      if (size > 0) open /= size;
    for (int64_t& size : full)
      if (size == -1) size = open;
  }
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
