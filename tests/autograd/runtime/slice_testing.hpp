// What the tests of sliced batches share.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include <telaio/nn/networks.hpp>
#include <telaio/nn/train/trainer.hpp>
#include <telaio/telaio.hpp>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/sliced_op.hpp>

namespace telaio::testing_slices {

using List = std::vector<Tensor>;

inline constexpr CompileOptions plain{.fuse = false, .slice = false};

inline double difference(const Tensor& a, const Tensor& b) {
  if (a.numel() == 0) return 0;
  const double scale = max(abs(cast(a, f64))).item<double>();
  return max(abs(cast(a, f64) - cast(b, f64))).item<double>() / std::max(scale, 1e-30);
}

inline bool same_bits(const Tensor& a, const Tensor& b) {
  const Array x = a.value().contiguous(), y = b.value().contiguous();
  return x.spec() == y.spec() && std::memcmp(x.bytes(), y.bytes(), static_cast<size_t>(x.spec().bytes())) == 0;
}

inline Tensor images(int64_t batch, DType dtype = f32) {
  return cast(uniform({batch, 28, 28, 1}, random_key(1, 1)), dtype);
}
inline Tensor labels(int64_t batch) { return cast(floor(uniform({batch}, random_key(2, 2)) * 10.0), i32); }

// The loss and all gradients of a network.
struct Step {
  nn::Trainer trainer;
  explicit Step(std::string_view network) : trainer(nn::Model(nn::network_named(network), {28, 28, 1}), {}) {}
  auto function() const {
    return [this](const Tensor& x, const Tensor& y) {
      auto [loss, gradients] = trainer.graph(x, y);
      List results{loss};
      results.insert(results.end(), gradients.begin(), gradients.end());
      return results;
    };
  }
};

// What the pass makes of a function: the regions, and the names of the ops that stay outside.
struct Cut {
  Graph graph;
  std::vector<const SlicedOp*> regions;
  std::vector<std::string> outside;
  int64_t count(std::string_view op) const { return std::count(outside.begin(), outside.end(), op); }
};

template <class F, class... X>
Cut cut(const F& f, const X&... x) {
  Graph graph;
  for (const Tensor& argument : {x...}) graph.inputs.push_back(input("x", argument.spec()));
  {
    Trace trace;
    graph.outputs = [&]<size_t... i>(std::index_sequence<i...>) { return f(graph.inputs[i]...); }
    (std::index_sequence_for<X...>());
    graph.variables = trace.uses();
  }
  Cut result{.graph = slice_batches(simplify(graph)), .regions = {}, .outside = {}};
  validate(result.graph, "slice");
  for (const Node* node : topological_order(result.graph.roots())) {
    if (const auto* op = dynamic_cast<const SlicedOp*>(&node->op())) result.regions.push_back(op);
    else result.outside.emplace_back(node->op().name());
  }
  return result;
}

// Large enough to be cut: rows of 4096 numbers, some work for each.
inline Tensor rows(int64_t batch) { return uniform({batch, 4096}, random_key(3, 3)); }
inline Tensor worked(const Tensor& x) { return tanh(x * 1.5) + exp(-x); }

}  // namespace telaio::testing_slices
