#include <telaio/ops/random.hpp>

#include <cmath>

#include <fmt/format.h>

#include <telaio/autograd/op.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/create.hpp>
#include <telaio/ops/kernels/random.hpp>

namespace telaio {

namespace {

// Base of the draws. The key is an input, read when the op runs: a compiled function draws anew at each call.
class Draw : public Op {
 public:
  explicit Draw(const TensorSpec& y) : y_(y) {}
  std::string attributes() const override { return to_string(y_); }
  std::string_view input_name(size_t) const final { return "key"; }
  std::vector<TensorSpec> infer(Specs x) const final {
    if (!(x[0] == TensorSpec{i64, {2}}))
      throw Error(fmt::format("the key must be i64[2] (seed and stream), not {}", to_string(x[0])));
    return {y_};
  }
  bool same_as(const Op& other) const override { return y_ == static_cast<const Draw&>(other).y_; }

 protected:
  static RandomKey key(const View& x) {
    const auto* words = x.data<const int64_t>();
    return {static_cast<uint64_t>(words[0]), static_cast<uint64_t>(words[1])};
  }

 private:
  TensorSpec y_;
};

// In [0, 1).
class Uniform final : public Draw {
 public:
  using Draw::Draw;
  std::string_view name() const override { return "uniform"; }
  void run(Views x, Views y, void*) const override {
    with_float(y[0].dtype(), [&]<class T>() { kernels::uniform(key(x[0]), 0, y[0].numel(), y[0].data<T>()); });
  }
};

// Mean 0, deviation 1.
class Normal final : public Draw {
 public:
  using Draw::Draw;
  std::string_view name() const override { return "normal"; }
  void run(Views x, Views y, void*) const override {
    with_float(y[0].dtype(), [&]<class T>() { kernels::normal(key(x[0]), 0, y[0].numel(), y[0].data<T>()); });
  }
};

class Bernoulli final : public Draw {
 public:
  Bernoulli(const Shape& shape, double p) : Draw({boolean, shape}), p_(p) {}
  std::string_view name() const override { return "bernoulli"; }
  std::string attributes() const override { return fmt::format("p={} {}", p_, Draw::attributes()); }
  void run(Views x, Views y, void*) const override {
    kernels::bernoulli(key(x[0]), p_, 0, y[0].numel(), y[0].data<bool>());
  }
  bool same_as(const Op& other) const override {
    return Draw::same_as(other) && p_ == static_cast<const Bernoulli&>(other).p_;
  }

 private:
  double p_;
};

class Permutation final : public Draw {
 public:
  explicit Permutation(int64_t n) : Draw({i64, {n}}) {}
  std::string_view name() const override { return "permutation"; }
  size_t scratch_bytes(Specs, Specs y) const override { return kernels::permutation_scratch_bytes(y[0].numel()); }
  void run(Views x, Views y, void* scratch) const override {
    kernels::permutation(key(x[0]), y[0].numel(), y[0].data<int64_t>(), scratch);
  }
};

void check_float(std::string_view op, DType dtype, const SourceLocation& where) {
  if (!is_float(dtype)) fail(op, fmt::format("the numbers can be f32 or f64, not {}", name_of(dtype)), {}, where);
}

void check_finite(std::string_view op, std::string_view name, double value, const SourceLocation& where) {
  if (!std::isfinite(value)) fail(op, fmt::format("{} must be finite, got {}", name, value), {}, where);
}

// x·scale + shift
Tensor scaled(const Tensor& x, double scale, double shift, const SourceLocation& where) {
  const Tensor stretched = scale == 1 ? x : mul({x, where}, scale);
  return shift == 0 ? stretched : add({stretched, where}, shift);
}

}  // namespace

Tensor random_key(int64_t seed, int64_t stream, const SourceLocation& where) {
  return tensor<int64_t>({seed, stream}, where);
}

Rng::Rng(int64_t seed, std::string name) : state_(std::move(name), random_key(seed)) {}

Tensor Rng::next() {
  const Tensor key = state_.read();
  state_.assign(key + random_key(0, 1));
  return key;
}

Tensor uniform(const Shape& shape, const Tensor& key, double low, double high, DType dtype,
               const SourceLocation& where) {
  check_float("uniform", dtype, where);
  check_finite("uniform", "low", low, where);
  check_finite("uniform", "high", high, where);
  check_finite("uniform", "high - low", high - low, where);
  if (!(low <= high)) fail("uniform", fmt::format("low {} is above high {}", low, high), {}, where);
  const Tensor unit = apply(OpPtr(new Uniform({dtype, shape})), {key}, where);
  const Tensor x = scaled(unit, high - low, low, where);
  // Rounding may lift the largest draws to `high`, which is not part of the range.
  const double below = with_float(
      dtype, [&]<class T>() { return static_cast<double>(std::nextafter(static_cast<T>(high), static_cast<T>(low))); });
  const double largest = with_float(dtype, [&]<class T>() {
    const T one_below = std::nextafter(T{1}, T{0});
    return static_cast<double>(one_below * static_cast<T>(high - low) + static_cast<T>(low));
  });
  return largest > below ? minimum({x, where}, below) : x;
}

Tensor normal(const Shape& shape, const Tensor& key, double mean, double deviation, DType dtype,
              const SourceLocation& where) {
  check_float("normal", dtype, where);
  check_finite("normal", "the mean", mean, where);
  check_finite("normal", "the deviation", deviation, where);
  if (deviation < 0) fail("normal", fmt::format("the deviation {} is negative", deviation), {}, where);
  return scaled(apply(OpPtr(new Normal({dtype, shape})), {key}, where), deviation, mean, where);
}

Tensor bernoulli(const Shape& shape, const Tensor& key, double p, const SourceLocation& where) {
  if (!(p >= 0 && p <= 1)) fail("bernoulli", fmt::format("the probability must be in [0,1], got {}", p), {}, where);
  return apply(OpPtr(new Bernoulli(shape, p)), {key}, where);
}

Tensor permutation(int64_t n, const Tensor& key, const SourceLocation& where) {
  return apply(OpPtr(new Permutation(n)), {key}, where);
}

Tensor dropout(const Tensor& x, double rate, const Tensor& key, const SourceLocation& where) {
  if (!x.defined()) fail("dropout", "the input is undefined", {}, where);
  if (!is_float(x.dtype())) fail("dropout", "the input must be f32 or f64", {&x, 1}, where);
  if (!(rate >= 0 && rate < 1)) fail("dropout", fmt::format("the rate must be in [0,1), got {}", rate), {&x, 1}, where);
  if (rate == 0) return x;
  if (!key.defined()) fail("dropout", "the key is undefined", {&x, 1}, where);
  if (!(key.spec() == TensorSpec{i64, {2}}))
    fail("dropout", "the key must be i64[2] (seed and stream)", {&key, 1}, where);
  const Tensor kept = bernoulli(x.shape(), key, 1 - rate, where);
  return telaio::where(kept, div({x, where}, 1 - rate), 0, where);
}

}  // namespace telaio
