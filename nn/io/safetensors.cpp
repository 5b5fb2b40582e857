#include <telaio/nn/io/safetensors.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <numeric>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <boost/json.hpp>

#include <telaio/autograd/error.hpp>
#include <telaio/nn/io/file.hpp>
#include <telaio/nn/io/json_keys.hpp>

namespace telaio::nn {

namespace json = boost::json;

static_assert(std::endian::native == std::endian::little, "the file's bytes are copied as they are");

namespace {

/// The published reader refuses longer headers, too.
constexpr uint64_t most_header_bytes = 100'000'000;
constexpr size_t length_bytes = 8;
constexpr std::string_view metadata_key = "__metadata__";

struct NamedType {
  std::string_view name;
  DType dtype;
};
constexpr std::array<NamedType, 6> types{
    {{"BOOL", boolean}, {"U8", u8}, {"I32", i32}, {"I64", i64}, {"F32", f32}, {"F64", f64}}};

std::string_view type_name(DType dtype) {
  return std::find_if(types.begin(), types.end(), [&](const NamedType& type) { return type.dtype == dtype; })->name;
}

/// As JSON: in quotes, and on one line whatever is in it.
std::string quoted(std::string_view name) { return json::serialize(json::string(name)); }

std::string_view kind_of(const json::value& value) {
  switch (value.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "a bool";
    case json::kind::string:
      return "a string";
    case json::kind::array:
      return "an array";
    case json::kind::object:
      return "an object";
    default:
      return "a number";
  }
}

/// A tensor as the header describes it.
struct Entry {
  std::string name;
  TensorSpec spec;
  uint64_t begin, end;  // in the data
};

/// Reads one file; every error goes through fail() and so names it.
class Reader {
 public:
  Reader(std::string_view bytes, const std::string& name) : bytes_(bytes), name_(name) {}

  SafeTensors read() {
    const std::string_view header = take_header();
    SafeTensors content;
    const std::vector<Entry> entries = parse_header(header, content.metadata);
    check_layout(entries);
    for (const Entry& entry : entries) content.tensors.emplace_back(entry.name, copy(entry));
    return content;
  }

 private:
  template <class... X>
  [[noreturn]] void fail(fmt::format_string<X...> format, X&&... x) const {
    throw Error(name_ + ": " + fmt::format(format, std::forward<X>(x)...));
  }

  /// The JSON; data_ is what follows.
  std::string_view take_header() {
    if (bytes_.size() < length_bytes)
      fail("not a safetensors file: {} bytes, expected at least {}", bytes_.size(), length_bytes);
    uint64_t size = 0;
    std::memcpy(&size, bytes_.data(), length_bytes);
    if (size > most_header_bytes)
      fail("not a safetensors file: it begins with a header of {} bytes, expected at most {}", size, most_header_bytes);
    const std::string_view rest = bytes_.substr(length_bytes);
    if (size > rest.size()) fail("cut off: expected a header of {} bytes, there are {}", size, rest.size());
    data_ = rest.substr(size);
    return rest.substr(0, size);
  }

  std::vector<Entry> parse_header(std::string_view text, std::map<std::string, std::string>& metadata) const {
    if (!text.starts_with('{')) fail("byte {}: expected a JSON object that begins with '{{'", length_bytes);
    json::parser parser;
    json::error_code code;
    const size_t parsed = parser.write(text.data(), text.size(), code);
    if (code) fail("byte {}: the header is no JSON: {}", length_bytes + parsed, code.message());
    if (const auto twice = repeated_key(text)) fail("the header has the name {} twice", quoted(*twice));

    std::vector<Entry> entries;
    const json::value header = parser.release();
    for (const auto& [key, value] : header.get_object()) {
      if (std::string_view(key) == metadata_key) metadata = parse_metadata(value);
      else entries.push_back(parse_entry(key, value));
    }
    return entries;
  }

  std::map<std::string, std::string> parse_metadata(const json::value& value) const {
    if (!value.is_object()) fail("{}: expected an object, got {}", metadata_key, kind_of(value));
    std::map<std::string, std::string> metadata;
    for (const auto& [key, text] : value.get_object()) {
      if (!text.is_string()) fail("{}: {}: expected a string, got {}", metadata_key, quoted(key), kind_of(text));
      metadata.emplace(key, text.get_string());
    }
    return metadata;
  }

  Entry parse_entry(std::string_view key, const json::value& value) const {
    const std::string name = quoted(key);
    if (!value.is_object()) fail("tensor {}: expected an object, got {}", name, kind_of(value));
    const json::object& fields = value.get_object();
    for (const auto& field : fields)
      if (field.key() != "dtype" && field.key() != "shape" && field.key() != "data_offsets")
        fail("tensor {}: unknown field {}, expected dtype, shape and data_offsets", name, quoted(field.key()));
    const auto field = [&](std::string_view field_name) -> const json::value& {
      const json::value* found = fields.if_contains(field_name);
      if (found == nullptr) fail("tensor {}: {} is missing", name, field_name);
      return *found;
    };

    const json::value& dtype = field("dtype");
    if (!dtype.is_string()) fail("tensor {}: dtype: expected a string, got {}", name, kind_of(dtype));
    const std::string_view type = dtype.get_string();
    const auto known = std::find_if(types.begin(), types.end(), [&](const NamedType& t) { return t.name == type; });
    if (known == types.end()) fail("tensor {}: type {}, expected BOOL, U8, I32, I64, F32 or F64", name, quoted(type));

    const std::vector<uint64_t> sizes = numbers(name, "shape", field("shape"));
    if (sizes.size() > max_rank) fail("tensor {}: {} axes, expected at most {}", name, sizes.size(), max_rank);
    const std::vector<uint64_t> offsets = numbers(name, "data_offsets", field("data_offsets"));
    if (offsets.size() != 2 || offsets[0] > offsets[1])
      fail("tensor {}: data_offsets: expected [begin,end], got [{}]", name, fmt::join(offsets, ","));

    Entry entry{std::string(key), {known->dtype, {}}, offsets[0], offsets[1]};
    for (const uint64_t size : sizes) entry.spec.shape.push_back(static_cast<int64_t>(size));
    const std::optional<uint64_t> needed = bytes_of(entry.spec);
    if (!needed) fail("tensor {}: the shape [{}] is too large", name, fmt::join(sizes, ","));
    if (*needed != entry.end - entry.begin)
      fail("tensor {}: {} [{}] takes {} bytes, data_offsets [{},{}] have {}", name, type, fmt::join(sizes, ","),
           *needed, entry.begin, entry.end, entry.end - entry.begin);
    return entry;
  }

  /// An array of whole numbers, none negative, that fit into an int64_t.
  std::vector<uint64_t> numbers(const std::string& name, std::string_view field, const json::value& value) const {
    if (!value.is_array()) fail("tensor {}: {}: expected an array, got {}", name, field, kind_of(value));
    std::vector<uint64_t> all;
    for (const json::value& element : value.get_array()) {
      // What is parsed from text is an int64 wherever it fits into one.
      if (!element.is_int64() || element.get_int64() < 0)
        fail("tensor {}: {}: expected whole numbers from 0 to 2^63-1, got {}", name, field,
             element.is_number() ? json::serialize(element) : std::string(kind_of(element)));
      all.push_back(static_cast<uint64_t>(element.get_int64()));
    }
    return all;
  }

  /// Nothing when that is more than can be addressed.
  static std::optional<uint64_t> bytes_of(const TensorSpec& spec) {
    try {
      return static_cast<uint64_t>(spec.bytes());
    } catch (const Error&) {
      return std::nullopt;
    }
  }

  /// The tensors must fill the data, each byte once.
  void check_layout(const std::vector<Entry>& entries) const {
    std::vector<const Entry*> sorted;
    for (const Entry& entry : entries) sorted.push_back(&entry);
    std::stable_sort(sorted.begin(), sorted.end(), [](const Entry* a, const Entry* b) {
      return std::pair(a->begin, a->end) < std::pair(b->begin, b->end);
    });
    const Entry* before = nullptr;
    uint64_t at = 0;
    for (const Entry* entry : sorted) {
      if (entry->begin < at)
        fail("tensor {} begins at byte {} of the data, inside tensor {}, which ends at {}", quoted(entry->name),
             entry->begin, quoted(before->name), at);
      if (entry->begin > at)
        fail("bytes {} to {} of the data belong to no tensor, expected tensor {} to begin at {}", at, entry->begin,
             quoted(entry->name), at);
      before = entry;
      at = entry->end;
    }
    if (data_.size() < at) fail("cut off: expected {} bytes of data, there are {}", at, data_.size());
    if (data_.size() > at) fail("expected {} bytes of data, there are {}", at, data_.size());
  }

  Tensor copy(const Entry& entry) const {
    const std::string_view from = data_.substr(entry.begin, entry.end - entry.begin);
    if (entry.spec.dtype == boolean) {
      const size_t bad = from.find_first_not_of(std::string_view("\0\1", 2));
      if (bad != std::string_view::npos)
        fail("tensor {}: element {}: expected a BOOL of 0 or 1, got {}", quoted(entry.name), bad,
             static_cast<unsigned char>(from[bad]));
    }
    const Array to(entry.spec);
    if (!from.empty()) std::memcpy(to.bytes(), from.data(), from.size());
    return constant(to);
  }

  std::string_view bytes_, data_;
  const std::string& name_;
};

/// The header with its length, padded with spaces to a multiple of 8, and so the data behind it begin at one.
std::string make_header(const SafeTensors& content, const std::vector<Array>& arrays,
                        const std::vector<int64_t>& begins) {
  json::object header;
  if (!content.metadata.empty()) {
    json::object& metadata = header[metadata_key].emplace_object();
    for (const auto& [key, value] : content.metadata) metadata[key] = value;
  }
  for (size_t i = 0; i < arrays.size(); ++i) {
    const TensorSpec& spec = arrays[i].spec();
    header[content.tensors[i].first] = {{"dtype", type_name(spec.dtype)},
                                        {"shape", json::array(spec.shape.begin(), spec.shape.end())},
                                        {"data_offsets", {begins[i], begins[i] + spec.bytes()}}};
  }
  std::string text(length_bytes, '\0');
  text += json::serialize(header);
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const uint64_t size = text.size() - length_bytes;
  std::memcpy(text.data(), &size, length_bytes);
  return text;
}

}  // namespace

const Tensor* SafeTensors::find(std::string_view name) const {
  const auto found = std::find_if(tensors.begin(), tensors.end(), [&](const auto& pair) { return pair.first == name; });
  return found == tensors.end() ? nullptr : &found->second;
}

void write_safetensors(const std::string& path, const SafeTensors& content) {
  const auto fail = [&](std::string_view problem) { throw Error(fmt::format("{}: {}", path, problem)); };
  std::set<std::string_view> names;
  std::vector<Tensor> tensors;
  for (const auto& [name, tensor] : content.tensors) {
    if (name == metadata_key) fail(fmt::format("a tensor cannot have the name {}", name));
    if (!names.insert(name).second) fail(fmt::format("two tensors have the name {}", quoted(name)));
    if (!tensor.defined()) fail(fmt::format("tensor {} is undefined", quoted(name)));
    tensors.push_back(tensor);
  }
  eval(tensors);

  std::vector<Array> arrays;
  for (const Tensor& tensor : tensors) arrays.push_back(tensor.value().contiguous());
  std::vector<size_t> order(arrays.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return size_of(arrays[a].dtype()) > size_of(arrays[b].dtype()); });
  std::vector<int64_t> begins(arrays.size());
  int64_t end = 0;
  for (const size_t i : order) {
    begins[i] = end;
    end += arrays[i].spec().bytes();
  }

  const std::string header = make_header(content, arrays, begins);
  if (header.size() - length_bytes > most_header_bytes)
    fail(fmt::format("the header would have {} bytes, at most {} are allowed", header.size() - length_bytes,
                     most_header_bytes));
  json::error_code code;
  json::parse(std::string_view(header).substr(length_bytes), code);
  // Everything but the strings in it is our own.
  if (code) fail("a name or some metadata is not UTF-8");

  std::vector<std::string_view> pieces{header};
  for (const size_t i : order)
    pieces.emplace_back(reinterpret_cast<const char*>(arrays[i].bytes()),
                        static_cast<size_t>(arrays[i].spec().bytes()));
  write_file(path, pieces);
}

SafeTensors parse_safetensors(std::string_view bytes, const std::string& name) { return Reader(bytes, name).read(); }

SafeTensors read_safetensors(const std::string& path) { return parse_safetensors(read_file(path), path); }

}  // namespace telaio::nn
