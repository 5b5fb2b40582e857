#include <telaio/autograd/runtime/trailing_sums.hpp>

#include <algorithm>
#include <array>

#include <telaio/autograd/node.hpp>

namespace telaio {

namespace {

// Larger ones had better not be in memory at all (Op::feeding).
constexpr int64_t most_bytes = 256 << 10;
constexpr size_t most_inputs = 4;
constexpr int64_t most_pieces_of_sum = TrailingSums::most_pieces / TrailingSums::most;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// So that threads finish at the same time: as many for each of two or four, of some microseconds; and such that the op
// does without scratch, 0 where it does not.
int64_t rows_of_a_piece(const Op& op, Specs x, Specs y) {
  constexpr double least_cycles = 12'000;
  const double cycles = cycles_of(op, x, y);
  std::vector<TensorSpec> piece(x.begin(), x.end()), result(y.begin(), y.end());
  for (int64_t pieces = 4; pieces <= most_pieces_of_sum; pieces *= 2) {
    if (pieces < most_pieces_of_sum && cycles > 2 * least_cycles * static_cast<double>(pieces)) continue;
    const int64_t count = divide_up(y[0].shape[0], pieces);
    piece[0].shape[0] = result[0].shape[0] = count;
    if (op.scratch_bytes(piece, result) == 0) return count;
  }
  return 0;
}

}  // namespace

bool TrailingSums::possible(const Op& op, std::span<const int> axes, Specs x, Specs y) {
  if (y.size() != 1 || y[0].shape.rank() == 0 || y[0].numel() == 0 || y[0].bytes() > most_bytes) return false;
  if (x.size() > most_inputs || op.may_fail() || !op.adding()) return false;
  for (size_t i = 0; i < x.size(); ++i)
    if (axes[i] < 0 || !op.takes_strides(i)) return false;
  // Rows of the result come from rows of the first input.
  std::array<int, most_inputs> rows;
  rows.fill(-1);
  rows[0] = 0;
  const BatchFlow along = op.along_batch(std::span(rows).first(x.size()), x, y);
  if (along.kind != BatchFlow::Kind::mapped || along.axis != 0 || axes[0] == 0) return false;
  if (rows[0] != 0 || std::any_of(rows.begin() + 1, rows.end(), [](int axis) { return axis >= 0; })) return false;
  return rows_of_a_piece(op, x, y) > 0;
}

TrailingSums::TrailingSums(Graph graph, std::vector<size_t> from, std::vector<std::vector<int>> axes)
    : graph_(std::move(graph)), plan_(lower(graph_, true)), from_(std::move(from)) {
  for (size_t o = 0; o < graph_.outputs.size(); ++o) {
    const Node* node = graph_.outputs[o].node();
    const auto step =
        std::find_if(plan_.steps.begin(), plan_.steps.end(), [&](const Plan::Step& s) { return s.node == node; });
    const int64_t rows = node->outputs()[0].shape[0],
                  piece = rows_of_a_piece(node->op(), specs_of(node->inputs()), node->outputs());
    sums_.push_back(
        {static_cast<int>(step - plan_.steps.begin()), node->op().adding(), std::move(axes[o]), rows, piece, pieces_});
    pieces_ += divide_up(rows, piece);
  }
}

TrailingSums::Part TrailingSums::part(int64_t piece) const {
  size_t index = sums_.size() - 1;
  while (sums_[index].first_piece > piece) --index;
  const Sum& sum = sums_[index];
  const int64_t first = (piece - sum.first_piece) * sum.rows_of_piece;
  return {index, first, std::min(sum.rows_of_piece, sum.rows - first)};
}

void TrailingSums::Run::begin(int64_t index) {
  Piece& piece = pieces_[static_cast<size_t>(index)];
  State state = untouched;
  if (!piece.state.compare_exchange_strong(state, taken, std::memory_order_acquire)) return;
  add(index, 0, early_);
  piece.state.store(begun, std::memory_order_release);
}

void TrailingSums::Run::finish(int64_t index,
                               FunctionRef<void(size_t, const TensorSpec&, const std::byte*)> finished_part) {
  Piece& piece = pieces_[static_cast<size_t>(index)];
  State state = piece.state.load(std::memory_order_relaxed);
  if (state == taken || state == finished ||
      !piece.state.compare_exchange_strong(state, taken, std::memory_order_acquire))
    return;
  if (state == untouched) add(index, 0, early_);
  add(index, early_, batch_);
  const auto [sum, first, count] = trailing_.part(index);
  TensorSpec part = trailing_.spec(sum);
  const int64_t row = part.bytes() / part.shape[0];
  part.shape[0] = count;
  finished_part(sum, part, sums_[sum].bytes + first * row);
  piece.state.store(finished, std::memory_order_release);
}

bool TrailingSums::Run::done() const {
  return std::all_of(pieces_.begin(), pieces_.begin() + trailing_.pieces(),
                     [](const Piece& piece) { return piece.state == finished; });
}

// Rows from … to − 1 of the batch: overwrites the piece where these are the first ones.
void TrailingSums::Run::add(int64_t piece, int64_t from, int64_t to) const {
  const auto [index, first, count] = trailing_.part(piece);
  const Sum& sum = trailing_.sums_[index];
  const Plan& plan = trailing_.plan_;
  const Plan::Step& step = trailing_.step(index);
  std::array<TensorSpec, most_inputs + 1> specs;
  std::array<View, most_inputs + 1> views;
  const auto inputs = static_cast<size_t>(step.inputs);
  for (size_t i = 0; i < inputs; ++i) {
    const Plan::Value& value = plan.values[static_cast<size_t>(plan.inputs_of(step)[i])];
    const int64_t place = plan.buffers[static_cast<size_t>(value.buffer)].place;
    int64_t offset = value.offset + from * value.strides[sum.axes[i]];
    specs[i] = value.spec;
    specs[i].shape[sum.axes[i]] = to - from;
    if (i == 0) {
      offset += first * value.strides[0];
      specs[i].shape[0] = count;
    }
    const View& whole = slices_[trailing_.from_[static_cast<size_t>(place)]];
    views[i] = {whole.bytes + offset * static_cast<int64_t>(size_of(value.spec.dtype)), &specs[i], &value.strides};
  }
  const View& y = sums_[index];
  specs[inputs] = *y.spec;
  specs[inputs].shape[0] = count;
  views[inputs] = {y.bytes + first * (y.spec->bytes() / sum.rows), &specs[inputs], y.strides};
  const SerialScope serial;
  const Op& op = from == 0 ? step.node->op() : *sum.adding;
  op.run(std::span(views).first(inputs), std::span(views).subspan(inputs, 1), nullptr);
}

double TrailingSums::flops() const {
  double flops = 0;
  for (const Tensor& output : graph_.outputs) {
    const Node& node = *output.node();
    flops += node.op().flops(specs_of(node.inputs()), node.outputs());
  }
  return flops;
}

}  // namespace telaio
