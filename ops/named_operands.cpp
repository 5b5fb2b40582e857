#include <telaio/ops/named_operands.hpp>

#include <vector>

#include <fmt/format.h>

#include <telaio/autograd/op.hpp>

namespace telaio {

namespace {

// Never applied: it only knows what operands are called.
class Names final : public Op {
 public:
  explicit Names(std::vector<std::string_view> names) : names_(std::move(names)) {}
  std::string_view name() const override { return "names"; }
  std::string_view input_name(size_t i) const override { return names_[i]; }
  std::vector<TensorSpec> infer(Specs) const override { return {}; }
  void run(Views, Views, void*) const override {}

 private:
  std::vector<std::string_view> names_;
};

}  // namespace

void fail(std::string_view op, std::string_view problem, std::initializer_list<NamedOperand> operands,
          const SourceLocation& where) {
  std::vector<std::string_view> names;
  std::vector<Tensor> tensors;
  for (const NamedOperand& operand : operands) {
    names.push_back(operand.name);
    tensors.push_back(operand.tensor);
  }
  const OpPtr labels(new Names(std::move(names)));
  fail(op, problem, tensors, where, labels.get());
}

void require_defined(std::string_view op, std::initializer_list<NamedOperand> operands, const SourceLocation& where) {
  for (const NamedOperand& operand : operands)
    if (!operand.tensor.defined()) fail(op, fmt::format("the {} tensor is undefined", operand.name), operands, where);
}

}  // namespace telaio
