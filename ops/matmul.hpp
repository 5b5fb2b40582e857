// Matrix products.
#pragma once

#include <telaio/ops/operand.hpp>

namespace telaio {

/// [...,M,K]·[...,K,N] → [...,M,N]; the leading axes broadcast. A rank-1 factor is a row on the left, a column on the
/// right, and its axis disappears, as in NumPy. Floats only (the types meet as in arithmetic). Transposed views are
/// multiplied as they lie.
Tensor matmul(const Tensor& a, const Tensor& b, const SourceLocation& where = TELAIO_HERE);

}  // namespace telaio
