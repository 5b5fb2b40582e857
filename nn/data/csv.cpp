#include <telaio/nn/data/csv.hpp>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstring>
#include <optional>
#include <set>
#include <vector>

#include <fmt/format.h>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/data/first_error.hpp>
#include <telaio/nn/io/gzip.hpp>

namespace telaio::nn {

namespace {

struct Line {
  std::string_view text;
  int64_t number;
};

std::string_view trimmed(std::string_view text) {
  const auto space = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<Line> lines_of(std::string_view text) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  std::vector<Line> lines;
  for (int64_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const std::string_view line = trimmed(text.substr(0, end));
    if (!line.empty()) lines.push_back({line, number});
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return lines;
}

/// Takes the next field off the line, which is empty and `last` after the last one.
std::string_view next_field(std::string_view& line, bool& last) {
  size_t end;
  std::string_view field;
  if (!line.empty() && line.front() == '"') {
    const size_t quote = line.find('"', 1);
    field = line.substr(1, quote == std::string_view::npos ? quote : quote - 1);
    end = quote == std::string_view::npos ? quote : line.find(',', quote);
  } else {
    end = line.find(',');
    field = line.substr(0, end);
  }
  last = end == std::string_view::npos;
  line = last ? std::string_view() : line.substr(end + 1);
  return trimmed(field);
}

std::vector<std::string_view> fields_of(std::string_view line) {
  std::vector<std::string_view> fields;
  for (bool last = false; !last;) fields.push_back(next_field(line, last));
  return fields;
}

std::optional<double> as_number(std::string_view field) {
  if (field.starts_with('+')) field.remove_prefix(1);
  double value = 0;
  const char* end = field.data() + field.size();
  const auto parsed = std::from_chars(field.data(), end, value);
  if (field.empty() || parsed.ec != std::errc() || parsed.ptr != end) return {};
  return value;
}

/// Where the label is, and whether the first line is a header.
struct Layout {
  size_t columns;
  size_t label = 0;
  bool header = false;
};

Layout layout_of(const std::vector<std::string_view>& first) {
  Layout layout{first.size()};
  for (size_t column = 0; column < first.size(); ++column) {
    std::string name(first[column]);
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (name != "label" && name != "class") continue;
    layout.label = column;
    layout.header = true;
    break;
  }
  if (layout.header) return layout;
  layout.header = true;
  for (size_t column = 1; column < first.size(); ++column)
    if (as_number(first[column])) layout.header = false;
  return layout;
}

constexpr int64_t most_classes = 65536;

std::string at(const std::string& name, int64_t line, size_t column) {
  return fmt::format("{}: line {}, column {}", name, line, column + 1);
}

/// Classes and their names from the fields of the label's column.
void read_labels(const std::vector<std::string_view>& fields, const std::vector<Line>& lines, size_t column,
                 const std::string& name, Samples& samples) {
  std::vector<int64_t> labels(fields.size());
  // Words where nothing is a number; a single word among numbers is more likely a damaged line than a class.
  const bool words =
      std::none_of(fields.begin(), fields.end(), [](auto field) { return as_number(field).has_value(); });
  if (words) {
    std::set<std::string_view> classes(fields.begin(), fields.end());
    for (size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].empty()) throw Error(at(name, lines[i].number, column) + ": the label is empty");
      labels[i] = std::distance(classes.begin(), classes.find(fields[i]));
    }
    samples.class_names.assign(classes.begin(), classes.end());
    if (static_cast<int64_t>(classes.size()) > most_classes)
      throw Error(fmt::format("{}: {} different labels, expected at most {}", name, classes.size(), most_classes));
  } else {
    for (size_t i = 0; i < fields.size(); ++i) {
      const auto value = as_number(fields[i]);
      if (!value || *value != std::floor(*value) || *value < 0 || *value >= static_cast<double>(most_classes))
        throw Error(fmt::format("{}: label '{}' is out of range, expected a whole number 0 … {}{}",
                                at(name, lines[i].number, column), fields[i], most_classes - 1,
                                value ? " (or a column called label)" : ", as in other lines"));
      labels[i] = static_cast<int64_t>(*value);
    }
    samples.class_names = numbered_classes(*std::max_element(labels.begin(), labels.end()) + 1);
  }
  samples.labels = from_data(labels, {static_cast<int64_t>(labels.size())});
}

/// One line's numbers, and its label's text. Returns whether all are whole and in 0…255.
bool read_line(const Line& line, const Layout& layout, const std::string& name, float* numbers,
               std::string_view& label) {
  bool bytes = true, last = false;
  std::string_view rest = line.text;
  size_t column = 0;
  for (; !last; ++column) {
    const std::string_view field = next_field(rest, last);
    if (column >= layout.columns) continue;
    if (column == layout.label) {
      label = field;
      continue;
    }
    const auto value = as_number(field);
    if (!value) throw Error(fmt::format("{}: expected a number, found '{}'", at(name, line.number, column), field));
    if (!std::isfinite(*value) || std::abs(*value) > 3.4e38)
      throw Error(fmt::format("{}: expected a finite number, found {}", at(name, line.number, column), field));
    bytes = bytes && *value == std::floor(*value) && *value >= 0 && *value <= 255;
    *numbers++ = static_cast<float>(*value);
  }
  if (column != layout.columns)
    throw Error(fmt::format("{}: line {}: {} fields, expected {}", name, line.number, column, layout.columns));
  return bytes;
}

/// The side of the square image that so many numbers are, or 0.
int64_t square_side(int64_t numbers) {
  const auto side = static_cast<int64_t>(std::lround(std::sqrt(static_cast<double>(numbers))));
  return side >= 8 && side * side == numbers ? side : 0;
}

}  // namespace

Samples parse_csv(std::string_view text, const std::string& name) {
  std::vector<Line> lines = lines_of(text);
  if (lines.empty()) throw Error(fmt::format("{}: line 1: the file is empty, expected a sample a line", name));
  const Layout layout = layout_of(fields_of(lines[0].text));
  if (layout.columns < 2)
    throw Error(fmt::format("{}: line {}: one field, expected a label and numbers, separated by commas", name,
                            lines[0].number));
  if (layout.header) {
    const int64_t header = lines[0].number;
    lines.erase(lines.begin());
    if (lines.empty())
      throw Error(
          fmt::format("{}: line {}: the file ends after its header, expected a sample a line", name, header + 1));
  }

  const auto count = static_cast<int64_t>(lines.size()), numbers = static_cast<int64_t>(layout.columns) - 1;
  // Each number takes at least a comma and a digit. If they do not fit into the file, a line is short: it is found
  // without memory for all of them.
  if (numbers > static_cast<int64_t>(text.size()) / count) {
    std::vector<float> line_numbers(static_cast<size_t>(numbers));
    std::string_view label;
    for (const Line& line : lines) read_line(line, layout, name, line_numbers.data(), label);
  }
  const Array array({f32, {count, numbers}});
  std::vector<std::string_view> labels(lines.size());
  std::atomic<bool> all_bytes{true};
  FirstError errors;
  parallel_for(count, grain_for(60.0 * static_cast<double>(numbers)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      errors.watch(i, [&] {
        const auto line = static_cast<size_t>(i);
        if (!read_line(lines[line], layout, name, array.data<float>() + i * numbers, labels[line])) all_bytes = false;
      });
  });
  errors.rethrow();

  Samples samples;
  read_labels(labels, lines, layout.label, name, samples);
  const int64_t side = square_side(numbers);
  if (side == 0 || !all_bytes) {
    samples.inputs = constant(array);
  } else {
    const Array images({u8, {count, side, side, 1}});
    std::transform(array.data<float>(), array.data<float>() + count * numbers, images.data<uint8_t>(),
                   [](float value) { return static_cast<uint8_t>(value); });
    samples.inputs = constant(images);
  }
  return samples;
}

Dataset load_csv(const std::string& path) {
  Dataset data{parse_csv(read_file_unpacked(path), path), {}, path};
  check(data);
  return data;
}

}  // namespace telaio::nn
