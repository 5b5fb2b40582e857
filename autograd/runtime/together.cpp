#include <telaio/autograd/runtime/together.hpp>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/autograd/runtime/parts.hpp>
#include <telaio/autograd/runtime/plan.hpp>

namespace telaio {

namespace {

// Elements that are not divided: whole lines of memory, whatever their type.
constexpr int64_t unit = 64;

}  // namespace

Together::Together(std::vector<Member> members, Specs x) : readers_(x.size()), takes_strides_(x.size(), 1) {
  size_t outputs = 0;
  double cycles = 0;
  for (Member& member : members) {
    std::vector<TensorSpec> read;
    for (size_t k = 0; k < member.reads.size(); ++k) {
      const size_t i = member.reads[k];
      read.push_back(x[i]);
      takes_strides_[i] &= member.op->takes_strides(k);
      const auto before = member.reads.begin() + static_cast<int64_t>(k);
      if (std::find(member.reads.begin(), before, i) == before) ++readers_[i];
    }
    const std::vector<TensorSpec> y = member.op->infer(read);
    cycles += cycles_of(*member.op, read, y);
    members_.push_back({std::move(member.op), std::move(member.reads), outputs, y.size(), units_, y[0].numel()});
    outputs += y.size();
    units_ += (y[0].numel() + unit - 1) / unit;
  }
  units_of_task_ = even_grain_among_awake(units_, cycles / static_cast<double>(std::max<int64_t>(units_, 1)));
  const bool alike = std::all_of(members_.begin(), members_.end(),
                                 [&](const Place& member) { return member.op->name() == members_[0].op->name(); });
  name_ = alike ? members_[0].op->name() : "together";
}

std::string Together::attributes() const { return fmt::format("{} tensors in one loop", members_.size()); }

std::vector<TensorSpec> Together::infer(Specs x) const {
  std::vector<TensorSpec> specs, read;
  for (const Place& member : members_) {
    read.clear();
    for (size_t i : member.reads) read.push_back(x[i]);
    for (TensorSpec& y : member.op->infer(read)) specs.push_back(y);
  }
  return specs;
}

void Together::run(Views x, Views y, void*) const {
  parallel_for(units_, units_of_task_, [&](int64_t begin, int64_t end) {
    auto member = std::upper_bound(members_.begin(), members_.end(), begin,
                                   [](int64_t at, const Place& place) { return at < place.first_unit; });
    for (--member; member != members_.end() && member->first_unit < end; ++member) {
      const int64_t first = std::max<int64_t>(begin - member->first_unit, 0) * unit;
      const int64_t last = std::min((end - member->first_unit) * unit, member->elements);
      std::array<View, most_part_operands> views;
      size_t made = 0;
      for (size_t i : member->reads) views[made++] = x[i];
      run_on_part(*member->op, std::span(views).first(made), y.subspan(member->first_output, member->outputs), first,
                  last - first);
    }
  });
}

const Together::Place& Together::writer_of(size_t output) const {
  return *--std::upper_bound(members_.begin(), members_.end(), output,
                             [](size_t at, const Place& place) { return at < place.first_output; });
}

// What another member reads, too, is not to be overwritten.
bool Together::in_place(size_t input, size_t output) const {
  if (readers_[input] > 1) return false;
  const Place& writer = writer_of(output);
  bool reads = false;
  for (size_t k = 0; k < writer.reads.size(); ++k) {
    if (writer.reads[k] != input) continue;
    if (!writer.op->in_place(k, output - writer.first_output)) return false;
    reads = true;
  }
  return reads;
}

double Together::flops(Specs x, Specs y) const {
  double sum = 0;
  std::vector<TensorSpec> read;
  for (const Place& member : members_) {
    read.clear();
    for (size_t i : member.reads) read.push_back(x[i]);
    sum += member.op->flops(read, y.subspan(member.first_output, member.outputs));
  }
  return sum;
}

}  // namespace telaio
