#include <telaio/autograd/context.hpp>

#include <utility>

namespace telaio {

BuildContext& BuildContext::current() {
  thread_local BuildContext context;
  return context;
}

Scope::Scope(std::string_view name) {
  auto& context = BuildContext::current();
  outer_ = context.scope;
  std::string full = outer_ && !outer_->empty() ? *outer_ + "." : std::string();
  full += name;
  context.scope = std::make_shared<const std::string>(std::move(full));
}

Scope::~Scope() { BuildContext::current().scope = std::move(outer_); }

BackwardScope::BackwardScope(const SourceLocation& place, std::shared_ptr<const std::string> scope)
    : outer_(BuildContext::current()) {
  auto& context = BuildContext::current();
  context.backward = true;
  context.forward_place = place;
  context.forward_scope = std::move(scope);
}

BackwardScope::~BackwardScope() { BuildContext::current() = std::move(outer_); }

}  // namespace telaio
