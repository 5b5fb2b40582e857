#include <telaio/nn/layers/dropout.hpp>

#include <fmt/format.h>

#include <telaio/autograd/op.hpp>
#include <telaio/ops/random.hpp>

namespace telaio::nn {

Tensor Dropout::call(const Tensor& x, LayerContext& context) const {
  if (!(rate >= 0 && rate < 1))  // also when it does not train, so that a wrong model is refused when it is built
    fail(type, fmt::format("rate: expected 0 or more and less than 1, got {}", rate), {}, where);
  return context.training() ? dropout(x, rate, context.random_key(where), where) : x;
}

void Dropout::fields(Fields& f) {
  f("rate", rate);
  f("name", name);
}

}  // namespace telaio::nn
