// Messages of functions that are compositions of ops: operands under the names that the user knows.
#pragma once

#include <initializer_list>
#include <string_view>

#include <telaio/autograd/tensor.hpp>

namespace telaio {

struct NamedOperand {
  std::string_view name;
  const Tensor& tensor;
};

/// Throws Error: "<op>: <problem>", the defined operands with their names, and the user's line.
[[noreturn]] void fail(std::string_view op, std::string_view problem, std::initializer_list<NamedOperand> operands,
                       const SourceLocation& where);

/// fail() unless the tensor is defined.
void require_defined(std::string_view op, std::initializer_list<NamedOperand> operands, const SourceLocation& where);

}  // namespace telaio
