// Adam's update of one parameter as one op: one pass over memory instead of thirteen.
#pragma once

#include <vector>

#include <telaio/autograd/tensor.hpp>

namespace telaio::nn {

/// What is known when the graph is built.
struct AdamConstants {
  double beta1, beta2, epsilon;
  friend bool operator==(const AdamConstants&, const AdamConstants&) = default;
};

/// The parameter, its gradient and its two moments, of one shape and type; size = rate/(1 − β₁ᵗ) and
/// spread = 1/√(1 − β₂ᵗ) are f64 scalars.
struct AdamInputs {
  Tensor w, g, m, v, size, spread;
};

/// The new w, m and v, as one op. Its derivatives are those of adam_composition, to whose bits its results agree.
std::vector<Tensor> adam_update(const AdamInputs& in, const AdamConstants& constants);
std::vector<Tensor> adam_composition(const AdamInputs& in, const AdamConstants& constants);

}  // namespace telaio::nn
