#include <telaio/nn/layer.hpp>

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include <telaio/autograd/context.hpp>
#include <telaio/autograd/node.hpp>
#include <telaio/autograd/op.hpp>
#include <telaio/nn/walk.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/random.hpp>

namespace telaio::nn {

const ParameterStore::Entry* ParameterStore::find(const std::string& name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? nullptr : &entries_[found->second];
}

const ParameterStore::Entry& ParameterStore::add(Variable variable, bool trainable) {
  index_.emplace(variable.name(), entries_.size());
  return entries_.emplace_back(Entry{std::move(variable), trainable});
}

namespace {

std::string join(const std::string& path, std::string_view name) {
  return path.empty() ? std::string(name) : name.empty() ? path : fmt::format("{}.{}", path, name);
}

/// The variable of that name, made where the walk makes them.
template <class Make>
const ParameterStore::Entry& entry(Walk& walk, const std::string& name, const Shape& shape, bool trainable,
                                   Make&& make) {
  const ParameterStore::Entry* found = walk.store.find(name);
  if (found == nullptr) {
    if (!walk.making)
      throw Error(
          fmt::format("{}: the model has no such parameter: the layer asks for others than when it was built", name));
    return walk.store.add(Variable(name, constant(make())), trainable);
  }
  if (!(found->variable.shape() == shape))
    throw Error(fmt::format("{}: the parameter has shape {}, the layer asks for {}", name,
                            to_string(found->variable.shape()), to_string(shape)));
  if (found->trainable != trainable)
    throw Error(fmt::format("{}: it is asked for as a parameter and as a state", name));
  return *found;
}

/// Multiplications that a product or convolution between x and y takes; an addition comes with each.
int64_t multiply_adds(const Tensor& x, const Tensor& y) {
  double flops = 0;
  for (const Node* node : topological_order({&y, 1}, [&](const Node* one) { return one == x.node(); })) {
    if (node == x.node()) continue;
    const std::string_view op = node->op().name();
    if (op != "matmul" && !op.starts_with("conv2d")) continue;
    std::vector<TensorSpec> specs;
    for (const Tensor& input : node->inputs()) specs.push_back(input.spec());
    flops += node->op().flops(specs, node->outputs());
  }
  return static_cast<int64_t>(flops / 2);
}

}  // namespace

bool LayerContext::training() const { return walk_.training; }
DType LayerContext::dtype() const { return walk_.dtype; }

Tensor LayerContext::parameter(std::string_view name, const Shape& shape, const Initializer& initializer, Fans fans) {
  return entry(walk_, join(path_, name), shape, true,
               [&] {
                 const auto number = static_cast<uint64_t>(walk_.store.entries().size());
                 const RandomKey key = data_key(walk_.seed, RandomPurpose::initialize, number);
                 try {
                   return initializer({walk_.dtype, shape}, fans, key);
                 } catch (const Error& error) {
                   throw Error(fmt::format("{}: {}", join(path_, name), error.what()));
                 }
               })
      .variable;
}

Tensor LayerContext::state(std::string_view name, const Shape& shape, double initial) {
  return entry(walk_, join(path_, name), shape, false,
               [&] { return full(shape, initial, walk_.dtype).value().contiguous(); })
      .variable;
}

void LayerContext::update(std::string_view name, const Tensor& value) {
  if (!walk_.training) return;
  const std::string full = join(path_, name);
  const ParameterStore::Entry* found = walk_.store.find(full);
  if (found == nullptr) throw Error(fmt::format("{}: there is no such state to update", full));
  walk_.updates.emplace_back(found->variable, value);
}

Tensor LayerContext::random_key(const SourceLocation& where) {
  if (!walk_.training || !walk_.key.defined())
    throw Error(fmt::format("{}{}random numbers are for training, and need a key", path_, path_.empty() ? "" : ": "));
  // The walk's key is (seed, step): each call takes the step of a stream of its own.
  const RandomKey own = data_key(0, RandomPurpose::layers, 0);
  const auto stream = static_cast<int64_t>(own.stream) + (walk_.keys_given++ << 36);
  return add({walk_.key, where}, {telaio::random_key(0, stream, where), where});
}

Tensor LayerContext::activate(const Tensor& x, const ActivationFunction& activation, const SourceLocation& where) {
  if (activation.is_linear()) return x;
  if (activation.name().ends_with("softmax") && x.rank() < 2)  // over the last axis, which is the batch
    fail(activation.name(), "expected samples of one axis or more [N,…,C]", {&x, 1}, where);
  const Tensor y = activation(x, where);
  walk_.activated = {x, y, activation};
  return y;
}

Tensor LayerContext::operator()(const Layer& layer, const Tensor& x, std::string_view name) {
  if (!layer.defined()) throw Error(fmt::format("{}: the layer is undefined", join(path_, name)));
  LayerContext inner(walk_, join(path_, name));
  const size_t values = walk_.values.size(), entries = walk_.store.entries().size();
  std::optional<Scope> scope;
  if (!name.empty()) scope.emplace(name);
  const Tensor y = layer.call(x, inner);
  if (!y.defined())
    throw Error(fmt::format("layer '{}': its type {} gave an undefined tensor", inner.path_, layer.type()));
  const bool leaf = walk_.values.size() == values;
  const bool activated = walk_.activated.y.defined() && walk_.activated.y.same(y);
  walk_.values.push_back({inner.path_, y, activated ? walk_.activated.x : y});
  if (!walk_.making) return y;

  LayerInfo visit{inner.path_, std::string(layer.type()), x.shape(), y.shape()};
  for (size_t i = entries; i < walk_.store.entries().size(); ++i) {
    const ParameterStore::Entry& made = walk_.store.entries()[i];
    visit.parameters += numel(made.variable.shape());
    if (made.trainable) visit.trainable += numel(made.variable.shape());
  }
  visit.multiply_adds = multiply_adds(x, y);
  visit.leaf = leaf;
  walk_.visits.push_back(std::move(visit));
  return y;
}

const Layer* LayerTypes::find(std::string_view type) const {
  for (const Layer& one : types_)
    if (one.type() == type) return &one;
  return nullptr;
}

void LayerTypes::add(Layer layer) {
  std::erase_if(types_, [&](const Layer& one) { return one.type() == layer.type(); });
  types_.push_back(std::move(layer));
}

}  // namespace telaio::nn
