#include <telaio/nn/summary.hpp>

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

namespace telaio::nn {

int64_t dense_equivalent(const LayerInfo& layer) {
  return numel(layer.input) * numel(layer.output) + numel(layer.output);
}

std::string with_commas(int64_t number) {
  std::string text = fmt::format("{}", number);
  for (auto at = static_cast<int64_t>(text.size()) - 3; at > (number < 0 ? 1 : 0); at -= 3)
    text.insert(static_cast<size_t>(at), ",");
  return text;
}

namespace {

std::string shape_text(const Shape& sample) {
  std::string text = "(None";
  for (const int64_t size : sample) text += fmt::format(", {}", size);
  return text + ")";
}

std::string memory(int64_t bytes) {
  const auto size = static_cast<double>(bytes);
  if (bytes < 1024) return fmt::format("{} B", bytes);
  return bytes < 1024 * 1024 ? fmt::format("{:.2f} KB", size / 1024) : fmt::format("{:.2f} MB", size / (1024 * 1024));
}

}  // namespace

std::string summary(const Model& model) {
  using Row = std::array<std::string, 5>;
  std::vector<Row> rows{{"Layer (type)", "Output Shape", "Param #", "MACs", "Dense equivalent"}};
  for (const LayerInfo& layer : model.layers()) {
    if (!layer.leaf) continue;
    rows.push_back({fmt::format("{} ({})", layer.path.empty() ? model.name() : layer.path, layer.type),
                    shape_text(layer.output), with_commas(layer.parameters), with_commas(layer.multiply_adds),
                    layer.multiply_adds > 0 ? with_commas(dense_equivalent(layer)) : ""});
  }
  std::array<size_t, 5> widths{};
  for (const Row& row : rows)
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  size_t line = 2 * (widths.size() - 1);
  for (const size_t width : widths) line += width;

  std::string text = fmt::format("Model: \"{}\"\n", model.name());
  const auto add = [&](const Row& row) {
    text += fmt::format("{:<{}}  {:<{}}  {:>{}}  {:>{}}  {:>{}}", row[0], widths[0], row[1], widths[1], row[2],
                        widths[2], row[3], widths[3], row[4], widths[4]);
    text.resize(text.find_last_not_of(' ') + 1);
    text += "\n";
  };
  add(rows[0]);
  text += std::string(line, '-') + "\n";
  for (size_t i = 1; i < rows.size(); ++i) add(rows[i]);
  text += std::string(line, '-') + "\n";

  const LayerInfo& all = model.layers().back();
  const auto size = static_cast<int64_t>(size_of(model.dtype()));
  const auto total = [&](std::string_view name, int64_t count) {
    text += fmt::format("{} {} ({})\n", name, with_commas(count), memory(count * size));
  };
  total("Total params:", all.parameters);
  total("Trainable params:", all.trainable);
  total("Non-trainable params:", all.parameters - all.trainable);
  return text + fmt::format("Multiply-adds per sample: {}\n", with_commas(all.multiply_adds));
}

}  // namespace telaio::nn
