#include <telaio/ops/conv2d_pool.hpp>

#include <optional>

#include <fmt/format.h>

#include <telaio/ops/conv2d_op.hpp>
#include <telaio/ops/kernels/conv2d_pool.hpp>
#include <telaio/ops/op_behind.hpp>
#include <telaio/ops/pool2d_op.hpp>

// The gradient of a max-pool is zero but for one place in each window, which the forward op says in a byte; 255 says
// that the relu was dead there. So neither the convolution's output nor its gradient exist in memory:
//
//   conv2d_pool              (x, w, b)          → pooled y, place
//   conv2d_pool_input_grad   (gy, place, w)     → gx
//   conv2d_pool_weight_grad  (x, gy, place)     → gw, gb
//
// with x [N,H,W,C], w [KH,KW,C,O], b [O] or missing, y, gy and place [N,OH/PH,OW/PW,O].

namespace telaio {

namespace {

// What the three ops share.
struct Pattern {
  Conv2dOptions options;
  Size2d pool = 1;
  bool relu = false;
  friend bool operator==(const Pattern& a, const Pattern& b) = default;
};

class ConvolutionPool : public Op {
 public:
  explicit ConvolutionPool(const Pattern& pattern) : pattern_(pattern) {}
  std::string attributes() const override {
    return fmt::format(
        "stride={} padding={}{}{} pool={}", to_string(pattern_.options.stride), to_string(pattern_.options.padding),
        pattern_.options.dilation == Size2d(1) ? "" : fmt::format(" dilation={}", to_string(pattern_.options.dilation)),
        pattern_.relu ? " relu" : "", to_string(pattern_.pool));
  }
  bool same_as(const Op& other) const override {
    const auto& o = static_cast<const ConvolutionPool&>(other);
    return pattern_ == o.pattern_ && size() == o.size();
  }
  double flops(Specs x, Specs y) const override {
    return static_cast<double>(kernels::conv2d_flops(geometry(x, y).conv));
  }

 protected:
  virtual kernels::Conv2dPoolGeometry geometry(Specs x, Specs y) const = 0;
  // The size of the result where the inputs do not tell it.
  virtual Size2d size() const { return 0; }

  kernels::Conv2dPoolGeometry geometry(const Shape& image, const Shape& filter) const {
    return {conv2d_geometry(image, filter, pattern_.options), pattern_.pool.height, pattern_.pool.width, pattern_.relu};
  }
  static Shape pooled(const kernels::Conv2dPoolGeometry& g) {
    return {g.conv.n, g.conv.oh / g.pool_h, g.conv.ow / g.pool_w, g.conv.o};
  }

  const Pattern pattern_;
};

class Conv2dPool final : public ConvolutionPool {
 public:
  using ConvolutionPool::ConvolutionPool;
  std::string_view name() const override { return "conv2d_pool"; }
  std::vector<TensorSpec> infer(Specs x) const override {
    const Shape shape = pooled(geometry(x[0].shape, x[1].shape));
    return {{x[0].dtype, shape}, {u8, shape}};
  }
  void run(Views x, Views y, void* scratch) const override {
    const auto g = geometry(x[0].shape(), x[1].shape());
    with_float(y[0].dtype(), [&]<class T>() {
      kernels::conv2d_pool<T>(g, x[0].data<T>(), x[1].data<T>(), x.size() > 2 ? x[2].data<T>() : nullptr,
                              y[0].data<T>(), y[1].data<uint8_t>(), scratch);
    });
  }
  size_t scratch_bytes(Specs x, Specs y) const override {
    return with_float(y[0].dtype, [&]<class T>() {
      return static_cast<size_t>(kernels::conv2d_pool_scratch_bytes<T>(geometry(x, y)));
    });
  }
  bool optional_output(size_t output) const override { return output == 1; }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override {
    const bool images_alone = axes[0] == 0 && axes[1] < 0 && (axes.size() < 3 || axes[2] < 0);
    return images_alone ? BatchFlow::mapped(0) : BatchFlow();
  }

 protected:
  kernels::Conv2dPoolGeometry geometry(Specs x, Specs) const override { return geometry(x[0].shape, x[1].shape); }
  using ConvolutionPool::geometry;
};

class Conv2dPoolInputGrad final : public ConvolutionPool {
 public:
  Conv2dPoolInputGrad(const Pattern& pattern, Size2d image) : ConvolutionPool(pattern), image_(image) {}
  std::string_view name() const override { return "conv2d_pool_input_grad"; }
  std::vector<TensorSpec> infer(Specs x) const override { return {{x[0].dtype, image(x)}}; }
  void run(Views x, Views y, void* scratch) const override {
    const auto g = geometry(y[0].shape(), x[2].shape());
    with_float(y[0].dtype(), [&]<class T>() {
      kernels::conv2d_pool_input_grad<T>(g, x[0].data<T>(), x[1].data<uint8_t>(), x[2].data<T>(), y[0].data<T>(),
                                         scratch);
    });
  }
  size_t scratch_bytes(Specs x, Specs y) const override {
    return with_float(y[0].dtype, [&]<class T>() {
      return static_cast<size_t>(kernels::conv2d_pool_input_grad_scratch_bytes<T>(geometry(x, y)));
    });
  }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override {
    return axes[2] < 0 ? BatchFlow::first_axis(axes.first(2)) : BatchFlow();
  }

 protected:
  kernels::Conv2dPoolGeometry geometry(Specs x, Specs) const override { return geometry(image(x), x[2].shape); }
  using ConvolutionPool::geometry;
  Size2d size() const override { return image_; }

 private:
  Shape image(Specs x) const { return {x[0].shape[0], image_.height, image_.width, x[2].shape[2]}; }
  Size2d image_;
};

class Conv2dPoolWeightGrad final : public ConvolutionPool {
 public:
  Conv2dPoolWeightGrad(const Pattern& pattern, Size2d filter) : ConvolutionPool(pattern), filter_(filter) {}
  std::string_view name() const override { return "conv2d_pool_weight_grad"; }
  std::vector<TensorSpec> infer(Specs x) const override {
    return {{x[0].dtype, filter(x)}, {x[0].dtype, {x[1].shape[3]}}};
  }
  void run(Views x, Views y, void* scratch) const override {
    const auto g = geometry(x[0].shape(), y[0].shape());
    with_float(y[0].dtype(), [&]<class T>() {
      kernels::conv2d_pool_weight_grad<T>(g, x[0].data<T>(), x[1].data<T>(), x[2].data<uint8_t>(), y[0].data<T>(),
                                          y[1].data<T>(), scratch);
    });
  }
  size_t scratch_bytes(Specs x, Specs y) const override {
    return with_float(y[0].dtype, [&]<class T>() {
      return static_cast<size_t>(kernels::conv2d_pool_weight_grad_scratch_bytes<T>(geometry(x, y)));
    });
  }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override {
    return BatchFlow::first_axis(axes).axis == 0 ? BatchFlow::summed() : BatchFlow();
  }

 protected:
  kernels::Conv2dPoolGeometry geometry(Specs x, Specs) const override { return geometry(x[0].shape, filter(x)); }
  using ConvolutionPool::geometry;
  Size2d size() const override { return filter_; }

 private:
  Shape filter(Specs x) const { return {filter_.height, filter_.width, x[0].shape[3], x[1].shape[3]}; }
  Size2d filter_;
};

// A max-pool's pattern, taken apart.
struct Match {
  Pattern pattern;
  const Node* convolution = nullptr;
  Tensor image, filter, bias;  // the bias may be undefined
  Tensor pooled;               // what the pool looks at: maybe after a relu
};

std::optional<Match> match(const Node& pool_node) {
  const Pooling* pooling = max_pool2d_behind(Tensor(NodePtr(&pool_node), 0));
  if (!pooling || pooling->stride != pooling->window || pooling->window.height * pooling->window.width > 254) return {};
  Match match;
  Tensor x = pool_node.inputs()[0];
  const Windows2d windows =
      lay_windows({x.dim(1), x.dim(2)}, window_extent(pooling->window, 1), pooling->stride, pooling->padding);
  if (windows.height.before > 0 || windows.height.after > 0 || windows.width.before > 0 || windows.width.after > 0)
    return {};
  match.pooled = x;
  const Node* relu = node_behind(x, "relu");
  if (relu) x = relu->inputs()[0];
  if (const Node* add = node_behind(x, "add")) {
    for (size_t i = 0; i < 2 && !match.bias.defined(); ++i) {
      match.bias = bias_behind(add->inputs()[i]);
      x = add->inputs()[1 - i];
    }
    if (!match.bias.defined()) return {};
  }
  const Conv2dOptions* options = conv2d_behind(x);
  if (!options || options->groups != 1) return {};
  match.convolution = x.node();
  match.image = x.node()->inputs()[0];
  match.filter = x.node()->inputs()[1];
  match.pattern = {*options, pooling->window, relu != nullptr};
  return match;
}

// The op in the place of `like`, with its line and scope.
std::vector<Tensor> build(const Node& like, OpPtr op, std::vector<Tensor> x) {
  std::vector<TensorSpec> y = op->infer(specs_of(x));
  const size_t count = y.size();
  const NodePtr node(new Node(like, std::move(op), std::move(x), std::move(y)));
  std::vector<Tensor> outputs;
  for (size_t i = 0; i < count; ++i) outputs.emplace_back(node, static_cast<int>(i));
  return outputs;
}

std::vector<Tensor> forward(const Match& match) {
  std::vector<Tensor> x{match.image, match.filter};
  if (match.bias.defined()) x.push_back(match.bias);
  return build(*match.convolution, OpPtr(new Conv2dPool(match.pattern)), std::move(x));
}

// The gradient by convolution + bias, taken apart: zeros but for the pooled one.
struct Sparse {
  Match match;
  Tensor gy, place;
};

std::optional<Sparse> sparse(const Tensor& gradient) {
  Tensor scattered = gradient, watched;  // whether the relu let it pass
  if (const std::optional<Gate> gate = gate_behind(gradient)) {
    watched = gate->by;
    scattered = gate->passes;
  }
  if (!is_max_pool2d_scatter(scattered)) return {};
  const Tensor& positions = scattered.node()->inputs()[1];
  if (!max_pool2d_behind(positions) || positions.index() != 1) return {};
  std::optional<Match> found = match(*positions.node());
  if (!found || found->pattern.relu != watched.defined()) return {};
  if (watched.defined() && !watched.same(found->pooled)) return {};
  Tensor place = forward(*found)[1];
  return Sparse{std::move(*found), scattered.node()->inputs()[0], std::move(place)};
}

std::vector<Tensor> weight_and_bias(const Node& like, const Sparse& s) {
  const Size2d filter{s.match.filter.dim(0), s.match.filter.dim(1)};
  return build(like, OpPtr(new Conv2dPoolWeightGrad(s.match.pattern, filter)), {s.match.image, s.gy, s.place});
}

}  // namespace

std::vector<Tensor> fused_max_pool2d(const Node& pool) {
  const std::optional<Match> found = match(pool);
  if (!found) return {};
  return {forward(*found)[0], Tensor()};
}

std::vector<Tensor> fused_conv2d_input_grad(const Node& gradient, const Conv2dOptions& options) {
  const std::optional<Sparse> s = sparse(gradient.inputs()[0]);
  if (!s || options != s->match.pattern.options || !gradient.inputs()[1].same(s->match.filter)) return {};
  const Shape& image = gradient.outputs()[0].shape;
  if (!(image == s->match.image.shape())) return {};
  return build(gradient, OpPtr(new Conv2dPoolInputGrad(s->match.pattern, {image[1], image[2]})),
               {s->gy, s->place, s->match.filter});
}

std::vector<Tensor> fused_conv2d_weight_grad(const Node& gradient, const Conv2dOptions& options) {
  const std::optional<Sparse> s = sparse(gradient.inputs()[1]);
  if (!s || options != s->match.pattern.options || !gradient.inputs()[0].same(s->match.image)) return {};
  if (!(gradient.outputs()[0].shape == s->match.filter.shape())) return {};
  return {weight_and_bias(gradient, *s)[0]};
}

std::vector<Tensor> fused_conv2d_bias_grad(const Node& sum) {
  const std::optional<Sparse> s = sparse(sum.inputs()[0]);
  if (!s) return {};
  return {weight_and_bias(sum, *s)[1]};
}

}  // namespace telaio
