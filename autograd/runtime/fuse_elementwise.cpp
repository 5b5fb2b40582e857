#include <algorithm>
#include <limits>

#include <boost/unordered/unordered_flat_map.hpp>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/elementwise_group.hpp>
#include <telaio/autograd/runtime/graph.hpp>
#include <telaio/autograd/runtime/views.hpp>

namespace telaio {

namespace {

size_t at(int index) { return static_cast<size_t>(index); }

bool can_join(const Node& node) {
  const Op& op = node.op();
  if (node.kind() != Node::Kind::compute || node.values() || !op.elementwise() || op.may_fail()) return false;
  const size_t reads = node.inputs().size();
  if (reads == 0 || reads > ElementwiseGroup::max_reads || node.outputs().size() != 1) return false;
  return std::all_of(node.inputs().begin(), node.inputs().end(),
                     [&](const Tensor& x) { return x.shape() == node.outputs()[0].shape; });
}

/// Nodes are looked at in their order. One joins the groups of its inputs as long as nobody outside has read from them:
/// then whatever the group waits for comes before all that waits for it, and its place is that of its last member.
class Grouping {
 public:
  struct Group {
    std::vector<int> members;  // by their places in the order
    std::vector<Tensor> inputs;
    bool open = true;
  };

  explicit Grouping(const std::vector<Tensor>& roots)
      : order_(topological_order(roots, [](const Node* n) { return n->values() != nullptr; })),
        group_(order_.size(), -1) {
    place_.reserve(order_.size());
    for (size_t i = 0; i < order_.size(); ++i) place_[order_[i]] = static_cast<int>(i);
    find_last_uses(roots);
    for (size_t i = 0; i < order_.size(); ++i) visit(static_cast<int>(i));
  }

  const std::vector<const Node*>& order() const { return order_; }
  const Group* group_of(int node) const { return group_[at(node)] < 0 ? nullptr : &groups_[at(group_[at(node)])]; }
  int place(const Node* node) const { return place_.find(node)->second; }
  /// A view of its only input: it waits for nothing else.
  bool only_view(int node) const { return base_[at(node)] != node && order_[at(node)]->inputs().size() == 1; }

 private:
  // What of a value stays in memory is what its last user needs, through views of it, too.
  void find_last_uses(const std::vector<Tensor>& roots) {
    base_.resize(order_.size());
    last_use_.assign(order_.size(), -1);
    for (size_t i = 0; i < order_.size(); ++i)
      base_[i] = is_view(*order_[i]) ? base_[at(place(order_[i]->inputs()[0].node()))] : static_cast<int>(i);
    for (size_t i = 0; i < order_.size(); ++i) {
      if (order_[i]->values()) continue;
      for (const Tensor& x : order_[i]->inputs()) last_use_[at(base_of(x))] = static_cast<int>(i);
    }
    for (const Tensor& root : roots) last_use_[at(base_of(root))] = std::numeric_limits<int>::max();
  }
  int base_of(const Tensor& tensor) const { return base_[at(place(tensor.node()))]; }

  void visit(int index) {
    const Node& node = *order_[at(index)];
    // A view runs nothing, so it can wait: it is whoever reads it that reads from the group.
    if (node.values() || only_view(index)) return;
    for (const Tensor& x : node.inputs())
      if (place(x.node()) != base_of(x)) close(group_[at(base_of(x))]);
    const bool joins = can_join(node);
    int into = -1;
    std::vector<Tensor> read;
    for (const Tensor& x : node.inputs()) {
      const int from = group_[at(place(x.node()))];
      if (from == into && into >= 0) continue;
      if (from >= 0 && groups_[at(from)].open) {
        if (joins && (into < 0 ? fits(from, node, index) : fits(from, into, node, index))) {
          into = into < 0 ? from : merged(from, into);
          continue;
        }
        close(from);
      }
      read.push_back(x);
    }
    if (!joins) {
      constexpr int64_t heavy = 64 << 10;
      int64_t bytes = 0;
      for (const TensorSpec& y : node.outputs()) bytes += y.bytes();
      if (bytes >= heavy && base_[at(index)] == index) last_heavy_ = index;
      return;
    }
    if (into < 0) {
      into = static_cast<int>(groups_.size());
      groups_.emplace_back();
    }
    groups_[at(into)].members.push_back(index);
    group_[at(index)] = into;
    for (const Tensor& x : read) add_input(groups_[at(into)].inputs, x);
  }

  void close(int group) {
    if (group >= 0) groups_[at(group)].open = false;
  }

  static void add_input(std::vector<Tensor>& inputs, const Tensor& x) {
    if (std::none_of(inputs.begin(), inputs.end(), [&](const Tensor& other) { return other.same(x); }))
      inputs.push_back(x);
  }

  bool fits(int group, const Node& node, int index) const {
    const Group& g = groups_[at(group)];
    return g.members.size() + 1 <= ElementwiseGroup::max_members &&
           g.inputs.size() + node.inputs().size() - 1 <= ElementwiseGroup::max_inputs && !holds_up(g, index);
  }
  bool fits(int group, int other, const Node& node, int index) const {
    const Group& a = groups_[at(group)];
    const Group& b = groups_[at(other)];
    return a.members.size() + b.members.size() + 1 <= ElementwiseGroup::max_members &&
           a.inputs.size() + b.inputs.size() + node.inputs().size() - 2 <= ElementwiseGroup::max_inputs &&
           !holds_up(a, index);
  }

  // Whether running the group only now keeps more memory alive, while much else runs, than its results would take.
  bool holds_up(const Group& group, int now) const {
    if (group.members.back() > last_heavy_) return false;
    int64_t dying = 0;
    int64_t needed = 0;
    for (const Tensor& x : group.inputs) {
      const int base = base_of(x);
      const Node& node = *order_[at(base)];
      if (node.kind() == Node::Kind::compute && !node.values() && last_use_[at(base)] < now)
        dying += node.outputs()[0].bytes();
    }
    for (int member : group.members)
      if (last_use_[at(member)] >= now) needed += order_[at(member)]->outputs()[0].bytes();
    return dying > needed;
  }

  int merged(int a, int b) {
    if (groups_[at(a)].members.size() < groups_[at(b)].members.size()) std::swap(a, b);
    Group& to = groups_[at(a)];
    Group& from = groups_[at(b)];
    for (int member : from.members) group_[at(member)] = a;
    const auto middle = static_cast<int64_t>(to.members.size());
    to.members.insert(to.members.end(), from.members.begin(), from.members.end());
    std::inplace_merge(to.members.begin(), to.members.begin() + middle, to.members.end());
    for (const Tensor& x : from.inputs) add_input(to.inputs, x);
    from = {};
    return a;
  }

  std::vector<const Node*> order_;
  boost::unordered_flat_map<const Node*, int> place_;
  std::vector<int> base_;      // for each node the one whose memory it views, or itself
  std::vector<int> last_use_;  // for each base the last node that reads it
  std::vector<int> group_;
  std::vector<Group> groups_;
  int last_heavy_ = -1;
};

/// The graph with groups in the place of their members.
class Rebuilding {
 public:
  Rebuilding(const Grouping& grouping, const std::vector<Tensor>& roots)
      : grouping_(grouping),
        order_(grouping.order()),
        becomes_(order_.size()),
        read_outside_(order_.size()),
        reads_(order_.size()) {
    for (size_t i = 0; i < order_.size(); ++i) {
      if (order_[i]->values()) continue;
      const auto* group = grouping.group_of(static_cast<int>(i));
      for (const Tensor& x : order_[i]->inputs()) {
        const int from = grouping.place(x.node());
        if (!group || grouping.group_of(from) != group) read_outside_[at(from)] = 1;
        ++reads_[at(from)];
      }
    }
    for (const Tensor& root : roots) {
      read_outside_[at(grouping.place(root.node()))] = 1;
      ++reads_[at(grouping.place(root.node()))];
    }
    for (size_t i = 0; i < order_.size(); ++i) visit(static_cast<int>(i));
  }

  Tensor mapped(const Tensor& tensor) {
    // Views that came before the end of their group have waited for it.
    std::vector<int> views;
    int index = grouping_.place(tensor.node());
    for (; !becomes_[at(index)].node; index = grouping_.place(order_[at(index)]->inputs()[0].node()))
      views.push_back(index);
    for (; !views.empty(); views.pop_back()) become(views.back());
    const Became& became = becomes_[at(grouping_.place(tensor.node()))];
    return Tensor(became.node, became.output < 0 ? tensor.index() : became.output);
  }

 private:
  struct Became {
    NodePtr node;
    int output = -1;  // of the group; −1: the same as before
  };

  void visit(int index) {
    const Node& node = *order_[at(index)];
    const auto* group = grouping_.group_of(index);
    if (group && index == group->members.back() && follow(*group)) return;
    if (group && group->members.size() > 1) {
      if (index == group->members.back()) build(*group);
    } else if (!grouping_.only_view(index) || becomes_[at(grouping_.place(node.inputs()[0].node()))].node) {
      become(index);
    }
  }

  void become(int index) {
    const Node& node = *order_[at(index)];
    if (!renumbers_ || node.values() || (node.inputs().empty() && node.kind() != Node::Kind::compute)) {
      becomes_[at(index)] = {NodePtr(&node), -1};
    } else {
      // New numbers for all that follows a new node: the order stays as it was.
      std::vector<Tensor> x;
      for (const Tensor& tensor : node.inputs()) x.push_back(mapped(tensor));
      becomes_[at(index)] = {NodePtr(new Node(node, std::move(x))), -1};
    }
  }

  // Whether an op that only the group reads does the group's work, too.
  bool follow(const Grouping::Group& group) {
    for (size_t i = 0; i + 1 < group.members.size(); ++i)
      if (read_outside_[at(group.members[i])]) return false;
    std::vector<const Node*> readers;
    for (int member : group.members) readers.push_back(order_[at(member)]);
    for (const Tensor& tensor : group.inputs) {
      const Node& node = *tensor.node();
      int reads = 0;
      for (const Node* reader : readers)
        for (const Tensor& x : reader->inputs()) reads += x.node() == &node;
      if (reads != reads_[at(grouping_.place(&node))] || node.values() || node.kind() != Node::Kind::compute) continue;
      const Tensor fused = node.op().followed_by(node, readers);
      if (!fused.defined()) continue;
      std::vector<Tensor> x;
      for (const Tensor& input : fused.node()->inputs()) x.push_back(mapped(input));
      becomes_[at(group.members.back())] = {NodePtr(new Node(*fused.node(), std::move(x))), -1};
      renumbers_ = true;
      return true;
    }
    return false;
  }

  void build(const Grouping::Group& group) {
    std::vector<ElementwiseGroup::Member> members;
    std::vector<int> outputs;
    std::vector<Tensor> x;
    std::vector<TensorSpec> y;
    std::vector<DType> types;
    for (const Tensor& tensor : group.inputs) {
      x.push_back(mapped(tensor));
      types.push_back(tensor.dtype());
    }
    for (int member : group.members) {
      const Node& node = *order_[at(member)];
      std::vector<int> reads;
      for (const Tensor& tensor : node.inputs()) reads.push_back(source(group, tensor));
      if (read_outside_[at(member)]) {
        becomes_[at(member)].output = static_cast<int>(outputs.size());
        outputs.push_back(static_cast<int>(members.size()));
        y.push_back(node.outputs()[0]);
      }
      members.push_back({node.op_ptr(), std::move(reads)});
    }
    const OpPtr op(new ElementwiseGroup(std::move(members), std::move(outputs), std::move(types)));
    const NodePtr built(new Node(*order_[at(group.members.back())], op, std::move(x), std::move(y)));
    for (int member : group.members) becomes_[at(member)].node = built;
    renumbers_ = true;
  }

  int source(const Grouping::Group& group, const Tensor& tensor) const {
    const auto member = std::lower_bound(group.members.begin(), group.members.end(), grouping_.place(tensor.node()));
    if (member != group.members.end() && *member == grouping_.place(tensor.node()))
      return ~static_cast<int>(member - group.members.begin());
    const auto input =
        std::find_if(group.inputs.begin(), group.inputs.end(), [&](const Tensor& x) { return x.same(tensor); });
    return static_cast<int>(input - group.inputs.begin());
  }

  const Grouping& grouping_;
  const std::vector<const Node*>& order_;
  std::vector<Became> becomes_;
  std::vector<char> read_outside_;
  std::vector<int> reads_;  // how often each node is read, as a root, too
  bool renumbers_ = false;
};

}  // namespace

Graph fuse_elementwise(const Graph& graph) {
  const std::vector<Tensor> roots = graph.roots();
  const Grouping grouping(roots);
  Rebuilding rebuilding(grouping, roots);
  return graph.with_roots([&](const Tensor& root) { return rebuilding.mapped(root); });
}

}  // namespace telaio
