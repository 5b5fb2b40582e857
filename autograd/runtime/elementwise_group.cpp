#include <telaio/autograd/runtime/elementwise_group.hpp>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <telaio/autograd/runtime/blocks.hpp>

namespace telaio {

static_assert(ElementwiseGroup::max_inputs <= max_block_inputs);
static_assert(ElementwiseGroup::max_members * 8 <= max_block_scratch);

namespace {

size_t at(int index) { return static_cast<size_t>(index); }

}  // namespace

ElementwiseGroup::ElementwiseGroup(std::vector<Member> members, std::vector<int> outputs, std::vector<DType> types)
    : members_(std::move(members)), outputs_(std::move(outputs)), last_read_(types.size(), -1) {
  std::vector<TensorSpec> inputs;
  for (DType type : types) inputs.push_back({type, {}});
  std::vector<DType> results;
  each_member(inputs, [&](const Member& member, Specs x, const TensorSpec& y) {
    Call call{member.op->elementwise(), static_cast<int>(reads_.size()), static_cast<int>(x.size()), -1, -1};
    for (size_t i = 0; i < x.size(); ++i) {
      reads_.push_back(member.reads[i]);
      types_.push_back(x[i].dtype);
      if (member.reads[i] >= 0) last_read_[at(member.reads[i])] = static_cast<int>(calls_.size());
    }
    cycles_ += call.kernel->cycles();
    calls_.push_back(call);
    results.push_back(y.dtype);
  });
  for (size_t o = 0; o < outputs_.size(); ++o) calls_[at(outputs_[o])].output = static_cast<int>(o);
  allot_slots(results);
}

template <class Visit>
void ElementwiseGroup::each_member(Specs x, Visit visit) const {
  std::vector<TensorSpec> results;
  std::vector<TensorSpec> read;
  for (const Member& member : members_) {
    read.clear();
    for (int from : member.reads) read.push_back(from >= 0 ? x[at(from)] : results[at(~from)]);
    results.push_back(member.op->infer(read)[0]);
    visit(member, Specs(read), results.back());
  }
}

// A slot is free again after the last member that reads it, and for that member's own result when the elements have
// the same size: kernels work in place.
void ElementwiseGroup::allot_slots(const std::vector<DType>& results) {
  std::vector<int> last(calls_.size(), -1);
  for (size_t m = 0; m < calls_.size(); ++m)
    for (int from : members_[m].reads)
      if (from < 0) last[at(~from)] = static_cast<int>(m);
  std::vector<int> free;
  for (size_t m = 0; m < calls_.size(); ++m) {
    const auto release = [&](bool same_size) {
      for (int from : members_[m].reads) {
        if (from >= 0 || last[at(~from)] != static_cast<int>(m) || calls_[at(~from)].slot < 0) continue;
        if ((size_of(results[at(~from)]) == size_of(results[m])) != same_size) continue;
        last[at(~from)] = -1;  // an op may read it twice
        free.push_back(calls_[at(~from)].slot);
      }
    };
    release(true);
    if (calls_[m].output < 0) {
      if (free.empty()) free.push_back(slots_++);
      calls_[m].slot = free.back();
      free.pop_back();
      slot_bytes_ = std::max(slot_bytes_, static_cast<int>(size_of(results[m])));
    }
    release(false);
  }
}

std::string ElementwiseGroup::attributes() const {
  constexpr size_t shown = 6;
  std::string names;
  for (size_t m = 0; m < std::min(shown, members_.size()); ++m)
    names += fmt::format("{}{}", m == 0 ? "" : " ", members_[m].op->name());
  return members_.size() <= shown ? names : fmt::format("{} … ({} ops)", names, members_.size());
}

std::vector<TensorSpec> ElementwiseGroup::infer(Specs x) const {
  std::vector<TensorSpec> results;
  each_member(x, [&](const Member&, Specs, const TensorSpec& y) { results.push_back(y); });
  std::vector<TensorSpec> specs;
  for (int member : outputs_) specs.push_back(results[at(member)]);
  return specs;
}

double ElementwiseGroup::flops(Specs x, Specs) const {
  double sum = 0;
  each_member(x, [&](const Member& member, Specs read, const TensorSpec& y) {
    sum += member.op->flops(read, {&y, 1});
  });
  return sum;
}

// Within a block the members run in order: what is written over an input has to come after everybody who reads it, or
// with the last of them.
bool ElementwiseGroup::in_place(size_t input, size_t output) const { return last_read_[input] <= outputs_[output]; }

void ElementwiseGroup::run(Views x, Views y, void*) const {
  std::array<ChunkInput, max_inputs> inputs{};
  for (size_t i = 0; i < x.size(); ++i)
    inputs[i] = {x[i].bytes, static_cast<int>(size_of(x[i].dtype())), x[i].strides->data()};
  int out_bytes = 0;
  for (const View& view : y) out_bytes += static_cast<int>(size_of(view.dtype()));

  const Shape& shape = y[0].shape();
  for_each_block(shape.rank(), shape.data(), std::span(inputs).first(x.size()), out_bytes, slots_ * slot_bytes_,
                 cycles_, [&](const Block& block) {
                   std::array<void*, max_members> results;
                   std::array<const void*, max_reads> in;
                   for (size_t m = 0; m < calls_.size(); ++m) {
                     const Call& call = calls_[m];
                     if (call.output >= 0) {
                       const View& view = y[at(call.output)];
                       results[m] = view.bytes + block.first * static_cast<int64_t>(size_of(view.dtype()));
                     } else {
                       results[m] = block.scratch + call.slot * slot_bytes_ * block.capacity;
                     }
                     for (int i = 0; i < call.count; ++i) {
                       const int from = reads_[at(call.first + i)];
                       in[at(i)] = from >= 0 ? block.in[from] : results[at(~from)];
                     }
                     call.kernel->chunk({types_.data() + call.first, at(call.count)}, in.data(), results[m], block.n);
                   }
                 });
}

}  // namespace telaio
