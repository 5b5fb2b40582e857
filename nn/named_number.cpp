#include <telaio/nn/named_number.hpp>

#include <array>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include <telaio/autograd/error.hpp>

namespace telaio::nn {

namespace {

const KnownName* find(std::string_view name, std::span<const KnownName> known) {
  for (const KnownName& one : known)
    if (one.name == name) return &one;
  return nullptr;
}

}  // namespace

NamedNumber parse_named_number(std::string_view kind, std::string_view text, std::span<const KnownName> known) {
  const size_t open = text.find('(');
  const std::string_view name = text.substr(0, open);
  const KnownName* one = find(name, known);
  if (one == nullptr) {
    std::string names;
    for (const KnownName& other : known) names += fmt::format("{}{}", names.empty() ? "" : ", ", other.name);
    throw Error(fmt::format("{}: '{}' is unknown; expected one of {}", kind, name, names));
  }
  if (open == std::string_view::npos) return {std::string(name), one->number};
  const auto wrong = [&](std::string_view expected) {
    return Error(fmt::format("{}: '{}': expected {}", kind, text, expected));
  };
  if (!one->takes_number) throw wrong(fmt::format("no number behind '{}'", name));
  NamedNumber value{std::string(name), 0};
  const char* begin = text.data() + open + 1;
  const char* end = text.data() + text.size() - 1;
  if (!text.ends_with(')') || begin > end)
    throw wrong(fmt::format("a number in parentheses, as in {}({})", name, one->number));
  const auto [stop, error] = std::from_chars(begin, end, value.number);
  if (error != std::errc() || stop != end || !std::isfinite(value.number))
    throw wrong(fmt::format("a finite number in parentheses, as in {}({})", name, one->number));
  return value;
}

std::string to_string(const NamedNumber& value, std::span<const KnownName> known) {
  const KnownName* one = find(value.name, known);
  if (one == nullptr || !one->takes_number || one->number == value.number) return value.name;
  return fmt::format("{}({})", value.name, value.number);
}

}  // namespace telaio::nn
