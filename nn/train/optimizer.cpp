#include <telaio/nn/train/optimizer.hpp>

#include <cmath>

#include <fmt/format.h>

#include <telaio/nn/option_list.hpp>
#include <telaio/nn/train/adam_update.hpp>
#include <telaio/ops/binary.hpp>
#include <telaio/ops/reduce.hpp>
#include <telaio/ops/unary.hpp>

namespace telaio::nn {

std::vector<Slot> SGD::slots() const { return momentum == 0 ? std::vector<Slot>{} : std::vector<Slot>{{"velocity"}}; }
Update SGD::update(const UpdateInputs& in) const {
  if (momentum == 0) return {in.w - in.g * in.rate, {}};
  const Tensor v = in.slots[0] * momentum + in.g;
  return {in.w - (nesterov ? in.g + v * momentum : v) * in.rate, {v}};
}
void SGD::fields(Fields& f) {
  f("momentum", momentum);
  f("nesterov", nesterov);
}

std::vector<Slot> Adam::slots() const { return {{"m"}, {"v"}}; }
Update Adam::update(const UpdateInputs& in) const {
  // Scalars in double, so that 1 − βᵗ keeps its digits; each meets the tensor once.
  const Tensor size = in.rate / (1 - pow(beta1, in.step));
  const Tensor spread = rsqrt(1 - pow(beta2, in.step));
  const std::vector<Tensor> y =
      adam_update({in.w, in.g, in.slots[0], in.slots[1], size, spread}, {beta1, beta2, epsilon});
  return {y[0], {y[1], y[2]}};
}
void Adam::fields(Fields& f) {
  f("beta1", beta1);
  f("beta2", beta2);
  f("epsilon", epsilon);
}

std::vector<Slot> RMSprop::slots() const {
  std::vector<Slot> slots{{"v"}};
  if (centered) slots.push_back({"mean"});
  if (momentum != 0) slots.push_back({"velocity"});
  return slots;
}
Update RMSprop::update(const UpdateInputs& in) const {
  const Tensor v = in.slots[0] * rho + square(in.g) * (1 - rho);
  Update update{{}, {v}};
  Tensor spread = v;
  if (centered) {
    const Tensor m = in.slots[1] * rho + in.g * (1 - rho);
    update.slots.push_back(m);
    spread = maximum(v - square(m), 0.0);  // of a gradient that does not change rounding makes it negative
  }
  Tensor direction = in.g / (sqrt(spread) + epsilon);
  if (momentum != 0) {
    direction = in.slots.back() * momentum + direction;
    update.slots.push_back(direction);
  }
  update.parameter = in.w - direction * in.rate;
  return update;
}
void RMSprop::fields(Fields& f) {
  f("rho", rho);
  f("momentum", momentum);
  f("epsilon", epsilon);
  f("centered", centered);
}

std::vector<Slot> Adagrad::slots() const { return {{"sum", initial_accumulator}}; }
Update Adagrad::update(const UpdateInputs& in) const {
  const Tensor sum = in.slots[0] + square(in.g);
  return {in.w - in.g * in.rate / (sqrt(sum) + epsilon), {sum}};
}
void Adagrad::fields(Fields& f) {
  f("initial_accumulator", initial_accumulator);
  f("epsilon", epsilon);
}

Optimizer adamw(double learning_rate, double weight_decay) {
  return {.rule = Adam{}, .learning_rate = learning_rate, .weight_decay = weight_decay};
}

namespace {

/// A rule's fields from a list of options; rules have numbers and switches only.
class OptionFields final : public Fields {
 public:
  using Fields::operator();
  explicit OptionFields(OptionList& options) : options_(options) {}
  void operator()(std::string_view name, int64_t& value) override { options_.whole(name, value, 0, 1'000'000'000); }
  void operator()(std::string_view name, double& value) override {
    // What decays or adds up by itself stays below 1; an ε is anything that is not negative.
    const bool share = name.starts_with("beta") || name == "rho" || name == "momentum";
    options_.number(name, value, 0, share ? std::nextafter(1.0, 0.0) : 1e9);
  }
  void operator()(std::string_view name, bool& value) override { options_.flag(name, value); }

 private:
  OptionList& options_;
};

/// The fields as text.
class TextFields final : public Fields {
 public:
  using Fields::operator();
  std::string text;
  void operator()(std::string_view name, int64_t& value) override { text += fmt::format(",{}={}", name, value); }
  void operator()(std::string_view name, double& value) override { text += fmt::format(",{}={}", name, value); }
  void operator()(std::string_view name, bool& value) override { text += fmt::format(",{}={}", name, value ? 1 : 0); }
};

}  // namespace

Optimizer parse_optimizer(std::string_view text) {
  OptionList options("optimizer", text);
  const std::string name = options.name({"sgd", "adam", "adamw", "rmsprop", "adagrad"});
  Optimizer optimizer = name == "adamw"     ? adamw()
                        : name == "adam"    ? Optimizer{.rule = Adam{}}
                        : name == "rmsprop" ? Optimizer{.rule = RMSprop{}}
                        : name == "adagrad" ? Optimizer{.rule = Adagrad{}}
                                            : Optimizer{.rule = SGD{}, .learning_rate = 0.01};
  OptionFields fields(options);
  optimizer.rule = optimizer.rule.read_fields(fields);
  options.number("learning_rate", optimizer.learning_rate, 0, 1e9);
  options.number("weight_decay", optimizer.weight_decay, 0, 1e9);
  options.number("clip_norm", optimizer.clip_norm, 0, 1e30);
  options.number("clip_value", optimizer.clip_value, 0, 1e30);
  options.finish();
  return optimizer;
}

std::string to_string(const Optimizer& optimizer) {
  TextFields fields;
  optimizer.rule.write_fields(fields);
  return fmt::format("{}{},learning_rate={},weight_decay={},clip_norm={},clip_value={}", optimizer.rule.type(),
                     fields.text, optimizer.learning_rate, optimizer.weight_decay, optimizer.clip_norm,
                     optimizer.clip_value);
}

OptimizerState::OptimizerState(Optimizer optimizer, std::vector<Variable> parameters)
    : optimizer_(std::move(optimizer)), parameters_(std::move(parameters)) {
  const auto check = [&](std::string_view name, double value, bool positive) {
    if (!std::isfinite(value) || (positive ? value <= 0 : value < 0))
      throw Error(fmt::format("optimizer: {}: expected a number {} 0, got {}", name, positive ? "above" : "of at least",
                              value));
  };
  check("learning_rate", optimizer_.learning_rate, false);
  check("weight_decay", optimizer_.weight_decay, false);
  check("clip_norm", optimizer_.clip_norm, false);
  check("clip_value", optimizer_.clip_value, false);
  for (const Variable& parameter : parameters_)
    for (const Slot& slot : optimizer_.rule.slots())
      slots_.emplace_back(fmt::format("{}/{}", parameter.name(), slot.name),
                          full(parameter.shape(), slot.initial, parameter.dtype()));
}

void OptimizerState::apply(const std::vector<Tensor>& gradients, const Tensor& rate, const Tensor& step) const {
  std::vector<Tensor> g = gradients;
  if (const double limit = optimizer_.clip_value; limit > 0)
    for (Tensor& one : g) one = clip(one, -limit, limit);
  if (const double limit = optimizer_.clip_norm; limit > 0 && !g.empty()) {
    Tensor squares = zeros({}, f64);  // in f32 the square of 2e19 is infinite, and the step would be nothing
    for (const Tensor& one : g) squares = squares + sum(square(cast(one, f64)));
    const Tensor factor = limit / maximum(sqrt(squares), limit);
    for (Tensor& one : g) one = one * factor;
  }

  std::vector<std::pair<Variable, Tensor>> values;
  size_t slot = 0;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    Tensor w = parameters_[i];
    if (optimizer_.weight_decay != 0) w = w - w * (rate * optimizer_.weight_decay);
    const size_t count = optimizer_.rule.slots().size();
    std::vector<Tensor> old;
    for (size_t k = 0; k < count; ++k) old.push_back(slots_[slot + k]);
    Update update = optimizer_.rule({w, g[i], old, rate, step});
    values.emplace_back(parameters_[i], std::move(update.parameter));
    for (size_t k = 0; k < count; ++k) values.emplace_back(slots_[slot + k], std::move(update.slots[k]));
    slot += count;
  }
  assign(values);
}

}  // namespace telaio::nn
