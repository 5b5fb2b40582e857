// The op table: for every public op inputs to try it on, what should come out, and what should be refused. The tests
// and the program's `gradcheck` run the same checks over it.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <telaio/autograd/tensor.hpp>
#include <telaio/ops/samples/reference.hpp>

namespace telaio::samples {

using Function = std::function<std::vector<Tensor>(const std::vector<Tensor>&)>;
using ReferenceFunction = std::function<References(const References&)>;

/// One call of an op. Inputs lie where the op is smooth over the step of a central difference; there is one tolerance
/// for the whole table, so results are of the order of 1.
struct Sample {
  std::string label;           ///< "[4,1,3] strided"
  std::vector<Tensor> inputs;  ///< float ones are f64
  Function f;
  ReferenceFunction reference;
  bool differentiable = true;
  /// Floats come out in the type of the floats that went in (an op that is told its type says no).
  bool follows_dtype = true;
  /// Large enough that the op's work is cut for several threads, too large to difference element by element.
  bool large = false;

  Sample without_derivative() &&;
  Sample of_fixed_dtype() &&;
};

/// A call that must throw Error with the op's name, `expected` and the place of the call.
struct WrongInput {
  std::function<void()> call;
  std::string expected;
  SourceLocation where;

  WrongInput(std::function<void()> wrong_call, std::string message, const SourceLocation& place = TELAIO_HERE)
      : call(std::move(wrong_call)), expected(std::move(message)), where(place) {}
};

struct OpRow {
  std::string name;  ///< as in the headers
  std::function<std::vector<Sample>(uint64_t seed)> samples;
  std::vector<WrongInput> wrong;

  /// The samples, and for some of them the same call on strided views of larger tensors.
  std::vector<Sample> all_samples(uint64_t seed) const;
};

/// Every public op, a row each, in the order of the headers.
const std::vector<OpRow>& op_table();

}  // namespace telaio::samples
