#include <algorithm>
#include <bit>
#include <map>
#include <set>

#include <boost/container_hash/hash.hpp>
#include <boost/unordered/unordered_flat_map.hpp>

#include <telaio/autograd/builtin.hpp>
#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/sliced_op.hpp>
#include <telaio/autograd/runtime/views.hpp>

namespace telaio {

namespace {

// What one core's caches hold, roughly (from 1 MB of second-level cache on): weights and their gradients beside a slice
// must fit, or they would be fetched anew for every slice, and running layer by layer is better. One op with more than
// this of its own is left out of slices.
constexpr int64_t most_whole_bytes = 1280 << 10, most_whole_bytes_of_op = 512 << 10;
// Tensors that an op passes to the next stay in the cache anyway when they are smaller than this.
constexpr int64_t least_batch_bytes = 1 << 20;
// The memory of a slice, with scratch that is seldom touched. Slices of a few rows starve the matrix products: of
// values from 0.5 to 9 MB, the small convolutional net was fastest from here on (16 rows at a batch of 128), although
// the second-level cache had 1 MB.
constexpr int64_t slice_bytes = 4400 << 10;
constexpr int64_t most_rows = 32, fewest_slices = 4;

using Key = std::pair<const Node*, int>;
template <class V>
using TensorMap = boost::unordered_flat_map<Key, V, boost::hash<Key>>;
Key key(const Tensor& tensor) { return {tensor.node(), tensor.index()}; }

TensorSpec with_rows(TensorSpec spec, int axis, int64_t rows) {
  if (axis >= 0) spec.shape[axis] = rows;
  return spec;
}

// Whether the op gives these outputs for these inputs, as far as it lets itself be asked.
bool gives(const Op& op, const std::vector<TensorSpec>& x, const std::vector<TensorSpec>& y) {
  try {
    return op.infer(x) == y;
  } catch (const Error&) {
    return false;
  }
}

OpPtr op_for(const Node& node, int axis, int64_t rows) {
  if (axis < 0) return node.op_ptr();
  const OpPtr other = node.op().for_rows(axis, rows);
  return other ? other : node.op_ptr();
}

// Whether an op of one input gives it as a view.
bool is_simple_view(const Node& node) {
  return node.kind() == Node::Kind::compute && node.inputs().size() == 1 && is_view(node);
}

class Slicer {
 public:
  explicit Slicer(const Graph& graph) : graph_(graph), batch_(batch_of(graph)) {}

  Graph run() {
    if (batch_ < 2 * fewest_slices) return graph_;
    order_ = topological_order(graph_.roots(), [](const Node* node) { return node->values() != nullptr; });
    for (const Node* node : order_) classify(node);
    judge();
    if (std::none_of(worth_.begin(), worth_.end(), [](bool worth) { return worth; })) return graph_;
    find_needed();
    for (int level = 0; level <= levels_; ++level) {
      for (const Node* node : order_) {
        const Flow& flow = flows_[node];
        if (flow.level == level && !sliced(flow)) rebuild_outside(node);
      }
      if (level < levels_ && worth_[static_cast<size_t>(level)]) build_region(level);
      // Nodes of this region that are wanted outside although their batch is not the first axis.
      for (const Node* node : order_) {
        const Flow& flow = flows_[node];
        if (flow.region == level && sliced(flow) && needed_[node] && flow.axis > 0) rebuild_outside(node);
      }
    }
    return graph_.with_roots([&](const Tensor& root) { return outer(root); });
  }

 private:
  // Where the batch is in a node's outputs, and where the node runs.
  struct Flow {
    int axis = -1;            // of the batch in its outputs; −1: none
    int region = -1;          // the region that computes it; −1: outside
    bool summed = false;      // its outputs are summed over the batch
    bool trails = false;      // all at once, behind the slices of its region
    int level = 0;            // how many regions must have run before it can be read outside (or before it runs)
    std::vector<int> inputs;  // in a region: the axis along which each input is cut
  };

  static int64_t batch_of(const Graph& graph) {
    std::map<int64_t, int> votes;
    for (const Tensor& x : graph.inputs)
      if (x.rank() > 0) ++votes[x.dim(0)];
    int64_t best = 0;
    int most = 0;
    for (const Tensor& x : graph.inputs) {
      if (x.rank() == 0 || votes[x.dim(0)] <= most) continue;
      best = x.dim(0);
      most = votes[best];
    }
    return best;
  }

  bool sliced(const Flow& flow) const { return flow.region >= 0 && worth_[static_cast<size_t>(flow.region)]; }

  // Whether a tensor from outside can be made inside, for the rows of a slice alone.
  bool adoptable(const Tensor& x, int axis) const {
    const Node& node = *x.node();
    if (node.kind() == Node::Kind::constant) return node.values()->front().strides()[axis] == 0;
    if (node.kind() != Node::Kind::compute || node.values()) return false;
    const TensorSpec rows = with_rows(x.spec(), axis, 2);
    // What is larger as a whole than two rows (as for a reshape of the batch) is not worth the exception of asking.
    for (const Tensor& from : node.inputs())
      if (from.spec().bytes() > rows.bytes()) return false;
    const OpPtr op = node.op().for_rows(axis, 2);
    return op && gives(*op, specs_of(node.inputs()), {rows});
  }

  void classify(const Node* node) {
    Flow& flow = flows_[node];
    if (node->inputs().empty() || node->values()) {
      const bool source = std::any_of(graph_.inputs.begin(), graph_.inputs.end(), [&](const Tensor& x) {
        return x.node() == node && x.rank() > 0 && x.dim(0) == batch_;
      });
      if (source) flow.axis = 0;
      return;
    }
    if (!classify_inside(*node, flow)) {
      flow = Flow();
      for (const Tensor& x : node->inputs()) flow.level = std::max(flow.level, level_outside(x));
    }
    levels_ = std::max(levels_, flow.region >= 0 ? flow.region + 1 : flow.level);
  }

  // How many regions must have run before x can be read outside.
  int level_outside(const Tensor& x) {
    const Flow& flow = flows_[x.node()];
    return flow.region >= 0 ? flow.region + 1 : flow.level;
  }

  bool classify_inside(const Node& node, Flow& flow) {
    const std::vector<Tensor>& x = node.inputs();
    std::vector<int> axes(x.size(), -1);
    bool any = false;
    for (size_t i = 0; i < x.size(); ++i) {
      const Flow& from = flows_[x[i].node()];
      if (!from.summed) axes[i] = from.axis;
      any |= axes[i] >= 0;
    }
    if (!any) return false;
    std::vector<TensorSpec> specs = specs_of(x);
    const BatchFlow along = node.op().along_batch(axes, specs, node.outputs());
    if (along.kind == BatchFlow::Kind::opaque) return false;
    // The region: the latest of those that its inputs come from, and not before what comes from outside is there.
    int region = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const Flow& from = flows_[x[i].node()];
      const bool inside = from.region >= 0 && from.axis >= 0 && !from.summed;
      region = std::max(region, inside ? from.region : level_outside(x[i]));
    }
    int64_t whole_bytes = 0, cut_bytes = 0;
    for (size_t i = 0; i < x.size(); ++i) {
      const int axis = axes[i];
      (axis < 0 ? whole_bytes : cut_bytes) += specs[i].bytes();
      if (axis < 0) continue;
      if (axis >= specs[i].shape.rank() || specs[i].shape[axis] != batch_) return false;
      const bool here = flows_[x[i].node()].region == region;
      if (axis != 0 && !here && !adoptable(x[i], axis)) return false;
      specs[i] = with_rows(specs[i], axis, 2);
    }
    std::vector<TensorSpec> y = node.outputs();
    const bool summed = along.kind == BatchFlow::Kind::summed;
    bool trails = false;
    for (TensorSpec& spec : y) {
      if (summed) {
        whole_bytes += spec.bytes();
        if (spec.dtype == boolean) return false;
        // Each group has sums of its own. Where all of them are more than what they are sums of, that is kept instead,
        // and summed as a whole.
        if (SlicedOp::most_groups * spec.bytes() > cut_bytes) trails = true;
        continue;
      }
      if (along.axis >= spec.shape.rank() || spec.shape[along.axis] != batch_) return false;
      spec = with_rows(spec, along.axis, 2);
    }
    if (whole_bytes > most_whole_bytes_of_op || (trails && !may_trail(node, axes, region))) return false;
    if (!gives(*op_for(node, summed ? -1 : along.axis, 2), specs, y)) return false;
    flow.axis = summed ? -1 : along.axis;
    flow.summed = summed;
    flow.trails = trails;
    if (trails) ++trailing_[region];
    flow.region = region;
    flow.level = region;
    flow.inputs = std::move(axes);
    return true;
  }

  // Whether it can trail behind the slices of the region: what it sums must all come from there.
  bool may_trail(const Node& node, std::span<const int> axes, int region) {
    for (const Tensor& x : node.inputs()) {
      const Node* from = given_by_slices(x).node();
      if (!from || flows_[from].region != region) return false;
    }
    return trailing_[region] < TrailingSums::most &&
           TrailingSums::possible(node.op(), axes, specs_of(node.inputs()), node.outputs());
  }

  // The output of a region that x is a view of, if it is not one itself; undefined where there is none.
  Tensor given_by_slices(Tensor x) {
    while (flows_[x.node()].axis > 0 && is_simple_view(*x.node())) x = x.node()->inputs()[0];
    return flows_[x.node()].axis == 0 && flows_[x.node()].region >= 0 ? x : Tensor();
  }

  // Which regions are worth it.
  void judge() {
    struct Sum {
      int64_t whole = 0, batch = 0;
      double cycles = 0;
      std::set<Key> seen;
    };
    std::vector<Sum> sums(static_cast<size_t>(levels_));
    for (const Node* node : order_) {
      const Flow& flow = flows_[node];
      if (flow.region < 0 || flow.trails) continue;
      Sum& sum = sums[static_cast<size_t>(flow.region)];
      for (size_t i = 0; i < node->inputs().size(); ++i) {
        const Tensor& x = node->inputs()[i];
        if (flow.inputs[i] < 0 && sum.seen.insert(key(x)).second) sum.whole += x.spec().bytes();
      }
      if (is_simple_view(*node)) continue;
      for (const TensorSpec& spec : node->outputs()) (flow.summed ? sum.whole : sum.batch) += spec.bytes();
      sum.cycles += cycles_of(node->op(), specs_of(node->inputs()), node->outputs());
    }
    for (const Sum& sum : sums)
      worth_.push_back(sum.whole <= most_whole_bytes && sum.batch >= least_batch_bytes && sum.cycles >= worth_waking);
  }

  // Which nodes of regions are read outside of theirs.
  void find_needed() {
    for (const Tensor& root : graph_.roots()) needed_[root.node()] = true;
    for (size_t i = order_.size(); i-- > 0;) {
      const Node* node = order_[i];
      const Flow& flow = flows_[node];
      const bool inside = sliced(flow);
      for (size_t k = 0; k < node->inputs().size() && !node->values(); ++k) {
        const Node* from = node->inputs()[k].node();
        const bool together = inside && !flow.trails && flows_[from].region == flow.region;
        if (!together || (needed_[node] && flow.axis > 0)) needed_[from] = true;
        if (!together && node->op().only_checks(k) && is_float(node->inputs()[k].dtype()))
          checked_[key(node->inputs()[k])] = Tensor();
      }
    }
  }

  Tensor outer(const Tensor& x) const {
    const auto found = outer_.find(key(x));
    return found == outer_.end() ? x : found->second;
  }

  void rebuild_outside(const Node* node) {
    if (node->values()) return;
    std::vector<Tensor> x;
    bool changed = false;
    for (size_t i = 0; i < node->inputs().size(); ++i) {
      const Tensor& input = node->inputs()[i];
      const auto finiteness = node->op().only_checks(i) ? checked_.find(key(input)) : checked_.end();
      const bool known = finiteness != checked_.end() && finiteness->second.defined();
      x.push_back(known ? finiteness->second : outer(input));
      changed |= !x.back().same(input);
    }
    if (!changed) return;
    const NodePtr built(new Node(*node, std::move(x)));
    for (size_t i = 0; i < node->outputs().size(); ++i)
      outer_[{node, static_cast<int>(i)}] = Tensor(built, static_cast<int>(i));
  }

  // The graph of a slice, and what it takes from outside.
  struct Region {
    SliceGraph slice;
    TensorMap<Tensor> inner;                          // the region's own tensors
    TensorMap<Tensor> whole;                          // what comes in whole
    std::map<std::pair<Key, int>, Tensor> cut_along;  // what comes in cut along an axis; a tensor may be cut along two
    std::vector<Tensor> inputs;                       // as they are outside
    std::vector<char> cut, summed;
    std::vector<Tensor> outputs;  // as they were
    std::vector<const Node*> trailing;
  };

  Tensor entrance(Region& region, const Tensor& x, bool cut) {
    const TensorSpec spec = cut ? with_rows(x.spec(), 0, region.slice.rows) : x.spec();
    const Tensor inside = input(std::string(x.node()->op().name()), spec, x.node()->where());
    region.slice.graph.inputs.push_back(inside);
    region.inputs.push_back(outer(x));
    region.cut.push_back(cut ? 1 : 0);
    return inside;
  }

  Tensor whole_input(Region& region, const Tensor& x, int depth = 0) {
    const auto found = region.whole.find(key(x));
    if (found != region.whole.end()) return found->second;
    Tensor inside;
    constexpr int deepest = 4;  // views of weights are seldom more than one deep
    if (x.node()->kind() == Node::Kind::constant) {
      inside = x;
    } else if (depth < deepest && is_simple_view(*x.node()) && flows_[x.node()].region < 0) {
      inside = rebuild(x, {whole_input(region, x.node()->inputs()[0], depth + 1)});
    } else {
      inside = entrance(region, x, false);
    }
    region.whole[key(x)] = inside;
    return inside;
  }

  Tensor cut_input(Region& region, const Tensor& x, int axis) {
    if (const auto own = region.inner.find(key(x)); own != region.inner.end()) return own->second;
    Tensor& inside = region.cut_along[{key(x), axis}];
    if (inside.defined()) return inside;
    const int64_t rows = region.slice.rows;
    if (flows_[x.node()].region >= 0 || !adoptable(x, axis)) {
      inside = entrance(region, x, true);
    } else if (x.node()->kind() == Node::Kind::constant) {
      const Array& value = x.node()->values()->front();
      inside = constant(Array(with_rows(value.spec(), axis, rows), value.storage(), value.strides(), value.offset()),
                        x.node()->where());
    } else {
      std::vector<Tensor> inputs;
      for (const Tensor& from : x.node()->inputs()) inputs.push_back(whole_input(region, from));
      inside = Tensor(NodePtr(new Node(*x.node(), x.node()->op().for_rows(axis, rows), std::move(inputs),
                                       {with_rows(x.spec(), axis, rows)})),
                      0);
    }
    return inside;
  }

  Region region_of(int level, int64_t rows) {
    Region region;
    region.slice.rows = rows;
    for (const Node* node : order_) {
      const Flow& flow = flows_[node];
      if (flow.region != level) continue;
      if (flow.trails) {
        region.trailing.push_back(node);
        continue;
      }
      std::vector<Tensor> x;
      for (size_t i = 0; i < node->inputs().size(); ++i) {
        const Tensor& from = node->inputs()[i];
        x.push_back(flow.inputs[i] < 0 ? whole_input(region, from) : cut_input(region, from, flow.inputs[i]));
      }
      std::vector<TensorSpec> y = node->outputs();
      for (TensorSpec& spec : y) spec = with_rows(spec, flow.axis, rows);
      const NodePtr inside(new Node(*node, op_for(*node, flow.axis, rows), std::move(x), std::move(y)));
      for (size_t i = 0; i < node->outputs().size(); ++i) {
        const Tensor tensor(NodePtr(node), static_cast<int>(i));
        region.inner[key(tensor)] = Tensor(inside, static_cast<int>(i));
        if (!needed_[node] || flow.axis > 0) continue;
        region.outputs.push_back(tensor);
        region.slice.graph.outputs.emplace_back(inside, static_cast<int>(i));
        region.summed.push_back(flow.summed ? 1 : 0);
      }
    }
    return region;
  }

  // x, of which the slices give rows, as a view of an input of `graph`, which is output from[i] of the slices.
  Tensor all_rows(const Region& region, const Tensor& x, Graph& graph, std::vector<size_t>& from) {
    if (!given_by_slices(x).same(x)) return rebuild(x, {all_rows(region, x.node()->inputs()[0], graph, from)});
    const auto output = static_cast<size_t>(
        std::find_if(region.outputs.begin(), region.outputs.end(), [&](const Tensor& given) { return given.same(x); }) -
        region.outputs.begin());
    const auto known = static_cast<size_t>(std::find(from.begin(), from.end(), output) - from.begin());
    if (known == from.size()) {
      from.push_back(output);
      graph.inputs.push_back(input(std::string(x.node()->op().name()), x.spec(), x.node()->where()));
    }
    return graph.inputs[known];
  }

  TrailingSums trailing_sums(const Region& region) {
    Graph graph;
    std::vector<size_t> from;
    std::vector<std::vector<int>> axes;
    for (const Node* node : region.trailing) {
      std::vector<Tensor> x;
      for (const Tensor& rows : node->inputs()) x.push_back(all_rows(region, rows, graph, from));
      graph.outputs.push_back(rebuild(Tensor(NodePtr(node), 0), std::move(x)));
      axes.push_back(flows_[node].inputs);
    }
    return TrailingSums(std::move(graph), std::move(from), std::move(axes));
  }

  void build_region(int level) {
    // The memory of a slice grows with its rows: one plan shows how much a row takes.
    const int64_t probe = std::min<int64_t>(8, batch_ / fewest_slices);
    const Region sample = region_of(level, probe);
    Plan plan = lower(sample.slice.graph, true);
    plan_memory(plan, false);
    const int64_t row_bytes = std::max<int64_t>(plan.arena_bytes / probe, 1);
    const int64_t fitting =
        std::clamp<int64_t>(slice_bytes / row_bytes, 1, std::min(most_rows, batch_ / fewest_slices));
    int64_t slices = (batch_ - 1) / fitting + 1;
    // Groups have as many slices each, and there are as many for each of two, four or eight threads.
    constexpr int64_t groups = SlicedOp::most_groups;
    if (const auto even = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(slices)));
        slices < groups && even <= batch_)
      slices = even;
    if (slices > groups) slices = std::min((slices - 1) / groups + 1, batch_ / groups) * groups;
    const int64_t rows = (batch_ - 1) / slices + 1;  // as even as can be

    Region region = region_of(level, rows);
    SliceGraph last;
    if (batch_ % rows != 0) last = region_of(level, batch_ % rows).slice;
    TrailingSums trailing = trailing_sums(region);
    const size_t slices_outputs = region.outputs.size();
    for (const Node* node : region.trailing) region.outputs.emplace_back(NodePtr(node), 0);
    std::vector<size_t> watched;
    for (size_t i = 0; i < region.outputs.size(); ++i)
      if ((i >= slices_outputs || region.summed[i]) && checked_.contains(key(region.outputs[i]))) watched.push_back(i);
    const OpPtr op(new SlicedOp(std::move(region.slice), std::move(last), batch_, region.cut, region.summed,
                                std::move(trailing), watched));
    const NodePtr built(new Node(Node::Kind::compute, op, region.inputs, op->infer({}), SourceLocation()));
    for (size_t i = 0; i < region.outputs.size(); ++i)
      outer_[key(region.outputs[i])] = Tensor(built, static_cast<int>(i));
    for (size_t i = 0; i < watched.size(); ++i)
      checked_[key(region.outputs[watched[i]])] = Tensor(built, static_cast<int>(region.outputs.size() + i));
  }

  const Graph& graph_;
  const int64_t batch_;
  std::vector<const Node*> order_;
  boost::unordered_flat_map<const Node*, Flow> flows_;
  boost::unordered_flat_map<const Node*, bool> needed_;
  int levels_ = 0;
  std::map<int, int64_t> trailing_;  // how many sums trail behind each region
  std::vector<bool> worth_;
  TensorMap<Tensor> outer_;
  TensorMap<Tensor> checked_;  // what is read by checks, and the scalar that tells them as much, where there is one
};

}  // namespace

Graph slice_batches(const Graph& graph) { return Slicer(graph).run(); }

}  // namespace telaio
