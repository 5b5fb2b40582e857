#include <telaio/autograd/runtime/sliced_op.hpp>

#include <algorithm>
#include <chrono>

#include <fmt/format.h>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/step.hpp>

namespace telaio {

namespace {

using Home = Plan::Buffer::Home;

constexpr int64_t aligned(int64_t bytes) { return (bytes + 63) / 64 * 64; }

Plan planned(const Graph& graph) {
  Plan plan = lower(graph, true);
  plan_memory(plan, false);
  return plan;
}

int64_t row_bytes(const View& view) { return view.shape()[0] == 0 ? 0 : view.spec->bytes() / view.shape()[0]; }

}  // namespace

SlicedOp::Layout::Layout(const SlicedOp& op)
    : block(op.sums_bytes_),
      views(aligned(op.arena_bytes_)),
      terms(views + aligned(static_cast<int64_t>(std::max(op.plan_.operands.size(), op.last_plan_.operands.size()) *
                                                 sizeof(View)))),
      step(block + terms + (op.slices() > op.groups() ? op.sums_bytes_ : 0)) {}

SlicedOp::SlicedOp(SliceGraph slice, SliceGraph last, int64_t batch, std::vector<char> cut, std::vector<char> summed,
                   TrailingSums trailing, std::vector<size_t> watched)
    : slice_(std::move(slice)),
      last_(std::move(last)),
      plan_(planned(slice_.graph)),
      batch_(batch),
      cut_(std::move(cut)),
      summed_(std::move(summed)),
      trailing_(std::move(trailing)),
      watched_(std::move(watched)) {
  if (last_.rows > 0) last_plan_ = planned(last_.graph);
  arena_bytes_ = std::max(plan_.arena_bytes, last_plan_.arena_bytes);
  for (size_t i = 0; i < summed_.size(); ++i) {
    TensorSpec spec = slice_.graph.outputs[i].spec();
    if (!summed_[i]) spec.shape[0] = batch_;
    outputs_.push_back(spec);
    sum_place_.push_back(sums_bytes_);
    if (summed_[i]) sums_bytes_ += aligned(spec.bytes());
  }
  for (size_t i = 0; i < trailing_.size(); ++i) outputs_.push_back(trailing_.spec(i));
  for (const size_t i : watched_) outputs_.push_back({outputs_[i].dtype, {}});
  for (const Plan::Step& step : plan_.steps)
    may_fail_ |= step.kind == Plan::Step::Kind::op && step.node->op().may_fail();
}

SlicedOp::~SlicedOp() = default;

int64_t SlicedOp::slices() const { return (batch_ - 1) / slice_.rows + 1; }
int64_t SlicedOp::groups() const { return std::min(slices(), most_groups); }

std::string SlicedOp::attributes() const {
  return fmt::format("{} ops, {} slices of {}", plan_.steps.size(), slices(), slice_.rows);
}

std::vector<TensorSpec> SlicedOp::infer(Specs) const { return outputs_; }

size_t SlicedOp::scratch_bytes(Specs, Specs) const { return static_cast<size_t>(Layout(*this).step * groups()); }

size_t SlicedOp::scratch_in_use(Specs x, Specs y, int threads) const {
  // A group is done while another one's sums wait to be added.
  return std::min(static_cast<size_t>(Layout(*this).step * threads + sums_bytes_), scratch_bytes(x, y));
}

double SlicedOp::flops(Specs, Specs) const {
  double flops = 0;
  for (const Plan::Step& step : plan_.steps) {
    if (step.kind != Plan::Step::Kind::op) continue;
    flops += step.node->op().flops(specs_of(step.node->inputs()), step.node->outputs());
  }
  return flops * static_cast<double>(batch_) / static_cast<double>(slice_.rows) + trailing_.flops();
}

void SlicedOp::add(const TensorSpec& spec, const std::byte* term, std::byte* sum) {
  with_dtype(spec.dtype, [&]<class T>() {
    if constexpr (!std::is_same_v<T, bool>) {
      const T* from = reinterpret_cast<const T*>(term);
      T* to = reinterpret_cast<T*>(sum);
      const int64_t n = spec.numel();
      for (int64_t i = 0; i < n; ++i) to[i] = static_cast<T>(to[i] + from[i]);
    }
  });
}

// Where a group adds up; without memory of its own in the result.
std::byte* SlicedOp::sum_of(Views y, std::byte* sums, size_t output) const {
  return sums == nullptr ? y[output].bytes : sums + sum_place_[output];
}

void SlicedOp::run_slice(const SliceGraph& graph, const Plan& plan, Views x, Views y, std::byte* block, std::byte* sums,
                         int64_t slice, bool first, Took* took) const {
  const Layout layout(*this);
  const int64_t row = slice * slice_.rows;
  const auto memory = [&](const Plan::Buffer& buffer) -> std::byte* {
    const auto place = static_cast<size_t>(buffer.place);
    switch (buffer.home) {
      case Home::arena:
        return block + buffer.place;
      case Home::constant:
        return plan.constants[place].storage()->data();
      case Home::input:
        return x[place].bytes + (cut_[place] ? row * row_bytes(x[place]) : 0);
      case Home::none:
        return nullptr;
      case Home::variable:
      case Home::result:
        break;
    }
    if (!summed_[place]) return y[place].bytes + row * row_bytes(y[place]);
    return first ? sum_of(y, sums, place) : block + layout.terms + sum_place_[place];
  };
  View* views = reinterpret_cast<View*>(block + layout.views);
  for (size_t i = 0; i < plan.operands.size(); ++i) {
    const Plan::Value& value = plan.values[static_cast<size_t>(plan.operands[i])];
    std::byte* bytes = memory(plan.buffers[static_cast<size_t>(value.buffer)]);
    if (bytes) bytes += value.offset * static_cast<int64_t>(size_of(value.spec.dtype));
    views[i] = {bytes, &value.spec, &value.strides};
  }
  for (const Plan::Step& step : plan.steps) {
    std::byte* scratch = step.scratch < 0 ? nullptr : block + plan.buffers[static_cast<size_t>(step.scratch)].place;
    const auto start = took ? std::chrono::steady_clock::now() : std::chrono::steady_clock::time_point();
    try {
      run_step(step, views + step.first_operand, scratch);
    } catch (const Error& error) {
      throw Error(fmt::format("{}\n  in rows {} to {} of the batch", error.what(), row, row + graph.rows - 1));
    }
    if (took) (*took)(plan, step, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  if (first) return;
  for (size_t i = 0; i < summed_.size(); ++i)
    if (summed_[i]) add(outputs_[i], block + layout.terms + sum_place_[i], sum_of(y, sums, i));
}

void SlicedOp::run_group(Views x, Views y, std::byte* block, std::byte* sums, int64_t group, Took* took) const {
  const SerialScope serial;
  const int64_t begin = slices() * group / groups(), end = slices() * (group + 1) / groups();
  for (int64_t slice = begin; slice < end; ++slice) {
    const bool last = last_.rows > 0 && slice == slices() - 1;
    run_slice(last ? last_ : slice_, last ? last_plan_ : plan_, x, y, block, sums, slice, slice == begin, took);
  }
}

}  // namespace telaio
