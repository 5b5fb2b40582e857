#include <telaio/nn/train/check_finite.hpp>

#include <algorithm>
#include <atomic>
#include <cmath>

#include <fmt/format.h>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/autograd/variable.hpp>
#include <telaio/ops/kernels/finite.hpp>

namespace telaio::nn {

namespace {

template <class T>
bool any_special(const T* x, int64_t n) {
  std::atomic<bool> special = false;
  constexpr double cycles = sizeof(T) * 0.4;  // as they come from another core's cache
  parallel_for(n, grain_among_awake(cycles), [&](int64_t begin, int64_t end) {
    if (!kernels::all_finite(x + begin, end - begin)) special.store(true, std::memory_order_relaxed);
  });
  return special;
}

/// Only where there is one: what it is.
template <class T>
std::string which(const T* x, int64_t n) {
  std::string found;
  for (int64_t i = 0; i < n; ++i) {
    if (std::isnan(x[i])) return "nan";
    if (std::isinf(x[i])) found = "an infinity";
  }
  return found;
}

std::string special_in(DType dtype, const std::byte* x, int64_t n) {
  return with_float(dtype, [&]<class T>() {
    const T* values = reinterpret_cast<const T*>(x);
    return any_special(values, n) ? which(values, n) : "";
  });
}

class CheckFinite final : public Op {
 public:
  explicit CheckFinite(std::vector<std::string> names) : names_(std::move(names)) {}
  std::string_view name() const override { return "check_finite"; }
  std::vector<TensorSpec> infer(Specs x) const override { return {x[0]}; }
  bool may_fail() const override { return true; }
  bool in_place(size_t input, size_t) const override { return input == 0; }
  bool only_checks(size_t input) const override { return input > 0; }
  void run(Views x, Views y, void*) const override {
    for (size_t i = 0; i < x.size(); ++i) {
      const std::string found = special_in(x[i].dtype(), x[i].bytes, x[i].numel());
      if (!found.empty())
        throw Error(i == 0 ? fmt::format("the loss is {}", found)
                           : fmt::format("the gradient of '{}' has {}", names_[i - 1], found));
    }
    std::copy_n(x[0].bytes, x[0].spec->bytes(), y[0].bytes);
  }

 private:
  std::vector<std::string> names_;
};

}  // namespace

Tensor check_finite(const Tensor& loss, const std::vector<Tensor>& gradients, std::vector<std::string> names) {
  std::vector<Tensor> all{loss};
  all.insert(all.end(), gradients.begin(), gradients.end());
  return apply(OpPtr(new CheckFinite(std::move(names))), std::move(all), TELAIO_HERE);
}

std::string not_finite(const Array& values) {
  const Array whole = values.contiguous();
  return special_in(whole.dtype(), whole.bytes(), whole.spec().numel());
}

std::string first_not_finite(const std::vector<Tensor>& tensors) {
  const auto name_of_node = [](const Node& node) {
    const VariableState* variable = variable_of(node);
    return variable ? fmt::format("the parameter '{}'", variable->name) : std::string(node.op().name());
  };
  // Node by node: each keeps its value, so nothing is computed twice.
  for (const Node* node : topological_order(tensors)) {
    for (size_t i = 0; i < node->outputs().size(); ++i) {
      if (!is_float(node->outputs()[i].dtype)) continue;
      const Tensor output(NodePtr(node), static_cast<int>(i));
      const std::string found = not_finite(output.value());
      if (found.empty()) continue;
      if (node->inputs().empty() && variable_of(*node) == nullptr)
        return fmt::format("a constant has {}{}", found, at_line(node->where()));
      std::string place = node->scope().empty() ? "" : fmt::format(" of layer '{}'", node->scope());
      return fmt::format("{}{}{} gives {}{}", name_of_node(*node), place, node->backward() ? " (its gradient)" : "",
                         found, at_line(node->where()));
    }
  }
  return "";
}

}  // namespace telaio::nn
