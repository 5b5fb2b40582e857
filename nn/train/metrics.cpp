#include <telaio/nn/train/metrics.hpp>

#include <algorithm>

#include <fmt/format.h>

namespace telaio::nn {

namespace {

double ratio(int64_t a, int64_t b) { return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b); }

bool begins_letter(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

/// Of UTF-8 text: how many letters, and the first so many.
size_t letters(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), begins_letter));
}
std::string first_letters(const std::string& text, size_t count) {
  size_t end = 0;
  for (; end < text.size(); ++end)
    if (begins_letter(text[end]) && count-- == 0) break;
  return text.substr(0, end);
}

void check_names(std::string_view table, const ConfusionMatrix& confusion, std::span<const std::string> names) {
  if (static_cast<int64_t>(names.size()) != confusion.classes())
    throw Error(fmt::format("{}: {} names for {} classes", table, names.size(), confusion.classes()));
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(int64_t classes)
    : classes_(classes), counts_(static_cast<size_t>(std::max<int64_t>(classes, 0) * std::max<int64_t>(classes, 0))) {
  if (classes < 0) throw Error(fmt::format("confusion matrix: {} classes", classes));
}

void ConfusionMatrix::add(int64_t truth, int64_t predicted) {
  for (const int64_t c : {truth, predicted})
    if (c < 0 || c >= classes_) throw Error(fmt::format("confusion matrix: class {} of {}", c, classes_));
  ++counts_[static_cast<size_t>(truth * classes_ + predicted)];
  ++total_;
}

void ConfusionMatrix::add(std::span<const int64_t> truth, std::span<const int64_t> predicted) {
  if (truth.size() != predicted.size())
    throw Error(fmt::format("confusion matrix: {} true and {} predicted classes", truth.size(), predicted.size()));
  for (size_t i = 0; i < truth.size(); ++i) add(truth[i], predicted[i]);
}

double ConfusionMatrix::accuracy() const {
  int64_t right = 0;
  for (int64_t c = 0; c < classes_; ++c) right += count(c, c);
  return ratio(right, total_);
}

ClassMetrics ConfusionMatrix::of(int64_t c) const {
  int64_t called = 0, are = 0;
  for (int64_t other = 0; other < classes_; ++other) {
    called += count(other, c);
    are += count(c, other);
  }
  ClassMetrics metrics{ratio(count(c, c), called), ratio(count(c, c), are), 0, are};
  metrics.f1 = ratio(2 * count(c, c), called + are);
  return metrics;
}

ClassMetrics ConfusionMatrix::macro() const {
  ClassMetrics mean;
  int64_t occur = 0;
  for (int64_t c = 0; c < classes_; ++c) {
    const ClassMetrics one = of(c);
    if (one.support == 0) continue;
    ++occur;
    mean.precision += one.precision;
    mean.recall += one.recall;
    mean.f1 += one.f1;
    mean.support += one.support;
  }
  if (occur == 0) return mean;
  for (double* value : {&mean.precision, &mean.recall, &mean.f1}) *value /= static_cast<double>(occur);
  return mean;
}

double top_k_accuracy(const Tensor& outputs, const Tensor& targets, int64_t k) {
  if (outputs.rank() != 2 || !(targets.shape() == Shape{outputs.dim(0)}))
    throw Error(fmt::format("top-k accuracy: expected outputs [N,C] and class indices [N], got {} and {}",
                            to_string(outputs.spec()), to_string(targets.spec())));
  const int64_t n = outputs.dim(0), classes = outputs.dim(1);
  if (k < 1 || k > classes) throw Error(fmt::format("top-k accuracy: k is {}, expected 1 … {}", k, classes));
  const std::vector<double> values = outputs.to_vector<double>();
  const std::vector<int64_t> truth = targets.to_vector<int64_t>();
  int64_t right = 0;
  for (int64_t i = 0; i < n; ++i) {
    const int64_t c = truth[static_cast<size_t>(i)];
    if (c < 0 || c >= classes) throw Error(fmt::format("top-k accuracy: class {} of {}", c, classes));
    const double* row = values.data() + i * classes;
    int64_t before = 0;
    for (int64_t other = 0; other < classes; ++other)
      before += row[other] > row[c] || (row[other] == row[c] && other < c) || !(row[c] == row[c]);
    right += before < k;
  }
  return ratio(right, n);
}

std::string class_table(const ConfusionMatrix& confusion, std::span<const std::string> names) {
  check_names("class table", confusion, names);
  size_t width = 7;
  for (const std::string& name : names) width = std::max(width, letters(name));
  std::string text = fmt::format("{:<{}}  precision   recall       F1  images\n", "class", width);
  const auto row = [&](std::string_view name, const ClassMetrics& m) {
    text += fmt::format("{:<{}}  {:>8.2f}%  {:>6.2f}%  {:>6.2f}%  {:>6}\n", name, width, 100 * m.precision,
                        100 * m.recall, 100 * m.f1, m.support);
  };
  for (int64_t c = 0; c < confusion.classes(); ++c) row(names[static_cast<size_t>(c)], confusion.of(c));
  row("mean", confusion.macro());
  return text;
}

std::string confusion_table(const ConfusionMatrix& confusion, std::span<const std::string> names) {
  check_names("confusion table", confusion, names);
  size_t width = 1, left = 4;
  for (int64_t t = 0; t < confusion.classes(); ++t)
    for (int64_t p = 0; p < confusion.classes(); ++p)
      width = std::max(width, fmt::format("{}", confusion.count(t, p)).size());
  for (const std::string& name : names) left = std::max(left, letters(name));
  const size_t longest = std::max<size_t>(width, 5);
  const auto heading = [&](const std::string& name) { return first_letters(name, longest); };
  for (const std::string& name : names) width = std::max(width, letters(heading(name)));

  std::string text = fmt::format("{:<{}}", "true", left);
  for (const std::string& name : names) text += fmt::format("  {:>{}}", heading(name), width);
  text += "  < predicted\n";
  for (int64_t t = 0; t < confusion.classes(); ++t) {
    text += fmt::format("{:<{}}", names[static_cast<size_t>(t)], left);
    for (int64_t p = 0; p < confusion.classes(); ++p) {
      const int64_t count = confusion.count(t, p);
      text += fmt::format("  {:>{}}", count == 0 ? "." : fmt::format("{}", count), width);
    }
    text += '\n';
  }
  return text;
}

}  // namespace telaio::nn
