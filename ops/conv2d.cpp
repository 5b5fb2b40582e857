#include <telaio/ops/conv2d.hpp>
#include <telaio/ops/op_behind.hpp>

#include <fmt/format.h>

#include <telaio/autograd/op.hpp>
#include <telaio/ops/conv2d_op.hpp>
#include <telaio/ops/conv2d_pool.hpp>
#include <telaio/ops/kernels/conv2d.hpp>
#include <telaio/ops/named_operands.hpp>

// A convolution y = x ⋆ w is linear in the image x and in the filter w. Its gradients by both are two more ops, and the
// derivatives of any of the three are the other two:
//
//   conv2d              (x, w)  → y       gx = input_grad(gy, w)     gw = weight_grad(x, gy)
//   conv2d_input_grad   (y, w)  → x       gy = conv2d(gx, w)         gw = weight_grad(gx, y)
//   conv2d_weight_grad  (x, y)  → w       gx = input_grad(y, gw)     gy = conv2d(x, gw)
//
// with x [N,H,W,C], w [KH,KW,C/groups,O], y [N,OH,OW,O] throughout.

namespace telaio {

namespace {

Tensor conv2d_input_grad(const Tensor& y, const Tensor& w, const Conv2dOptions& options, Size2d image);
Tensor conv2d_weight_grad(const Tensor& x, const Tensor& y, const Conv2dOptions& options, Size2d filter);

Size2d plane(const Shape& image) { return {image[1], image[2]}; }
Size2d window(const Shape& filter) { return {filter[0], filter[1]}; }

void check_operand(const TensorSpec& spec, std::string_view name, std::string_view axes) {
  if (!is_float(spec.dtype)) throw Error(fmt::format("the {} must be f32 or f64", name));
  if (spec.shape.rank() != 4) throw Error(fmt::format("the {} must have 4 axes, {}", name, axes));
}

void check_types(Specs x, std::string_view a, std::string_view b) {
  if (x[0].dtype != x[1].dtype) throw Error(fmt::format("the {} and the {} must be of one type", a, b));
}

void check_groups(const Conv2dOptions& options, int64_t in, int64_t out) {
  const int64_t groups = options.groups;
  if (groups < 1) throw Error(fmt::format("groups must be at least 1, got {}", groups));
  if (in % groups != 0) throw Error(fmt::format("{} groups do not divide {} input channels", groups, in));
  if (out % groups != 0) throw Error(fmt::format("{} groups do not divide {} output channels", groups, out));
}

// What a gradient came from must be what the convolution would give.
void check_output(const Shape& y, std::string_view name, const kernels::Conv2dGeometry& g) {
  const Shape expected{g.n, g.oh, g.ow, g.o};
  if (!(y == expected)) throw Error(fmt::format("the {} must have shape {}", name, to_string(expected)));
}

// What the three ops share.
class Convolution : public Op {
 public:
  explicit Convolution(const Conv2dOptions& options) : options_(options) {}
  std::string attributes() const override {
    std::string text = fmt::format("stride={} padding={}", to_string(options_.stride), to_string(options_.padding));
    if (options_.dilation != Size2d(1)) text += fmt::format(" dilation={}", to_string(options_.dilation));
    if (options_.groups != 1) text += fmt::format(" groups={}", options_.groups);
    return text;
  }
  bool same_as(const Op& other) const override {
    const auto& o = static_cast<const Convolution&>(other);
    return options_ == o.options_ && size() == o.size();
  }
  double flops(Specs x, Specs y) const override {
    const auto g = geometry_of(x, y);
    return 2.0 * static_cast<double>(g.n * g.oh * g.ow) * static_cast<double>(g.kh * g.kw) *
           static_cast<double>(g.c / g.groups) * static_cast<double>(g.o);
  }

 protected:
  virtual kernels::Conv2dGeometry geometry_of(Specs x, Specs y) const = 0;
  // The size of the result where the inputs do not tell it.
  virtual Size2d size() const { return 0; }

  const Conv2dOptions options_;
};

// Images are independent of one another where the filter is the same for all.
BatchFlow over_images(std::span<const int> axes) {
  return axes[0] == 0 && axes[1] < 0 ? BatchFlow::mapped(0) : BatchFlow();
}

// Also with a bias and maybe a relu, as which it is never differentiated.
class Conv2d final : public Convolution {
 public:
  explicit Conv2d(const Conv2dOptions& options) : Convolution(options) {}
  Conv2d(const Conv2dOptions& options, bool relu) : Convolution(options), bias_(true), relu_(relu) {}
  const Conv2dOptions& options() const { return options_; }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override {
    return bias_ && axes[2] >= 0 ? BatchFlow() : over_images(axes);
  }
  std::string_view name() const override { return bias_ ? "conv2d_bias" : "conv2d"; }
  std::string attributes() const override { return Convolution::attributes() + (relu_ ? " relu" : ""); }
  std::string_view input_name(size_t i) const override { return i == 0 ? "image" : i == 1 ? "filter" : "bias"; }
  bool same_as(const Op& other) const override {
    const auto& o = static_cast<const Conv2d&>(other);
    return Convolution::same_as(other) && bias_ == o.bias_ && relu_ == o.relu_;
  }
  Tensor followed_by(const Node& node, std::span<const Node* const> readers) const override {
    if (bias_ || options_.groups != 1) return {};
    return followed_by_bias(node, readers, [&](bool relu) { return OpPtr(new Conv2d(options_, relu)); });
  }

  std::vector<TensorSpec> infer(Specs x) const override {
    check_operand(x[0], "image", "[batch, height, width, channels]");
    check_operand(x[1], "filter", "[height, width, input channels / groups, output channels]");
    check_types(x, "image", "filter");
    const Shape &image = x[0].shape, &filter = x[1].shape;
    check_groups(options_, image[3], filter[3]);
    if (image[3] != filter[2] * options_.groups) {
      throw Error(fmt::format("the filter expects {} input channels{}, the image has {}", filter[2] * options_.groups,
                              options_.groups == 1 ? "" : fmt::format(" ({} groups of {})", options_.groups, filter[2]),
                              image[3]));
    }
    const auto g = conv2d_geometry(image, filter, options_);
    return {{x[0].dtype, {g.n, g.oh, g.ow, g.o}}};
  }
  void run(Views x, Views y, void* scratch) const override {
    const auto g = conv2d_geometry(x[0].shape(), x[1].shape(), options_);
    with_float(y[0].dtype(), [&]<class T>() {
      const kernels::Epilogue<T> epilogue{.bias = bias_ ? x[2].data<T>() : nullptr, .relu = relu_};
      kernels::conv2d(g, x[0].data<T>(), x[1].data<T>(), y[0].data<T>(), scratch, epilogue);
    });
  }
  size_t scratch_bytes(Specs x, Specs y) const override {
    return with_float(y[0].dtype, [&]<class T>() {
      return static_cast<size_t>(kernels::conv2d_scratch_bytes<T>(geometry_of(x, y)));
    });
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs needs) const override {
    std::vector<Tensor> gx(2);
    if (needs[0]) gx[0] = conv2d_input_grad(gy[0], x[1], options_, plane(x[0].shape()));
    if (needs[1]) gx[1] = conv2d_weight_grad(x[0], gy[0], options_, window(x[1].shape()));
    return gx;
  }

 protected:
  kernels::Conv2dGeometry geometry_of(Specs x, Specs) const override {
    return conv2d_geometry(x[0].shape, x[1].shape, options_);
  }

 private:
  bool bias_ = false, relu_ = false;
};

// (y, w) → x; also the transposed convolution, which is a layer of its own and named as such in messages.
class Conv2dInputGrad final : public Convolution {
 public:
  Conv2dInputGrad(bool transposed, const Conv2dOptions& options, Size2d image)
      : Convolution(options), transposed_(transposed), image_(image) {}
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override { return over_images(axes); }
  std::vector<Tensor> fused(const Node& node) const override {
    return transposed_ ? std::vector<Tensor>() : fused_conv2d_input_grad(node, options_);
  }
  std::string_view name() const override { return transposed_ ? "conv2d_transpose" : "conv2d_input_grad"; }
  std::string_view input_name(size_t i) const override { return i == 1 ? "filter" : transposed_ ? "image" : "gy"; }
  std::string attributes() const override {
    return fmt::format("{} size={}x{}", Convolution::attributes(), image_.height, image_.width);
  }

  std::vector<TensorSpec> infer(Specs x) const override {
    check_operand(x[0], input_name(0), "[batch, height, width, channels]");
    check_operand(x[1], "filter", "[height, width, channels of the result / groups, channels of the input]");
    check_types(x, input_name(0), "filter");
    const Shape &y = x[0].shape, &filter = x[1].shape;
    check_groups(options_, filter[2] * options_.groups, filter[3]);
    if (y[3] != filter[3])
      throw Error(fmt::format("the filter takes {} channels back, the {} has {}", filter[3], input_name(0), y[3]));
    const Shape image = result(x);
    check_output(y, input_name(0), conv2d_geometry(image, filter, options_));
    return {{x[0].dtype, image}};
  }
  void run(Views x, Views y, void* scratch) const override {
    const auto g = conv2d_geometry(y[0].shape(), x[1].shape(), options_);
    with_float(y[0].dtype(), [&]<class T>() {
      kernels::conv2d_input_grad(g, x[0].data<T>(), x[1].data<T>(), y[0].data<T>(), scratch);
    });
  }
  size_t scratch_bytes(Specs x, Specs y) const override {
    return with_float(y[0].dtype, [&]<class T>() {
      return static_cast<size_t>(kernels::conv2d_input_grad_scratch_bytes<T>(geometry_of(x, y)));
    });
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs needs) const override {
    std::vector<Tensor> gx(2);
    if (needs[0]) gx[0] = conv2d(gy[0], x[1], options_);
    if (needs[1]) gx[1] = conv2d_weight_grad(gy[0], x[0], options_, window(x[1].shape()));
    return gx;
  }

 protected:
  kernels::Conv2dGeometry geometry_of(Specs x, Specs) const override {
    return conv2d_geometry(result(x), x[1].shape, options_);
  }
  Size2d size() const override { return image_; }

 private:
  Shape result(Specs x) const { return {x[0].shape[0], image_.height, image_.width, x[1].shape[2] * options_.groups}; }

  bool transposed_;
  Size2d image_;
};

// (x, y) → w
class Conv2dWeightGrad final : public Convolution {
 public:
  Conv2dWeightGrad(const Conv2dOptions& options, Size2d filter) : Convolution(options), filter_(filter) {}
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override {
    return BatchFlow::first_axis(axes).axis == 0 ? BatchFlow::summed() : BatchFlow();
  }
  std::vector<Tensor> fused(const Node& node) const override { return fused_conv2d_weight_grad(node, options_); }
  std::string_view name() const override { return "conv2d_weight_grad"; }
  std::string_view input_name(size_t i) const override { return i == 0 ? "image" : "gy"; }
  std::string attributes() const override {
    return fmt::format("{} size={}x{}", Convolution::attributes(), filter_.height, filter_.width);
  }

  std::vector<TensorSpec> infer(Specs x) const override {
    check_operand(x[0], "image", "[batch, height, width, channels]");
    check_operand(x[1], "gy", "[batch, height, width, channels]");
    check_types(x, "image", "gy");
    check_groups(options_, x[0].shape[3], x[1].shape[3]);
    const Shape filter = result(x);
    check_output(x[1].shape, "gy", conv2d_geometry(x[0].shape, filter, options_));
    return {{x[0].dtype, filter}};
  }
  void run(Views x, Views y, void* scratch) const override {
    const auto g = conv2d_geometry(x[0].shape(), y[0].shape(), options_);
    with_float(y[0].dtype(), [&]<class T>() {
      kernels::conv2d_weight_grad(g, x[0].data<T>(), x[1].data<T>(), y[0].data<T>(), scratch);
    });
  }
  size_t scratch_bytes(Specs x, Specs y) const override {
    return with_float(y[0].dtype, [&]<class T>() {
      return static_cast<size_t>(kernels::conv2d_weight_grad_scratch_bytes<T>(geometry_of(x, y)));
    });
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs needs) const override {
    std::vector<Tensor> gx(2);
    if (needs[0]) gx[0] = conv2d_input_grad(x[1], gy[0], options_, plane(x[0].shape()));
    if (needs[1]) gx[1] = conv2d(x[0], gy[0], options_);
    return gx;
  }

 protected:
  kernels::Conv2dGeometry geometry_of(Specs x, Specs) const override {
    return conv2d_geometry(x[0].shape, result(x), options_);
  }
  Size2d size() const override { return filter_; }

 private:
  Shape result(Specs x) const {
    return {filter_.height, filter_.width, x[0].shape[3] / options_.groups, x[1].shape[3]};
  }

  Size2d filter_;
};

Tensor conv2d_input_grad(const Tensor& y, const Tensor& w, const Conv2dOptions& options, Size2d image) {
  return apply(OpPtr(new Conv2dInputGrad(false, options, image)), {y, w}, TELAIO_HERE);
}
Tensor conv2d_weight_grad(const Tensor& x, const Tensor& y, const Conv2dOptions& options, Size2d filter) {
  return apply(OpPtr(new Conv2dWeightGrad(options, filter)), {x, y}, TELAIO_HERE);
}

// One side of a transposed convolution: the image that `count` windows cover.
int64_t covered(const char* side, int64_t count, int64_t extent, int64_t stride, int64_t padding, int64_t extra,
                Padding::Kind kind) {
  if (stride < 1) throw Error(fmt::format("the {} of the stride must be at least 1, got {}", side, stride));
  if (extra != 0 && kind == Padding::Kind::same) throw Error("output padding does not go with `same` padding");
  if (extra < 0 || extra >= stride)
    throw Error(
        fmt::format("the {} of the output padding must be in [0, {}) (the stride), got {}", side, stride, extra));
  if (count < 1) throw Error(fmt::format("the {} of the image must be at least 1, got {}", side, count));
  if (kind == Padding::Kind::same) return count * stride;
  const int64_t size = (count - 1) * stride + extent - padding + extra;
  if (size < 1) throw Error(fmt::format("the {} of the result would be {}: there is too much padding", side, size));
  return size;
}

Size2d transposed_size(const Tensor& image, const Tensor& filter, const Conv2dOptions& options, Size2d extra) {
  check_operand(image.spec(), "image", "[batch, height, width, channels]");
  check_operand(filter.spec(), "filter", "[height, width, channels of the result / groups, channels of the image]");
  const Size2d extent = window_extent(window(filter.shape()), options.dilation);
  Padding p = options.padding;
  if (p.kind != Padding::Kind::given) p = {p.kind, 0, 0, 0, 0};
  return {covered("height", image.dim(1), extent.height, options.stride.height, p.top + p.bottom, extra.height, p.kind),
          covered("width", image.dim(2), extent.width, options.stride.width, p.left + p.right, extra.width, p.kind)};
}

}  // namespace

kernels::Conv2dGeometry conv2d_geometry(const Shape& image, const Shape& filter, const Conv2dOptions& options) {
  const Windows2d windows =
      lay_windows(plane(image), window_extent(window(filter), options.dilation), options.stride, options.padding);
  kernels::Conv2dGeometry g{};
  g.n = image[0], g.h = image[1], g.w = image[2], g.c = image[3];
  g.kh = filter[0], g.kw = filter[1], g.o = filter[3];
  g.oh = windows.height.count, g.ow = windows.width.count;
  g.stride_h = options.stride.height, g.stride_w = options.stride.width;
  g.pad_top = windows.height.before, g.pad_left = windows.width.before;
  g.dilation_h = options.dilation.height, g.dilation_w = options.dilation.width;
  g.groups = options.groups;
  return g;
}

const Conv2dOptions* conv2d_behind(const Tensor& y) {
  const auto* op = op_behind<Conv2d>(y);
  return op ? &op->options() : nullptr;
}

Tensor conv2d(const Tensor& image, const Tensor& filter, const Conv2dOptions& options, const SourceLocation& where) {
  return apply(OpPtr(new Conv2d(options)), {image, filter}, where);
}

Tensor conv2d_transpose(const Tensor& image, const Tensor& filter, const Conv2dOptions& options, Size2d output_padding,
                        const SourceLocation& where) {
  Size2d size = 0;
  try {
    size = transposed_size(image, filter, options, output_padding);
  } catch (const Error& error) {
    fail("conv2d_transpose", error.what(), {{"image", image}, {"filter", filter}}, where);
  }
  return apply(OpPtr(new Conv2dInputGrad(true, options, size)), {image, filter}, where);
}

}  // namespace telaio
