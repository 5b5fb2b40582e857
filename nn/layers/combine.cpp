#include <telaio/nn/layers/combine.hpp>

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include <telaio/autograd/op.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/joining.hpp>

namespace telaio::nn {

namespace {

/// "conv" for "conv2d": what automatic names begin with.
std::string stem(std::string_view type) {
  if (type.ends_with("2d")) type.remove_suffix(2);
  return std::string(type);
}

/// A name for each layer: its own, or its type's stem and number, or (with `automatic`) that and its place. Error when
/// two have one name, or one that is `used` already, or one has a dot.
std::vector<std::string> names_of(const std::vector<Layer>& layers, const LayerContext& context,
                                  std::string_view automatic = {}, std::set<std::string> used = {}) {
  std::vector<std::string> names;
  std::map<std::string, int> numbers;
  for (const Layer& layer : layers) {
    if (!layer.defined())
      throw Error(fmt::format("{}{}layer {} is undefined", context.path(), context.path().empty() ? "" : ": ",
                              names.size() + 1));
    std::string name = layer.name();
    if (name.empty() && !automatic.empty()) {
      name = fmt::format("{}{}", automatic, names.size() + 1);
    } else if (name.empty()) {
      const std::string begin = stem(layer.type());
      name = fmt::format("{}{}", begin, ++numbers[begin]);
    }
    if (name.find('.') != std::string::npos)
      throw Error(fmt::format("layer '{}': a name has no dots: they separate the names of layers in layers", name));
    if (!used.insert(name).second)
      throw Error(fmt::format("layer '{}': two layers{}{} have this name", name, context.path().empty() ? "" : " of ",
                              context.path()));
    names.push_back(std::move(name));
  }
  return names;
}

Tensor in_a_row(const std::vector<Layer>& layers, Tensor x, LayerContext& context, std::set<std::string> used = {}) {
  const std::vector<std::string> names = names_of(layers, context, {}, std::move(used));
  for (size_t i = 0; i < layers.size(); ++i) x = context(layers[i], x, names[i]);
  return x;
}

}  // namespace

Sequential::Sequential(std::initializer_list<Layer> list, std::string called) : layers(list), name(std::move(called)) {
  if (layers.size() != 1 || !name.empty() || !layers[0].defined()) return;
  if (const auto* inner = layers[0].as<Sequential>()) *this = Sequential(*inner);
}

Tensor Sequential::call(const Tensor& x, LayerContext& context) const { return in_a_row(layers, x, context); }
void Sequential::fields(Fields& f) {
  f("layers", layers);
  f("name", name);
}

Tensor Residual::call(const Tensor& x, LayerContext& context) const {
  if (layers.empty()) fail(type, "layers: expected at least one", {}, where);
  std::set<std::string> used;  // a layer called like the shortcut would share its parameters
  if (!shortcut.empty()) used.insert("shortcut");
  const Tensor body = in_a_row(layers, x, context, std::move(used));
  const Tensor short_way = shortcut.empty() ? x : context(Sequential(shortcut), x, "shortcut");
  if (!(body.shape() == short_way.shape())) {
    const Tensor ends[] = {body, short_way};
    fail(type, "the body's result (a) and the shortcut's (b) differ in shape", ends, where);
  }
  return context.activate(add({body, where}, {short_way, where}), activation, where);
}
void Residual::fields(Fields& f) {
  f("layers", layers);
  f("shortcut", shortcut);
  f("activation", activation);
  f("name", name);
}

Tensor Parallel::call(const Tensor& x, LayerContext& context) const {
  if (branches.empty()) fail(type, "branches: expected at least one", {}, where);
  constexpr std::string_view joins[] = {"concat", "add", "multiply", "maximum", "average"};
  if (std::find(std::begin(joins), std::end(joins), join) == std::end(joins))
    fail(type, fmt::format("join: '{}' is unknown; expected {}", join, fmt::join(joins, ", ")), {}, where);
  const std::vector<std::string> names = names_of(branches, context, "branch");
  std::vector<Tensor> ends;
  for (size_t i = 0; i < branches.size(); ++i) ends.push_back(context(branches[i], x, names[i]));
  if (join == "concat") return concat(ends, -1, where);
  const auto two = [&](const Tensor& a, const Tensor& b) -> Tensor {
    if (!(a.shape() == b.shape())) {
      const Tensor both[] = {a, b};
      fail(type, fmt::format("join {}: the branches differ in shape", join), both, where);
    }
    if (join == "add" || join == "average") return add({a, where}, {b, where});
    if (join == "multiply") return mul({a, where}, {b, where});
    return maximum({a, where}, {b, where});
  };
  Tensor y = ends[0];
  for (size_t i = 1; i < ends.size(); ++i) y = two(y, ends[i]);
  return join == "average" ? div({y, where}, static_cast<double>(ends.size())) : y;
}
void Parallel::fields(Fields& f) {
  f("branches", branches);
  f("join", join);
  f("name", name);
}

}  // namespace telaio::nn
