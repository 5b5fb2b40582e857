// Tensors made from nothing.
#pragma once

#include <initializer_list>

#include <telaio/autograd/tensor.hpp>

namespace telaio {

/// T is the C++ type of one of the six dtypes: an int is i32, a double f64. tensor({1.0f, 2.0f}) has shape [2],
/// tensor({{1, 2}, {3, 4}}) shape [2,2]. Error when rows differ in length.
template <class T>
Tensor tensor(std::initializer_list<T> values, const SourceLocation& where = TELAIO_HERE);
template <class T>
Tensor tensor(std::initializer_list<std::initializer_list<T>> rows, const SourceLocation& where = TELAIO_HERE);

/// start, start + step, … up to but without stop; each is start + i·step, rounded once. Error when step is 0, when a
/// number is not finite, and for integers when one is not whole or the values do not fit.
Tensor arange(double start, double stop, double step = 1, DType dtype = f32, const SourceLocation& where = TELAIO_HERE);
/// 0, 1, … count − 1 as i64.
Tensor arange(int64_t count, const SourceLocation& where = TELAIO_HERE);
/// Ones on the diagonal. columns < 0: square.
Tensor eye(int64_t rows, int64_t columns = -1, DType dtype = f32, const SourceLocation& where = TELAIO_HERE);

}  // namespace telaio
