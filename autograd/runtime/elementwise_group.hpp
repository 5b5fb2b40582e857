// Elementwise ops that run together: one pass over memory for all of them.
#pragma once

#include <vector>

#include <telaio/autograd/op.hpp>

namespace telaio {

/// Ops of one shape. A block of some hundred elements goes through all of them, one after another and through the same
/// kernels as alone, so to the same bits; what only the group reads never leaves the nearest cache.
class ElementwiseGroup final : public Op {
 public:
  /// An op and what it reads: input k of the group is k, the result of member m (an earlier one) is ~m.
  struct Member {
    OpPtr op;
    std::vector<int> reads;
  };
  static constexpr int max_inputs = 24;
  static constexpr int max_members = 48;
  static constexpr int max_reads = 8;  // of one member

  /// `types` are those of the group's inputs; `outputs` are the members whose results are read outside.
  ElementwiseGroup(std::vector<Member> members, std::vector<int> outputs, std::vector<DType> types);

  std::string_view name() const override { return "elementwise"; }
  std::string attributes() const override;  ///< "mul add sqrt": the members
  std::vector<TensorSpec> infer(Specs x) const override;
  void run(Views x, Views y, void*) const override;
  bool takes_strides(size_t) const override { return true; }
  bool in_place(size_t input, size_t output) const override;
  bool runs_on_parts() const override { return true; }
  BatchFlow along_batch(std::span<int> axes, Specs, Specs) const override { return BatchFlow::same_axis(axes); }
  double flops(Specs x, Specs y) const override;

 private:
  struct Call {
    const Elementwise* kernel;
    int first;  // in reads_ and types_
    int count;
    int output;  // of the group, or −1: then the result is in the scratch
    int slot;
  };
  template <class Visit>
  void each_member(Specs x, Visit visit) const;
  void allot_slots(const std::vector<DType>& results);

  std::vector<Member> members_;
  std::vector<int> outputs_;
  std::vector<Call> calls_;
  std::vector<int> reads_;      // of all calls, one after another
  std::vector<DType> types_;    // of what they read
  std::vector<int> last_read_;  // of each input: the last member that reads it
  double cycles_ = 0;
  int slots_ = 0;
  int slot_bytes_ = 0;  // an element
};

}  // namespace telaio
