// What losses share once each sample has its own.
#pragma once

#include <telaio/ops/losses.hpp>

namespace telaio {

/// Reduces losses that have been multiplied by their weights. `weights`, of the losses' shape, is what MeanBy::weights
/// divides by; undefined: all 1.
Tensor reduced(const Tensor& weighted_losses, const Tensor& weights, Reduction reduction, MeanBy mean_by,
               const SourceLocation& where);

}  // namespace telaio
