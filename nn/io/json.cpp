#include <telaio/nn/io/json.hpp>

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include <boost/json.hpp>
#include <boost/json/basic_parser_impl.hpp>

#include <telaio/autograd/error.hpp>
#include <telaio/nn/io/json_keys.hpp>

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
  if (!error && read == text.size()) {
    if (const auto name = repeated_key(text)) throw Error(fmt::format("{}: '{}' is given twice", source, *name));
    return parser.handler().stack.release();
  }
  const std::string_view before = text.substr(0, std::min(read, text.size()));
  const auto line = std::count(before.begin(), before.end(), '\n') + 1;
  const size_t start = before.rfind('\n');
  const size_t column = start == std::string_view::npos ? before.size() + 1 : before.size() - start;
  throw Error(fmt::format("{}: line {}, column {}: no JSON: {}", source, line, column,
                          error ? error.message() : "something follows the value"));
}

namespace {

/// Without line breaks where `depth` is negative. json::serialize writes 0.25 as 2.5E-1: right, but not for people.
void write(const json::value& value, int depth, std::string& text) {
  const bool broken = depth >= 0;
  const auto indent = [&](int by) {
    return broken ? "\n" + std::string(static_cast<size_t>(2 * (depth + by)), ' ') : "";
  };
  const int inner = broken ? depth + 1 : -1;
  if (value.is_object()) {
    const json::object& object = value.get_object();
    text += "{";
    for (auto it = object.begin(); it != object.end(); ++it) {
      text += fmt::format("{}{}{}:{}", it == object.begin() ? "" : ",", indent(1),
                          json::serialize(json::value(it->key())), broken ? " " : "");
      write(it->value(), inner, text);
    }
    text += object.empty() ? "}" : indent(0) + "}";
  } else if (value.is_array()) {
    const json::array& array = value.get_array();
    // Numbers and words of a list stay on one line.
    const bool flat =
        std::none_of(array.begin(), array.end(), [](const json::value& one) { return one.is_structured(); });
    text += "[";
    for (size_t i = 0; i < array.size(); ++i) {
      text += fmt::format("{}{}", i == 0 ? "" : flat && broken ? ", " : ",", flat ? "" : indent(1));
      write(array[i], flat ? -1 : inner, text);
    }
    text += flat ? "]" : indent(0) + "]";
  } else if (value.is_double()) {
    const std::string number = fmt::format("{}", value.get_double());
    text += number;
    if (number.find_first_not_of("-0123456789") == std::string::npos) text += ".0";  // stays a fraction
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

std::string compact(const json::value& value) {
  std::string text;
  write(value, -1, text);
  return text;
}

}  // namespace telaio::nn
