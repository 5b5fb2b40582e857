// What an op must say of itself. Everything the framework does with a graph goes through this one interface.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <boost/smart_ptr/intrusive_ref_counter.hpp>

#include <telaio/autograd/array.hpp>
#include <telaio/autograd/tensor.hpp>

namespace telaio {

struct VariableState;

/// An operand while an op runs: memory, shape, type and strides.
struct View {
  std::byte* bytes = nullptr;
  const TensorSpec* spec = nullptr;
  const Strides* strides = nullptr;

  template <class T>
  T* data() const {
    return reinterpret_cast<T*>(bytes);
  }
  DType dtype() const { return spec->dtype; }
  const Shape& shape() const { return spec->shape; }
  int64_t numel() const { return spec->numel(); }
};

using Specs = std::span<const TensorSpec>;
using Views = std::span<const View>;
/// Which inputs need a gradient.
using Needs = std::span<const uint8_t>;

class Op;
using OpPtr = boost::intrusive_ptr<const Op>;

/// What an op makes of a batch that is cut into slices.
struct BatchFlow {
  enum class Kind : uint8_t {
    opaque,  ///< it needs the whole batch
    mapped,  ///< slice s of the outputs, along `axis`, comes from slice s of the inputs alone
    summed,  ///< each output is the sum of what the slices give
  };
  Kind kind = Kind::opaque;
  int axis = -1;

  static BatchFlow mapped(int axis) { return {Kind::mapped, axis}; }
  static BatchFlow summed() { return {Kind::summed, -1}; }
  /// For ops whose inputs and outputs have one shape and whose elements know nothing of each other: all inputs are cut
  /// where one is. Opaque when none is, or two are cut along different axes.
  static BatchFlow same_axis(std::span<int> axes) {
    int common = -1;
    for (int axis : axes) {
      if (axis >= 0 && common >= 0 && axis != common) return {};
      common = axis >= 0 ? axis : common;
    }
    for (int& axis : axes) axis = common;
    return common < 0 ? BatchFlow() : mapped(common);
  }
  /// For ops that treat every element of the first axis of all inputs by itself: mapped where no input is cut
  /// elsewhere.
  static BatchFlow first_axis(std::span<int> axes) {
    for (int& axis : axes) {
      if (axis > 0) return {};
      axis = 0;
    }
    return mapped(0);
  }
};

/// What an op does to the elements of its inputs, which have the shape of its only output.
class Elementwise {
 public:
  /// out[i] = f(in[0][i], in[1][i], …) for n contiguous elements, on the calling thread; in[k] has the type types[k].
  /// `out` may be exactly an input whose elements have the same size. The bits of an element depend on its operands
  /// alone, never on its place.
  virtual void chunk(std::span<const DType> types, const void* const* in, void* out, int64_t n) const = 0;
  /// What an element costs, roughly, in cycles.
  virtual double cycles() const = 0;

 protected:
  ~Elementwise() = default;
};

/// An immutable description of a computation. One small class per op (or per family); attributes are members.
class Op : public boost::intrusive_ref_counter<Op> {
 public:
  virtual ~Op() = default;

  /// As in messages, drawings and profiles: "conv2d".
  virtual std::string_view name() const = 0;
  /// The attributes, for drawings: "stride=2 padding=same".
  virtual std::string attributes() const { return {}; }
  /// What input i is called in messages; "input" and the like when it is empty.
  virtual std::string_view input_name(size_t) const { return {}; }

  /// Shapes and types of the outputs. The only place where inputs are checked: throws Error with one line that says
  /// what was expected and what came; name, operands and source line are added by the caller.
  virtual std::vector<TensorSpec> infer(Specs x) const = 0;

  /// Computes y, which is contiguous, uninitialised and overlaps no x (but see in_place). x is contiguous unless
  /// takes_strides. `scratch` has scratch_bytes, aligned to a cache line. What depends on data is checked here, with
  /// may_fail() true: throws Error with one line.
  virtual void run(Views x, Views y, void* scratch) const = 0;
  virtual size_t scratch_bytes(Specs, Specs) const { return 0; }
  /// How much of the scratch, from its beginning, so many threads use: its pages are asked for before the first run.
  virtual size_t scratch_in_use(Specs x, Specs y, int /*threads*/) const { return scratch_bytes(x, y); }
  virtual bool takes_strides(size_t /*input*/) const { return false; }
  virtual bool may_fail() const { return false; }
  /// Whether y[output] may occupy the memory of x[input], where that is contiguous and of the same size.
  virtual bool in_place(size_t /*input*/, size_t /*output*/) const { return false; }
  /// Whether run works without y[output], whose memory is then null: nobody reads it.
  virtual bool optional_output(size_t /*output*/) const { return false; }
  /// The same computation an element at a time, where that is all there is to it: such ops can be run together, a block
  /// of elements through all of them. Null for others.
  virtual const Elementwise* elementwise() const { return nullptr; }

  /// Whether each output can be the input of the same index seen with other strides (and an offset, both in elements):
  /// then nothing runs. The further inputs of such an op, if any, are only waited for.
  virtual bool view(const TensorSpec& /*x*/, const Strides& /*x_strides*/, const TensorSpec& /*y*/,
                    Strides& /*y_strides*/, int64_t& /*offset*/) const {
    return false;
  }

  /// The gradient by each input, as a graph of ops; undefined for a zero. gy[i] is undefined where no gradient reaches
  /// output i. Only the inputs that `needs` marks are looked at. The default throws: the op has no derivative.
  virtual std::vector<Tensor> vjp(Tensors x, Tensors y, Tensors gy, Needs needs) const;

  /// Equal attributes: then two nodes of the same inputs are one. `other` has the same name(). An op that never says so
  /// (the default) is neither merged nor computed ahead of time.
  virtual bool same_as(const Op& /*other*/) const { return false; }
  /// A cheaper tensor with the same value, bit for bit (a transpose of a transpose…), or undefined.
  virtual Tensor simplified(Tensors /*x*/) const { return {}; }

  /// Cheaper tensors that agree with the outputs of `node` (whose op this is) to rounding, one for each output,
  /// undefined where the output stays as it is; empty when there is nothing to gain. An op may look at the nodes that
  /// its inputs come from: so the last op of a pattern replaces the whole. Such tensors are never differentiated.
  virtual std::vector<Tensor> fused(const Node& /*node*/) const { return {}; }
  /// The same as the elementwise ops `readers`, which alone read the only output of `node` (whose op this is), and of
  /// which only the last one's result is read by others: bit for bit, or undefined when this op cannot do theirs on the
  /// way. Never differentiated.
  virtual Tensor followed_by(const Node& /*node*/, std::span<const Node* const> /*readers*/) const;

  /// Whether run may be given any stretch of the elements, as tensors of one axis, of all operands that have the
  /// outputs' shape (the others are scalars): an op whose elements know nothing of each other, and without scratch.
  virtual bool runs_on_parts() const { return elementwise() != nullptr; }
  /// Whether all that the op does with an input is to throw where an element is not finite.
  virtual bool only_checks(size_t /*input*/) const { return false; }
  /// For large outputs that need not be in memory: the op that computes the only output of `node` (whose op this is)
  /// piece by piece and runs the op of `reader`, which runs_on_parts and takes it as its input `input`, on each. Its
  /// inputs are the node's, then the reader's without that one; its outputs the reader's. Null where there is nothing
  /// to gain. Never differentiated.
  virtual OpPtr feeding(const Node& /*node*/, const Node& /*reader*/, size_t /*input*/) const { return {}; }
  /// An op of the same inputs with a scalar output that is finite exactly where all of the node's only output is, for
  /// those that only_check it. Null only where feeding is.
  virtual OpPtr finiteness(const Node& /*node*/) const { return {}; }

  /// How the op acts along the batch, for running slices of it through many ops. On entry axes[i] is the axis of input
  /// i along which it is cut (−1: it is whole). An op may set an entry that is −1 when it needs that input cut too.
  virtual BatchFlow along_batch(std::span<int> /*axes*/, Specs /*x*/, Specs /*y*/) const { return {}; }
  /// For an op that sums: the one that adds to what y holds instead of overwriting it, not differentiated; null where
  /// there is none.
  virtual OpPtr adding() const { return {}; }
  /// The op for slices of `rows` out of a batch cut along axis `axis` of its output, where an attribute says the
  /// batch's size; null when it is this one.
  virtual OpPtr for_rows(int /*axis*/, int64_t /*rows*/) const { return {}; }

  /// Whether the value depends on a variable that is not among the inputs: a gradient by it would be silently wrong.
  virtual bool hides(const VariableState*) const { return false; }

  /// Multiplications and additions, for profiles and for deciding what is worth running in parallel.
  virtual double flops(Specs x, Specs y) const;
};

/// Applies an op: checks the inputs and gives a new node's first output, or all of them.
Tensor apply(OpPtr op, std::vector<Tensor> x, const SourceLocation& where);
std::vector<Tensor> apply_all(OpPtr op, std::vector<Tensor> x, const SourceLocation& where);

/// Throws Error: "<op>: <problem>", the operands with their names, and the user's line.
[[noreturn]] void fail(std::string_view op, std::string_view problem, Tensors x, const SourceLocation& where,
                       const Op* names = nullptr);

}  // namespace telaio
