// Products that are never in memory as a whole.
#pragma once

#include <telaio/autograd/op.hpp>

namespace telaio {

/// See Op::feeding and Op::finiteness, of [M,K]·[K,N] → [M,N] where that does not repeat rows in memory more often than
/// it saves: null for others.
OpPtr matmul_feeding(const Node& product, const Node& reader, size_t input);
OpPtr matmul_finiteness();

}  // namespace telaio
