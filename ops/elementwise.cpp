#include <telaio/ops/elementwise.hpp>

#include <array>

namespace telaio {

BatchFlow ElementwiseOp::along_batch(std::span<int> axes, Specs, Specs) const { return BatchFlow::same_axis(axes); }

void ElementwiseOp::each_chunk(Views x, const View& y, double cycles,
                               FunctionRef<void(const void* const*, void*, int64_t)> chunk) {
  std::array<ChunkInput, max_chunk_inputs> inputs{};
  for (size_t i = 0; i < x.size(); ++i)
    inputs[i] = {x[i].bytes, static_cast<int>(size_of(x[i].dtype())), x[i].strides->data()};
  for_each_chunk(y.shape().rank(), y.shape().data(), std::span(inputs).first(x.size()), y.bytes,
                 static_cast<int>(size_of(y.dtype())), cycles, chunk);
}

}  // namespace telaio
