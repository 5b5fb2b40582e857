#include <telaio/autograd/runtime/parts.hpp>

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/autograd/runtime/plan.hpp>

namespace telaio {

namespace {

// What x is a view of, if its op says so of a contiguous one; null for none.
const Tensor* viewed(const Tensor& x) {
  const Node& node = *x.node();
  const auto i = static_cast<size_t>(x.index());
  if (node.values() || i >= node.inputs().size()) return nullptr;
  const Tensor& from = node.inputs()[i];
  Strides strides;
  int64_t offset = 0;
  return node.op().view(from.spec(), contiguous_strides(from.shape()), x.spec(), strides, offset) ? &from : nullptr;
}

Strides strides_of(const Tensor& x) {
  std::vector<const Tensor*> views;  // of one another, the last one first
  const Tensor* base = &x;
  while (const Tensor* from = viewed(*base)) {
    views.push_back(base);
    base = from;
  }
  const auto* values = base->node()->values();
  Strides strides =
      values ? (*values)[static_cast<size_t>(base->index())].strides() : contiguous_strides(base->shape());
  for (; !views.empty(); views.pop_back()) {
    const Tensor& view = *views.back();
    Strides seen;
    int64_t offset = 0;
    const bool is = view.node()->op().view(base->spec(), strides, view.spec(), seen, offset);
    strides = is ? seen : contiguous_strides(view.shape());
    base = &view;
  }
  return strides;
}

}  // namespace

Tensor base_of(Tensor x) {
  while (const Tensor* from = viewed(x)) x = Tensor(*from);
  return x;
}

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

void run_on_part(const Op& op, Views x, Views y, int64_t first, int64_t count, size_t piece) {
  const SerialScope serial;
  const Strides next{1}, same{0};
  std::array<TensorSpec, most_part_operands> specs;
  std::array<View, most_part_operands> views;
  size_t made = 0;
  const auto add = [&](const View& whole, bool is_piece) {
    if (whole.shape().rank() == 0 || !whole.bytes) {
      views[made++] = whole;
      return;
    }
    const bool repeated = !is_piece && is_repeated(*whole.strides);
    const int64_t offset = repeated || is_piece ? 0 : first * static_cast<int64_t>(size_of(whole.dtype()));
    specs[made] = {whole.dtype(), {count}};
    views[made] = {whole.bytes + offset, &specs[made], repeated ? &same : &next};
    ++made;
  };
  for (size_t i = 0; i < x.size(); ++i) add(x[i], i == piece);
  for (const View& view : y) add(view, false);
  op.run(std::span(views).first(x.size()), std::span(views).subspan(x.size(), y.size()), nullptr);
}

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
