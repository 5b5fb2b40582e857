#include <telaio/nn/initializer.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <numeric>
#include <vector>

#include <fmt/format.h>

#include <telaio/autograd/error.hpp>
#include <telaio/nn/named_number.hpp>
#include <telaio/ops/kernels/random.hpp>

namespace telaio::nn {

namespace {

constexpr KnownName names[] = {
    {"zeros"},
    {"ones"},
    {"constant", true, 0},
    {"uniform", true, 0.05},
    {"normal", true, 0.05},
    {"truncated_normal", true, 0.05},
    {"glorot_uniform"},
    {"glorot_normal"},
    {"he_uniform"},
    {"he_normal"},
    {"lecun_uniform"},
    {"lecun_normal"},
    {"orthogonal", true, 1},
    {"pytorch"},
};

// The deviation of a standard normal variable that is kept within ±2.
constexpr double truncated_deviation = 0.87962566103423978;

double draw_normal(Draws& draws) {
  // Box and Muller 1958; 1 − u is never 0.
  const double radius = std::sqrt(-2 * std::log(1 - draws.unit()));
  return radius * std::cos(2 * std::numbers::pi * draws.unit());
}

double draw_truncated(Draws& draws) {
  while (true)
    if (const double x = draw_normal(draws); std::abs(x) < 2) return x;
}

/// Orthonormal columns of a rows × columns matrix (rows ≥ columns), row-major: of a random one, by the modified method
/// of Gram and Schmidt, taken twice for accuracy.
std::vector<double> orthonormal_columns(size_t rows, size_t columns, Draws& draws) {
  std::vector<std::vector<double>> q(columns, std::vector<double>(rows));
  for (size_t j = 0; j < columns; ++j) {
    for (double& x : q[j]) x = draw_normal(draws);
    for (int pass = 0; pass < 2; ++pass)
      for (size_t k = 0; k < j; ++k) {
        const double along = std::inner_product(q[j].begin(), q[j].end(), q[k].begin(), 0.0);
        for (size_t i = 0; i < rows; ++i) q[j][i] -= along * q[k][i];
      }
    const double length = std::sqrt(std::inner_product(q[j].begin(), q[j].end(), q[j].begin(), 0.0));
    for (double& x : q[j]) x /= length;
  }
  std::vector<double> matrix(rows * columns);
  for (size_t i = 0; i < rows; ++i)
    for (size_t j = 0; j < columns; ++j) matrix[i * columns + j] = q[j][i];
  return matrix;
}

std::vector<double> orthogonal(const Shape& shape, double gain, Draws& draws) {
  if (shape.rank() < 2)
    throw Error(fmt::format("initializer: orthogonal needs two axes or more, the weights have shape {}",
                            telaio::to_string(shape)));
  const auto columns = static_cast<size_t>(shape.back());
  const size_t rows = columns == 0 ? 0 : static_cast<size_t>(numel(shape)) / columns;
  std::vector<double> matrix = orthonormal_columns(std::max(rows, columns), std::min(rows, columns), draws);
  if (rows < columns) {
    std::vector<double> transposed(matrix.size());
    for (size_t i = 0; i < rows; ++i)
      for (size_t j = 0; j < columns; ++j) transposed[i * columns + j] = matrix[j * rows + i];
    matrix = std::move(transposed);
  }
  for (double& x : matrix) x *= gain;
  return matrix;
}

}  // namespace

Initializer::Initializer(std::string_view text) {
  NamedNumber parsed = parse_named_number("initializer", text, names);
  name_ = std::move(parsed.name);
  value_ = parsed.number;
}

std::string Initializer::text() const { return nn::to_string(NamedNumber{name_, value_}, names); }

Array Initializer::operator()(const TensorSpec& spec, Fans fans, RandomKey key) const {
  if (!is_float(spec.dtype))
    throw Error(fmt::format("initializer: weights are f32 or f64, not {}", name_of(spec.dtype)));
  const Array values(spec);
  const int64_t n = spec.numel();
  Draws draws(key);
  const auto fill = [&](auto&& next) {
    with_float(spec.dtype,
               [&]<class T>() { std::generate_n(values.data<T>(), n, [&] { return static_cast<T>(next()); }); });
    return values;
  };
  const auto in = static_cast<double>(std::max<int64_t>(fans.in, 1)),
             out = static_cast<double>(std::max<int64_t>(fans.out, 1));
  // As draws.around(limit) gives them one by one, but many at a time.
  const auto uniform = [&](double limit) {
    with_float(spec.dtype, [&]<class T>() {
      std::array<double, 256> units;
      constexpr auto room = static_cast<int64_t>(units.size());
      T* to = values.data<T>();
      for (int64_t begin = 0; begin < n; begin += room) {
        const int64_t count = std::min(n - begin, room);
        kernels::uniform(key, begin, count, units.data());
        for (int64_t i = 0; i < count; ++i)
          to[begin + i] = static_cast<T>(limit * (2 * units[static_cast<size_t>(i)] - 1));
      }
    });
    return values;
  };
  const auto truncated = [&](double deviation) { return fill([&] { return deviation * draw_truncated(draws); }); };

  if (name_ == "zeros") return fill([] { return 0.0; });
  if (name_ == "ones") return fill([] { return 1.0; });
  if (name_ == "constant") return fill([&] { return value_; });
  if (name_ == "uniform") return uniform(value_);
  if (name_ == "normal") return fill([&] { return value_ * draw_normal(draws); });
  if (name_ == "truncated_normal") return truncated(value_);
  if (name_ == "pytorch") return uniform(1 / std::sqrt(in));
  if (name_ == "orthogonal") {
    const std::vector<double> matrix = orthogonal(spec.shape, value_, draws);
    return fill([&, i = size_t{0}]() mutable { return matrix[i++]; });
  }
  const double variance = name_.starts_with("glorot") ? 2 / (in + out) : name_.starts_with("he") ? 2 / in : 1 / in;
  return name_.ends_with("uniform") ? uniform(std::sqrt(3 * variance))
                                    : truncated(std::sqrt(variance) / truncated_deviation);
}

}  // namespace telaio::nn
