// Optimizers: how gradients change parameters. The formulas are PyTorch's, the defaults Keras's.
#pragma once

#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <telaio/autograd/tensor.hpp>
#include <telaio/autograd/variable.hpp>
#include <telaio/nn/fields.hpp>

namespace telaio::nn {

/// A value that an optimizer keeps for each parameter, of its shape.
struct Slot {
  std::string name;
  double initial = 0;
};

/// What an update gives.
struct Update {
  Tensor parameter;
  std::vector<Tensor> slots;
};

/// One parameter's update, as a graph: w, its gradient g, the slots' values; the learning rate and the number of the
/// step (1, 2, …) are f64 scalars, so they can change from call to call.
struct UpdateInputs {
  const Tensor& w;
  const Tensor& g;
  const std::vector<Tensor>& slots;
  const Tensor& rate;
  const Tensor& step;
};

/// v ← momentum·v + g; w ← w − rate·v, or with Nesterov's look ahead w − rate·(g + momentum·v) (Sutskever et al. 2013).
struct SGD {
  static constexpr std::string_view type = "sgd";
  double momentum = 0;
  bool nesterov = false;

  std::vector<Slot> slots() const;
  Update update(const UpdateInputs& in) const;
  void fields(Fields& f);
};

/// m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; w ← w − rate·(m/(1−β₁ᵗ))/(√(v/(1−β₂ᵗ)) + ε). Kingma and Ba 2014.
struct Adam {
  static constexpr std::string_view type = "adam";
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-7;

  std::vector<Slot> slots() const;
  Update update(const UpdateInputs& in) const;
  void fields(Fields& f);
};

/// v ← ρv + (1−ρ)g²; d = g/(√v + ε), where `centered` takes v − m² with m ← ρm + (1−ρ)g; w ← w − rate·d, or with
/// momentum b ← momentum·b + d; w ← w − rate·b. Hinton 2012 (lecture 6 of "Neural networks for machine learning").
struct RMSprop {
  static constexpr std::string_view type = "rmsprop";
  double rho = 0.9;
  double momentum = 0;
  double epsilon = 1e-7;
  bool centered = false;

  std::vector<Slot> slots() const;
  Update update(const UpdateInputs& in) const;
  void fields(Fields& f);
};

/// s ← s + g²; w ← w − rate·g/(√s + ε). Duchi et al. 2011.
struct Adagrad {
  static constexpr std::string_view type = "adagrad";
  double initial_accumulator = 0.1;
  double epsilon = 1e-7;

  std::vector<Slot> slots() const;
  Update update(const UpdateInputs& in) const;
  void fields(Fields& f);
};

template <class T>
concept DescribesUpdate = requires(T& rule, const T& constant, const UpdateInputs& in, Fields& f) {
  { T::type } -> std::convertible_to<std::string_view>;
  { constant.slots() } -> std::same_as<std::vector<Slot>>;
  { constant.update(in) } -> std::same_as<Update>;
  rule.fields(f);
};

/// Any of the above, or one's own: an immutable value.
class UpdateRule {
 public:
  template <class T>
  requires DescribesUpdate<T> UpdateRule(T rule) : self_(std::make_shared<const Holder<T>>(std::move(rule))) {}

  std::string_view type() const { return self_->type(); }
  std::vector<Slot> slots() const { return self_->slots(); }
  Update operator()(const UpdateInputs& in) const { return self_->update(in); }
  void write_fields(Fields& f) const { self_->fields(f); }
  UpdateRule read_fields(Fields& f) const { return self_->with(f); }

 private:
  struct Interface {
    virtual ~Interface() = default;
    virtual std::string_view type() const = 0;
    virtual std::vector<Slot> slots() const = 0;
    virtual Update update(const UpdateInputs& in) const = 0;
    virtual void fields(Fields& f) const = 0;
    virtual UpdateRule with(Fields& f) const = 0;
  };
  template <class T>
  struct Holder final : Interface {
    explicit Holder(T given) : rule(std::move(given)) {}
    std::string_view type() const override { return T::type; }
    std::vector<Slot> slots() const override { return rule.slots(); }
    Update update(const UpdateInputs& in) const override { return rule.update(in); }
    void fields(Fields& f) const override {
      T copy = rule;
      copy.fields(f);
    }
    UpdateRule with(Fields& f) const override {
      T read = rule;
      read.fields(f);
      return UpdateRule(std::move(read));
    }
    T rule;
  };

  std::shared_ptr<const Interface> self_;
};

/// A rule, and what applies to all of them. Gradients are first cut to ±clip_value, then scaled so that the norm of all
/// of them together is at most clip_norm. Weight decay is decoupled (Loshchilov and Hutter 2017): w loses the fraction
/// rate·weight_decay before the update, and the gradient does not see it.
struct Optimizer {
  UpdateRule rule = Adam{};
  double learning_rate = 0.001;
  double weight_decay = 0;
  double clip_norm = 0;   ///< 0: none
  double clip_value = 0;  ///< 0: none
};

/// Adam with decoupled weight decay, Keras's 0.004 by default (PyTorch's is 0.01).
Optimizer adamw(double learning_rate = 0.001, double weight_decay = 0.004);

/// From "adam", "sgd,momentum=0.9,nesterov", "adamw,weight_decay=0.01,clip_norm=1": a rule (sgd, adam, adamw, rmsprop,
/// adagrad), its fields, and those of Optimizer. The learning rate is the rule's default in Keras unless given:
/// 0.01 for sgd, else 0.001. Error that names what is unknown or out of range, and lists what there is.
Optimizer parse_optimizer(std::string_view text);
/// What parse_optimizer reads back. Of rules of one's own, a text that tells them apart.
std::string to_string(const Optimizer& optimizer);

/// An optimizer at work on parameters: their slots.
class OptimizerState {
 public:
  /// Error when a number of the optimizer is out of range.
  OptimizerState(Optimizer optimizer, std::vector<Variable> parameters);

  const Optimizer& optimizer() const { return optimizer_; }
  const std::vector<Variable>& parameters() const { return parameters_; }
  /// All slots, named "conv1.weight/m".
  const std::vector<Variable>& slots() const { return slots_; }

  /// Assigns new values to parameters and slots (in a function that is being compiled: at the end of each call).
  /// Gradients come in the order of the parameters.
  void apply(const std::vector<Tensor>& gradients, const Tensor& rate, const Tensor& step) const;

 private:
  Optimizer optimizer_;
  std::vector<Variable> parameters_;
  std::vector<Variable> slots_;  // those of the first parameter, of the second, …
};

}  // namespace telaio::nn
