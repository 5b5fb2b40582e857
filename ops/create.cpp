#include <telaio/ops/create.hpp>

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include <telaio/autograd/op.hpp>
#include <telaio/ops/kernels/indexing.hpp>

namespace telaio {

namespace {

// Ops without inputs, so that building a graph computes nothing.
class Arange final : public Op {
 public:
  Arange(double start, double step, int64_t count, DType dtype)
      : start_(start), step_(step), count_(count), dtype_(dtype) {}
  std::string_view name() const override { return "arange"; }
  std::string attributes() const override { return fmt::format("start={} step={} count={}", start_, step_, count_); }
  std::vector<TensorSpec> infer(Specs) const override {
    if (dtype_ == boolean) throw Error("there is no range of bools");
    if (!is_float(dtype_) && count_ > 0) check_integers();
    return {{dtype_, {count_}}};
  }
  void run(Views, Views y, void*) const override {
    with_dtype(dtype_, [&]<class T>() {
      if constexpr (!std::is_same_v<T, bool>) {
        using Step = kernels::ArangeStep<T>;
        // A step that does not fit (of a single element) is never taken; a negative one wraps around as the kernel
        // does.
        const auto step = count_ > 1 ? static_cast<int64_t>(step_) : 0;
        if constexpr (std::is_integral_v<T>)
          kernels::arange(static_cast<Step>(start_), static_cast<Step>(step), count_, y[0].data<T>());
        else kernels::arange(start_, step_, count_, y[0].data<T>());
      }
    });
  }
  bool same_as(const Op& other) const override {
    const auto& same = static_cast<const Arange&>(other);
    return start_ == same.start_ && step_ == same.step_ && count_ == same.count_ && dtype_ == same.dtype_ &&
           std::signbit(start_) == std::signbit(same.start_);
  }

 private:
  void check_integers() const {
    if (std::trunc(start_) != start_ || std::trunc(step_) != step_)
      throw Error(
          fmt::format("a range of {} needs whole numbers, got start {} and step {}", name_of(dtype_), start_, step_));
    with_dtype(dtype_, [&]<class T>() {
      // 2⁶³ is the first double past i64; the limits of the smaller types are exact.
      constexpr double low = static_cast<double>(std::numeric_limits<T>::min());
      constexpr double past = static_cast<double>(std::numeric_limits<T>::max() / 2 + 1) * 2;
      const double last = start_ + static_cast<double>(count_ - 1) * step_;
      for (double value : {start_, last}) {
        if (value < low || value >= past) throw Error(fmt::format("{} does not fit {}", value, name_of(dtype_)));
      }
    });
  }

  double start_, step_;
  int64_t count_;
  DType dtype_;
};

class Eye final : public Op {
 public:
  Eye(int64_t rows, int64_t columns, DType dtype) : rows_(rows), columns_(columns), dtype_(dtype) {}
  std::string_view name() const override { return "eye"; }
  std::string attributes() const override { return fmt::format("rows={} columns={}", rows_, columns_); }
  std::vector<TensorSpec> infer(Specs) const override { return {{dtype_, {rows_, columns_}}}; }
  void run(Views, Views y, void*) const override {
    with_dtype(dtype_, [&]<class T>() { kernels::eye(rows_, columns_, y[0].data<T>()); });
  }
  bool same_as(const Op& other) const override {
    const auto& same = static_cast<const Eye&>(other);
    return rows_ == same.rows_ && columns_ == same.columns_ && dtype_ == same.dtype_;
  }
  double flops(Specs, Specs) const override { return 0; }

 private:
  int64_t rows_, columns_;
  DType dtype_;
};

}  // namespace

template <class T>
Tensor tensor(std::initializer_list<T> values, const SourceLocation& where) {
  return from_data(std::span<const T>(values.begin(), values.size()), {static_cast<int64_t>(values.size())}, where);
}

template <class T>
Tensor tensor(std::initializer_list<std::initializer_list<T>> rows, const SourceLocation& where) {
  const auto height = static_cast<int64_t>(rows.size());
  const auto width = static_cast<int64_t>(rows.size() == 0 ? 0 : rows.begin()->size());
  Array values(TensorSpec{dtype_of<T>, {height, width}});
  T* next = values.data<T>();
  for (const auto& row : rows) {
    if (static_cast<int64_t>(row.size()) != width) {
      fail("tensor", fmt::format("row {} has {} elements, the first has {}", &row - rows.begin(), row.size(), width),
           {}, where);
    }
    next = std::copy(row.begin(), row.end(), next);
  }
  return constant(std::move(values), where);
}

#define TELAIO_TENSOR(T)                                                   \
  template Tensor tensor(std::initializer_list<T>, const SourceLocation&); \
  template Tensor tensor(std::initializer_list<std::initializer_list<T>>, const SourceLocation&)
TELAIO_TENSOR(bool);
TELAIO_TENSOR(uint8_t);
TELAIO_TENSOR(int32_t);
TELAIO_TENSOR(int64_t);
TELAIO_TENSOR(float);
TELAIO_TENSOR(double);
#undef TELAIO_TENSOR

Tensor arange(double start, double stop, double step, DType dtype, const SourceLocation& where) {
  if (!std::isfinite(start) || !std::isfinite(stop) || !std::isfinite(step))
    fail("arange", fmt::format("start {}, stop {} and step {} must be finite", start, stop, step), {}, where);
  if (step == 0) fail("arange", "a step of 0 leads nowhere", {}, where);
  const double count = std::max(0.0, std::ceil((stop - start) / step));
  // 2⁶⁰: more bytes than can be addressed, and exact as a double.
  if (!(count < 0x1p60)) fail("arange", fmt::format("{} elements cannot be addressed", count), {}, where);
  return apply(OpPtr(new Arange(start, step, static_cast<int64_t>(count), dtype)), {}, where);
}

Tensor arange(int64_t count, const SourceLocation& where) {
  if (count < 0) fail("arange", fmt::format("there cannot be {} elements", count), {}, where);
  return apply(OpPtr(new Arange(0, 1, count, i64)), {}, where);
}

Tensor eye(int64_t rows, int64_t columns, DType dtype, const SourceLocation& where) {
  return apply(OpPtr(new Eye(rows, columns < 0 ? rows : columns, dtype)), {}, where);
}

}  // namespace telaio
