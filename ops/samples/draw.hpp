// Inputs from a seed, and the parts that the rows of the op table are put together from.
#pragma once

#include <algorithm>
#include <array>
#include <initializer_list>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <telaio/ops/samples/samples.hpp>

namespace telaio::samples {

/// Up to eight points, held in place.
class Kinks {
 public:
  Kinks() = default;
  Kinks(std::initializer_list<double> points) : count_(points.size()) {
    std::copy(points.begin(), points.end(), points_.begin());
  }
  const double* begin() const { return points_.data(); }
  const double* end() const { return points_.data() + count_; }

 private:
  size_t count_ = 0;
  std::array<double, 8> points_{};
};

/// Where elements are drawn from: an interval without a margin around points in which an op has a kink.
struct Domain {
  double low = -2;
  double high = 2;
  Kinks kinks = {};
  double margin = 0.05;
};

/// Draws the same tensors from the same seed on every machine.
class Draw {
 public:
  explicit Draw(uint64_t seed) : random_(seed * 2654435761u + 1) {}

  double number(double low, double high) {
    return low + (high - low) * static_cast<double>(random_() >> 11) / 9007199254740992.0;
  }
  int64_t integer(int64_t low, int64_t high) {  // inclusive
    return low + static_cast<int64_t>(random_() % static_cast<uint64_t>(high - low + 1));
  }
  double number(const Domain& domain);
  /// f64.
  Tensor floats(const Shape& shape, const Domain& domain = {});
  /// f64 without equal elements: a shuffled grid, steps apart, around 0. Larger or smaller stays so under a difference.
  Tensor distinct(const Shape& shape, double step = 0.1);
  /// low…high, of any dtype.
  Tensor integers(const Shape& shape, int64_t low, int64_t high, DType dtype = i64);
  Tensor bools(const Shape& shape) { return integers(shape, 0, 1, boolean); }

 private:
  std::mt19937_64 random_;
};

/// The label lists the shapes of the inputs.
Sample sample(std::vector<Tensor> inputs, Function f, ReferenceFunction reference, std::string label = "");
/// Of functions of one tensor.
Sample sample(const Tensor& x, std::function<Tensor(const Tensor&)> f,
              std::function<Reference(const Reference&)> reference, std::string label = "");

/// The same call, its f64 inputs being transposed and stepped views of larger tensors.
Sample strided(const Sample& sample);

// Rows by family, each in a file of its own.
void add_unary(std::vector<OpRow>& table);
void add_binary(std::vector<OpRow>& table);
void add_reduce(std::vector<OpRow>& table);
void add_views(std::vector<OpRow>& table);
void add_joining(std::vector<OpRow>& table);
void add_indexing(std::vector<OpRow>& table);
void add_create(std::vector<OpRow>& table);
void add_random(std::vector<OpRow>& table);
void add_matmul(std::vector<OpRow>& table);
void add_conv2d(std::vector<OpRow>& table);
void add_pool2d(std::vector<OpRow>& table);
void add_losses(std::vector<OpRow>& table);
void add_normalization(std::vector<OpRow>& table);
void add_builtin(std::vector<OpRow>& table);

}  // namespace telaio::samples
