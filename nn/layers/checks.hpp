// What layers refuse, each in its own name and at the user's line.
#pragma once

#include <string_view>

#include <telaio/autograd/tensor.hpp>

namespace telaio::nn {

/// Error "TYPE: FIELD: expected at least LEAST, got VALUE".
void check_at_least(std::string_view type, std::string_view field, int64_t value, int64_t least,
                    const SourceLocation& where);
/// Error unless x has an axis besides the batch: over the last of [N] a layer would mix the samples.
void check_has_axes(std::string_view type, const Tensor& x, std::string_view expected, const SourceLocation& where);
/// Error unless x has `rank` axes (the batch counts).
void check_rank(std::string_view type, const Tensor& x, int rank, std::string_view expected,
                const SourceLocation& where);

}  // namespace telaio::nn
