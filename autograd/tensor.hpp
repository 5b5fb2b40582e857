// Tensor: a value handle to an output of a node of the graph.
#pragma once

#include <iosfwd>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include <telaio/autograd/array.hpp>
#include <telaio/autograd/dtype.hpp>
#include <telaio/autograd/error.hpp>
#include <telaio/autograd/shape.hpp>

namespace telaio {

class Node;
void intrusive_ptr_add_ref(const Node* node) noexcept;
void intrusive_ptr_release(const Node* node) noexcept;
using NodePtr = boost::intrusive_ptr<const Node>;

/// One output of an immutable node: an op applied to inputs, or a leaf that holds a value. Copying a Tensor copies the
/// handle. Building a graph checks shapes and types and computes nothing; eval(), or reading the value, computes.
class Tensor {
 public:
  /// Undefined: stands for "no tensor" and can only be assigned to and asked defined().
  Tensor() = default;
  Tensor(NodePtr node, int index) : node_(std::move(node)), index_(index) {}
  /// A scalar (rank 0): double gives f64, float f32, int64_t i64, int i32, bool a bool. Being of rank 0 it takes the
  /// dtype of the tensor that it meets in arithmetic, when both are floats or both integers.
  template <class T>
  requires std::is_arithmetic_v<T> Tensor(T value) : Tensor(scalar(widen(value))) {}

  bool defined() const { return node_ != nullptr; }
  const TensorSpec& spec() const;
  const Shape& shape() const { return spec().shape; }
  DType dtype() const { return spec().dtype; }
  int rank() const { return shape().rank(); }
  int64_t numel() const { return spec().numel(); }
  /// The size of an axis; negative ones count from the end. Error when there is no such axis.
  int64_t dim(int axis) const;

  /// Computes the value now, unless it is there already, and keeps it. The graph behind the tensor stays, so a gradient
  /// asked for later is still right. Error when the graph reads an input that is bound only inside a compiled function.
  const Tensor& eval() const;
  /// eval(), then the value as a strided view.
  Array value() const;
  /// eval(), then the only element, converted to T. Error when there is not exactly one.
  template <class T>
  T item() const;
  /// eval(), then all elements in row-major order, converted to T.
  template <class T>
  std::vector<T> to_vector() const;

  const Node* node() const { return node_.get(); }
  const NodePtr& node_ptr() const { return node_; }
  int index() const { return index_; }
  /// The same output of the same node.
  bool same(const Tensor& other) const { return node_ == other.node_ && index_ == other.index_; }

 private:
  template <class T>
  static auto widen(T value) {
    if constexpr (std::is_same_v<T, bool> || std::is_same_v<T, float> || std::is_same_v<T, double>) {
      return value;
    } else if constexpr (std::is_floating_point_v<T>) {
      return static_cast<double>(value);
    } else if constexpr (sizeof(T) <= 4 && std::is_signed_v<T>) {
      return static_cast<int32_t>(value);
    } else {
      return static_cast<int64_t>(value);
    }
  }
  static Tensor scalar(bool value);
  static Tensor scalar(int32_t value);
  static Tensor scalar(int64_t value);
  static Tensor scalar(float value);
  static Tensor scalar(double value);

  NodePtr node_;
  int index_ = 0;
};

using Tensors = std::span<const Tensor>;

/// A leaf that holds a value.
Tensor constant(Array value, const SourceLocation& where = TELAIO_HERE);

/// A tensor of the given shape whose elements are copied from `data` (row-major). Error when the counts disagree.
template <class T>
Tensor from_data(std::span<const T> data, const Shape& shape, const SourceLocation& where = TELAIO_HERE);
template <class T>
Tensor from_data(const std::vector<T>& data, const Shape& shape, const SourceLocation& where = TELAIO_HERE) {
  return from_data(std::span<const T>(data), shape, where);
}

/// All elements `value` (converted to dtype). Takes no memory however large the shape: a single element is repeated.
Tensor full(const Shape& shape, double value, DType dtype = f32, const SourceLocation& where = TELAIO_HERE);
inline Tensor zeros(const Shape& shape, DType dtype = f32, const SourceLocation& where = TELAIO_HERE) {
  return full(shape, 0, dtype, where);
}
inline Tensor ones(const Shape& shape, DType dtype = f32, const SourceLocation& where = TELAIO_HERE) {
  return full(shape, 1, dtype, where);
}

/// Computes several tensors in one go, sharing what they have in common.
void eval(std::span<const Tensor> tensors);
void eval(std::initializer_list<Tensor> tensors);

/// The value, as NumPy would print it, with long axes shortened; computes it.
std::ostream& operator<<(std::ostream& out, const Tensor& tensor);
std::string to_string(const Tensor& tensor);

}  // namespace telaio
