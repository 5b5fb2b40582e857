#include <cmath>

#include <telaio/ops/normalization.hpp>
#include <telaio/ops/samples/draw.hpp>

namespace telaio::samples {

namespace {

using Values = std::vector<double>;

double average(const Values& x) { return total(x) / static_cast<double>(x.size()); }
double variance(const Values& x) {
  const double center = average(x);
  Values squares = x;
  for (double& value : squares) value = (value - center) * (value - center);
  return average(squares);
}

std::vector<int> all_but_last(int rank) {
  std::vector<int> axes;
  for (int axis = 0; axis + 1 < rank; ++axis) axes.push_back(axis);
  return axes;
}

// With statistics that broadcast to x.
Reference normalized(const Reference& x, const Reference& mean, const Reference& variance_of, const Reference* scale,
                     const Reference* shift, double epsilon) {
  return make(x.shape, [&](const Dims& i) {
    const double y = (x.at(i) - mean.broadcast_at(i)) / std::sqrt(variance_of.broadcast_at(i) + epsilon);
    return y * (scale ? scale->broadcast_at(i) : 1) + (shift ? shift->broadcast_at(i) : 0);
  });
}

// Inputs: x, further ones, then the scale and the shift that there are.
struct Affine {
  bool scale, shift;

  void add(std::vector<Tensor>& inputs, Draw& draw, int64_t channels) const {
    if (scale) inputs.push_back(draw.floats({channels}, {0.5, 1.5}));
    if (shift) inputs.push_back(draw.floats({channels}));
  }
  Tensor scale_of(const std::vector<Tensor>& x, size_t next) const { return scale ? x[next] : Tensor(); }
  Tensor shift_of(const std::vector<Tensor>& x, size_t next) const { return shift ? x[next + scale] : Tensor(); }
  const Reference* scale_of(const References& x, size_t next) const { return scale ? &x[next] : nullptr; }
  const Reference* shift_of(const References& x, size_t next) const { return shift ? &x[next + scale] : nullptr; }
};

template <class Add>
void each_shape(Add&& add) {
  add(Shape{4, 3}, Affine{true, true}, 1e-3);
  add(Shape{2, 2, 3}, Affine{false, false}, 1e-3);
  add(Shape{2, 2, 2, 2}, Affine{true, false}, 1e-5);
  add(Shape{5, 2}, Affine{false, true}, 0.1);
  add(Shape{3001, 67}, Affine{true, true}, 1e-3);
  add(Shape{5, 23, 31, 37}, Affine{true, true}, 1e-3);
}

std::vector<Sample> batch_norm_samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  each_shape([&](const Shape& shape, Affine affine, double epsilon) {
    std::vector<Tensor> inputs{draw.floats(shape)};
    affine.add(inputs, draw, shape.back());
    all.push_back(sample(
        inputs,
        [=](const std::vector<Tensor>& x) {
          const BatchNorm y = batch_norm(x[0], affine.scale_of(x, 1), affine.shift_of(x, 1), epsilon);
          return std::vector<Tensor>{y.y, y.mean, y.variance};
        },
        [=](const References& x) {
          const auto axes = all_but_last(x[0].rank());
          const Reference mean = reduce(x[0], axes, false, average);
          const Reference spread = reduce(x[0], axes, false, variance);
          return References{normalized(x[0], mean, spread, affine.scale_of(x, 1), affine.shift_of(x, 1), epsilon), mean,
                            spread};
        }));
  });
  return all;
}

std::vector<Sample> batch_norm_inference_samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const Shape& shape, Affine affine, double epsilon) {
    const int64_t channels = shape.back();
    std::vector<Tensor> inputs{draw.floats(shape), draw.floats({channels}), draw.floats({channels}, {0.5, 1.5})};
    affine.add(inputs, draw, channels);
    all.push_back(sample(
        inputs,
        [=](const std::vector<Tensor>& x) {
          return std::vector<Tensor>{
              batch_norm_inference(x[0], x[1], x[2], affine.scale_of(x, 3), affine.shift_of(x, 3), epsilon)};
        },
        [=](const References& x) {
          return References{normalized(x[0], x[1], x[2], affine.scale_of(x, 3), affine.shift_of(x, 3), epsilon)};
        }));
  };
  each_shape(add);
  add({0, 3}, {true, true}, 1e-3);
  return all;
}

std::vector<Sample> layer_norm_samples(uint64_t seed) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const Shape& shape, Affine affine, double epsilon) {
    std::vector<Tensor> inputs{draw.floats(shape)};
    affine.add(inputs, draw, shape.back());
    all.push_back(sample(
        inputs,
        [=](const std::vector<Tensor>& x) {
          return std::vector<Tensor>{layer_norm(x[0], affine.scale_of(x, 1), affine.shift_of(x, 1), epsilon)};
        },
        [=](const References& x) {
          const std::vector<int> last{x[0].rank() - 1};
          return References{normalized(x[0], reduce(x[0], last, true, average), reduce(x[0], last, true, variance),
                                       affine.scale_of(x, 1), affine.shift_of(x, 1), epsilon)};
        }));
  };
  each_shape(add);
  add({4}, {true, true}, 1e-3);
  add({0, 3}, {true, true}, 1e-3);
  return all;
}

}  // namespace

void add_normalization(std::vector<OpRow>& table) {
  table.push_back({"batch_norm",
                   batch_norm_samples,
                   {{[] {
                       batch_norm(ones({2, 3}), ones({2}));
                     },
                     "3"},
                    {[] {
                       batch_norm(ones({2, 3}), {}, ones({3, 1}));
                     },
                     "3"},
                    {[] {
                       batch_norm(ones({2, 3}, i32));
                     },
                     "f32 or f64"},
                    {[] {
                       batch_norm(ones({2, 3}), {}, {}, -1);
                     },
                     "-1"},
                    {[] {
                       batch_norm(ones({0, 3}));
                     },
                     ""},
                    {[] { batch_norm(ones({})); }, ""},
                    {[] { batch_norm(Tensor()); }, "undefined"}}});
  table.push_back({"batch_norm_inference",
                   batch_norm_inference_samples,
                   {{[] {
                       batch_norm_inference(ones({2, 3}), ones({2}), ones({3}));
                     },
                     "3"},
                    {[] {
                       batch_norm_inference(ones({2, 3}), ones({3}), ones({2}));
                     },
                     "3"},
                    {[] {
                       batch_norm_inference(ones({2, 3}), Tensor(), ones({3}));
                     },
                     "undefined"}}});
  table.push_back({"layer_norm",
                   layer_norm_samples,
                   {{[] {
                       layer_norm(ones({2, 3}), ones({2}));
                     },
                     "3"},
                    {[] {
                       layer_norm(ones({2, 3}), {}, {}, -1);
                     },
                     "-1"},
                    {[] {
                       layer_norm(ones({2, 0}));
                     },
                     ""},
                    {[] { layer_norm(Tensor()); }, "undefined"}}});
}

}  // namespace telaio::samples
