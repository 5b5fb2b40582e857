#include <telaio/autograd/runtime/parts.hpp>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/autograd/runtime/plan.hpp>

namespace telaio {

namespace {

Strides strides_of(const Tensor& x) {
  const Node& node = *x.node();
  const auto i = static_cast<size_t>(x.index());
  if (node.values()) return (*node.values())[i].strides();
  Strides strides;
  int64_t offset = 0;
  if (i < node.inputs().size()) {
    const Tensor& from = node.inputs()[i];
    if (node.op().view(from.spec(), strides_of(from), x.spec(), strides, offset)) return strides;
  }
  return contiguous_strides(x.shape());
}

}  // namespace

bool is_repeated(const Strides& strides) {
  return std::all_of(strides.begin(), strides.end(), [](int64_t step) { return step == 0; });
}

bool has_parts(const Node& node) {
  if (!node.op().runs_on_parts() || node.inputs().size() + node.outputs().size() > most_part_operands) return false;
  const Shape& shape = node.outputs()[0].shape;
  for (const TensorSpec& y : node.outputs())
    if (!(y.shape == shape)) return false;
  return std::all_of(node.inputs().begin(), node.inputs().end(), [&](const Tensor& x) {
    if (x.rank() == 0) return true;
    const Strides strides = strides_of(x);
    return x.shape() == shape && (is_contiguous(shape, strides) || is_repeated(strides));
  });
}

void run_on_part(const Op& op, Views x, Views y, int64_t first, int64_t count) {
  const SerialScope serial;
  const Strides next{1}, same{0};
  std::array<TensorSpec, most_part_operands> specs;
  std::array<View, most_part_operands> views;
  size_t made = 0;
  const auto add = [&](const View& whole) {
    if (whole.shape().rank() == 0 || !whole.bytes) {
      views[made++] = whole;
      return;
    }
    const bool repeated = is_repeated(*whole.strides);
    const int64_t offset = repeated ? 0 : first * static_cast<int64_t>(size_of(whole.dtype()));
    specs[made] = {whole.dtype(), {count}};
    views[made] = {whole.bytes + offset, &specs[made], repeated ? &same : &next};
    ++made;
  };
  for (const View& view : x) add(view);
  for (const View& view : y) add(view);
  op.run(std::span(views).first(x.size()), std::span(views).subspan(x.size(), y.size()), nullptr);
}

namespace {

// Elements that are not divided: whole lines of memory, whatever their type.
constexpr int64_t unit = 64;

}  // namespace

Together::Together(std::vector<Member> members, Specs x) : readers_(x.size()) {
  size_t outputs = 0;
  double cycles = 0;
  for (Member& member : members) {
    std::vector<TensorSpec> read;
    for (size_t i : member.reads) {
      read.push_back(x[i]);
      ++readers_[i];
    }
    const std::vector<TensorSpec> y = member.op->infer(read);
    cycles += cycles_of(*member.op, read, y);
    members_.push_back({std::move(member.op), std::move(member.reads), outputs, y.size(), units_, y[0].numel()});
    outputs += y.size();
    units_ += (y[0].numel() + unit - 1) / unit;
  }
  // As many units in each task, and as many tasks for each of two or four threads.
  const int64_t few = units_ / grain_among_awake(cycles / static_cast<double>(std::max<int64_t>(units_, 1))),
                tasks = few == 0 ? 1 : (few + 4) / 4 * 4;
  units_of_task_ = units_ / tasks + 1;
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

bool Together::takes_strides(size_t input) const {
  for (const Place& member : members_)
    for (size_t i = 0; i < member.reads.size(); ++i)
      if (member.reads[i] == input && !member.op->takes_strides(i)) return false;
  return true;
}

// What several read is still read when one of them writes.
bool Together::in_place(size_t input, size_t output) const {
  if (readers_[input] > 1) return false;
  const Place& writer = writer_of(output);
  const auto read = std::find(writer.reads.begin(), writer.reads.end(), input);
  return read != writer.reads.end() &&
         writer.op->in_place(static_cast<size_t>(read - writer.reads.begin()), output - writer.first_output);
}

bool Together::optional_output(size_t output) const {
  const Place& writer = writer_of(output);
  return writer.op->optional_output(output - writer.first_output);
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
