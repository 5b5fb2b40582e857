#include <telaio/nn/io/json_keys.hpp>

#include <limits>
#include <set>
#include <vector>

#include <boost/json/basic_parser_impl.hpp>

namespace telaio::nn {

namespace json = boost::json;

namespace {

/// What basic_parser calls while it reads. It keeps the names of the objects that are open, and no values.
struct KeyHandler {
  static constexpr size_t max_object_size = std::numeric_limits<size_t>::max();
  static constexpr size_t max_array_size = max_object_size, max_key_size = max_object_size,
                          max_string_size = max_object_size;
  using Code = json::error_code;
  using Text = json::string_view;

  std::vector<std::set<std::string>> open;
  std::string key;
  std::optional<std::string> repeated;

  bool on_object_begin(Code&) {
    open.emplace_back();
    return true;
  }
  bool on_object_end(size_t, Code&) {
    open.pop_back();
    return true;
  }
  bool on_key_part(Text part, size_t, Code&) {
    key += part;
    return true;
  }
  /// False, with a code, stops the parser.
  bool on_key(Text part, size_t, Code& code) {
    key += part;
    if (!open.back().insert(key).second) {
      repeated = key;
      code = json::error::exception;
      return false;
    }
    key.clear();
    return true;
  }

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_array_begin(Code&) { return true; }
  bool on_array_end(size_t, Code&) { return true; }
  bool on_string_part(Text, size_t, Code&) { return true; }
  bool on_string(Text, size_t, Code&) { return true; }
  bool on_number_part(Text, Code&) { return true; }
  bool on_int64(int64_t, Text, Code&) { return true; }
  bool on_uint64(uint64_t, Text, Code&) { return true; }
  bool on_double(double, Text, Code&) { return true; }
  bool on_bool(bool, Code&) { return true; }
  bool on_null(Code&) { return true; }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }
};

}  // namespace

std::optional<std::string> repeated_key(std::string_view json_text) {
  json::basic_parser<KeyHandler> parser{json::parse_options()};
  json::error_code code;
  parser.write_some(false, json_text.data(), json_text.size(), code);
  return parser.handler().repeated;
}

}  // namespace telaio::nn
