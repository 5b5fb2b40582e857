#include <algorithm>

#include <boost/container_hash/hash.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <telaio/autograd/builtin.hpp>
#include <telaio/autograd/grad.hpp>
#include <telaio/autograd/node.hpp>

namespace telaio {

namespace {

// Inputs: the outputs of the checkpointed function, the function's arguments, and what it captured. The outputs are the
// first inputs, as they are; the derivative ignores how those were computed and builds the function again behind
// barriers.
class Checkpoint final : public IdentityOp {
 public:
  Checkpoint(size_t outputs, size_t arguments) : outputs_(outputs), arguments_(arguments) {}
  std::string_view name() const override { return "checkpoint"; }
  std::vector<TensorSpec> infer(Specs x) const override {
    return {x.begin(), x.begin() + static_cast<int64_t>(outputs_)};
  }

  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs needs) const override {
    std::vector<Tensor> ready;
    for (const Tensor& cotangent : gy)
      if (cotangent.defined()) ready.push_back(cotangent);
    const Tensors originals = x.subspan(outputs_);
    std::vector<Tensor> fresh;
    for (size_t i = 0; i < originals.size(); ++i)
      fresh.push_back(i < arguments_ ? barrier(originals[i], ready) : originals[i]);
    const std::vector<Tensor> again = substitute(x.first(outputs_), originals, fresh);

    std::vector<Tensor> reached;
    for (size_t i = 0; i < outputs_; ++i)
      if (gy[i].defined()) reached.push_back(again[i]);
    std::vector<Tensor> wrt;
    for (size_t i = 0; i < originals.size(); ++i)
      if (needs[outputs_ + i]) wrt.push_back(fresh[i]);
    const std::vector<Tensor> gradients = telaio::vjp(reached, ready, wrt, {.independent = true});
    std::vector<Tensor> gx(x.size());
    for (size_t i = 0, next = 0; i < originals.size(); ++i)
      if (needs[outputs_ + i]) gx[outputs_ + i] = gradients[next++];
    return gx;
  }

 private:
  size_t outputs_;
  size_t arguments_;
};

// The tensors that enter the part of the graph between `arguments` and `outputs` from elsewhere: variables and whatever
// does not depend on the arguments.
std::vector<Tensor> captured(Tensors outputs, Tensors arguments) {
  boost::unordered_flat_set<const Node*> starts;
  for (const Tensor& tensor : arguments) starts.insert(tensor.node());
  boost::unordered_flat_set<const Node*> inside = starts;
  boost::unordered_flat_set<std::pair<const Node*, int>, boost::hash<std::pair<const Node*, int>>> seen;
  std::vector<Tensor> found;
  for (const Node* node : topological_order(outputs, [&](const Node* n) { return starts.contains(n); })) {
    const auto& x = node->inputs();
    const auto is_inside = [&](const Tensor& tensor) { return inside.contains(tensor.node()); };
    if (starts.contains(node) || std::none_of(x.begin(), x.end(), is_inside)) continue;
    inside.insert(node);
    for (const Tensor& tensor : x) {
      if (is_inside(tensor) || tensor.node()->kind() == Node::Kind::constant) continue;
      if (seen.insert({tensor.node(), tensor.index()}).second) found.push_back(tensor);
    }
  }
  return found;
}

}  // namespace

std::vector<Tensor> checkpoint(const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& f,
                               const std::vector<Tensor>& inputs, const SourceLocation& where) {
  // An identity of its own for each argument: what is computed again starts there, even where f captures an argument.
  std::vector<Tensor> arguments;
  for (const Tensor& tensor : inputs) arguments.push_back(barrier(tensor, {}, where));
  std::vector<Tensor> x = f(arguments);
  const OpPtr op(new Checkpoint(x.size(), arguments.size()));
  const std::vector<Tensor> extra = captured(x, arguments);
  x.insert(x.end(), arguments.begin(), arguments.end());
  x.insert(x.end(), extra.begin(), extra.end());
  return apply_all(op, std::move(x), where);
}

Tensor checkpoint(const std::function<Tensor(const Tensor&)>& f, const Tensor& input, const SourceLocation& where) {
  return checkpoint([&](const std::vector<Tensor>& x) { return std::vector<Tensor>{f(x[0])}; }, {input}, where)[0];
}

}  // namespace telaio
