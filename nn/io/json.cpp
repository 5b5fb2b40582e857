#include <telaio/nn/io/json.hpp>

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>

#include <telaio/autograd/error.hpp>

namespace telaio::nn {

namespace json = boost::json;

namespace {

/// What json::parse does, but for fractions: Boost 1.81 misses the nearest double in the last digit of one number in
/// six, so that what was written would not be what is read.
struct Handler {
  static constexpr size_t max_object_size = json::object::max_size();
  static constexpr size_t max_array_size = json::array::max_size();
  static constexpr size_t max_key_size = json::string::max_size();
  static constexpr size_t max_string_size = json::string::max_size();
  using Text = json::string_view;
  using Code = json::error_code&;

  json::value_stack stack;
  std::string number;  // its text so far

  bool on_document_begin(Code) { return true; }
  bool on_document_end(Code) { return true; }
  bool on_object_begin(Code) { return true; }
  bool on_object_end(size_t n, Code) { return stack.push_object(n), true; }
  bool on_array_begin(Code) { return true; }
  bool on_array_end(size_t n, Code) { return stack.push_array(n), true; }
  bool on_key_part(Text s, size_t, Code) { return stack.push_chars(s), true; }
  bool on_key(Text s, size_t, Code) { return stack.push_key(s), true; }
  bool on_string_part(Text s, size_t, Code) { return stack.push_chars(s), true; }
  bool on_string(Text s, size_t, Code) { return stack.push_string(s), true; }
  bool on_number_part(Text s, Code) { return number.append(s.data(), s.size()), true; }
  bool on_int64(int64_t value, Text, Code) { return number.clear(), stack.push_int64(value), true; }
  bool on_uint64(uint64_t value, Text, Code) { return number.clear(), stack.push_uint64(value), true; }
  bool on_double(double value, Text s, Code) {
    number.append(s.data(), s.size());
    std::from_chars(number.data(), number.data() + number.size(), value);  // too large or small: as the parser has it
    number.clear();
    return stack.push_double(value), true;
  }
  bool on_bool(bool value, Code) { return stack.push_bool(value), true; }
  bool on_null(Code) { return stack.push_null(), true; }
  bool on_comment_part(Text, Code) { return true; }
  bool on_comment(Text, Code) { return true; }
};

}  // namespace

json::value parse_json(std::string_view text, const std::string& source) {
  json::basic_parser<Handler> parser{json::parse_options()};
  parser.handler().stack.reset();
  json::error_code error;
  const size_t read = parser.write_some(false, text.data(), text.size(), error);
  if (!error && read == text.size()) return parser.handler().stack.release();
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
