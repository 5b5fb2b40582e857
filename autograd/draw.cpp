#include <telaio/autograd/draw.hpp>

#include <map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/unordered/unordered_flat_map.hpp>

#include <telaio/autograd/node.hpp>

namespace telaio {

namespace {

bool is_number(const Node& node) {
  return node.kind() == Node::Kind::constant && node.values()->front().storage()->bytes() <= 8;
}

std::string number(const Node& node) {
  const Array& value = node.values()->front();
  return with_dtype(value.dtype(), [&]<class T>() -> std::string {
    const T element = *reinterpret_cast<const T*>(value.storage()->data());
    if constexpr (std::is_floating_point_v<T>) return fmt::format("{:.6g}", element);
    else return fmt::format("{}", element);
  });
}

std::string file_name(const SourceLocation& where) {
  const std::string path = where.file_name();
  return path.substr(path.find_last_of('/') + 1);
}

// Nodes in order, with numbers to call them by.
struct Listing {
  std::vector<const Node*> nodes;
  boost::unordered_flat_map<const Node*, size_t> number_of;

  explicit Listing(const std::vector<Tensor>& outputs) : nodes(topological_order(outputs)) {
    for (const Node* node : nodes)
      if (!is_number(*node)) number_of.insert({node, number_of.size()});
  }
  std::string name(const Tensor& tensor) const {
    const Node& node = *tensor.node();
    if (is_number(node)) return number(node);
    const std::string base = fmt::format("%{}", number_of.at(&node));
    return node.outputs().size() > 1 ? fmt::format("{}.{}", base, tensor.index()) : base;
  }
  std::string names(const std::vector<Tensor>& tensors) const {
    std::vector<std::string> all;
    for (const Tensor& tensor : tensors) all.push_back(name(tensor));
    return fmt::format("{}", fmt::join(all, ", "));
  }
};

std::string escaped(std::string_view text) {
  std::string result;
  for (char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

}  // namespace

std::string to_text(const std::vector<Tensor>& outputs) {
  const Listing listing(outputs);
  std::string text;
  for (const Node* node : listing.nodes) {
    if (is_number(*node)) continue;
    std::vector<std::string> specs;
    for (const TensorSpec& spec : node->outputs()) specs.push_back(to_string(spec));
    const std::string attributes = node->op().attributes();
    text +=
        fmt::format("%{} = {}({}){}{} -> {}", listing.number_of.at(node), node->op().name(),
                    listing.names(node->inputs()), attributes.empty() ? "" : " ", attributes, fmt::join(specs, ", "));
    if (!node->scope().empty()) text += fmt::format("   {}", node->scope());
    if (node->where().line() != 0) text += fmt::format("   {}:{}", file_name(node->where()), node->where().line());
    if (node->backward()) text += "   (backward)";
    text += '\n';
  }
  return text + fmt::format("return {}\n", listing.names(outputs));
}

std::string to_dot(const std::vector<Tensor>& outputs) {
  const Listing listing(outputs);
  std::string dot =
      "digraph telaio {\n  rankdir=TB;\n  node [fontname=\"Helvetica\", fontsize=11, style=\"filled,rounded\", "
      "shape=box];\n"
      "  edge [fontname=\"Helvetica\", fontsize=9, color=\"#555555\"];\n";
  std::map<std::string, std::string> scopes;
  for (const Node* node : listing.nodes) {
    if (is_number(*node)) continue;
    const bool leaf = node->kind() != Node::Kind::compute;
    std::string label(node->op().name());
    for (const Tensor& x : node->inputs())
      if (is_number(*x.node())) label += fmt::format(" {}", number(*x.node()));
    if (const std::string attributes = node->op().attributes(); !attributes.empty())
      label += fmt::format("\\n{}", escaped(attributes));
    const char* fill = leaf ? "#ffffff" : node->backward() ? "#ffd8a8" : "#cfe3ff";
    std::string line = fmt::format("n{} [label=\"{}\", fillcolor=\"{}\"{}];\n", listing.number_of.at(node), label, fill,
                                   leaf ? ", shape=ellipse, style=filled" : "");
    scopes[node->backward() ? "" : node->scope()] += "    " + line;
  }
  size_t cluster = 0;
  for (const auto& [scope, lines] : scopes) {
    if (scope.empty()) dot += lines;
    else
      dot += fmt::format(
          "  subgraph cluster_{} {{\n    label=\"{}\"; color=\"#999999\"; fontname=\"Helvetica\";\n{}  }}\n", cluster++,
          escaped(scope), lines);
  }
  for (const Node* node : listing.nodes) {
    for (const Tensor& x : node->inputs()) {
      if (is_number(*x.node())) continue;
      dot += fmt::format("  n{} -> n{} [label=\"{}\"];\n", listing.number_of.at(x.node()), listing.number_of.at(node),
                         to_string(x.spec()));
    }
  }
  for (size_t i = 0; i < outputs.size(); ++i) {
    dot += fmt::format("  out{} [label=\"output {}\", shape=plaintext, style=\"\"];\n", i, i);
    if (is_number(*outputs[i].node())) continue;
    dot += fmt::format("  n{} -> out{} [label=\"{}\"];\n", listing.number_of.at(outputs[i].node()), i,
                       to_string(outputs[i].spec()));
  }
  return dot + "}\n";
}

}  // namespace telaio
