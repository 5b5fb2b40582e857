#include <telaio/ops/indexing.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <telaio/ops/axes.hpp>
#include <telaio/ops/kernels/indexing.hpp>
#include <telaio/ops/unary.hpp>

namespace telaio {

namespace {

// Base of the ops whose second input is indices into an axis of `size` elements.
class IndexOp : public Op {
 public:
  IndexOp(std::string_view name, int axis) : name_(name), axis_(axis) {}
  std::string_view name() const final { return name_; }
  std::string attributes() const override { return fmt::format("axis={}", axis_); }
  std::string_view input_name(size_t i) const override { return i == 0 ? "input" : "indices"; }
  bool may_fail() const final { return true; }
  bool same_as(const Op& other) const override { return axis_ == static_cast<const IndexOp&>(other).axis_; }
  double flops(Specs, Specs) const override { return 0; }

 protected:
  static void check_indices(const TensorSpec& indices) {
    if (indices.dtype != i32 && indices.dtype != i64)
      throw Error(fmt::format("the indices must be i32 or i64, not {}", name_of(indices.dtype)));
  }

  // Calls kernel(indices), which gives the place of the first bad index or −1, with the indices' type.
  template <class Kernel>
  static void run_indexed(const View& indices, int64_t size, Kernel&& kernel) {
    const auto checked = [&]<class Index>(const Index* index) {
      const int64_t bad = kernel(index);
      if (bad < 0) return;
      throw Error(
          fmt::format("index {} at place {} is out of range for an axis of {} elements", index[bad], bad, size));
    };
    if (indices.dtype() == i32) checked(indices.data<const int32_t>());
    else checked(indices.data<const int64_t>());
  }

  int axis() const { return axis_; }

 private:
  std::string_view name_;
  int axis_;
};

class Take final : public IndexOp {
 public:
  explicit Take(int axis) : IndexOp("take", axis) {}
  std::vector<TensorSpec> infer(Specs x) const override {
    check_indices(x[1]);
    Shape shape;
    for (int i = 0; i < axis(); ++i) shape.push_back(x[0].shape[i]);
    for (int64_t size : x[1].shape) shape.push_back(size);
    for (int i = axis() + 1; i < x[0].shape.rank(); ++i) shape.push_back(x[0].shape[i]);
    return {{x[0].dtype, shape}};
  }
  void run(Views x, Views y, void*) const override {
    const Lanes lanes = lanes_of(x[0].shape(), axis());
    const auto size = static_cast<int>(size_of(x[0].dtype()));
    run_indexed(x[1], lanes.length, [&](const auto* index) {
      return kernels::take(size, lanes.outer, lanes.length, lanes.inner, x[1].numel(), index, x[0].bytes, y[0].bytes);
    });
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs) const override {
    return {index_add(gy[0], x[1], axis(), x[0].dim(axis())), Tensor()};
  }
};

class Gather final : public IndexOp {
 public:
  explicit Gather(int axis) : IndexOp("gather", axis) {}
  std::vector<TensorSpec> infer(Specs x) const override {
    check_indices(x[1]);
    Shape expected = x[0].shape;
    if (x[1].shape.rank() == expected.rank()) expected[axis()] = x[1].shape[axis()];
    if (!(x[1].shape == expected)) {
      throw Error(fmt::format("input and indices may differ along axis {} only, they are {} and {}", axis(),
                              to_string(x[0].shape), to_string(x[1].shape)));
    }
    return {{x[0].dtype, x[1].shape}};
  }
  void run(Views x, Views y, void*) const override {
    const Lanes lanes = lanes_of(x[0].shape(), axis());
    const auto size = static_cast<int>(size_of(x[0].dtype()));
    run_indexed(x[1], lanes.length, [&](const auto* index) {
      return kernels::gather_along(size, lanes.outer, lanes.length, lanes.inner, x[1].shape()[axis()], index,
                                   x[0].bytes, y[0].bytes);
    });
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs) const override {
    return {scatter_add(gy[0], x[1], axis(), x[0].dim(axis())), Tensor()};
  }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override {
    const BatchFlow flow = BatchFlow::same_axis(axes);
    return flow.axis == axis() ? BatchFlow() : flow;
  }
};

// Base of the transposes, which make an axis of `size` elements.
class AddOp : public IndexOp {
 public:
  AddOp(std::string_view name, int axis, int64_t size) : IndexOp(name, axis), size_(size) {}
  std::string attributes() const override { return fmt::format("axis={} size={}", axis(), size_); }
  std::string_view input_name(size_t i) const override { return i == 0 ? "updates" : "indices"; }
  bool same_as(const Op& other) const override {
    return IndexOp::same_as(other) && size_ == static_cast<const AddOp&>(other).size_;
  }
  double flops(Specs x, Specs) const override { return static_cast<double>(x[0].numel()); }

 protected:
  static void check_updates(const TensorSpec& updates) {
    if (updates.dtype == boolean) throw Error("bools cannot be added; cast them");
  }
  int64_t size() const { return size_; }

 private:
  int64_t size_;
};

class IndexAdd final : public AddOp {
 public:
  IndexAdd(int axis, int64_t size) : AddOp("index_add", axis, size) {}
  std::vector<TensorSpec> infer(Specs x) const override {
    check_indices(x[1]);
    check_updates(x[0]);
    const Shape& updates = x[0].shape;
    const Shape& indices = x[1].shape;
    bool fits = updates.rank() >= axis() + indices.rank();
    for (int i = 0; fits && i < indices.rank(); ++i) fits = updates[axis() + i] == indices[i];
    if (!fits) {
      throw Error(fmt::format("the updates' axes from {} on must be those of the indices {}, the updates are {}",
                              axis(), to_string(indices), to_string(updates)));
    }
    Shape shape;
    for (int i = 0; i < axis(); ++i) shape.push_back(updates[i]);
    shape.push_back(size());
    for (int i = axis() + indices.rank(); i < updates.rank(); ++i) shape.push_back(updates[i]);
    return {{x[0].dtype, shape}};
  }
  void run(Views x, Views y, void*) const override {
    const Lanes lanes = lanes_of(y[0].shape(), axis());
    with_dtype(y[0].dtype(), [&]<class T>() {
      if constexpr (!std::is_same_v<T, bool>) {
        run_indexed(x[1], size(), [&](const auto* index) {
          return kernels::scatter_add(lanes.outer, lanes.length, lanes.inner, x[1].numel(), index, x[0].data<const T>(),
                                      y[0].data<T>());
        });
      }
    });
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs) const override {
    return {take(gy[0], x[1], axis()), Tensor()};
  }
};

class ScatterAdd final : public AddOp {
 public:
  ScatterAdd(int axis, int64_t size) : AddOp("scatter_add", axis, size) {}
  std::vector<TensorSpec> infer(Specs x) const override {
    check_indices(x[1]);
    check_updates(x[0]);
    if (!(x[0].shape == x[1].shape)) {
      throw Error(fmt::format("updates and indices must have one shape, they are {} and {}", to_string(x[0].shape),
                              to_string(x[1].shape)));
    }
    TensorSpec y = x[0];
    y.shape[axis()] = size();
    return {y};
  }
  void run(Views x, Views y, void*) const override {
    const Lanes lanes = lanes_of(y[0].shape(), axis());
    with_dtype(y[0].dtype(), [&]<class T>() {
      if constexpr (!std::is_same_v<T, bool>) {
        run_indexed(x[1], size(), [&](const auto* index) {
          return kernels::scatter_add_along(lanes.outer, lanes.length, lanes.inner, x[1].shape()[axis()], index,
                                            x[0].data<const T>(), y[0].data<T>());
        });
      }
    });
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs) const override {
    return {gather(gy[0], x[1], axis()), Tensor()};
  }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override {
    const BatchFlow flow = BatchFlow::same_axis(axes);
    return flow.axis == axis() ? BatchFlow() : flow;
  }
};

class OneHot final : public Op {
 public:
  OneHot(int64_t classes, DType dtype) : classes_(classes), dtype_(dtype) {}
  std::string_view name() const override { return "one_hot"; }
  std::string attributes() const override { return fmt::format("classes={} dtype={}", classes_, name_of(dtype_)); }
  std::string_view input_name(size_t) const override { return "indices"; }
  bool may_fail() const override { return true; }
  std::vector<TensorSpec> infer(Specs x) const override {
    if (x[0].dtype != i32 && x[0].dtype != i64)
      throw Error(fmt::format("the indices must be i32 or i64, not {}", name_of(x[0].dtype)));
    if (classes_ < 0) throw Error(fmt::format("there cannot be {} classes", classes_));
    TensorSpec y{dtype_, x[0].shape};
    y.shape.push_back(classes_);
    return {y};
  }
  void run(Views x, Views y, void*) const override {
    const auto filled = [&]<class Index>(const Index* index) {
      const int64_t bad = with_dtype(
          dtype_, [&]<class T>() { return kernels::one_hot(x[0].numel(), classes_, index, y[0].data<T>()); });
      if (bad >= 0)
        throw Error(fmt::format("index {} at place {} is out of range for {} classes", index[bad], bad, classes_));
    };
    if (x[0].dtype() == i32) filled(x[0].data<const int32_t>());
    else filled(x[0].data<const int64_t>());
  }
  bool same_as(const Op& other) const override {
    const auto& same = static_cast<const OneHot&>(other);
    return classes_ == same.classes_ && dtype_ == same.dtype_;
  }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override { return BatchFlow::mapped(axes[0]); }
  double flops(Specs, Specs) const override { return 0; }

 private:
  int64_t classes_;
  DType dtype_;
};

// Labels often come as bytes.
Tensor widened(const Tensor& indices, const SourceLocation& where) {
  return indices.defined() && indices.dtype() == u8 ? cast(indices, i32, where) : indices;
}

// The axis counted from the front, of a tensor with `rank` axes.
template <class Rank>
int axis_of(std::string_view op, const Tensor& x, const Tensor& indices, int axis, const SourceLocation& where,
            Rank&& rank) {
  const Tensor operands[] = {x, indices};
  return explained(op, Tensors(operands), where, [&] { return checked_axis(axis, rank()); });
}

}  // namespace

Tensor take(const Tensor& x, const Tensor& indices, int axis, const SourceLocation& where) {
  const int normal = axis_of("take", x, indices, axis, where, [&] { return x.rank(); });
  return apply(OpPtr(new Take(normal)), {x, widened(indices, where)}, where);
}

Tensor gather(const Tensor& x, const Tensor& indices, int axis, const SourceLocation& where) {
  const int normal = axis_of("gather", x, indices, axis, where, [&] { return x.rank(); });
  return apply(OpPtr(new Gather(normal)), {x, widened(indices, where)}, where);
}

Tensor index_add(const Tensor& updates, const Tensor& indices, int axis, int64_t size, const SourceLocation& where) {
  // The axis is one of the result.
  const int normal = axis_of("index_add", updates, indices, axis, where,
                             [&] { return std::max(updates.rank() - indices.rank(), 0) + 1; });
  return apply(OpPtr(new IndexAdd(normal, size)), {updates, widened(indices, where)}, where);
}

Tensor scatter_add(const Tensor& updates, const Tensor& indices, int axis, int64_t size, const SourceLocation& where) {
  const int normal = axis_of("scatter_add", updates, indices, axis, where, [&] { return updates.rank(); });
  return apply(OpPtr(new ScatterAdd(normal, size)), {updates, widened(indices, where)}, where);
}

Tensor one_hot(const Tensor& indices, int64_t classes, DType dtype, const SourceLocation& where) {
  return apply(OpPtr(new OneHot(classes, dtype)), {widened(indices, where)}, where);
}

}  // namespace telaio
