#include <telaio/ops/matmul_in_pieces.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/autograd/runtime/parts.hpp>
#include <telaio/ops/kernels/finite.hpp>
#include <telaio/ops/kernels/gemm.hpp>

namespace telaio {

namespace {

constexpr size_t factors = 2;

kernels::GemmShape shape_of(const Shape& a, const Shape& b) { return {a[0], b[1], a[1]}; }

template <class T>
kernels::MatrixView<T> matrix(const View& view) {
  return {view.data<T>(), (*view.strides)[0], (*view.strides)[1]};
}

/// a [M,K], b [K,N], then all inputs of another op but the one that is their product.
class MatmulFeeding final : public Op {
 public:
  MatmulFeeding(OpPtr reader, size_t input)
      : reader_(std::move(reader)), input_(input), name_(fmt::format("matmul+{}", reader_->name())) {}
  std::string_view name() const override { return name_; }
  std::string attributes() const override { return reader_->attributes(); }
  std::string_view input_name(size_t i) const override {
    return i == 0 ? "a" : i == 1 ? "b" : reader_->input_name(readers_input(i));
  }

  std::vector<TensorSpec> infer(Specs x) const override {
    std::vector<TensorSpec> specs(x.begin() + factors, x.end());
    const auto shape = shape_of(x[0].shape, x[1].shape);
    specs.insert(specs.begin() + static_cast<int64_t>(input_), {x[0].dtype, {shape.m, shape.n}});
    return reader_->infer(specs);
  }

  void run(Views x, Views y, void* scratch) const override {
    with_float(x[0].dtype(), [&]<class T>() { run<T>(x, y, scratch); });
  }
  size_t scratch_bytes(Specs x, Specs) const override {
    return with_float(x[0].dtype, [&]<class T>() {
      return static_cast<size_t>(kernels::matmul_in_pieces_scratch_bytes<T>(shape_of(x[0].shape, x[1].shape)));
    });
  }
  bool takes_strides(size_t input) const override {
    return input < factors || reader_->takes_strides(readers_input(input));
  }
  bool may_fail() const override { return reader_->may_fail(); }
  // A piece of a factor is read for many pieces of the results.
  bool in_place(size_t input, size_t output) const override {
    return input >= factors && reader_->in_place(readers_input(input), output);
  }
  double flops(Specs x, Specs y) const override {
    return 2.0 * static_cast<double>(x[0].shape.back()) * static_cast<double>(y[0].numel()) + reader_->flops(x, y);
  }

 private:
  size_t readers_input(size_t i) const { return i - factors + (i - factors >= input_ ? 1 : 0); }

  template <class T>
  void run(Views x, Views y, void* scratch) const {
    const auto shape = shape_of(x[0].shape(), x[1].shape());
    const TensorSpec product{x[0].dtype(), {shape.m, shape.n}};
    std::array<const T*, most_part_operands> beside;
    size_t count = 0;
    for (const View& view : x.subspan(factors))
      if (view.dtype() == x[0].dtype() && !is_repeated(*view.strides)) beside[count++] = view.data<T>();
    kernels::matmul_in_pieces<T>(
        shape, matrix<T>(x[0]), matrix<T>(x[1]), std::span(beside).first(count),
        [&](int64_t m0, int64_t rows, const T* c) {
          run_reader(x.subspan(factors), y, product, c, m0 * shape.n, rows * shape.n);
        },
        scratch);
  }

  // On `count` elements from `first` on, of which the product's are at `piece`.
  void run_reader(Views x, Views y, const TensorSpec& product, const void* piece, int64_t first, int64_t count) const {
    std::array<View, most_part_operands> views;
    std::copy(x.begin(), x.end(), views.begin());
    std::copy_backward(views.begin() + input_, views.begin() + x.size(), views.begin() + x.size() + 1);
    views[input_] = {static_cast<std::byte*>(const_cast<void*>(piece)), &product};
    run_on_part(*reader_, std::span(views).first(x.size() + 1), y, first, count, input_);
  }

  OpPtr reader_;
  size_t input_;
  std::string name_;
};

/// 0 where all elements of [M,K]·[K,N] are finite, else the largest magnitude: NaN or an infinity.
class MatmulFiniteness final : public Op {
 public:
  std::string_view name() const override { return "matmul_finiteness"; }
  std::vector<TensorSpec> infer(Specs x) const override { return {{x[0].dtype, {}}}; }

  void run(Views x, Views y, void* scratch) const override {
    with_float(x[0].dtype(), [&]<class T>() { *y[0].data<T>() = worst_of<T>(x[0], x[1], scratch); });
  }
  size_t scratch_bytes(Specs x, Specs) const override {
    return with_float(x[0].dtype, [&]<class T>() {
      return static_cast<size_t>(kernels::matmul_in_pieces_scratch_bytes<T>(shape_of(x[0].shape, x[1].shape)));
    });
  }
  bool takes_strides(size_t) const override { return true; }
  double flops(Specs x, Specs) const override {
    return static_cast<double>(x[0].numel()) + static_cast<double>(x[1].numel());
  }

 private:
  // Where the factors are so small that no sum can leave the range, they are not multiplied.
  template <class T>
  static T worst_of(const View& a, const View& b, void* scratch) {
    constexpr T most = std::numeric_limits<T>::max();
    const auto shape = shape_of(a.shape(), b.shape());
    const double bound =
        static_cast<double>(largest<T>(a)) * static_cast<double>(largest<T>(b)) * static_cast<double>(shape.k);
    if (bound < static_cast<double>(most) / 2) return T(0);
    std::atomic<T> result = 0;
    const auto take = [&](int64_t, int64_t rows, const T* c) {
      raise(result, kernels::largest_magnitude(c, 1, rows * shape.n));
    };
    kernels::matmul_in_pieces<T>(shape, matrix<T>(a), matrix<T>(b), {}, take, scratch);
    return result <= most ? T(0) : result.load();
  }

  template <class T>
  static T largest(const View& matrix) {
    // Along lines of neighbours, where there are any.
    const int along = (*matrix.strides)[0] == 1 ? 0 : 1;
    const int64_t step = (*matrix.strides)[along], apart = (*matrix.strides)[1 - along];
    const int64_t length = matrix.shape()[along], lines = matrix.shape()[1 - along];
    std::atomic<T> result = 0;
    constexpr double cycles = sizeof(T) * 0.1;  // as the third-level cache gives them
    parallel_for(lines, grain_among_awake(cycles * static_cast<double>(length)), [&](int64_t begin, int64_t end) {
      T most = 0;
      for (int64_t i = begin; i < end; ++i)
        most = larger(most, kernels::largest_magnitude(matrix.data<T>() + i * apart, step, length));
      raise(result, most);
    });
    return result;
  }
  template <class T>
  static void raise(std::atomic<T>& result, T to) {
    T seen = result.load(std::memory_order_relaxed);
    while (!result.compare_exchange_weak(seen, larger(seen, to), std::memory_order_relaxed)) {
    }
  }
  // NaN where one is.
  template <class T>
  static T larger(T a, T b) {
    return a >= b || std::isnan(a) ? a : b;
  }
};

}  // namespace

OpPtr matmul_feeding(const Node& product, const Node& reader, size_t input) {
  const auto shape = shape_of(product.inputs()[0].shape(), product.inputs()[1].shape());
  // Both factors are read once more, for the check.
  constexpr int64_t large = 64 << 10;
  if (shape.m * shape.n < std::max(large, (shape.m + shape.n) * shape.k)) return {};
  const bool fits =
      with_float(product.outputs()[0].dtype, [&]<class T>() { return kernels::matmul_fits_in_pieces<T>(shape); });
  return fits ? OpPtr(new MatmulFeeding(reader.op_ptr(), input)) : OpPtr();
}

OpPtr matmul_finiteness() { return OpPtr(new MatmulFiniteness); }

}  // namespace telaio
