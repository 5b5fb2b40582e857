// Reverse mode: gradients as ordinary graphs, so that they can be differentiated, drawn, compiled and checked again.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include <telaio/autograd/tensor.hpp>

namespace telaio {

struct GradOptions {
  /// A tensor that the outputs do not depend on is an error; otherwise its gradient is zeros.
  bool strict = false;
  /// The tensors of wrt count as independent of one another: of c = 2w, {w, c} gets the partial derivatives, not
  /// through c the whole of w's.
  bool independent = false;
};

/// ∂loss/∂w for each w of `wrt`, of w's shape and type. `loss` has one element. Errors: a `wrt` that is no float; a
/// loss that is no float or has several elements; a Variable of which the graph read another version than the one in
/// `wrt` (the gradient would silently miss that path).
std::vector<Tensor> grad(const Tensor& loss, const std::vector<Tensor>& wrt, GradOptions options = {},
                         const SourceLocation& where = TELAIO_HERE);
/// The same for a single tensor.
Tensor grad(const Tensor& loss, const Tensor& wrt, GradOptions options = {}, const SourceLocation& where = TELAIO_HERE);

/// Σᵢ cotangentᵢᵀ · ∂outputᵢ/∂w for each w: the product of a vector with the Jacobian. A cotangent has its output's
/// shape; an undefined one counts as zeros.
std::vector<Tensor> vjp(const std::vector<Tensor>& outputs, const std::vector<Tensor>& cotangents,
                        const std::vector<Tensor>& wrt, GradOptions options = {},
                        const SourceLocation& where = TELAIO_HERE);

/// ∂outputᵢ/∂w · tangent summed over w: the product of the Jacobian with a vector, one for each output. It is taken by
/// two vjps (the first is linear in its cotangent), so every op with a derivative has it.
std::vector<Tensor> jvp(const std::vector<Tensor>& outputs, const std::vector<Tensor>& wrt,
                        const std::vector<Tensor>& tangents, const SourceLocation& where = TELAIO_HERE);

struct ValueAndGrad {
  Tensor value;
  std::vector<Tensor> gradients;
};

/// f(inputs) and its gradient by each input; f's result has one element.
ValueAndGrad value_and_grad(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                            const std::vector<Tensor>& inputs, GradOptions options = {},
                            const SourceLocation& where = TELAIO_HERE);

/// f(inputs), whose inside is not kept for the backward pass but computed again there: less memory for more arithmetic.
/// What f captures (Variables, tensors) gets its gradient too.
std::vector<Tensor> checkpoint(const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& f,
                               const std::vector<Tensor>& inputs, const SourceLocation& where = TELAIO_HERE);
Tensor checkpoint(const std::function<Tensor(const Tensor&)>& f, const Tensor& input,
                  const SourceLocation& where = TELAIO_HERE);

}  // namespace telaio
