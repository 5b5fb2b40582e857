#include <telaio/autograd/builtin.hpp>

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include <boost/unordered/unordered_flat_map.hpp>

#include <telaio/autograd/runtime/parallel.hpp>

namespace telaio {

Tensor input(std::string name, const TensorSpec& spec, const SourceLocation& where) {
  spec.numel();  // rejects negative sizes and overflow
  const OpPtr op(new LeafOp(std::move(name), spec));
  return Tensor(NodePtr(new Node(Node::Kind::input, op, {}, {spec}, where)), 0);
}

void IdentityOp::run(Views x, Views y, void*) const {
  for (size_t i = 0; i < y.size(); ++i)
    if (y[i].bytes != x[i].bytes) std::memcpy(y[i].bytes, x[i].bytes, static_cast<size_t>(x[i].spec->bytes()));
}

bool IdentityOp::view(const TensorSpec&, const Strides& x_strides, const TensorSpec&, Strides& y_strides,
                      int64_t& offset) const {
  y_strides = x_strides;
  offset = 0;
  return true;
}

namespace {

class StopGradient final : public IdentityOp {
 public:
  std::string_view name() const override { return "stop_gradient"; }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override { return BatchFlow::mapped(axes[0]); }
  std::vector<Tensor> vjp(Tensors, Tensors, Tensors, Needs) const override { return {Tensor()}; }
  bool same_as(const Op&) const override { return true; }
};

class Barrier final : public IdentityOp {
 public:
  std::string_view name() const override { return "barrier"; }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs) const override {
    std::vector<Tensor> gx(x.size());
    gx[0] = gy[0];
    return gx;
  }
};

class AddN final : public Op, public Elementwise {
 public:
  std::string_view name() const override { return "add_n"; }
  std::vector<TensorSpec> infer(Specs x) const override {
    if (x.empty()) throw Error("there is nothing to add");
    for (const TensorSpec& spec : x)
      if (!(spec == x[0])) throw Error("the terms differ in shape or type");
    return {x[0]};
  }
  void run(Views x, Views y, void*) const override {
    with_dtype(y[0].dtype(), [&]<class T>() {
      if constexpr (std::is_same_v<T, bool>) {
        throw Error("bools cannot be added");
      } else {
        parallel_for(y[0].numel(), grain_for(static_cast<double>(x.size()) * 0.5), [&](int64_t begin, int64_t end) {
          add<T>(
              x.size(), [&](size_t i) { return x[i].data<T>() + begin; }, y[0].data<T>() + begin, end - begin);
        });
      }
    });
  }
  bool in_place(size_t, size_t) const override { return true; }
  const Elementwise* elementwise() const override { return this; }
  void chunk(std::span<const DType> types, const void* const* in, void* out, int64_t n) const override {
    with_dtype(types[0], [&]<class T>() {
      if constexpr (!std::is_same_v<T, bool>)
        add<T>(
            types.size(), [&](size_t i) { return static_cast<const T*>(in[i]); }, static_cast<T*>(out), n);
    });
  }
  double cycles() const override { return 1; }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override { return BatchFlow::same_axis(axes); }
  bool same_as(const Op&) const override { return true; }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs) const override {
    return std::vector<Tensor>(x.size(), gy[0]);
  }
  double flops(Specs x, Specs y) const override {
    return static_cast<double>((x.size() - 1) * static_cast<size_t>(y[0].numel()));
  }

 private:
  // The sum may lie where any of the terms does: it is written when all of them have been read.
  template <class T, class Term>
  static void add(size_t terms, Term term, T* sum, int64_t n) {
    constexpr int64_t width = 256 / sizeof(T);
    for (int64_t begin = 0; begin < n; begin += width) {
      T part[width];
      const int64_t count = std::min(width, n - begin);
      std::copy_n(term(0) + begin, count, part);
      for (size_t i = 1; i < terms; ++i) {
        const T* next = term(i) + begin;
        for (int64_t j = 0; j < count; ++j) part[j] = static_cast<T>(part[j] + next[j]);
      }
      std::copy_n(part, count, sum + begin);
    }
  }
};

}  // namespace

Tensor stop_gradient(const Tensor& x, const SourceLocation& where) {
  static const OpPtr op(new StopGradient);
  return apply(op, {x}, where);
}

Tensor add_n(std::vector<Tensor> terms, const SourceLocation& where) {
  static const OpPtr op(new AddN);
  if (terms.size() == 1) return terms[0];
  return apply(op, std::move(terms), where);
}

Tensor barrier(const Tensor& x, Tensors after, const SourceLocation& where) {
  static const OpPtr op(new Barrier);
  std::vector<Tensor> inputs{x};
  inputs.insert(inputs.end(), after.begin(), after.end());
  return apply(op, std::move(inputs), where);
}

std::vector<Tensor> substitute(Tensors outputs, Tensors original, Tensors replacement) {
  // A node with several outputs may have only some replaced: the map is by node, one entry an output.
  boost::unordered_flat_map<const Node*, std::vector<Tensor>> replaced;
  const auto slot = [&](const Tensor& tensor) -> Tensor& {
    auto& entry = replaced[tensor.node()];
    entry.resize(tensor.node()->outputs().size());
    return entry[static_cast<size_t>(tensor.index())];
  };
  for (size_t i = 0; i < original.size(); ++i) slot(original[i]) = replacement[i];
  const auto mapped = [&](const Tensor& tensor) {
    const auto found = replaced.find(tensor.node());
    if (found == replaced.end()) return tensor;
    const Tensor& to = found->second[static_cast<size_t>(tensor.index())];
    return to.defined() ? to : tensor;
  };
  const auto given = [&](const Node* node) {
    const auto found = replaced.find(node);
    if (found == replaced.end()) return false;
    return std::all_of(found->second.begin(), found->second.end(), [](const Tensor& to) { return to.defined(); });
  };
  for (const Node* node : topological_order(outputs, given)) {
    bool changed = false;
    std::vector<Tensor> x;
    x.reserve(node->inputs().size());
    for (const Tensor& tensor : node->inputs()) {
      x.push_back(mapped(tensor));
      changed |= !x.back().same(tensor);
    }
    if (!changed || given(node)) continue;
    const NodePtr copy(new Node(*node, std::move(x)));
    for (size_t i = 0; i < node->outputs().size(); ++i) {
      Tensor& to = slot(Tensor(NodePtr(node), static_cast<int>(i)));
      if (!to.defined()) to = Tensor(copy, static_cast<int>(i));
    }
  }
  std::vector<Tensor> result;
  for (const Tensor& tensor : outputs) result.push_back(mapped(tensor));
  return result;
}

}  // namespace telaio
