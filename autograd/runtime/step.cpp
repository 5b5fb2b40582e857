#include <telaio/autograd/runtime/step.hpp>

#include <new>
#include <string>

#include <fmt/format.h>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/strided.hpp>

namespace telaio {

void run_step(const Plan::Step& step, const View* operands, std::byte* scratch) {
  const Views x(operands, static_cast<size_t>(step.inputs));
  const Views y(operands + step.inputs, static_cast<size_t>(step.outputs));
  switch (step.kind) {
    case Plan::Step::Kind::wait:
      return;
    case Plan::Step::Kind::copy:
      return copy_strided(static_cast<int>(size_of(x[0].dtype())), x[0].shape().rank(), x[0].shape().data(),
                          x[0].strides->data(), x[0].bytes, y[0].bytes);
    case Plan::Step::Kind::op:
      break;
  }
  try {
    step.node->op().run(x, y, scratch);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    const Node& node = *step.node;
    const std::string name(node.op().name());
    const std::string prefix = node.scope().empty() ? name : fmt::format("{} ({})", node.scope(), name);
    std::string operand_list;
    for (size_t i = 0; i < node.inputs().size(); ++i) {
      const std::string_view given = node.op().input_name(i);
      operand_list += fmt::format("{}{} {}", i == 0 ? "\n  " : "   ", given.empty() ? "input" : given,
                                  to_string(node.inputs()[i].spec()));
    }
    throw Error(fmt::format("{}: {}{}{}", prefix, error.what(), operand_list, at_line(node.where())));
  }
}

}  // namespace telaio
