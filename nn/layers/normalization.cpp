#include <telaio/nn/layers/normalization.hpp>

#include <fmt/format.h>

#include <telaio/autograd/op.hpp>
#include <telaio/nn/layers/checks.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/normalization.hpp>

namespace telaio::nn {

namespace {

void check_epsilon(std::string_view type, double epsilon, const SourceLocation& where) {
  if (!(epsilon >= 0)) fail(type, fmt::format("epsilon: expected 0 or more, got {}", epsilon), {}, where);
}

template <class L>
void normalization_fields(L& layer, Fields& f) {
  f("epsilon", layer.epsilon);
  f("scale", layer.scale);
  f("center", layer.center);
  f("name", layer.name);
}

}  // namespace

Tensor BatchNorm::call(const Tensor& x, LayerContext& context) const {
  if (!(momentum >= 0 && momentum <= 1)) fail(type, fmt::format("momentum: expected 0…1, got {}", momentum), {}, where);
  check_epsilon(type, epsilon, where);
  check_has_axes(type, x, "[N,…,C]", where);
  const Shape channels{x.dim(-1)};
  const Tensor gamma = scale ? context.parameter("gamma", channels, "ones") : Tensor();
  const Tensor beta = center ? context.parameter("beta", channels, "zeros") : Tensor();
  const Tensor mean = context.state("moving_mean", channels, 0);
  const Tensor variance = context.state("moving_variance", channels, 1);
  if (!context.training()) return batch_norm_inference(x, mean, variance, gamma, beta, epsilon, where);
  const telaio::BatchNorm batch = batch_norm(x, gamma, beta, epsilon, where);
  const auto moved = [&](const Tensor& moving, const Tensor& now) {
    return add({mul({moving, where}, momentum), where}, {mul({now, where}, 1 - momentum), where});
  };
  context.update("moving_mean", moved(mean, batch.mean));
  context.update("moving_variance", moved(variance, batch.variance));
  return batch.y;
}
void BatchNorm::fields(Fields& f) {
  f("momentum", momentum);
  normalization_fields(*this, f);
}

Tensor LayerNorm::call(const Tensor& x, LayerContext& context) const {
  check_epsilon(type, epsilon, where);
  check_has_axes(type, x, "[N,…,C]", where);
  const Shape channels{x.dim(-1)};
  const Tensor gamma = scale ? context.parameter("gamma", channels, "ones") : Tensor();
  const Tensor beta = center ? context.parameter("beta", channels, "zeros") : Tensor();
  return layer_norm(x, gamma, beta, epsilon, where);
}
void LayerNorm::fields(Fields& f) { normalization_fields(*this, f); }

}  // namespace telaio::nn
