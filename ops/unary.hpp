// Elementwise functions of one tensor. The result has the input's shape. What is defined on floats only takes integers
// and bools as f32. In place where the input dies; derivatives are graphs of these same functions.
#pragma once

#include <telaio/autograd/tensor.hpp>

namespace telaio {

Tensor neg(const Tensor& x, const SourceLocation& where = TELAIO_HERE);
Tensor abs(const Tensor& x, const SourceLocation& where = TELAIO_HERE);   ///< derivative 0 at 0
Tensor sign(const Tensor& x, const SourceLocation& where = TELAIO_HERE);  ///< −1, 0 or 1; derivative 0
Tensor square(const Tensor& x, const SourceLocation& where = TELAIO_HERE);
Tensor sqrt(const Tensor& x, const SourceLocation& where = TELAIO_HERE);
Tensor rsqrt(const Tensor& x, const SourceLocation& where = TELAIO_HERE);  ///< 1/√x
Tensor reciprocal(const Tensor& x, const SourceLocation& where = TELAIO_HERE);
Tensor exp(const Tensor& x, const SourceLocation& where = TELAIO_HERE);
Tensor expm1(const Tensor& x, const SourceLocation& where = TELAIO_HERE);
Tensor log(const Tensor& x, const SourceLocation& where = TELAIO_HERE);
Tensor log1p(const Tensor& x, const SourceLocation& where = TELAIO_HERE);
Tensor sin(const Tensor& x, const SourceLocation& where = TELAIO_HERE);
Tensor cos(const Tensor& x, const SourceLocation& where = TELAIO_HERE);
Tensor tanh(const Tensor& x, const SourceLocation& where = TELAIO_HERE);
Tensor erf(const Tensor& x, const SourceLocation& where = TELAIO_HERE);
Tensor floor(const Tensor& x, const SourceLocation& where = TELAIO_HERE);  ///< derivative 0
Tensor ceil(const Tensor& x, const SourceLocation& where = TELAIO_HERE);   ///< derivative 0
Tensor round(const Tensor& x, const SourceLocation& where = TELAIO_HERE);  ///< ties to even; derivative 0

Tensor sigmoid(const Tensor& x, const SourceLocation& where = TELAIO_HERE);  ///< 1/(1+e⁻ˣ)
/// log(1 + e^(beta·x)) / beta.
Tensor softplus(const Tensor& x, double beta = 1, const SourceLocation& where = TELAIO_HERE);
Tensor relu(const Tensor& x, const SourceLocation& where = TELAIO_HERE);  ///< max(x, 0); derivative 0 at 0
/// x where positive, else slope·x.
Tensor leaky_relu(const Tensor& x, double slope = 0.01, const SourceLocation& where = TELAIO_HERE);
/// x where positive, else alpha·(eˣ − 1).
Tensor elu(const Tensor& x, double alpha = 1, const SourceLocation& where = TELAIO_HERE);
/// Klambauer et al. 2017: scale·elu(x, alpha) with scale 1.0507…, alpha 1.6732….
Tensor selu(const Tensor& x, const SourceLocation& where = TELAIO_HERE);
/// x·Φ(x), Φ the normal distribution function; `approximate` takes the tanh form (Hendrycks and Gimpel 2016).
Tensor gelu(const Tensor& x, bool approximate = false, const SourceLocation& where = TELAIO_HERE);
Tensor silu(const Tensor& x, const SourceLocation& where = TELAIO_HERE);  ///< x·sigmoid(x), also called swish
/// min(max(x, low), high); the derivative is 1 inside and at the borders, 0 outside. Error when low > high.
Tensor clip(const Tensor& x, double low, double high, const SourceLocation& where = TELAIO_HERE);
Tensor hardtanh(const Tensor& x, double low = -1, double high = 1, const SourceLocation& where = TELAIO_HERE);

Tensor logical_not(const Tensor& x, const SourceLocation& where = TELAIO_HERE);  ///< bool; other types as x ≠ 0
Tensor is_nan(const Tensor& x, const SourceLocation& where = TELAIO_HERE);       ///< bool
Tensor is_finite(const Tensor& x, const SourceLocation& where = TELAIO_HERE);    ///< bool

/// The elements as another type. Float to integer cuts towards zero and saturates (NaN gives 0); anything to bool is
/// x ≠ 0. The derivative between floats is the cast back.
Tensor cast(const Tensor& x, DType dtype, const SourceLocation& where = TELAIO_HERE);

}  // namespace telaio
