#include <telaio/nn/describe.hpp>

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include <boost/json.hpp>

#include <telaio/nn/io/json.hpp>
#include <telaio/nn/layers.hpp>

namespace telaio::nn {

namespace json = boost::json;

namespace {

// ---- writing

json::value layer_value(const Layer& layer);

/// Every field of a description.
class Writer final : public Fields {
 public:
  json::object object;

  void operator()(std::string_view name, int64_t& value) override { object[name] = value; }
  void operator()(std::string_view name, double& value) override {
    if (!std::isfinite(value)) throw Error(fmt::format("{}: {} cannot be written as JSON", name, value));
    object[name] = value;
  }
  void operator()(std::string_view name, bool& value) override { object[name] = value; }
  void operator()(std::string_view name, std::string& value) override { object[name] = value; }
  void operator()(std::string_view name, Shape& value) override {
    object[name] = json::array(value.begin(), value.end());
  }
  void operator()(std::string_view name, Size2d& value) override { object[name] = size(value); }
  void operator()(std::string_view name, std::optional<Size2d>& value) override {
    object[name] = value ? size(*value) : json::value();
  }
  void operator()(std::string_view name, Padding& p) override {
    object[name] = p.kind == Padding::Kind::valid  ? json::value("valid")
                   : p.kind == Padding::Kind::same ? json::value("same")
                                                   : json::value{p.top, p.bottom, p.left, p.right};
  }
  void operator()(std::string_view name, ActivationFunction& value) override { object[name] = value.text(); }
  void operator()(std::string_view name, Initializer& value) override { object[name] = value.text(); }
  void operator()(std::string_view name, Layer& value) override {
    object[name] = value.defined() ? layer_value(value) : json::value();
  }
  void operator()(std::string_view name, std::vector<Layer>& value) override {
    json::array list;
    for (const Layer& layer : value) list.push_back(layer_value(layer));
    object[name] = std::move(list);
  }

 private:
  static json::value size(const Size2d& both) {
    if (both.height == both.width) return both.height;
    return json::array{both.height, both.width};
  }
};

json::object fields_of(const Layer& layer) {
  Writer writer;
  layer.write_fields(writer);
  return std::move(writer.object);
}

json::value layer_value(const Layer& layer) {
  if (!layer.defined()) throw Error("an undefined layer cannot be written as JSON");
  if (!layer.has_fields())
    throw Error(fmt::format("layer '{}': its type {} has no fields(), so it cannot be written as JSON", layer.name(),
                            layer.type()));
  const json::object all = fields_of(layer), defaults = fields_of(layer.fresh());
  json::object changed;
  for (const auto& [name, value] : all)
    if (value != defaults.at(name)) changed[name] = value;
  return json::object{{layer.type(), std::move(changed)}};
}

// ---- reading

[[noreturn]] void refuse(const std::string& place, std::string_view expected, const json::value& got) {
  std::string text = compact(got);
  if (text.size() > 60) text = text.substr(0, 57) + "…";
  throw Error(fmt::format("{}: expected {}, got {}", place, expected, text));
}

Layer read_layer(const json::value& value, const std::string& place, const LayerTypes& types, bool root = false);

std::vector<Layer> read_layers(const json::value& value, const std::string& place, const LayerTypes& types) {
  if (!value.is_array()) refuse(place, "a list of layers", value);
  std::vector<Layer> layers;
  for (const json::value& one : value.get_array())
    layers.push_back(read_layer(one, fmt::format("{}[{}]", place, layers.size()), types));
  return layers;
}

/// The fields that an object gives. With `alone`, the value is that of the first field that asks.
class Reader final : public Fields {
 public:
  Reader(const json::value& value, std::string place, const LayerTypes& types)
      : object_(value.is_object() ? &value.get_object() : nullptr),
        alone_(value.is_object() ? nullptr : &value),
        place_(std::move(place)),
        types_(types) {}

  void operator()(std::string_view name, int64_t& value) override {
    if (const json::value* given = take(name)) value = whole(*given, at(name));
  }
  void operator()(std::string_view name, double& value) override {
    const json::value* given = take(name);
    if (!given) return;
    if (!given->is_number() || !std::isfinite(given->to_number<double>())) refuse(at(name), "a number", *given);
    value = given->to_number<double>();
  }
  void operator()(std::string_view name, bool& value) override {
    const json::value* given = take(name);
    if (!given) return;
    if (!given->is_bool()) refuse(at(name), "true or false", *given);
    value = given->get_bool();
  }
  void operator()(std::string_view name, std::string& value) override {
    if (const json::value* given = take(name)) value = text(*given, at(name));
  }
  void operator()(std::string_view name, Shape& value) override {
    if (const json::value* given = take(name)) value = shape(*given, at(name));
  }
  void operator()(std::string_view name, Size2d& value) override {
    if (const json::value* given = take(name)) value = size(*given, at(name));
  }
  void operator()(std::string_view name, std::optional<Size2d>& value) override {
    const json::value* given = take(name);
    if (!given) return;
    if (given->is_null()) value.reset();
    else value = size(*given, at(name));
  }
  void operator()(std::string_view name, Padding& value) override {
    const json::value* given = take(name);
    if (!given) return;
    constexpr std::string_view expected = R"("valid", "same", a whole number or [top, bottom, left, right])";
    if (given->is_string()) {
      if (given->get_string() != "valid" && given->get_string() != "same") refuse(at(name), expected, *given);
      value = given->get_string() == "same" ? Padding::same() : Padding::valid();
    } else if (given->is_array()) {
      const json::array& sides = given->get_array();
      if (sides.size() != 4) refuse(at(name), expected, *given);
      value = Padding::of(whole(sides[0], at(name)), whole(sides[1], at(name)), whole(sides[2], at(name)),
                          whole(sides[3], at(name)));
    } else if (given->is_int64()) {
      value = Padding::of(given->get_int64());
    } else {
      refuse(at(name), expected, *given);
    }
  }
  void operator()(std::string_view name, ActivationFunction& value) override { named(name, value); }
  void operator()(std::string_view name, Initializer& value) override { named(name, value); }
  void operator()(std::string_view name, Layer& value) override {
    const json::value* given = take(name);
    if (given) value = given->is_null() ? Layer() : read_layer(*given, at(name), types_);
  }
  void operator()(std::string_view name, std::vector<Layer>& value) override {
    if (const json::value* given = take(name)) value = read_layers(*given, at(name), types_);
  }

  /// After all fields have asked: Error when something is left.
  void finish() const {
    if (alone_ != nullptr) refuse(place_, "an object with the layer's fields", *alone_);
    if (object_ == nullptr) return;
    for (const auto& [key, value] : *object_)
      if (std::find(asked_.begin(), asked_.end(), key) == asked_.end())
        throw Error(fmt::format("{}: unknown field '{}'; expected {}", place_, std::string_view(key),
                                asked_.empty() ? "none" : fmt::to_string(fmt::join(asked_, ", "))));
  }

  static int64_t whole(const json::value& value, const std::string& place) {
    if (!value.is_int64()) refuse(place, "a whole number", value);
    return value.get_int64();
  }
  static std::string text(const json::value& value, const std::string& place) {
    if (!value.is_string()) refuse(place, "text", value);
    return std::string(value.get_string());
  }
  static Shape shape(const json::value& value, const std::string& place) {
    if (!value.is_array()) refuse(place, "a list of whole numbers", value);
    if (value.get_array().size() >= max_rank) refuse(place, fmt::format("fewer than {} axes", max_rank), value);
    Shape shape;
    for (const json::value& one : value.get_array()) shape.push_back(whole(one, place));
    return shape;
  }

 private:
  std::string at(std::string_view name) const { return fmt::format("{}.{}", place_, name); }

  const json::value* take(std::string_view name) {
    asked_.emplace_back(name);
    if (alone_ != nullptr) return std::exchange(alone_, nullptr);
    return object_ ? object_->if_contains(name) : nullptr;
  }
  static Size2d size(const json::value& value, const std::string& place) {
    if (value.is_int64()) return value.get_int64();
    if (!value.is_array() || value.get_array().size() != 2) refuse(place, "a whole number or [height, width]", value);
    return {whole(value.get_array()[0], place), whole(value.get_array()[1], place)};
  }
  template <class Named>
  void named(std::string_view name, Named& value) {
    const json::value* given = take(name);
    if (!given) return;
    const std::string written = text(*given, at(name));
    try {
      value = Named(written);
    } catch (const Error& error) {
      throw Error(fmt::format("{}: {}", at(name), error.what()));
    }
  }

  const json::object* object_;
  const json::value* alone_;
  std::string place_;
  const LayerTypes& types_;
  std::vector<std::string> asked_;
};

Layer read_layer(const json::value& value, const std::string& place, const LayerTypes& types, bool root) {
  // A source alone, "net.json", is set off from the places in it.
  if (value.is_array()) return Sequential(read_layers(value, root ? place + ": " : place, types));
  const bool only_name = value.is_string();
  if (!only_name && (!value.is_object() || value.get_object().size() != 1))
    refuse(place, R"(a layer: {"TYPE": {FIELDS}}, "TYPE" or a list of layers)", value);
  const std::string type = only_name ? std::string(value.get_string()) : std::string(value.get_object().begin()->key());
  const Layer* known = types.find(type);
  if (known == nullptr) {
    std::vector<std::string_view> names;
    for (const Layer& one : types.list()) names.push_back(one.type());
    throw Error(
        fmt::format("{}: there is no layer type '{}'; expected one of {}", place, type, fmt::join(names, ", ")));
  }
  const json::value none = json::object();
  Reader reader(only_name ? none : value.get_object().begin()->value(),
                fmt::format("{}{}{}", place, root ? ": " : ".", type), types);
  Layer layer = known->read_fields(reader);
  reader.finish();
  return layer;
}

}  // namespace

Layer parse_layer(std::string_view text, const std::string& source, const LayerTypes& types) {
  return read_layer(parse_json(text, source), source, types, true);
}

std::string to_json(const Layer& layer) { return compact(layer_value(layer)); }

NetworkDescription parse_network(std::string_view text, const std::string& source, const LayerTypes& types) {
  const json::value root = parse_json(text, source);
  if (!root.is_object()) refuse(source, R"(an object with "layers")", root);
  NetworkDescription description;
  for (const auto& [key, value] : root.get_object()) {
    const std::string place = fmt::format("{}: {}", source, std::string_view(key));
    if ((key == "layers" || key == "network") && description.network.defined())
      throw Error(fmt::format("{}: expected \"layers\" or \"network\", not both", source));
    if (key == "layers") {
      std::vector<Layer> layers = read_layers(value, place, types);
      if (layers.empty()) refuse(place, "one layer or more", value);
      description.network = Sequential(std::move(layers));
    } else if (key == "network") {
      description.network = read_layer(value, place, types);
    } else if (key == "name") {
      description.name = Reader::text(value, place);
    } else if (key == "input") {
      description.input = Reader::shape(value, place);
      for (const int64_t size : description.input)
        if (size < 1) refuse(place, "sizes of 1 or more", value);
    } else {
      throw Error(
          fmt::format("{}: unknown field '{}'; expected name, input, layers, network", source, std::string_view(key)));
    }
  }
  if (!description.network.defined())
    throw Error(fmt::format("{}: \"layers\" is missing: expected a list of layers", source));
  return description;
}

std::string to_json(const NetworkDescription& description) {
  std::string text = "{\n";
  if (!description.name.empty()) text += fmt::format("  \"name\": {},\n", compact(json::value(description.name)));
  if (!description.input.empty())
    text += fmt::format("  \"input\": {},\n", compact(json::array(description.input.begin(), description.input.end())));
  const auto* sequence = description.network.as<Sequential>();
  if (sequence == nullptr || !sequence->name.empty() || sequence->layers.empty())
    return text + fmt::format("  \"network\": {}\n}}\n", compact(layer_value(description.network)));
  text += "  \"layers\": [";
  const std::vector<Layer>& layers = sequence->layers;
  for (size_t i = 0; i < layers.size(); ++i)
    text += fmt::format("{}\n    {}", i == 0 ? "" : ",", compact(layer_value(layers[i])));
  return text + "\n  ]\n}\n";
}

}  // namespace telaio::nn
