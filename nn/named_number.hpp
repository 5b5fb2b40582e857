// Names with an optional number in parentheses, "elu(0.5)": how activations, initialisers and losses are written.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace telaio::nn {

/// A name that is known, and the number that it takes: its default, or none.
struct KnownName {
  std::string_view name;
  bool takes_number = false;
  double number = 0;
};

struct NamedNumber {
  std::string name;
  double number = 0;
};

/// Error "KIND: …" that lists the names when the text names none of them, or when a number is not wanted or is not
/// finite.
NamedNumber parse_named_number(std::string_view kind, std::string_view text, std::span<const KnownName> known);
/// What parse_named_number reads back; the number is left out where it is the default.
std::string to_string(const NamedNumber& value, std::span<const KnownName> known);

}  // namespace telaio::nn
