#include <telaio/nn/option_list.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>

#include <fmt/format.h>

#include <telaio/autograd/error.hpp>

namespace telaio::nn {

OptionList::OptionList(std::string kind, std::string_view text) : kind_(std::move(kind)) {
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    const size_t equals = item.find('=');
    Item next{item.substr(0, equals), std::nullopt};
    if (equals != std::string_view::npos) next.value = item.substr(equals + 1);
    if (next.name.empty()) throw Error(fmt::format("{}: '{}' has no name before the =", kind_, item));
    if (std::any_of(items_.begin(), items_.end(), [&](const Item& one) { return one.name == next.name; }))
      throw Error(fmt::format("{}: {} is given twice", kind_, next.name));
    items_.push_back(next);
  }
}

std::string OptionList::name(std::initializer_list<std::string_view> names) {
  const std::string_view given = items_.empty() ? std::string_view() : items_[0].name;
  const bool alone = !items_.empty() && !items_[0].value;
  if (!alone || std::find(names.begin(), names.end(), given) == names.end()) {
    const std::string_view value = items_.empty() ? "" : items_[0].value.value_or("");
    throw Error(fmt::format("{}: '{}{}{}' is unknown; expected {}", kind_, given, alone || items_.empty() ? "" : "=",
                            value, fmt::join(names, ", ")));
  }
  items_[0].taken = true;
  return std::string(given);
}

OptionList::Item* OptionList::take(std::string_view name) {
  asked_.emplace_back(name);
  for (Item& item : items_)
    if (!item.taken && item.name == name) {
      item.taken = true;
      return &item;
    }
  return nullptr;
}

namespace {

/// All of the text as a number.
template <class T>
bool parse(std::string_view text, T& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return !text.empty() && error == std::errc() && stop == end;
}

}  // namespace

bool OptionList::number(std::string_view name, double& value, double low, double high) {
  const Item* item = take(name);
  if (item == nullptr) return false;
  double given = 0;
  if (!item->value || !parse(*item->value, given))
    throw Error(
        fmt::format("{0}: {1} needs a number, as in {1}={2}, got '{3}'", kind_, name, value, item->value.value_or("")));
  if (!(given >= low && given <= high)) {
    const double next = std::nextafter(high, high + 1);  // where the range excludes a round number, that is what to say
    const bool below = next == std::round(next) && high != std::round(high);
    throw Error(fmt::format("{}: {} is {}, expected {} … {}{}", kind_, name, *item->value, low, below ? "below " : "",
                            below ? next : high));
  }
  value = given;
  return true;
}

bool OptionList::whole(std::string_view name, int64_t& value, int64_t low, int64_t high) {
  const Item* item = take(name);
  if (item == nullptr) return false;
  int64_t given = 0;
  if (!item->value || !parse(*item->value, given))
    throw Error(fmt::format("{0}: {1} needs a whole number, as in {1}={2}, got '{3}'", kind_, name, value,
                            item->value.value_or("")));
  if (given < low || given > high)
    throw Error(fmt::format("{}: {} is {}, expected {} … {}", kind_, name, given, low, high));
  value = given;
  return true;
}

bool OptionList::flag(std::string_view name, bool& value) {
  const Item* item = take(name);
  if (item == nullptr) return false;
  const std::string_view given = item->value.value_or("1");
  if (given != "0" && given != "1" && given != "true" && given != "false")
    throw Error(fmt::format("{}: {} takes 0, 1 or nothing, got '{}'", kind_, name, given));
  value = given == "1" || given == "true";
  return true;
}

void OptionList::finish() const {
  for (const Item& item : items_)
    if (!item.taken)
      throw Error(fmt::format("{}: unknown option '{}', expected {}", kind_, item.name,
                              asked_.empty() ? "none" : fmt::format("{}", fmt::join(asked_, ", "))));
}

}  // namespace telaio::nn
