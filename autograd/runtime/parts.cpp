#include <telaio/autograd/runtime/parts.hpp>

#include <algorithm>
#include <array>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/autograd/runtime/views.hpp>

namespace telaio {

bool is_repeated(const Strides& strides) {
  return std::all_of(strides.begin(), strides.end(), [](int64_t step) { return step == 0; });
}

bool has_parts(const Node& node) {
  if (!node.op().runs_on_parts() || node.inputs().size() + node.outputs().size() > most_part_operands) return false;
  const Shape& shape = node.outputs()[0].shape;
  for (const TensorSpec& y : node.outputs())
    if (!(y.shape == shape)) return false;
  return std::all_of(node.inputs().begin(), node.inputs().end(), [&](const Tensor& x) {
    if (x.rank() == 0) return true;
    const Strides strides = strides_of(x);
    return x.shape() == shape && (is_contiguous(shape, strides) || is_repeated(strides));
  });
}

void run_on_part(const Op& op, Views x, Views y, int64_t first, int64_t count, size_t piece) {
  const SerialScope serial;
  const Strides next{1}, same{0};
  std::array<TensorSpec, most_part_operands> specs;
  std::array<View, most_part_operands> views;
  size_t made = 0;
  const auto add = [&](const View& whole, bool is_piece) {
    if (whole.shape().rank() == 0) {
      views[made++] = whole;
      return;
    }
    const bool repeated = !is_piece && is_repeated(*whole.strides);
    const int64_t offset = repeated || is_piece ? 0 : first * static_cast<int64_t>(size_of(whole.dtype()));
    specs[made] = {whole.dtype(), {count}};
    views[made] = {whole.bytes + offset, &specs[made], repeated ? &same : &next};
    ++made;
  };
  for (size_t i = 0; i < x.size(); ++i) add(x[i], i == piece);
  for (const View& view : y) add(view, false);
  op.run(std::span(views).first(x.size()), std::span(views).subspan(x.size(), y.size()), nullptr);
}

}  // namespace telaio
