#include <telaio/nn/data/dataset.hpp>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <telaio/autograd/runtime/parallel.hpp>

namespace telaio::nn {

Shape Samples::sample_shape() const {
  Shape shape = inputs.shape();
  shape.erase(0);
  return shape;
}

void check(const Samples& samples, std::string_view source) {
  const auto bad = [&](std::string_view problem) { throw Error(fmt::format("{}: {}", source, problem)); };
  if (!samples.inputs.defined() || !samples.labels.defined() || samples.inputs.rank() == 0)
    bad("no samples: expected inputs [N, …] and labels [N]");
  const TensorSpec &inputs = samples.inputs.spec(), &labels = samples.labels.spec();
  if (inputs.dtype != u8 && inputs.dtype != f32)
    bad(fmt::format("the inputs are {}, expected u8 or f32", to_string(inputs)));
  if (labels.dtype != i64 || labels.shape.rank() != 1)
    bad(fmt::format("the labels are {}, expected i64[N]", to_string(labels)));
  if (inputs.shape[0] != labels.shape[0])
    bad(fmt::format("{} samples, but {} labels", inputs.shape[0], labels.shape[0]));
  if (samples.empty()) bad("the set is empty, expected at least one sample");
  if (inputs.numel() == 0) bad(fmt::format("the samples are empty: {}", to_string(inputs)));

  const std::vector<int64_t> values = label_values(samples);
  for (size_t i = 0; i < values.size(); ++i)
    if (values[i] < 0 || values[i] >= samples.classes())
      bad(fmt::format("sample {} has label {}, expected 0 … {}", i, values[i], samples.classes() - 1));
  if (inputs.dtype == f32) {
    const Array array = samples.inputs.value().contiguous();
    const float* x = array.data<float>();
    const float* end = x + inputs.numel();
    const float* found = std::find_if(x, end, [](float v) { return !std::isfinite(v); });
    if (found != end) bad(fmt::format("sample {} holds {}", (found - x) / (inputs.numel() / inputs.shape[0]), *found));
  }
}

void check(const Dataset& data) {
  check(data.train, data.source);
  if (data.test.empty()) return;
  check(data.test, data.source + ", test part");
  if (data.train.class_names != data.test.class_names)
    throw Error(fmt::format("{}: the classes of the training part are {}, those of the test part {}", data.source,
                            fmt::join(data.train.class_names, " "), fmt::join(data.test.class_names, " ")));
  if (!(data.train.sample_shape() == data.test.sample_shape()) || data.train.inputs.dtype() != data.test.inputs.dtype())
    throw Error(fmt::format("{}: the samples of the training part are {}, those of the test part {}", data.source,
                            to_string(data.train.inputs.spec()), to_string(data.test.inputs.spec())));
}

namespace {

/// Rows of a tensor, whose places row(i) gives.
Tensor gather_rows(const Tensor& tensor, int64_t count, FunctionRef<int64_t(int64_t)> row) {
  const Array from = tensor.value().contiguous();
  TensorSpec spec = from.spec();
  const int64_t row_bytes = spec.shape[0] == 0 ? 0 : spec.bytes() / spec.shape[0];
  spec.shape[0] = count;
  const Array to(spec);
  parallel_for(count, grain_for(static_cast<double>(row_bytes) / 4), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      std::memcpy(to.bytes() + i * row_bytes, from.bytes() + row(i) * row_bytes, static_cast<size_t>(row_bytes));
  });
  return constant(to);
}

}  // namespace

Samples take(const Samples& samples, std::span<const int64_t> rows) {
  for (const int64_t row : rows)
    if (row < 0 || row >= samples.size())
      throw Error(fmt::format("take: row {} of a set with {} samples", row, samples.size()));
  const auto row = [&](int64_t i) { return rows[static_cast<size_t>(i)]; };
  const auto count = static_cast<int64_t>(rows.size());
  return {gather_rows(samples.inputs, count, row), gather_rows(samples.labels, count, row), samples.class_names};
}

Samples take(const Samples& samples, int64_t first, int64_t count) {
  if (first < 0 || count < 0 || first > samples.size() - count)
    throw Error(fmt::format("take: rows {} to {} of a set with {} samples", first, first + count, samples.size()));
  const auto row = [&](int64_t i) { return first + i; };
  return {gather_rows(samples.inputs, count, row), gather_rows(samples.labels, count, row), samples.class_names};
}

std::pair<Samples, Samples> split_tail(const Samples& samples, double fraction) {
  if (!(fraction > 0 && fraction < 1))
    throw Error(fmt::format("validation_split: expected a fraction between 0 and 1, got {}", fraction));
  const int64_t n = samples.size();
  const auto head = static_cast<int64_t>(std::floor(static_cast<double>(n) * (1 - fraction)));
  if (head == 0 || head == n)
    throw Error(fmt::format("validation_split: {} of {} samples leaves {} to train with and {} to validate with",
                            fraction, n, head, n - head));
  return {take(samples, 0, head), take(samples, head, n - head)};
}

std::vector<int64_t> label_values(const Samples& samples) { return samples.labels.to_vector<int64_t>(); }

std::vector<int64_t> count_per_class(const Samples& samples) {
  std::vector<int64_t> counts(samples.class_names.size());
  for (const int64_t label : label_values(samples)) {
    if (label < 0 || label >= samples.classes())
      throw Error(fmt::format("count_per_class: label {}, expected 0 … {}", label, samples.classes() - 1));
    ++counts[static_cast<size_t>(label)];
  }
  return counts;
}

std::vector<double> balanced_weights(std::span<const int64_t> counts) {
  double total = 0;
  for (const int64_t count : counts) total += static_cast<double>(count);
  std::vector<double> weights;
  for (const int64_t count : counts)
    weights.push_back(count == 0 ? 1 : total / (static_cast<double>(counts.size()) * static_cast<double>(count)));
  return weights;
}

std::vector<std::string> numbered_classes(int64_t classes) {
  std::vector<std::string> names;
  for (int64_t i = 0; i < classes; ++i) names.push_back(fmt::format("{}", i));
  return names;
}

int64_t class_index(std::span<const std::string> class_names, std::string_view name) {
  const auto found = std::find(class_names.begin(), class_names.end(), name);
  if (found != class_names.end()) return found - class_names.begin();
  int64_t number = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error == std::errc() && end == name.data() + name.size() && number >= 0 &&
      number < static_cast<int64_t>(class_names.size()))
    return number;
  throw Error(fmt::format("unknown class '{}': the classes are {}", name, fmt::join(class_names, " ")));
}

}  // namespace telaio::nn
