#include <telaio/ops/elementwise.hpp>

#include <array>

#include <telaio/autograd/runtime/strided.hpp>

namespace telaio {

void ElementwiseOp::run(Views x, Views y, void*) const {
  std::array<ChunkInput, max_chunk_inputs> inputs{};
  std::array<DType, max_chunk_inputs> types{};
  for (size_t i = 0; i < x.size(); ++i) {
    types[i] = x[i].dtype();
    inputs[i] = {x[i].bytes, static_cast<int>(size_of(types[i])), x[i].strides->data()};
  }
  for_each_chunk(y[0].shape().rank(), y[0].shape().data(), std::span(inputs).first(x.size()), y[0].bytes,
                 static_cast<int>(size_of(y[0].dtype())), cycles(), [&](const void* const* in, void* out, int64_t n) {
                   chunk(std::span(types).first(x.size()), in, out, n);
                 });
}

}  // namespace telaio
