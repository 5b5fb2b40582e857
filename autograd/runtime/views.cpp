#include <telaio/autograd/runtime/views.hpp>

#include <vector>

#include <telaio/autograd/node.hpp>

namespace telaio {

const Tensor* viewed(const Node& node, size_t output) {
  if (node.values() || output >= node.inputs().size()) return nullptr;
  const Tensor& from = node.inputs()[output];
  Strides strides;
  int64_t offset = 0;
  const bool is =
      node.op().view(from.spec(), contiguous_strides(from.shape()), node.outputs()[output], strides, offset);
  return is ? &from : nullptr;
}

bool is_view(const Node& node) { return node.outputs().size() == 1 && viewed(node, 0); }

Tensor base_of(Tensor x) {
  while (const Tensor* from = viewed(*x.node(), static_cast<size_t>(x.index()))) x = Tensor(*from);
  return x;
}

Strides strides_of(const Tensor& x) {
  std::vector<const Tensor*> views;  // of one another, the last one first
  const Tensor* base = &x;
  while (const Tensor* from = viewed(*base->node(), static_cast<size_t>(base->index()))) {
    views.push_back(base);
    base = from;
  }
  const auto* values = base->node()->values();
  Strides strides =
      values ? (*values)[static_cast<size_t>(base->index())].strides() : contiguous_strides(base->shape());
  for (; !views.empty(); views.pop_back()) {
    const Tensor& view = *views.back();
    Strides seen;
    int64_t offset = 0;
    const bool is = view.node()->op().view(base->spec(), strides, view.spec(), seen, offset);
    strides = is ? seen : contiguous_strides(view.shape());
    base = &view;
  }
  return strides;
}

}  // namespace telaio
