// How good a classifier is, from what it said and what is true.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <telaio/autograd/tensor.hpp>

namespace telaio::nn {

/// Of one class. Where a ratio has nothing below the line it is 0, as in scikit-learn.
struct ClassMetrics {
  double precision = 0;  ///< right ones of those that were called so
  double recall = 0;     ///< right ones of those that are so
  double f1 = 0;         ///< harmonic mean of the two
  int64_t support = 0;   ///< how many are so
};

/// How often a class was taken for another.
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(int64_t classes = 0);

  /// Error when a class is out of range.
  void add(int64_t truth, int64_t predicted);
  void add(std::span<const int64_t> truth, std::span<const int64_t> predicted);

  int64_t classes() const { return classes_; }
  int64_t total() const { return total_; }
  int64_t count(int64_t truth, int64_t predicted) const {
    return counts_[static_cast<size_t>(truth * classes_ + predicted)];
  }
  /// The share of right ones; 0 for nothing.
  double accuracy() const;
  ClassMetrics of(int64_t c) const;
  /// Means over the classes that occur in truth.
  ClassMetrics macro() const;

 private:
  int64_t classes_ = 0, total_ = 0;
  std::vector<int64_t> counts_;
};

/// The share of samples whose class is among the k largest of their outputs [N,C] (of equal ones, the first). Targets
/// are class indices [N]. Error for k outside 1 … C.
double top_k_accuracy(const Tensor& outputs, const Tensor& targets, int64_t k);

/// A table of precision, recall, F1 and support for each class, and their means. Both tables: error unless there is a
/// name for each class.
std::string class_table(const ConfusionMatrix& confusion, std::span<const std::string> class_names);
/// The matrix: a row for each true class, a column for each predicted one; nothing is printed as a dot.
std::string confusion_table(const ConfusionMatrix& confusion, std::span<const std::string> class_names);

}  // namespace telaio::nn
