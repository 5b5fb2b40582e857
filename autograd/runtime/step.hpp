// Running one step of a plan.
#pragma once

#include <telaio/autograd/op.hpp>
#include <telaio/autograd/runtime/plan.hpp>

namespace telaio {

/// `operands` are the step's inputs, then its outputs. Whatever the op throws comes out as an Error that names the op,
/// its operands and the user's line.
void run_step(const Plan::Step& step, const View* operands, std::byte* scratch);

}  // namespace telaio
