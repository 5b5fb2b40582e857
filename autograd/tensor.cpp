#include <telaio/autograd/tensor.hpp>

#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#include <fmt/format.h>

#include <telaio/autograd/builtin.hpp>
#include <telaio/autograd/node.hpp>

namespace telaio {

const TensorSpec& Tensor::spec() const {
  if (!node_) throw Error("the tensor is undefined");
  return node_->outputs()[static_cast<size_t>(index_)];
}

int64_t Tensor::dim(int axis) const {
  const auto normal = normalize_axis(axis, rank());
  if (!normal) throw Error(fmt::format("axis {} is out of range for {}", axis, telaio::to_string(spec())));
  return shape()[*normal];
}

const Tensor& Tensor::eval() const {
  telaio::eval(std::span(this, 1));
  return *this;
}

Array Tensor::value() const {
  eval();
  return (*node_->values())[static_cast<size_t>(index_)];
}

namespace {

OpPtr constant_op(const TensorSpec& spec) { return OpPtr(new LeafOp("constant", spec)); }

template <class T>
Tensor scalar_constant(T value) {
  Array array(TensorSpec{dtype_of<T>, {}});
  *array.data<T>() = value;
  return constant(std::move(array), SourceLocation());
}

}  // namespace

Tensor Tensor::scalar(bool value) { return scalar_constant(value); }
Tensor Tensor::scalar(int32_t value) { return scalar_constant(value); }
Tensor Tensor::scalar(int64_t value) { return scalar_constant(value); }
Tensor Tensor::scalar(float value) { return scalar_constant(value); }
Tensor Tensor::scalar(double value) { return scalar_constant(value); }

Tensor constant(Array value, const SourceLocation& where) {
  const TensorSpec spec = value.spec();
  const NodePtr node(new Node(Node::Kind::constant, constant_op(spec), {}, {spec}, where));
  node->set_values({std::move(value)});
  return Tensor(node, 0);
}

template <class T>
Tensor from_data(std::span<const T> data, const Shape& shape, const SourceLocation& where) {
  const TensorSpec spec{dtype_of<T>, shape};
  if (static_cast<int64_t>(data.size()) != spec.numel()) {
    fail("from_data", fmt::format("{} holds {} elements, {} were given", to_string(spec), spec.numel(), data.size()),
         {}, where);
  }
  Array array(spec);
  if (!data.empty()) std::memcpy(array.bytes(), data.data(), data.size_bytes());
  return constant(std::move(array), where);
}

template Tensor from_data(std::span<const bool>, const Shape&, const SourceLocation&);
template Tensor from_data(std::span<const uint8_t>, const Shape&, const SourceLocation&);
template Tensor from_data(std::span<const int32_t>, const Shape&, const SourceLocation&);
template Tensor from_data(std::span<const int64_t>, const Shape&, const SourceLocation&);
template Tensor from_data(std::span<const float>, const Shape&, const SourceLocation&);
template Tensor from_data(std::span<const double>, const Shape&, const SourceLocation&);

Tensor full(const Shape& shape, double value, DType dtype, const SourceLocation& where) {
  try {
    numel(shape);
  } catch (const Error& error) {
    fail("full", error.what(), {}, where);
  }
  Array element(TensorSpec{dtype, {}});
  with_dtype(dtype, [&]<class T>() {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
      // Written so that NaN is refused; 2⁶³ itself is the first double that int64_t cannot hold.
      const double end = std::ldexp(1.0, std::numeric_limits<T>::digits);
      const double begin = std::is_signed_v<T> ? -end : 0;
      if (!(value >= begin && value < end)) {
        fail("full", fmt::format("{} does not fit {}", value, name_of(dtype)), {}, where);
      }
    }
    *element.data<T>() = static_cast<T>(value);
  });
  return constant(Array({dtype, shape}, element.storage(), Strides::filled(shape.rank(), 0), 0), where);
}

template <class T>
T Tensor::item() const {
  if (numel() != 1) throw Error(fmt::format("item: {} has not exactly one element", telaio::to_string(spec())));
  return to_vector<T>()[0];
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Array array = value().contiguous();
  const auto count = static_cast<size_t>(numel());
  std::vector<T> result(count);
  with_dtype(dtype(), [&]<class From>() {
    for (size_t i = 0; i < count; ++i) result[i] = static_cast<T>(array.data<From>()[i]);
  });
  return result;
}

#define TELAIO_READ(T)                \
  template T Tensor::item<T>() const; \
  template std::vector<T> Tensor::to_vector<T>() const;
TELAIO_READ(bool)
TELAIO_READ(uint8_t)
TELAIO_READ(int32_t)
TELAIO_READ(int64_t)
TELAIO_READ(float)
TELAIO_READ(double)
#undef TELAIO_READ

}  // namespace telaio
