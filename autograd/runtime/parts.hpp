// Ops that may be given any stretch of their elements (Op::runs_on_parts): on one, and many of them in one loop.
#pragma once

#include <vector>

#include <telaio/autograd/op.hpp>

namespace telaio {

/// Inputs and outputs of an op that runs on parts, at most.
inline constexpr size_t most_part_operands = 16;

/// Whether all elements of a tensor with these strides are one.
bool is_repeated(const Strides& strides);

/// The tensor in whose memory x is seen, which may be x, as far as the ops between say so of contiguous ones.
Tensor base_of(Tensor x);

/// Whether stretches of a node's elements are stretches of memory in all of its operands, so that its op, which
/// runs_on_parts, can run on one.
bool has_parts(const Node& node);

/// Runs an op that runs_on_parts on `count` elements from `first` on, in row-major order, on the calling thread. Input
/// `piece`, if there is one, has these elements alone. Allocates nothing.
void run_on_part(const Op& op, Views x, Views y, int64_t first, int64_t count, size_t piece = most_part_operands);

/// Ops that know nothing of each other in one loop over all of their elements: for updates of a network's parameters,
/// most of which are too small for a loop of their own. The same bits as one by one.
class Together final : public Op {
 public:
  struct Member {
    OpPtr op;
    std::vector<size_t> reads;  // inputs of the whole
  };
  Together(std::vector<Member> members, Specs x);

  std::string_view name() const override { return name_; }
  std::string attributes() const override;
  std::vector<TensorSpec> infer(Specs x) const override;
  void run(Views x, Views y, void*) const override;
  bool takes_strides(size_t input) const override { return takes_strides_[input]; }
  bool in_place(size_t input, size_t output) const override;
  bool optional_output(size_t output) const override;
  double flops(Specs x, Specs y) const override;

 private:
  struct Place {
    OpPtr op;
    std::vector<size_t> reads;
    size_t first_output, outputs;
    int64_t first_unit, elements;
  };
  const Place& writer_of(size_t output) const;

  std::vector<Place> members_;
  std::vector<int> readers_;  // members that read each input
  std::vector<char> takes_strides_;
  int64_t units_ = 0, units_of_task_ = 1;
  std::string name_;
};

}  // namespace telaio
