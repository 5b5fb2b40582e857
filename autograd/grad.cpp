#include <telaio/autograd/grad.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <boost/unordered/unordered_flat_map.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

#include <telaio/autograd/builtin.hpp>
#include <telaio/autograd/context.hpp>
#include <telaio/autograd/node.hpp>
#include <telaio/autograd/variable.hpp>

namespace telaio {

namespace {

// What the walk knows of a node: whether a wrt tensor lies behind it, and the gradients of its outputs so far.
struct Mark {
  bool needed = false;
  bool wanted = false;  // one of its outputs is itself in wrt
  std::vector<Tensor> gradients;

  // Terms are added up as they come: a weight that is used a hundred times does not keep a hundred gradients alive.
  void add(const Tensor& target, Tensor term) {
    gradients.resize(target.node()->outputs().size());
    Tensor& sum = gradients[static_cast<size_t>(target.index())];
    sum = sum.defined() ? add_n({std::move(sum), std::move(term)}) : std::move(term);
  }
};
using Marks = boost::unordered_flat_map<const Node*, Mark>;

void check_wrt(const std::vector<Tensor>& wrt, const SourceLocation& where) {
  for (size_t i = 0; i < wrt.size(); ++i) {
    if (!wrt[i].defined()) fail("grad", fmt::format("tensor {} to differentiate by is undefined", i), {}, where);
    if (is_float(wrt[i].dtype())) continue;
    fail("grad",
         fmt::format("tensor {} to differentiate by is {}: only f32 and f64 have gradients", i,
                     to_string(wrt[i].spec())),
         {}, where);
  }
}

// A graph that read another version of a Variable than the one asked for has a path that the gradient would miss.
void check_versions(const std::vector<const Node*>& order, const std::vector<Tensor>& wrt,
                    const SourceLocation& where) {
  boost::unordered_flat_map<const VariableState*, const Node*> asked;
  for (const Tensor& tensor : wrt)
    if (const VariableState* state = variable_of(*tensor.node())) asked[state] = tensor.node();
  if (asked.empty()) return;
  for (const Node* node : order) {
    for (const auto& [hidden, reader] : asked) {
      if (!node->op().hides(hidden)) continue;
      fail("grad",
           fmt::format(
               "the graph holds the result of a compiled function that assigns variables, '{}' among them; take the "
               "gradient inside that function",
               hidden->name),
           {}, where);
    }
    const VariableState* state = variable_of(*node);
    if (!state) continue;
    const auto found = asked.find(state);
    if (found == asked.end() || found->second == node) continue;
    fail("grad",
         fmt::format("variable '{}' was assigned to between building the graph and taking the gradient; "
                     "take the gradient first, or differentiate by the tensor that was read",
                     state->name),
         {}, where);
  }
}

// Sends the gradient of a node's outputs on to those of its inputs that lead to wrt.
void propagate(const Node& node, const std::vector<Tensor>& gy, Marks& marks) {
  const auto& x = node.inputs();
  std::vector<uint8_t> needs(x.size());
  bool any = false;
  for (size_t i = 0; i < x.size(); ++i) {
    needs[i] = marks.find(x[i].node())->second.needed && is_float(x[i].dtype());
    any |= needs[i] != 0;
  }
  if (!any) return;
  std::vector<Tensor> y;
  for (size_t i = 0; i < node.outputs().size(); ++i) y.emplace_back(NodePtr(&node), static_cast<int>(i));
  const BackwardScope scope(node.where(), node.scope_ptr());
  const std::vector<Tensor> gx = node.op().vjp(x, y, gy, needs);
  for (size_t i = 0; i < gx.size(); ++i) {
    if (!needs[i] || !gx[i].defined()) continue;
    if (!(gx[i].spec() == x[i].spec())) {
      fail(node.op().name(),
           fmt::format("its derivative by input {} is {}, the input is {}", i, to_string(gx[i].spec()),
                       to_string(x[i].spec())),
           {}, node.where());
    }
    marks.find(x[i].node())->second.add(x[i], gx[i]);
  }
}

}  // namespace

std::vector<Tensor> vjp(const std::vector<Tensor>& outputs, const std::vector<Tensor>& cotangents,
                        const std::vector<Tensor>& wrt, GradOptions options, const SourceLocation& where) {
  check_wrt(wrt, where);
  if (outputs.size() != cotangents.size()) {
    fail("vjp", fmt::format("{} outputs need as many cotangents, got {}", outputs.size(), cotangents.size()), {},
         where);
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].defined()) fail("vjp", fmt::format("output {} is undefined", i), {}, where);
    if (!is_float(outputs[i].dtype())) {
      fail("vjp", fmt::format("output {} is {}: only f32 and f64 have gradients", i, to_string(outputs[i].spec())), {},
           where);
    }
    if (cotangents[i].defined() && !(cotangents[i].spec() == outputs[i].spec())) {
      fail("vjp",
           fmt::format("output {} is {}, its cotangent {}", i, to_string(outputs[i].spec()),
                       to_string(cotangents[i].spec())),
           {}, where);
    }
  }

  boost::unordered_flat_set<const Node*> ends;
  if (options.independent)
    for (const Tensor& tensor : wrt) ends.insert(tensor.node());
  const std::vector<const Node*> order =
      topological_order(outputs, [&](const Node* node) { return ends.contains(node); });
  check_versions(order, wrt, where);
  Marks marks;
  marks.reserve(order.size());
  for (const Tensor& tensor : wrt) {
    Mark& mark = marks[tensor.node()];
    mark.needed = mark.wanted = true;
  }
  for (const Node* node : order) {
    if (ends.contains(node)) continue;
    bool needed = false;
    for (const Tensor& x : node->inputs()) needed |= marks.find(x.node())->second.needed;
    marks[node].needed |= needed;
  }
  for (size_t i = 0; i < outputs.size(); ++i)
    if (cotangents[i].defined()) marks[outputs[i].node()].add(outputs[i], cotangents[i]);

  boost::unordered_flat_map<const Node*, std::vector<Tensor>> found;
  for (auto node = order.rbegin(); node != order.rend(); ++node) {
    Mark& mark = marks.find(*node)->second;
    if (!mark.needed || mark.gradients.empty()) continue;
    const std::vector<Tensor> gy = std::move(mark.gradients);
    if (mark.wanted) found[*node] = gy;
    if (!ends.contains(*node)) propagate(**node, gy, marks);
  }

  std::vector<Tensor> gradients;
  for (size_t i = 0; i < wrt.size(); ++i) {
    const auto entry = found.find(wrt[i].node());
    Tensor gradient = entry == found.end() ? Tensor() : entry->second[static_cast<size_t>(wrt[i].index())];
    if (!gradient.defined() && options.strict) {
      fail("grad", fmt::format("the outputs do not depend on tensor {} to differentiate by", i), {&wrt[i], 1}, where);
    }
    gradients.push_back(gradient.defined() ? gradient : zeros(wrt[i].shape(), wrt[i].dtype(), where));
  }
  return gradients;
}

std::vector<Tensor> grad(const Tensor& loss, const std::vector<Tensor>& wrt, GradOptions options,
                         const SourceLocation& where) {
  if (!loss.defined()) fail("grad", "the loss is undefined", {}, where);
  if (!is_float(loss.dtype())) fail("grad", "the loss must be f32 or f64", {&loss, 1}, where);
  if (loss.numel() != 1) {
    fail("grad", "the loss must have one element; sum it, or use vjp with a cotangent", {&loss, 1}, where);
  }
  return vjp({loss}, {ones(loss.shape(), loss.dtype(), where)}, wrt, options, where);
}

Tensor grad(const Tensor& loss, const Tensor& wrt, GradOptions options, const SourceLocation& where) {
  return grad(loss, std::vector<Tensor>{wrt}, options, where)[0];
}

std::vector<Tensor> jvp(const std::vector<Tensor>& outputs, const std::vector<Tensor>& wrt,
                        const std::vector<Tensor>& tangents, const SourceLocation& where) {
  if (wrt.size() != tangents.size()) {
    fail("jvp", fmt::format("{} tensors need as many tangents, got {}", wrt.size(), tangents.size()), {}, where);
  }
  std::vector<Tensor> cotangents;
  for (const Tensor& output : outputs) cotangents.push_back(input("cotangent", output.spec(), where));
  // g(v) = vᵀJ is linear in v, so ∂(gᵀ·tangent)/∂v = J·tangent, whatever v is: it never has to be bound.
  const std::vector<Tensor> g = vjp(outputs, cotangents, wrt, {}, where);
  return vjp(g, tangents, cotangents, {}, where);
}

ValueAndGrad value_and_grad(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                            const std::vector<Tensor>& inputs, GradOptions options, const SourceLocation& where) {
  ValueAndGrad result;
  result.value = f(inputs);
  result.gradients = grad(result.value, inputs, options, where);
  return result;
}

}  // namespace telaio
