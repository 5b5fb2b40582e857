// Element types.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

namespace telaio {

/// The type of a tensor's elements, in promotion order: a value of one type can be promoted to any later one.
enum class DType : uint8_t { boolean, u8, i32, i64, f32, f64 };

inline constexpr DType boolean = DType::boolean;
inline constexpr DType u8 = DType::u8;
inline constexpr DType i32 = DType::i32;
inline constexpr DType i64 = DType::i64;
inline constexpr DType f32 = DType::f32;
inline constexpr DType f64 = DType::f64;

/// "bool", "u8", "i32", "i64", "f32" or "f64".
std::string_view name_of(DType dtype);

/// Bytes of one element.
constexpr size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::boolean:
    case DType::u8:
      return 1;
    case DType::i32:
    case DType::f32:
      return 4;
    case DType::i64:
    case DType::f64:
      return 8;
  }
  return 0;
}

constexpr bool is_float(DType dtype) { return dtype == f32 || dtype == f64; }
constexpr bool is_integer(DType dtype) { return dtype == u8 || dtype == i32 || dtype == i64; }

namespace detail {
template <class T>
struct DTypeOf;
template <>
struct DTypeOf<bool> {
  static constexpr DType value = boolean;
};
template <>
struct DTypeOf<uint8_t> {
  static constexpr DType value = u8;
};
template <>
struct DTypeOf<int32_t> {
  static constexpr DType value = i32;
};
template <>
struct DTypeOf<int64_t> {
  static constexpr DType value = i64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = f32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = f64;
};
}  // namespace detail

/// The DType of a C++ type: dtype_of<float> is f32.
template <class T>
inline constexpr DType dtype_of = detail::DTypeOf<T>::value;

/// Calls f.operator()<T>() with the C++ type of `dtype`.
template <class F>
decltype(auto) with_dtype(DType dtype, F&& f) {
  switch (dtype) {
    case DType::boolean:
      return f.template operator()<bool>();
    case DType::u8:
      return f.template operator()<uint8_t>();
    case DType::i32:
      return f.template operator()<int32_t>();
    case DType::i64:
      return f.template operator()<int64_t>();
    case DType::f32:
      return f.template operator()<float>();
    case DType::f64:
      break;
  }
  return f.template operator()<double>();
}

/// The same for float32 and float64 only (float64 stands for everything else: infer has rejected the rest).
template <class F>
decltype(auto) with_float(DType dtype, F&& f) {
  if (dtype == f32) return f.template operator()<float>();
  return f.template operator()<double>();
}

}  // namespace telaio
