// compile(f): trace a function of tensors once, then replay it.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/autograd/runtime/profile.hpp>
#include <telaio/autograd/tensor.hpp>
#include <telaio/autograd/variable.hpp>

namespace telaio {

class Executable;

struct CompileOptions {
  /// The optional passes; off, a compiled function runs exactly the nodes that the function built.
  bool simplify = true;
  /// Patterns of ops run as one: results agree with the others to rounding. So do elementwise ops that feed one another,
  /// with the same results.
  bool fuse = true;
  /// The batch (the first axis that most arguments share) is cut into slices that go through many ops at a time, where
  /// what the ops pass on would not stay in the cache and the weights do. Results agree to rounding.
  bool slice = true;
  /// Branches of the graph that do not depend on one another run side by side; off, the ops run one after the other
  /// (each still on all cores), in less memory.
  bool concurrent = true;
};

namespace detail {

// Visits the tensors of a structure (a tensor, or vectors, arrays, pairs and tuples of structures) in order.
template <class F>
void for_each_tensor(Tensor& tensor, F&& f) {
  f(tensor);
}
template <class T, class F>
void for_each_tensor(std::vector<T>& all, F&& f) {
  for (T& one : all) for_each_tensor(one, f);
}
template <class T, size_t N, class F>
void for_each_tensor(std::array<T, N>& all, F&& f) {
  for (T& one : all) for_each_tensor(one, f);
}
template <class A, class B, class F>
void for_each_tensor(std::pair<A, B>& both, F&& f) {
  for_each_tensor(both.first, f);
  for_each_tensor(both.second, f);
}
template <class... T, class F>
void for_each_tensor(std::tuple<T...>& all, F&& f) {
  std::apply([&](auto&... one) { (for_each_tensor(one, f), ...); }, all);
}
template <class T, class F>
requires requires(T& both) {
  both.value;
  both.gradients;
}
void for_each_tensor(T& both, F&& f) {
  for_each_tensor(both.value, f);
  for_each_tensor(both.gradients, f);
}

// What a call passes on: numbers and variables become tensors, structures stay.
template <class T>
auto as_argument(const T& argument) {
  if constexpr (std::is_convertible_v<const T&, Tensor>) return Tensor(argument);
  else return argument;
}

/// The part of a compiled function that does not depend on its C++ type.
class FunctionCache {
 public:
  /// What tracing gave: the results, and the structure they came in.
  struct Traced {
    std::vector<Tensor> results;
    std::shared_ptr<const void> structure;
  };
  struct Called {
    std::vector<Tensor> results;
    std::shared_ptr<const void> structure;
  };
  using Body = FunctionRef<Traced(const std::vector<Tensor>&)>;

  explicit FunctionCache(CompileOptions options);
  ~FunctionCache();
  Called call(const std::vector<Tensor>& arguments, const std::vector<size_t>& sizes, Body body,
              const SourceLocation& where);
  std::shared_ptr<const Executable> executable(const std::vector<Tensor>& arguments, const std::vector<size_t>& sizes,
                                               Body body, const SourceLocation& where);

 private:
  struct State;
  struct Entry;
  Entry& entry(const std::vector<Tensor>& arguments, const std::vector<size_t>& sizes, Body body,
               const SourceLocation& where);
  std::unique_ptr<State> state_;
};

int64_t planned_bytes(const Executable& executable);
Profile profile(const Executable& executable, const std::vector<Tensor>& arguments);
std::vector<Tensor> outputs(const Executable& executable);

}  // namespace detail

/// A function of tensors that is traced once for each signature of its arguments (shapes, types and structure) and then
/// replayed. Arguments and results are tensors, or vectors, arrays, pairs and tuples of them; numbers as arguments are
/// run-time inputs too. Variables that the function reads or assigns are bound afresh at each call. What else it
/// captures is fixed when it is traced. May be called from several threads at once; calls that assign to the same
/// variables take turns, and one that throws assigns nothing. Called while another function is being traced, it becomes
/// part of that one. Results can be differentiated by arguments and Variables, unless the function assigns Variables
/// (then the gradient must be taken inside: an error says so).
template <class F>
class Compiled {
 public:
  explicit Compiled(F f, CompileOptions options = {})
      : f_(std::make_shared<F>(std::move(f))), cache_(std::make_shared<detail::FunctionCache>(options)) {}

  template <class... Args>
  auto operator()(const Args&... args) const {
    using Result = decltype(std::declval<F&>()(detail::as_argument(args)...));
    Call<Args...> call(*f_, args...);
    const auto done = cache_->call(call.tensors, call.sizes, call.body, SourceLocation());
    if constexpr (!std::is_void_v<Result>) {
      Result result = *static_cast<const std::remove_cvref_t<Result>*>(done.structure.get());
      size_t next = 0;
      detail::for_each_tensor(result, [&](Tensor& tensor) { tensor = done.results[next++]; });
      return result;
    }
  }

  /// Bytes of the arena that a call with such arguments works in, without arguments, results and variables.
  template <class... Args>
  int64_t planned_bytes(const Args&... args) const {
    return detail::planned_bytes(*executable(args...));
  }
  /// Runs once, measuring each op. Variables are assigned as in a call.
  template <class... Args>
  Profile profile(const Args&... args) const {
    Call<Args...> call(*f_, args...);
    return detail::profile(*executable(args...), call.tensors);
  }
  /// The simplified graph's results (and assigned values) for such arguments: for drawing.
  template <class... Args>
  std::vector<Tensor> graph(const Args&... args) const {
    return detail::outputs(*executable(args...));
  }

 private:
  // The arguments of one call: their tensors in a row, and a body that rebuilds the structure around other tensors.
  template <class... Args>
  struct Call {
    std::tuple<decltype(detail::as_argument(std::declval<const Args&>()))...> arguments;
    std::vector<Tensor> tensors;
    std::vector<size_t> sizes;
    F& f;

    Call(F& function, const Args&... args) : arguments(detail::as_argument(args)...), f(function) {
      std::apply([&](auto&... one) { (add(one), ...); }, arguments);
    }
    template <class T>
    void add(T& argument) {
      const size_t before = tensors.size();
      detail::for_each_tensor(argument, [&](Tensor& tensor) { tensors.push_back(tensor); });
      sizes.push_back(tensors.size() - before);
    }
    detail::FunctionCache::Traced trace(const std::vector<Tensor>& inputs) {
      auto replaced = arguments;
      size_t next = 0;
      detail::for_each_tensor(replaced, [&](Tensor& tensor) { tensor = inputs[next++]; });
      using Result = decltype(std::apply(f, replaced));
      detail::FunctionCache::Traced traced;
      if constexpr (std::is_void_v<Result>) {
        std::apply(f, replaced);
      } else {
        auto result = std::make_shared<std::remove_cvref_t<Result>>(std::apply(f, replaced));
        detail::for_each_tensor(*result,
                                [&](Tensor& tensor) { traced.results.push_back(std::exchange(tensor, Tensor())); });
        traced.structure = result;
      }
      return traced;
    }
    struct Trace {
      Call* call;
      detail::FunctionCache::Traced operator()(const std::vector<Tensor>& inputs) const { return call->trace(inputs); }
    } body{this};
  };

  template <class... Args>
  std::shared_ptr<const Executable> executable(const Args&... args) const {
    Call<Args...> call(*f_, args...);
    return cache_->executable(call.tensors, call.sizes, call.body, SourceLocation());
  }

  std::shared_ptr<F> f_;
  std::shared_ptr<detail::FunctionCache> cache_;
};

template <class F>
Compiled<F> compile(F f, CompileOptions options = {}) {
  return Compiled<F>(std::move(f), options);
}

}  // namespace telaio
