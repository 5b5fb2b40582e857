#include <telaio/ops/samples/samples.hpp>

#include <cmath>
#include <numeric>

#include <fmt/format.h>

#include <telaio/ops/samples/draw.hpp>
#include <telaio/ops/views.hpp>

namespace telaio::samples {

Sample Sample::without_derivative() && {
  differentiable = false;
  return std::move(*this);
}

Sample Sample::of_fixed_dtype() && {
  follows_dtype = false;
  return std::move(*this);
}

double Draw::number(const Domain& domain) {
  for (;;) {
    const double x = number(domain.low, domain.high);
    const auto near = [&](double kink) { return std::abs(x - kink) < domain.margin; };
    if (std::none_of(domain.kinks.begin(), domain.kinks.end(), near)) return x;
  }
}

Tensor Draw::floats(const Shape& shape, const Domain& domain) {
  std::vector<double> data(static_cast<size_t>(numel(shape)));
  for (double& value : data) value = number(domain);
  return from_data(data, shape);
}

Tensor Draw::distinct(const Shape& shape, double step) {
  std::vector<double> data(static_cast<size_t>(numel(shape)));
  for (size_t i = 0; i < data.size(); ++i) {
    data[i] = step * (static_cast<double>(i) - static_cast<double>(data.size()) / 2 + 0.25);
    std::swap(data[i], data[static_cast<size_t>(integer(0, static_cast<int64_t>(i)))]);
  }
  return from_data(data, shape);
}

Tensor Draw::integers(const Shape& shape, int64_t low, int64_t high, DType dtype) {
  return with_dtype(dtype, [&]<class T>() {
    Array array(TensorSpec{dtype, shape});
    const int64_t count = numel(shape);
    for (int64_t i = 0; i < count; ++i) array.data<T>()[i] = static_cast<T>(integer(low, high));
    return constant(std::move(array));
  });
}

Sample sample(std::vector<Tensor> inputs, Function f, ReferenceFunction reference, std::string label) {
  std::string shapes;
  for (const Tensor& x : inputs) shapes += fmt::format("{}{}", shapes.empty() ? "" : " ", to_string(x.spec()));
  if (!label.empty()) shapes += fmt::format("{}{}", shapes.empty() ? "" : " ", label);
  Sample made;
  made.label = shapes.empty() ? "no input" : shapes;
  made.inputs = std::move(inputs);
  made.f = std::move(f);
  made.reference = std::move(reference);
  return made;
}

Sample sample(const Tensor& x, std::function<Tensor(const Tensor&)> f,
              std::function<Reference(const Reference&)> reference, std::string label) {
  return sample(
      {x}, [f = std::move(f)](const std::vector<Tensor>& in) { return std::vector<Tensor>{f(in[0])}; },
      [reference = std::move(reference)](const References& in) { return References{reference(in[0])}; },
      std::move(label));
}

namespace {

// x is every second element (from the second on) of the last axis of a tensor twice as wide, axes in reverse order.
Shape wide_shape(const Shape& shape) {
  Shape wide;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) wide.push_back(shape[axis]);
  wide[0] *= 2;
  return wide;
}

Dims wide_index(const Dims& index) {
  Dims wide;
  for (int axis = index.rank() - 1; axis >= 0; --axis) wide.push_back(index[axis]);
  wide[0] = 2 * wide[0] + 1;
  return wide;
}

bool widened(const Tensor& x) { return x.dtype() == f64 && x.rank() > 0; }

Tensor widen(const Tensor& x) {
  const Reference narrow{x.shape(), x.to_vector<double>()};
  Reference wide{wide_shape(x.shape()), {}};
  wide.data.assign(static_cast<size_t>(numel(wide.shape)), 999);  // what is not looked at
  each_index(x.shape(), [&](const Dims& index) { wide.at(wide_index(index)) = narrow.at(index); });
  return from_data(wide.data, wide.shape);
}

Tensor narrow(const Tensor& wide) {
  std::vector<int> reversed(static_cast<size_t>(wide.rank()));
  std::iota(reversed.rbegin(), reversed.rend(), 0);
  const Tensor turned = permute(wide, reversed);
  return slice(turned, -1, 1, turned.dim(-1), 2);
}

Reference narrow(const Reference& wide) {
  Shape shape;
  for (int axis = wide.rank() - 1; axis >= 0; --axis) shape.push_back(wide.size(axis));
  shape[shape.rank() - 1] /= 2;
  return make(shape, [&](const Dims& index) { return wide.at(wide_index(index)); });
}

// By what goes in or comes out.
bool is_large(const Sample& sample) {
  const auto large = [](const Tensor& x) { return x.numel() > 5000; };
  if (std::any_of(sample.inputs.begin(), sample.inputs.end(), large)) return true;
  try {
    const std::vector<Tensor> y = sample.f(sample.inputs);
    return std::any_of(y.begin(), y.end(), large);
  } catch (const Error&) {
    return false;  // whoever runs the sample will see
  }
}

}  // namespace

Sample strided(const Sample& sample) {
  Sample made = sample;
  made.label += " strided";
  std::vector<bool> wide;
  for (Tensor& x : made.inputs) {
    wide.push_back(widened(x));
    if (wide.back()) x = widen(x);
  }
  made.f = [f = sample.f, wide](const std::vector<Tensor>& x) {
    std::vector<Tensor> inner = x;
    for (size_t i = 0; i < inner.size(); ++i)
      if (wide[i]) inner[i] = narrow(inner[i]);
    return f(inner);
  };
  made.reference = [reference = sample.reference, wide](const References& x) {
    References inner = x;
    for (size_t i = 0; i < inner.size(); ++i)
      if (wide[i]) inner[i] = narrow(inner[i]);
    return reference(inner);
  };
  return made;
}

std::vector<Sample> OpRow::all_samples(uint64_t seed) const {
  std::vector<Sample> all = samples(seed);
  for (Sample& one : all) one.large = one.large || is_large(one);
  const size_t count = all.size();
  int variants = 0;
  for (size_t i = 0; i < count && variants < 2; ++i) {
    const bool suits = std::any_of(all[i].inputs.begin(), all[i].inputs.end(),
                                   [](const Tensor& x) { return widened(x) && x.rank() > 1 && x.numel() > 1; });
    if (!suits || all[i].large) continue;
    all.push_back(strided(all[i]));
    ++variants;
  }
  return all;
}

const std::vector<OpRow>& op_table() {
  static const std::vector<OpRow> table = [] {
    std::vector<OpRow> rows;
    add_unary(rows);
    add_binary(rows);
    add_reduce(rows);
    add_views(rows);
    add_joining(rows);
    add_indexing(rows);
    add_create(rows);
    add_random(rows);
    add_matmul(rows);
    add_conv2d(rows);
    add_pool2d(rows);
    add_losses(rows);
    add_normalization(rows);
    add_builtin(rows);
    return rows;
  }();
  return table;
}

}  // namespace telaio::samples
