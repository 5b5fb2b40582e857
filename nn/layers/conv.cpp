#include <telaio/nn/layers/conv.hpp>

#include <fmt/format.h>

#include <telaio/autograd/op.hpp>
#include <telaio/nn/layers/checks.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/conv2d.hpp>

namespace telaio::nn {

namespace {

/// What both layers share: filters of shape `weight` over x, bias and activation. L has the fields.
template <class L>
Tensor convolve(const L& layer, const Tensor& x, const Shape& weight, int64_t groups, Fans fans,
                LayerContext& context) {
  const SourceLocation& where = layer.where;
  const Conv2dOptions options{layer.strides, layer.padding, layer.dilation, groups};
  Tensor y = conv2d(x, context.parameter("weight", weight, layer.weight_initializer, fans), options, where);
  if (layer.use_bias)
    y = add({y, where}, {context.parameter("bias", {weight.back()}, layer.bias_initializer, fans), where});
  return context.activate(y, layer.activation, where);
}

void check_kernel(std::string_view type, const Size2d& kernel, const SourceLocation& where) {
  check_at_least(type, "kernel height", kernel.height, 1, where);
  check_at_least(type, "kernel width", kernel.width, 1, where);
}

}  // namespace

Tensor Conv2D::call(const Tensor& x, LayerContext& context) const {
  check_at_least(type, "filters", filters, 1, where);
  check_at_least(type, "groups", groups, 1, where);
  check_kernel(type, kernel, where);
  check_rank(type, x, 4, "images [N,H,W,C]", where);
  const int64_t channels = x.dim(-1), window = kernel.height * kernel.width;
  if (channels % groups != 0 || filters % groups != 0)
    fail(type, fmt::format("{} groups do not divide {} channels into {} filters", groups, channels, filters), {&x, 1},
         where);
  return convolve(*this, x, {kernel.height, kernel.width, channels / groups, filters}, groups,
                  {window * (channels / groups), window * filters}, context);
}

void Conv2D::fields(Fields& f) {
  f("filters", filters);
  f("kernel", kernel);
  f("activation", activation);
  f("strides", strides);
  f("padding", padding);
  f("dilation", dilation);
  f("groups", groups);
  f("use_bias", use_bias);
  f("weight_initializer", weight_initializer);
  f("bias_initializer", bias_initializer);
  f("name", name);
}

Tensor DepthwiseConv2D::call(const Tensor& x, LayerContext& context) const {
  check_at_least(type, "multiplier", multiplier, 1, where);
  check_kernel(type, kernel, where);
  check_rank(type, x, 4, "images [N,H,W,C]", where);
  const int64_t channels = x.dim(-1), window = kernel.height * kernel.width;
  return convolve(*this, x, {kernel.height, kernel.width, 1, channels * multiplier}, channels,
                  {window, window * multiplier}, context);
}

void DepthwiseConv2D::fields(Fields& f) {
  f("kernel", kernel);
  f("multiplier", multiplier);
  f("activation", activation);
  f("strides", strides);
  f("padding", padding);
  f("dilation", dilation);
  f("use_bias", use_bias);
  f("weight_initializer", weight_initializer);
  f("bias_initializer", bias_initializer);
  f("name", name);
}

}  // namespace telaio::nn
