#include <telaio/autograd/compile.hpp>

#include <algorithm>
#include <mutex>

#include <fmt/format.h>

#include <telaio/autograd/builtin.hpp>
#include <telaio/autograd/composed_vjp.hpp>
#include <telaio/autograd/context.hpp>
#include <telaio/autograd/node.hpp>
#include <telaio/autograd/runtime/executable.hpp>
#include <telaio/autograd/runtime/sliced_op.hpp>

namespace telaio {

namespace {

// What a compiled function returned, seen from outside: its inputs are the arguments, then the variables that it read.
class CompiledCall final : public Op {
 public:
  // A function that assigns variables is not differentiated: then nobody needs its graph.
  CompiledCall(const Graph& traced, bool pure) : specs_(specs_of(traced.outputs)), pure_(pure) {
    if (pure) {
      traced_ = traced;
    } else {
      for (const Trace::Use& use : traced.variables) hidden_.push_back(use.state);
    }
  }
  std::string_view name() const override { return "compiled"; }
  std::vector<TensorSpec> infer(Specs) const override { return specs_; }
  void run(Views, Views, void*) const override {
    throw Error("the value of a compiled call is there from the start");  // infer and run are never reached again
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs needs) const override {
    if (!pure_) {
      fail("compiled",
           "the function assigns variables, so its result has no derivative outside; take the gradient inside it", {},
           SourceLocation());
    }
    std::vector<Tensor> ends = traced_.inputs;
    for (const Trace::Use& use : traced_.variables) ends.push_back(use.read);
    return composed_vjp(x, substitute(traced_.outputs, ends, x), gy, needs);
  }
  bool hides(const VariableState* state) const override {
    return std::any_of(hidden_.begin(), hidden_.end(), [&](const VariablePtr& one) { return one.get() == state; });
  }

 private:
  std::vector<TensorSpec> specs_;
  bool pure_;
  Graph traced_;
  std::vector<VariablePtr> hidden_;
};

}  // namespace

namespace detail {

struct FunctionCache::Entry {
  std::vector<TensorSpec> specs;
  std::vector<size_t> sizes;
  std::shared_ptr<const void> structure;
  std::shared_ptr<const Executable> executable;
  OpPtr call;  // of what it returns
  bool pure = true;
};

struct FunctionCache::State {
  CompileOptions options;
  std::mutex mutex;
  std::vector<std::unique_ptr<Entry>> entries;
};

FunctionCache::FunctionCache(CompileOptions options) : state_(std::make_unique<State>()) { state_->options = options; }
FunctionCache::~FunctionCache() = default;

FunctionCache::Entry& FunctionCache::entry(const std::vector<Tensor>& arguments, const std::vector<size_t>& sizes,
                                           Body body, const SourceLocation& where) {
  const auto matches = [&](const Entry& candidate) {
    if (candidate.sizes != sizes || candidate.specs.size() != arguments.size()) return false;
    for (size_t i = 0; i < arguments.size(); ++i)
      if (!(candidate.specs[i] == arguments[i].spec())) return false;
    return true;
  };
  const std::lock_guard lock(state_->mutex);
  for (const auto& candidate : state_->entries)
    if (matches(*candidate)) return *candidate;

  auto fresh = std::make_unique<Entry>();
  fresh->sizes = sizes;
  Graph graph;
  for (size_t i = 0; i < arguments.size(); ++i) {
    fresh->specs.push_back(arguments[i].spec());
    graph.inputs.push_back(input(fmt::format("argument {}", i), arguments[i].spec(), where));
  }
  {
    Trace trace;
    Traced traced = body(graph.inputs);
    for (size_t i = 0; i < traced.results.size(); ++i)
      if (!traced.results[i].defined()) fail("compile", fmt::format("result {} is undefined", i), {}, where);
    graph.outputs = std::move(traced.results);
    fresh->structure = std::move(traced.structure);
    graph.variables = trace.uses();
  }
  for (const Trace::Use& use : graph.variables) fresh->pure &= !use.assigned.defined();
  validate(graph, "trace");
  fresh->call = OpPtr(new CompiledCall(graph, fresh->pure));
  if (state_->options.simplify) {
    graph = simplify(graph);
    validate(graph, "simplify");
  }
  if (state_->options.fuse) {
    graph = fuse(graph);
    validate(graph, "fuse");
    graph = fuse_elementwise(graph);
    validate(graph, "fuse_elementwise");
  }
  if (state_->options.slice) {
    graph = slice_batches(graph);
    validate(graph, "slice");
  }
  if (state_->options.fuse) {
    graph = feed_readers(graph);
    validate(graph, "feed_readers");
    graph = run_together(graph);
    validate(graph, "run_together");
  }
  fresh->executable = std::make_shared<const Executable>(std::move(graph), state_->options.concurrent);
  state_->entries.push_back(std::move(fresh));
  return *state_->entries.back();
}

FunctionCache::Called FunctionCache::call(const std::vector<Tensor>& arguments, const std::vector<size_t>& sizes,
                                          Body body, const SourceLocation& where) {
  for (size_t i = 0; i < arguments.size(); ++i)
    if (!arguments[i].defined()) fail("compiled", fmt::format("argument {} is undefined", i), {}, where);
  if (BuildContext::current().trace) {
    Traced traced = body(arguments);
    return {std::move(traced.results), std::move(traced.structure)};
  }
  const Entry& found = entry(arguments, sizes, body, where);
  eval(arguments);
  std::vector<Array> values;
  values.reserve(arguments.size());
  for (const Tensor& argument : arguments) values.push_back(argument.value());
  std::vector<Tensor> x = arguments;
  std::vector<NodePtr> read;
  std::vector<Array> results = found.executable->run(values, found.pure ? &read : nullptr);
  for (NodePtr& node : read) x.emplace_back(std::move(node), 0);
  Called called;
  called.structure = found.structure;
  if (results.empty()) return called;
  std::vector<TensorSpec> specs;
  for (const Array& result : results) specs.push_back(result.spec());
  const NodePtr node(new Node(Node::Kind::compute, found.call, std::move(x), std::move(specs), where));
  for (size_t i = 0; i < results.size(); ++i) called.results.emplace_back(node, static_cast<int>(i));
  node->set_values(std::move(results));
  return called;
}

std::shared_ptr<const Executable> FunctionCache::executable(const std::vector<Tensor>& arguments,
                                                            const std::vector<size_t>& sizes, Body body,
                                                            const SourceLocation& where) {
  return entry(arguments, sizes, body, where).executable;
}

int64_t planned_bytes(const Executable& executable) { return executable.plan().arena_bytes; }

Profile profile(const Executable& executable, const std::vector<Tensor>& arguments) {
  std::vector<Array> values;
  for (const Tensor& argument : arguments) values.push_back(argument.value());
  return executable.profile(values);
}

std::vector<Tensor> outputs(const Executable& executable) { return executable.graph().roots(); }

}  // namespace detail

}  // namespace telaio
