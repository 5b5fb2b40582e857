#include <telaio/ops/matmul.hpp>

#include <algorithm>

#include <fmt/format.h>

#include <telaio/autograd/op.hpp>
#include <telaio/ops/kernels/gemm.hpp>
#include <telaio/ops/matmul_in_pieces.hpp>
#include <telaio/ops/op_behind.hpp>
#include <telaio/ops/unary.hpp>
#include <telaio/ops/views.hpp>

namespace telaio {

namespace {

kernels::GemmShape product_shape(const Shape& a, const Shape& b) {
  return {a[a.rank() - 2], b[b.rank() - 1], a[a.rank() - 1]};
}

template <class T>
kernels::MatrixView<T> matrix(const View& view) {
  const int rank = view.shape().rank();
  return {view.data<T>(), (*view.strides)[rank - 2], (*view.strides)[rank - 1]};
}

// [batch...,M,K]·[batch...,K,N] → [batch...,M,N], the batch axes equal. Or, never differentiated, [M,K]·[K,N] with what
// follows on the way: + [N], that and a relu, or a relu's gradient, where a third input of the product's shape, the
// relu's result, is positive or not.
class Matmul final : public Op {
 public:
  enum class Then { nothing, bias, bias_relu, gate };
  explicit Matmul(Then then = Then::nothing, bool adds = false) : then_(then), adds_(adds) {}
  std::string_view name() const override {
    return then_ == Then::nothing ? "matmul" : then_ == Then::gate ? "matmul_relu_grad" : "matmul_bias";
  }
  std::string attributes() const override { return then_ == Then::bias_relu ? "relu" : ""; }
  std::string_view input_name(size_t i) const override {
    return i == 0 ? "a" : i == 1 ? "b" : then_ == Then::gate ? "relu" : "bias";
  }

  std::vector<TensorSpec> infer(Specs x) const override {
    const Shape &a = x[0].shape, &b = x[1].shape;
    if (!is_float(x[0].dtype) || x[0].dtype != x[1].dtype) throw Error("the factors must both be f32 or both f64");
    if (a.rank() < 2 || a.rank() != b.rank()) throw Error("the factors must have one rank, 2 or more");
    const auto shape = product_shape(a, b);
    if (b[b.rank() - 2] != shape.k)
      throw Error(fmt::format("the left factor has {} columns, the right one {} rows", shape.k, b[b.rank() - 2]));
    Shape y = a;
    for (int axis = 0; axis < a.rank() - 2; ++axis)
      if (a[axis] != b[axis]) throw Error(fmt::format("the factors differ in batch axis {}", axis));
    y[a.rank() - 1] = shape.n;
    return {{x[0].dtype, y}};
  }

  void run(Views x, Views y, void* scratch) const override {
    const auto shape = product_shape(x[0].shape(), x[1].shape());
    const int batch_rank = y[0].shape().rank() - 2;
    with_float(y[0].dtype(), [&]<class T>() {
      const auto a = matrix<T>(x[0]), b = matrix<T>(x[1]);
      if (batch_rank == 0) {
        kernels::Epilogue<T> epilogue{.relu = then_ == Then::bias_relu, .gated = then_ == Then::gate};
        if (epilogue.gated) epilogue.gate = x[2].bytes - y[0].bytes;
        else if (then_ != Then::nothing) epilogue.bias = x[2].data<T>();
        return kernels::matmul(shape, a, b, y[0].data<T>(), scratch, epilogue, adds_);
      }
      const int64_t* batch = y[0].shape().data();
      kernels::matmul_batched(shape, {batch_rank, batch, x[0].strides->data()}, a,
                              {batch_rank, batch, x[1].strides->data()}, b, y[0].data<T>(), scratch, adds_);
    });
  }

  size_t scratch_bytes(Specs x, Specs y) const override {
    const auto shape = product_shape(x[0].shape, x[1].shape);
    int64_t batches = 1;
    for (int axis = 0; axis < y[0].shape.rank() - 2; ++axis) batches *= y[0].shape[axis];
    return with_float(y[0].dtype, [&]<class T>() {
      return static_cast<size_t>(y[0].shape.rank() == 2 ? kernels::matmul_scratch_bytes<T>(shape)
                                                        : kernels::matmul_batched_scratch_bytes<T>(shape, batches));
    });
  }

  bool takes_strides(size_t input) const override { return input < 2; }

  // Rows of the product come from rows of a, columns from columns of b; cut along k, the products add up.
  BatchFlow along_batch(std::span<int> axes, Specs x, Specs) const override {
    const int rank = x[0].shape.rank();
    if (then_ != Then::nothing) {
      const int third = then_ == Then::gate ? 0 : -1;
      if (axes[0] != 0 || axes[1] >= 0 || (axes[2] >= 0 && axes[2] != third)) return {};
      axes[2] = third;
    }
    if (axes[0] == rank - 2 && axes[1] < 0) return BatchFlow::mapped(rank - 2);
    if (axes[1] == rank - 1 && axes[0] < 0) return BatchFlow::mapped(rank - 1);
    if (axes[0] == rank - 1 && axes[1] == rank - 2) return BatchFlow::summed();
    if (axes[0] == axes[1] && axes[0] < rank - 2) return BatchFlow::mapped(axes[0]);
    return {};
  }

  OpPtr adding() const override { return then_ == Then::nothing ? OpPtr(new Matmul(then_, true)) : OpPtr(); }

  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs needs) const override {
    std::vector<Tensor> gx(2);
    if (needs[0]) gx[0] = matmul(gy[0], transpose(x[1]));  // [...,M,N]·[...,K,N]ᵀ → [...,M,K]
    if (needs[1]) gx[1] = matmul(transpose(x[0]), gy[0]);  // [...,M,K]ᵀ·[...,M,N] → [...,K,N]
    return gx;
  }

  Tensor followed_by(const Node& node, std::span<const Node* const> readers) const override {
    if (then_ != Then::nothing || node.outputs()[0].shape.rank() != 2) return {};
    if (const Tensor gated = followed_by_gate(node, readers); gated.defined()) return gated;
    return followed_by_bias(node, readers,
                            [](bool relu) { return OpPtr(new Matmul(relu ? Then::bias_relu : Then::bias)); });
  }

  OpPtr feeding(const Node& node, const Node& reader, size_t input) const override {
    if (then_ != Then::nothing || node.outputs()[0].shape.rank() != 2) return {};
    return matmul_feeding(node, reader, input);
  }
  OpPtr finiteness(const Node&) const override { return matmul_finiteness(); }

  bool same_as(const Op& other) const override {
    const auto& product = static_cast<const Matmul&>(other);
    return then_ == product.then_ && adds_ == product.adds_;
  }
  double flops(Specs x, Specs y) const override {
    return 2.0 * static_cast<double>(x[0].shape.back()) * static_cast<double>(y[0].numel());
  }

 private:
  static Tensor followed_by_gate(const Node& node, std::span<const Node* const> readers) {
    const Tensor result(NodePtr(readers.back()), 0);
    const std::optional<Gate> gate = gate_behind(result);
    if (!gate || gate->passes.node() != &node || gate->by.node() == &node) return {};
    if (!(gate->by.spec() == node.outputs()[0])) return {};
    // The comparison may have come before the product, for others, too.
    const Node* comparison = readers.back()->inputs()[0].node();
    if (readers.size() > 2 || (readers.size() == 2 && readers[0] != comparison)) return {};
    std::vector<Tensor> x = node.inputs();
    x.push_back(gate->by);
    return Tensor(NodePtr(new Node(node, OpPtr(new Matmul(Then::gate)), std::move(x), node.outputs())), 0);
  }

  Then then_;
  bool adds_;  // to what is there
};

Shape batch_of(const Shape& shape) {
  return Shape(std::span<const int64_t>(shape.data(), static_cast<size_t>(shape.rank() - 2)));
}

Tensor repeated(const Tensor& x, Shape batch, const SourceLocation& where) {
  batch.push_back(x.dim(-2));
  batch.push_back(x.dim(-1));
  return broadcast_to(x, batch, where);
}

// Factors of rank 2 or more, of one type.
Tensor product(const Tensor& a, const Tensor& b, const Shape& batch, const SourceLocation& where) {
  const OpPtr op(new Matmul);
  if (a.rank() == 2 && b.rank() == 2) return apply(op, {a, b}, where);
  if (numel(batch_of(b.shape())) != 1 || !(batch == batch_of(a.shape())))
    return apply(op, {repeated(a, batch, where), repeated(b, batch, where)}, where);
  // One right factor for all: [...,M,K]·[K,N] is one product of (...·M) rows, whose derivative by b is one as well.
  Shape rows = batch;
  rows.push_back(a.dim(-2));
  const Tensor left = reshape(a, {numel(rows), a.dim(-1)}, where);
  const Tensor right = reshape(b, {b.dim(-2), b.dim(-1)}, where);
  rows.push_back(b.dim(-1));
  return reshape(apply(op, {left, right}, where), rows, where);
}

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b, const SourceLocation& where) {
  const Tensor operands[] = {a, b};
  if (!a.defined() || !b.defined()) fail("matmul", "a factor is undefined", operands, where);
  if (a.rank() == 0 || b.rank() == 0) fail("matmul", "a scalar is no matrix; use * for it", operands, where);
  const Operand left(a, where), right(b, where);
  const DType dtype = promoted({&left, &right});
  if (!is_float(dtype)) fail("matmul", "only f32 and f64 can be multiplied; cast a factor", operands, where);
  Tensor x = cast(a, dtype, where), y = cast(b, dtype, where);
  if (a.rank() == 1) x = unsqueeze(x, 0, where);  // [K] → [1,K]
  if (b.rank() == 1) y = unsqueeze(y, 1, where);  // [K] → [K,1]
  if (x.dim(-1) != y.dim(-2)) {
    fail("matmul", fmt::format("the left factor has {} columns, the right one {} rows", x.dim(-1), y.dim(-2)), operands,
         where);
  }
  const auto batch = broadcast(batch_of(x.shape()), batch_of(y.shape()));
  if (!batch) {
    fail("matmul", "the batch axes (all but the last two) do not broadcast: each must agree or be 1", operands, where);
  }
  Tensor z = product(x, y, *batch, where);
  std::vector<int> dropped;
  if (a.rank() == 1) dropped.push_back(z.rank() - 2);
  if (b.rank() == 1) dropped.push_back(z.rank() - 1);
  return dropped.empty() ? z : squeeze(z, dropped, where);
}

}  // namespace telaio
