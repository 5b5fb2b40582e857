// Tensors as text, the way NumPy prints them.
#include <ostream>

#include <fmt/format.h>

#include <telaio/autograd/tensor.hpp>

namespace telaio {

namespace {

constexpr int64_t edge_items = 3;     // shown at each end of a shortened axis (NumPy's default)
constexpr int64_t longest_axis = 10;  // longer ones are shortened when the tensor is large
constexpr int64_t whole = 200;        // elements up to which nothing is shortened

class Printer {
 public:
  explicit Printer(const Array& array) : array_(array), shorten_(array.spec().numel() > whole) {
    each(0, 0, [&](int64_t at) { width_ = std::max(width_, text(at).size()); });
  }

  std::string print() {
    print_axis(0, 0);
    return std::move(out_);
  }

 private:
  std::string text(int64_t at) const {
    return with_dtype(array_.dtype(), [&]<class T>() -> std::string {
      const T value = array_.data<T>()[at];
      if constexpr (std::is_same_v<T, bool>) return value ? "true" : "false";
      else if constexpr (std::is_floating_point_v<T>) return fmt::format("{:.4g}", value);
      else return fmt::format("{}", value);
    });
  }

  // Positions along an axis that are shown; −1 stands for the dots.
  std::vector<int64_t> shown(int axis) const {
    const int64_t size = array_.shape()[axis];
    std::vector<int64_t> positions;
    for (int64_t i = 0; i < size; ++i) {
      if (shorten_ && size > longest_axis && i == edge_items) {
        positions.push_back(-1);
        i = size - edge_items;
      }
      positions.push_back(i);
    }
    return positions;
  }

  template <class F>
  void each(int axis, int64_t at, F&& f) const {
    if (axis == array_.shape().rank()) return f(at);
    for (int64_t i : shown(axis))
      if (i >= 0) each(axis + 1, at * array_.shape()[axis] + i, f);
  }

  void print_axis(int axis, int64_t at) {
    if (axis == array_.shape().rank()) {
      out_ += fmt::format("{:>{}}", text(at), width_);
      return;
    }
    const bool innermost = axis + 1 == array_.shape().rank();
    const std::string between = innermost ? ", " : fmt::format(",\n{:>{}}", "", axis + 1);
    out_ += '[';
    bool first = true;
    for (int64_t i : shown(axis)) {
      if (!first) out_ += between;
      first = false;
      if (i < 0) out_ += "...";
      else print_axis(axis + 1, at * array_.shape()[axis] + i);
    }
    out_ += ']';
  }

  const Array& array_;
  bool shorten_;
  size_t width_ = 0;
  std::string out_;
};

}  // namespace

std::string to_string(const Tensor& tensor) {
  if (!tensor.defined()) return "undefined";
  const Array array = tensor.value().contiguous();
  return fmt::format("{} {}", to_string(tensor.spec()), Printer(array).print());
}

std::ostream& operator<<(std::ostream& out, const Tensor& tensor) { return out << to_string(tensor); }

}  // namespace telaio
