#include <telaio/ops/joining.hpp>

#include <bit>

#include <fmt/format.h>

#include <telaio/ops/axes.hpp>
#include <telaio/ops/kernels/indexing.hpp>
#include <telaio/ops/kernels/place.hpp>
#include <telaio/ops/kernels/scalar_cast.hpp>
#include <telaio/ops/views.hpp>

namespace telaio {

namespace {

class Concat final : public Op {
 public:
  explicit Concat(int axis) : axis_(axis) {}
  std::string_view name() const override { return "concat"; }
  std::string attributes() const override { return fmt::format("axis={}", axis_); }
  std::vector<TensorSpec> infer(Specs x) const override {
    TensorSpec y = x[0];
    for (size_t i = 1; i < x.size(); ++i) {
      if (x[i].dtype != y.dtype)
        throw Error(fmt::format("all parts must be {}, part {} is {}", name_of(y.dtype), i, name_of(x[i].dtype)));
      Shape expected = x[0].shape;
      if (x[i].shape.rank() == expected.rank()) expected[axis_] = x[i].shape[axis_];
      if (!(x[i].shape == expected)) {
        throw Error(fmt::format("the parts may differ along axis {} only, part {} is {}, the first {}", axis_, i,
                                to_string(x[i].shape), to_string(x[0].shape)));
      }
      if (__builtin_add_overflow(y.shape[axis_], x[i].shape[axis_], &y.shape[axis_]))
        throw Error("the result has more elements than can be addressed");
    }
    return {y};
  }
  bool takes_strides(size_t) const override { return true; }
  void run(Views x, Views y, void*) const override {
    const auto size = static_cast<int>(size_of(y[0].dtype()));
    const Strides& strides = *y[0].strides;
    int64_t start = 0;
    for (const View& part : x) {
      kernels::place(size, part.shape().rank(), part.shape().data(), part.strides->data(), part.bytes, strides.data(),
                     y[0].bytes + start * strides[axis_] * size);
      start += part.shape()[axis_];
    }
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs needs) const override {
    std::vector<Tensor> gx(x.size());
    int64_t start = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const int64_t stop = start + x[i].shape()[axis_];
      if (needs[i]) gx[i] = slice(gy[0], axis_, start, stop);
      start = stop;
    }
    return gx;
  }
  bool same_as(const Op& other) const override { return axis_ == static_cast<const Concat&>(other).axis_; }
  double flops(Specs, Specs) const override { return 0; }

 private:
  int axis_;
};

class Pad final : public Op {
 public:
  Pad(const Dims& before, const Dims& after, double value) : before_(before), after_(after), value_(value) {}
  std::string_view name() const override { return "pad"; }
  std::string attributes() const override {
    return fmt::format("before={} after={} value={}", to_string(before_), to_string(after_), value_);
  }
  std::vector<TensorSpec> infer(Specs x) const override {
    TensorSpec y = x[0];
    for (int axis = 0; axis < before_.rank(); ++axis) {
      int64_t& size = y.shape[axis];
      if (__builtin_add_overflow(size, before_[axis], &size) || __builtin_add_overflow(size, after_[axis], &size))
        throw Error("the result has more elements than can be addressed");
    }
    return {y};
  }
  void run(Views x, Views y, void*) const override {
    with_dtype(y[0].dtype(), [&]<class T>() {
      const T value = kernels::scalar_cast<T>(value_);
      kernels::pad_constant(sizeof(T), before_.rank(), x[0].shape().data(), before_.data(), y[0].shape().data(), &value,
                            x[0].bytes, y[0].bytes);
    });
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs) const override {
    std::vector<Range> inside;
    for (int axis = 0; axis < before_.rank(); ++axis)
      inside.push_back({before_[axis], before_[axis] + x[0].shape()[axis], 1});
    return {slice(gy[0], inside)};
  }
  bool same_as(const Op& other) const override {
    const auto& pad = static_cast<const Pad&>(other);
    // By bits: 0 and −0 differ, NaN is itself.
    return before_ == pad.before_ && after_ == pad.after_ &&
           std::bit_cast<uint64_t>(value_) == std::bit_cast<uint64_t>(pad.value_);
  }
  double flops(Specs, Specs) const override { return 0; }

 private:
  Dims before_, after_;
  double value_;
};

}  // namespace

Tensor concat(const std::vector<Tensor>& parts, int axis, const SourceLocation& where) {
  const int normal = explained("concat", parts, where, [&] {
    if (parts.empty()) throw Error("there is nothing to join");
    if (parts[0].rank() == 0) throw Error("scalars have no axis to join along; stack them");
    return checked_axis(axis, parts[0].rank());
  });
  return parts.size() == 1 ? parts[0] : apply(OpPtr(new Concat(normal)), parts, where);
}

Tensor stack(const std::vector<Tensor>& parts, int axis, const SourceLocation& where) {
  const int normal = explained("stack", parts, where, [&] {
    if (parts.empty()) throw Error("there is nothing to stack");
    if (parts[0].rank() == max_rank) throw Error(fmt::format("a tensor has at most {} axes", max_rank));
    for (size_t i = 1; i < parts.size(); ++i) {
      if (parts[i].spec() == parts[0].spec()) continue;
      throw Error(fmt::format("shapes and types must agree, part {} is {}, the first {}", i, to_string(parts[i].spec()),
                              to_string(parts[0].spec())));
    }
    return checked_axis(axis, parts[0].rank() + 1);
  });
  std::vector<Tensor> layers;
  for (const Tensor& part : parts) layers.push_back(unsqueeze(part, normal, where));
  return concat(layers, normal, where);
}

Tensor pad(const Tensor& x, const std::vector<std::pair<int64_t, int64_t>>& borders, double value,
           const SourceLocation& where) {
  Dims before, after;
  explained("pad", x, where, [&] {
    if (static_cast<int>(borders.size()) != x.rank())
      throw Error(fmt::format("{} axes need as many borders, got {}", x.rank(), borders.size()));
    for (const auto& [front, back] : borders) {
      if (front < 0 || back < 0)
        throw Error(fmt::format("a border cannot be negative, got ({},{}); slice the input", front, back));
      before.push_back(front);
      after.push_back(back);
    }
  });
  const Dims none = Dims::filled(x.rank(), 0);
  return before == none && after == none ? x : apply(OpPtr(new Pad(before, after, value)), {x}, where);
}

}  // namespace telaio
