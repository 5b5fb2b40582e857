// What a thread is doing while it builds a graph: naming a scope, taking a gradient, tracing a function.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include <telaio/autograd/error.hpp>

namespace telaio {

class Trace;

/// The state of the calling thread. Set and restored by the scopes below only.
struct BuildContext {
  std::shared_ptr<const std::string> scope;
  /// The node whose derivative is being built: its place is where the derivative's nodes come from.
  bool backward = false;
  SourceLocation forward_place;
  std::shared_ptr<const std::string> forward_scope;
  Trace* trace = nullptr;

  static BuildContext& current();
};

/// Names the nodes that are built during its life: Scope outer("block1"), inner("conv") gives "block1.conv". Errors,
/// drawings and profiles show it.
class Scope {
 public:
  explicit Scope(std::string_view name);
  ~Scope();
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

 private:
  std::shared_ptr<const std::string> outer_;
};

/// During its life nodes count as backward and carry the place of the forward node that they belong to.
class BackwardScope {
 public:
  BackwardScope(const SourceLocation& place, std::shared_ptr<const std::string> scope);
  ~BackwardScope();
  BackwardScope(const BackwardScope&) = delete;
  BackwardScope& operator=(const BackwardScope&) = delete;

 private:
  BuildContext outer_;
};

}  // namespace telaio
