#include <telaio/ops/op_behind.hpp>
#include <telaio/ops/pool2d.hpp>

#include <limits>

#include <fmt/format.h>

#include <telaio/autograd/op.hpp>
#include <telaio/ops/conv2d_pool.hpp>
#include <telaio/ops/kernels/pool2d.hpp>
#include <telaio/ops/named_operands.hpp>
#include <telaio/ops/pool2d_op.hpp>
#include <telaio/ops/reduce.hpp>

namespace telaio {

namespace {

void check_image(const TensorSpec& x) {
  if (!is_float(x.dtype)) throw Error("the image must be f32 or f64");
  if (x.shape.rank() != 4) throw Error("the image must have 4 axes, [batch, height, width, channels]");
}

kernels::Pool2dGeometry geometry(const Shape& image, const Pooling& pooling) {
  const Windows2d windows =
      lay_windows({image[1], image[2]}, window_extent(pooling.window, 1), pooling.stride, pooling.padding);
  kernels::Pool2dGeometry g{};
  g.n = image[0], g.h = image[1], g.w = image[2], g.c = image[3];
  g.oh = windows.height.count, g.ow = windows.width.count;
  g.window_h = pooling.window.height, g.window_w = pooling.window.width;
  g.stride_h = pooling.stride.height, g.stride_w = pooling.stride.width;
  g.pad_top = windows.height.before, g.pad_bottom = windows.height.after;
  g.pad_left = windows.width.before, g.pad_right = windows.width.after;
  return g;
}

Shape pooled(const kernels::Pool2dGeometry& g) { return {g.n, g.oh, g.ow, g.c}; }
Shape image(const kernels::Pool2dGeometry& g) { return {g.n, g.h, g.w, g.c}; }

// Every window starts between the first and the last one, so these two tell.
void check_no_empty_window(const kernels::Pool2dGeometry& g) {
  const auto check = [](const char* side, int64_t size, int64_t window, int64_t stride, int64_t before, int64_t count) {
    if (before >= window || (count - 1) * stride - before >= size)
      throw Error(fmt::format("a window of {} {} would lie in padding alone", side, window));
  };
  check("height", g.h, g.window_h, g.stride_h, g.pad_top, g.oh);
  check("width", g.w, g.window_w, g.stride_w, g.pad_left, g.ow);
}

// Positions in an image are i32.
void check_positions(const kernels::Pool2dGeometry& g) {
  if (g.h * g.w > std::numeric_limits<int32_t>::max())
    throw Error(fmt::format("an image of {}x{} has more than 2^31 - 1 positions", g.h, g.w));
}

void check_shape(const TensorSpec& x, std::string_view name, const Shape& expected) {
  if (!(x.shape == expected)) throw Error(fmt::format("the {} must have shape {}", name, to_string(expected)));
}

// What the pools and their derivatives share: the windows, and the image that they lie on.
class Pool2d : public Op {
 public:
  explicit Pool2d(const Pooling& pooling) : pooling_(pooling) {}
  std::string attributes() const override {
    return fmt::format("window={} stride={} padding={}", to_string(pooling_.window), to_string(pooling_.stride),
                       to_string(pooling_.padding));
  }
  bool same_as(const Op& other) const override { return pooling_ == static_cast<const Pool2d&>(other).pooling_; }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override { return BatchFlow::first_axis(axes); }

 protected:
  // Each output element looks at its whole window.
  double window_flops(int64_t outputs) const {
    return static_cast<double>(outputs) * static_cast<double>(pooling_.window.height * pooling_.window.width);
  }
  const Pooling pooling_;
};

Tensor max_pool2d_scatter(const Tensor& y, const Tensor& argmax, const Pooling& pooling, Size2d image);

// x → the maxima and their positions
class MaxPool2d final : public Pool2d {
 public:
  using Pool2d::Pool2d;
  const Pooling& pooling() const { return pooling_; }
  std::vector<Tensor> fused(const Node& node) const override { return fused_max_pool2d(node); }
  std::string_view name() const override { return "max_pool2d"; }
  std::string_view input_name(size_t) const override { return "image"; }
  std::vector<TensorSpec> infer(Specs x) const override {
    check_image(x[0]);
    const auto g = geometry(x[0].shape, pooling_);
    check_no_empty_window(g);
    check_positions(g);
    return {{x[0].dtype, pooled(g)}, {i32, pooled(g)}};
  }
  void run(Views x, Views y, void*) const override {
    const auto g = geometry(x[0].shape(), pooling_);
    with_float(y[0].dtype(),
               [&]<class T>() { kernels::max_pool2d(g, x[0].data<T>(), y[0].data<T>(), y[1].data<int32_t>()); });
  }
  std::vector<Tensor> vjp(Tensors x, Tensors y, Tensors gy, Needs) const override {
    if (!gy[0].defined()) return {Tensor()};
    return {max_pool2d_scatter(gy[0], y[1], pooling_, {x[0].dim(1), x[0].dim(2)})};
  }
  double flops(Specs, Specs y) const override { return window_flops(y[0].numel()); }
};

// (x, argmax) → the elements of x at the positions
class MaxPool2dGather final : public Pool2d {
 public:
  using Pool2d::Pool2d;
  std::string_view name() const override { return "max_pool2d_gather"; }
  std::string_view input_name(size_t i) const override { return i == 0 ? "image" : "argmax"; }
  std::vector<TensorSpec> infer(Specs x) const override {
    check_image(x[0]);
    const auto g = geometry(x[0].shape, pooling_);
    check_shape(x[1], "argmax", pooled(g));
    return {{x[0].dtype, pooled(g)}};
  }
  void run(Views x, Views y, void*) const override {
    const auto g = geometry(x[0].shape(), pooling_);
    with_float(y[0].dtype(),
               [&]<class T>() { kernels::max_pool2d_gather(g, x[0].data<T>(), x[1].data<int32_t>(), y[0].data<T>()); });
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs) const override {
    return {max_pool2d_scatter(gy[0], x[1], pooling_, {x[0].dim(1), x[0].dim(2)}), Tensor()};
  }
};

// (y, argmax) → zeros, with the elements of y added at their positions
class MaxPool2dScatter final : public Pool2d {
 public:
  MaxPool2dScatter(const Pooling& pooling, Size2d image) : Pool2d(pooling), image_(image) {}
  std::string_view name() const override { return "max_pool2d_scatter"; }
  std::string_view input_name(size_t i) const override { return i == 0 ? "gy" : "argmax"; }
  std::vector<TensorSpec> infer(Specs x) const override {
    check_image(x[0]);
    const auto g = geometry_of(x[0].shape);
    check_shape(x[0], "gy", pooled(g));
    check_shape(x[1], "argmax", pooled(g));
    return {{x[0].dtype, image(g)}};
  }
  void run(Views x, Views y, void*) const override {
    const auto g = geometry_of(x[0].shape());
    with_float(y[0].dtype(), [&]<class T>() {
      kernels::max_pool2d_scatter(g, x[0].data<T>(), x[1].data<int32_t>(), y[0].data<T>());
    });
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs) const override {
    return {apply(OpPtr(new MaxPool2dGather(pooling_)), {gy[0], x[1]}, TELAIO_HERE), Tensor()};
  }
  bool same_as(const Op& other) const override {
    return Pool2d::same_as(other) && image_ == static_cast<const MaxPool2dScatter&>(other).image_;
  }

 private:
  kernels::Pool2dGeometry geometry_of(const Shape& y) const {
    return geometry({y[0], image_.height, image_.width, y[3]}, pooling_);
  }
  Size2d image_;
};

Tensor max_pool2d_scatter(const Tensor& y, const Tensor& argmax, const Pooling& pooling, Size2d image) {
  return apply(OpPtr(new MaxPool2dScatter(pooling, image)), {y, argmax}, TELAIO_HERE);
}

Tensor average(const Tensor& x, const Pooling& pooling, bool count_include_pad, const SourceLocation& where);

// y → its transpose: each element spread evenly over what its window averaged
class AvgPool2dGrad final : public Pool2d {
 public:
  AvgPool2dGrad(const Pooling& pooling, bool count_include_pad, Size2d image)
      : Pool2d(pooling), count_include_pad_(count_include_pad), image_(image) {}
  std::string_view name() const override { return "avg_pool2d_grad"; }
  std::string_view input_name(size_t) const override { return "gy"; }
  std::vector<TensorSpec> infer(Specs x) const override {
    check_image(x[0]);
    const auto g = geometry_of(x[0].shape);
    check_shape(x[0], "gy", pooled(g));
    return {{x[0].dtype, image(g)}};
  }
  void run(Views x, Views y, void*) const override {
    const auto g = geometry_of(x[0].shape());
    with_float(y[0].dtype(),
               [&]<class T>() { kernels::avg_pool2d_grad(g, x[0].data<T>(), y[0].data<T>(), count_include_pad_); });
  }
  std::vector<Tensor> vjp(Tensors, Tensors, Tensors gy, Needs) const override {
    return {average(gy[0], pooling_, count_include_pad_, TELAIO_HERE)};
  }
  bool same_as(const Op& other) const override {
    const auto& o = static_cast<const AvgPool2dGrad&>(other);
    return Pool2d::same_as(other) && count_include_pad_ == o.count_include_pad_ && image_ == o.image_;
  }
  double flops(Specs x, Specs) const override { return window_flops(x[0].numel()); }

 private:
  kernels::Pool2dGeometry geometry_of(const Shape& y) const {
    return geometry({y[0], image_.height, image_.width, y[3]}, pooling_);
  }
  bool count_include_pad_;
  Size2d image_;
};

class AvgPool2d final : public Pool2d {
 public:
  AvgPool2d(const Pooling& pooling, bool count_include_pad) : Pool2d(pooling), count_include_pad_(count_include_pad) {}
  std::string_view name() const override { return "avg_pool2d"; }
  std::string_view input_name(size_t) const override { return "image"; }
  std::vector<TensorSpec> infer(Specs x) const override {
    check_image(x[0]);
    const auto g = geometry(x[0].shape, pooling_);
    if (!count_include_pad_) check_no_empty_window(g);  // it would be the mean of nothing
    return {{x[0].dtype, pooled(g)}};
  }
  void run(Views x, Views y, void*) const override {
    const auto g = geometry(x[0].shape(), pooling_);
    with_float(y[0].dtype(),
               [&]<class T>() { kernels::avg_pool2d(g, x[0].data<T>(), y[0].data<T>(), count_include_pad_); });
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs) const override {
    return {apply(OpPtr(new AvgPool2dGrad(pooling_, count_include_pad_, {x[0].dim(1), x[0].dim(2)})), {gy[0]},
                  TELAIO_HERE)};
  }
  bool same_as(const Op& other) const override {
    return Pool2d::same_as(other) && count_include_pad_ == static_cast<const AvgPool2d&>(other).count_include_pad_;
  }
  double flops(Specs, Specs y) const override { return window_flops(y[0].numel()); }

 private:
  bool count_include_pad_;
};

Tensor average(const Tensor& x, const Pooling& pooling, bool count_include_pad, const SourceLocation& where) {
  return apply(OpPtr(new AvgPool2d(pooling, count_include_pad)), {x}, where);
}

Pooling pooling_of(Size2d window, const Pool2dOptions& options) {
  return {window, options.stride.value_or(window), options.padding};
}

void check_global(std::string_view name, const Tensor& x, const SourceLocation& where) {
  try {
    check_image(x.spec());
    if (x.dim(1) == 0 || x.dim(2) == 0) throw Error("the image has no positions");
  } catch (const Error& error) {
    fail(name, error.what(), {{"image", x}}, where);
  }
}

}  // namespace

const Pooling* max_pool2d_behind(const Tensor& y) {
  const auto* op = op_behind<MaxPool2d>(y);
  return op ? &op->pooling() : nullptr;
}

bool is_max_pool2d_scatter(const Tensor& y) { return op_behind<MaxPool2dScatter>(y) != nullptr; }

Tensor max_pool2d(const Tensor& x, Size2d window, const Pool2dOptions& options, const SourceLocation& where) {
  return apply(OpPtr(new MaxPool2d(pooling_of(window, options))), {x}, where);
}

Tensor avg_pool2d(const Tensor& x, Size2d window, const Pool2dOptions& options, bool count_include_pad,
                  const SourceLocation& where) {
  return average(x, pooling_of(window, options), count_include_pad, where);
}

Tensor global_max_pool2d(const Tensor& x, const SourceLocation& where) {
  check_global("global_max_pool2d", x, where);
  return max(x, {1, 2}, false, where);
}

Tensor global_avg_pool2d(const Tensor& x, const SourceLocation& where) {
  check_global("global_avg_pool2d", x, where);
  return mean(x, {1, 2}, false, where);
}

}  // namespace telaio
