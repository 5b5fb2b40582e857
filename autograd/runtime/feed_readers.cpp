#include <algorithm>

#include <boost/unordered/unordered_flat_map.hpp>

#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/graph.hpp>
#include <telaio/autograd/runtime/parts.hpp>

namespace telaio {

namespace {

size_t at(int index) { return static_cast<size_t>(index); }

class Feeding {
 public:
  explicit Feeding(const std::vector<Tensor>& roots)
      : order_(topological_order(roots, [](const Node* n) { return n->values() != nullptr; })), nodes_(order_.size()) {
    place_.reserve(order_.size());
    for (size_t i = 0; i < order_.size(); ++i) place_[order_[i]] = static_cast<int>(i);
    for (size_t i = 0; i < order_.size(); ++i) {
      if (order_[i]->values()) continue;
      for (size_t k = 0; k < order_[i]->inputs().size(); ++k)
        of(order_[i]->inputs()[k]).readers.push_back({static_cast<int>(i), k});
    }
    for (const Tensor& root : roots) of(root).readers.push_back({-1, 0});
    for (size_t i = 0; i < order_.size(); ++i) find(static_cast<int>(i));
  }

  bool found() const { return found_; }

  // New numbers for all that follows a new node: the order stays as it was.
  void rebuild() {
    bool renumbers = false;
    for (size_t i = 0; i < order_.size(); ++i) {
      const Node& node = *order_[i];
      Found& found = nodes_[i];
      if (found.given) {
        // Nobody reads its value any more.
        if (found.checked) found.becomes = finiteness(node);
        renumbers = true;
        continue;
      }
      found.becomes = NodePtr(&node);
      if (!renumbers || node.values() || (node.inputs().empty() && node.kind() != Node::Kind::compute)) continue;
      std::vector<Tensor> x;
      if (found.op)
        for (const Tensor& tensor : order_[at(found.from)]->inputs()) x.push_back(mapped(tensor));
      for (size_t k = 0; k < node.inputs().size(); ++k) {
        const Found& from = of(node.inputs()[k]);
        if (from.given && !node.op().only_checks(k)) continue;
        x.push_back(mapped(node.inputs()[k]));
      }
      found.becomes = NodePtr(new Node(node, found.op ? found.op : node.op_ptr(), std::move(x), node.outputs()));
    }
  }

  Tensor mapped(const Tensor& tensor) { return Tensor(of(tensor).becomes, tensor.index()); }

 private:
  struct Reader {
    int node;  // −1: a result of the graph
    size_t input;
  };
  struct Found {
    std::vector<Reader> readers;
    bool given = false, checked = false;  // it goes to its readers in pieces; what is left of it is for checks
    int from = -1;                        // what it takes in pieces,
    OpPtr op;                             // and the op that does so
    NodePtr becomes;
  };

  Found& of(const Tensor& tensor) { return nodes_[at(place_.find(tensor.node())->second)]; }

  void find(int index) {
    const Node& node = *order_[at(index)];
    Found& given = nodes_[at(index)];
    if (node.kind() != Node::Kind::compute || node.values() || node.outputs().size() != 1) return;
    const Reader* taking = nullptr;
    bool checked = false;
    for (const Reader& reader : given.readers) {
      if (reader.node < 0) return;
      const Node& reads = *order_[at(reader.node)];
      if (reads.op().only_checks(reader.input)) {
        checked = true;
        continue;
      }
      // Of two inputs only one can come in pieces.
      if (taking || nodes_[at(reader.node)].op ||
          !(has_parts(reads) && reads.outputs()[0].shape == node.outputs()[0].shape))
        return;
      taking = &reader;
    }
    if (!taking) return;
    const OpPtr op = node.op().feeding(node, *order_[at(taking->node)], taking->input);
    if (!op) return;
    Found& taker = nodes_[at(taking->node)];
    taker.from = index;
    taker.op = op;
    given.given = found_ = true;
    given.checked = checked;
  }

  NodePtr finiteness(const Node& node) {
    std::vector<Tensor> x;
    for (const Tensor& tensor : node.inputs()) x.push_back(mapped(tensor));
    OpPtr op = node.op().finiteness(node);
    std::vector<TensorSpec> y = op->infer(specs_of(x));
    return NodePtr(new Node(node, std::move(op), std::move(x), std::move(y)));
  }

  std::vector<const Node*> order_;
  boost::unordered_flat_map<const Node*, int> place_;
  std::vector<Found> nodes_;  // in that order
  bool found_ = false;
};

}  // namespace

Graph feed_readers(const Graph& graph) {
  Feeding feeding(graph.roots());
  if (!feeding.found()) return graph;
  feeding.rebuild();
  return graph.with_roots([&](const Tensor& root) { return feeding.mapped(root); });
}

}  // namespace telaio
