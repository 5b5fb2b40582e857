// Descriptions: the named fields of a value, read from JSON and written to it by one and the same function.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <telaio/autograd/shape.hpp>
#include <telaio/ops/window2d.hpp>

namespace telaio::nn {

class ActivationFunction;
class Initializer;
class Layer;

/// Visits the fields of a description. A description shows each of its fields once, by its JSON name:
///     void Dropout::fields(Fields& f) { f("rate", rate); }
/// Reading, a field that is not given keeps its value; writing, one that equals that of a fresh description is left
/// out. A field of another type, or one that nobody asked for, is an Error that says where and what was expected.
class Fields {
 public:
  virtual ~Fields() = default;
  virtual void operator()(std::string_view name, int64_t& value) = 0;
  virtual void operator()(std::string_view name, double& value) = 0;
  virtual void operator()(std::string_view name, bool& value) = 0;
  // Whoever reads or writes only simpler descriptions leaves these out; then such a field is an Error.
  virtual void operator()(std::string_view name, std::string&) { not_taken(name); }
  virtual void operator()(std::string_view name, Shape&) { not_taken(name); }
  /// 3, or [3, 5]: height and width.
  virtual void operator()(std::string_view name, Size2d&) { not_taken(name); }
  virtual void operator()(std::string_view name, std::optional<Size2d>&) { not_taken(name); }
  /// "valid", "same", 1, or [top, bottom, left, right].
  virtual void operator()(std::string_view name, Padding&) { not_taken(name); }
  virtual void operator()(std::string_view name, ActivationFunction&) { not_taken(name); }
  virtual void operator()(std::string_view name, Initializer&) { not_taken(name); }
  /// A layer, and a list of them, as {"type": {fields}}; an undefined layer is left out.
  virtual void operator()(std::string_view name, Layer&) { not_taken(name); }
  virtual void operator()(std::string_view name, std::vector<Layer>&) { not_taken(name); }

 private:
  [[noreturn]] static void not_taken(std::string_view name);
};

}  // namespace telaio::nn
