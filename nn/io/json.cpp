#include <telaio/nn/io/json.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <boost/json.hpp>

#include <telaio/autograd/error.hpp>

namespace telaio::nn {

namespace json = boost::json;

json::value parse_json(std::string_view text, const std::string& source) {
  json::stream_parser parser;
  json::error_code error;
  const size_t read = parser.write_some(text.data(), text.size(), error);
  if (!error && read == text.size()) parser.finish(error);
  if (!error && read == text.size()) return parser.release();
  const std::string_view before = text.substr(0, std::min(read, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t start = before.rfind('\n');
  const size_t column = start == std::string_view::npos ? before.size() + 1 : before.size() - start;
  throw Error(fmt::format("{}: line {}, column {}: no JSON: {}", source, line, column,
                          error ? error.message() : "something follows the value"));
}

namespace {

void write(const json::value& value, int depth, std::string& text) {
  const std::string inner(static_cast<size_t>(2 * depth + 2), ' '), outer(static_cast<size_t>(2 * depth), ' ');
  if (value.is_object() && !value.get_object().empty()) {
    text += "{";
    bool first = true;
    for (const auto& [key, one] : value.get_object()) {
      text += fmt::format("{}\n{}{}: ", first ? "" : ",", inner, json::serialize(json::value(key)));
      write(one, depth + 1, text);
      first = false;
    }
    text += fmt::format("\n{}}}", outer);
  } else if (value.is_array() && std::any_of(value.get_array().begin(), value.get_array().end(),
                                             [](const json::value& one) { return one.is_structured(); })) {
    text += "[";
    bool first = true;
    for (const json::value& one : value.get_array()) {
      text += fmt::format("{}\n{}", first ? "" : ",", inner);
      write(one, depth + 1, text);
      first = false;
    }
    text += fmt::format("\n{}]", outer);
  } else {
    text += json::serialize(value);
  }
}

}  // namespace

std::string pretty(const json::value& value) {
  std::string text;
  write(value, 0, text);
  return text + "\n";
}

}  // namespace telaio::nn
