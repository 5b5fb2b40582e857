// Many small ops in one loop.
#pragma once

#include <string>
#include <vector>

#include <telaio/autograd/op.hpp>

namespace telaio {

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
