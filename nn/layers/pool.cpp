#include <telaio/nn/layers/pool.hpp>

#include <telaio/nn/layers/checks.hpp>
#include <telaio/ops/pool2d.hpp>

namespace telaio::nn {

namespace {

template <class L>
void window_fields(L& layer, Fields& f) {
  f("size", layer.size);
  f("strides", layer.strides);
  f("padding", layer.padding);
  f("name", layer.name);
}

}  // namespace

Tensor MaxPool2D::call(const Tensor& x, LayerContext&) const {
  check_rank(type, x, 4, "images [N,H,W,C]", where);
  return max_pool2d(x, size, {.stride = strides, .padding = padding}, where);
}
void MaxPool2D::fields(Fields& f) { window_fields(*this, f); }

Tensor AveragePool2D::call(const Tensor& x, LayerContext&) const {
  check_rank(type, x, 4, "images [N,H,W,C]", where);
  return avg_pool2d(x, size, {.stride = strides, .padding = padding}, false, where);
}
void AveragePool2D::fields(Fields& f) { window_fields(*this, f); }

Tensor GlobalAveragePool2D::call(const Tensor& x, LayerContext&) const {
  check_rank(type, x, 4, "images [N,H,W,C]", where);
  return global_avg_pool2d(x, where);
}
void GlobalAveragePool2D::fields(Fields& f) { f("name", name); }

Tensor GlobalMaxPool2D::call(const Tensor& x, LayerContext&) const {
  check_rank(type, x, 4, "images [N,H,W,C]", where);
  return global_max_pool2d(x, where);
}
void GlobalMaxPool2D::fields(Fields& f) { f("name", name); }

}  // namespace telaio::nn
