#include <cmath>
#include <limits>
#include <numbers>

#include <telaio/ops/samples/draw.hpp>
#include <telaio/ops/unary.hpp>

namespace telaio::samples {

namespace {

struct Variant {
  std::function<Tensor(const Tensor&)> f;
  double (*reference)(double);
  std::string label = "";
};

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

const std::vector<double> special_values{0, -0.0, inf, -inf, nan, 1, -1, 0.5, -0.5, 2.5, -2.5};

struct Unary {
  std::string name;
  Domain domain;
  std::vector<Variant> variants;
  bool differentiable = true;
};

OpRow row(const Unary& op) {
  const auto samples = [op](uint64_t seed) {
    Draw draw(seed);
    std::vector<Sample> all;
    for (const Variant& variant : op.variants) {
      const auto add = [&](const Tensor& x, bool differentiable, const std::string& label = "") {
        const auto reference = [f = variant.reference](const Reference& in) { return map(in, f); };
        Sample made = sample(x, variant.f, reference, variant.label + label);
        made.differentiable = differentiable;
        all.push_back(std::move(made));
      };
      for (const Shape& shape : {Shape{2, 3}, Shape{}, Shape{7}, Shape{3, 1, 4}, Shape{2, 1, 3, 1, 2}, Shape{0, 3}})
        add(draw.floats(shape, op.domain), op.differentiable);
      add(draw.floats({400'003}, op.domain), op.differentiable);
      add(from_data(special_values, {static_cast<int64_t>(special_values.size())}), false, " 0, ±inf, NaN");
      add(draw.integers({2, 5}, -3, 3, i32), false);
    }
    return all;
  };
  const auto f = op.variants[0].f;
  return {op.name, samples, {WrongInput([f] { f(Tensor()); }, "undefined")}};
}

double sign_of(double x) { return x > 0 ? 1 : x < 0 ? -1 : x; }
double rectified(double x) { return x > 0 || std::isnan(x) ? x : 0; }
double logistic(double x) { return 1 / (1 + std::exp(-x)); }
double log1p_exp(double x) { return std::log1p(std::exp(-std::abs(x))) + (x > 0 ? x : 0) + (std::isnan(x) ? nan : 0); }
double exponential_linear(double x, double alpha) { return x > 0 ? x : alpha * std::expm1(x); }
double normal_distribution(double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); }
double gelu_tanh(double x) {
  return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
}
template <int low, int high>
double clipped(double x) {
  return x < low ? low : x > high ? high : x;
}

// A function of the library as it is, without its default arguments.
#define OP(name) [](const Tensor& x) { return name(x); }

const std::vector<Unary>& elementwise() {
  const Domain all{-2, 2}, positive{0.3, 3}, apart_from_0{-2, 2, {0}};
  static const std::vector<Unary> ops{
      {"neg", all, {{OP(neg), [](double x) { return -x; }}}},
      {"abs", apart_from_0, {{OP(abs), [](double x) { return std::abs(x); }}}},
      {"sign", apart_from_0, {{OP(sign), sign_of}}},
      {"square", all, {{OP(square), [](double x) { return x * x; }}}},
      {"sqrt", positive, {{OP(sqrt), [](double x) { return std::sqrt(x); }}}},
      {"rsqrt", positive, {{OP(rsqrt), [](double x) { return 1 / std::sqrt(x); }}}},
      {"reciprocal", {-2, 2, {0}, 0.4}, {{OP(reciprocal), [](double x) { return 1 / x; }}}},
      {"exp", all, {{OP(exp), [](double x) { return std::exp(x); }}}},
      {"expm1", all, {{OP(expm1), [](double x) { return std::expm1(x); }}}},
      {"log", positive, {{OP(log), [](double x) { return std::log(x); }}}},
      {"log1p", {-0.6, 3}, {{OP(log1p), [](double x) { return std::log1p(x); }}}},
      {"sin", all, {{OP(sin), [](double x) { return std::sin(x); }}}},
      {"cos", all, {{OP(cos), [](double x) { return std::cos(x); }}}},
      {"tanh", all, {{OP(tanh), [](double x) { return std::tanh(x); }}}},
      {"erf", all, {{OP(erf), [](double x) { return std::erf(x); }}}},
      {"floor", {-3, 3, {-3, -2, -1, 0, 1, 2, 3}}, {{OP(floor), [](double x) { return std::floor(x); }}}},
      {"ceil", {-3, 3, {-3, -2, -1, 0, 1, 2, 3}}, {{OP(ceil), [](double x) { return std::ceil(x); }}}},
      {"round", {-3, 3, {-2.5, -1.5, -0.5, 0.5, 1.5, 2.5}}, {{OP(round), [](double x) { return std::nearbyint(x); }}}},
      {"sigmoid", all, {{OP(sigmoid), logistic}}},
      {"softplus",
       all,
       {{OP(softplus), log1p_exp},
        {[](const Tensor& x) { return softplus(x, 2.5); }, [](double x) { return log1p_exp(2.5 * x) / 2.5; }, "beta"}}},
      {"relu", apart_from_0, {{OP(relu), rectified}}},
      {"leaky_relu",
       apart_from_0,
       {{OP(leaky_relu), [](double x) { return x > 0 ? x : 0.01 * x; }},
        {[](const Tensor& x) { return leaky_relu(x, 0.3); }, [](double x) { return x > 0 ? x : 0.3 * x; }, "slope"}}},
      {"elu",
       apart_from_0,
       {{OP(elu), [](double x) { return exponential_linear(x, 1); }},
        {[](const Tensor& x) { return elu(x, 0.4); }, [](double x) { return exponential_linear(x, 0.4); }, "alpha"}}},
      {"selu",
       apart_from_0,
       {{OP(selu), [](double x) { return 1.0507009873554805 * exponential_linear(x, 1.6732632423543772); }}}},
      {"gelu",
       all,
       {{OP(gelu), [](double x) { return x * normal_distribution(x); }},
        {[](const Tensor& x) { return gelu(x, true); }, gelu_tanh, "approximate"}}},
      {"silu", all, {{OP(silu), [](double x) { return x * logistic(x); }}}},
      {"clip", {-3, 3, {-1, 2}}, {{[](const Tensor& x) { return clip(x, -1, 2); }, clipped<-1, 2>}}},
      {"hardtanh",
       {-3, 3, {-2, -1, 1}},
       {{OP(hardtanh), clipped<-1, 1>},
        {[](const Tensor& x) { return hardtanh(x, -2, 1); }, clipped<-2, 1>, "bounds"}}},
      {"logical_not", all, {{OP(logical_not), [](double x) -> double { return x == 0; }}}, false},
      {"is_nan", all, {{OP(is_nan), [](double x) -> double { return std::isnan(x); }}}, false},
      {"is_finite", all, {{OP(is_finite), [](double x) -> double { return std::isfinite(x); }}}, false},
  };
  return ops;
}

double to_i32(double x) { return std::isnan(x) ? 0 : std::trunc(std::min(std::max(x, -2147483648.0), 2147483647.0)); }

OpRow cast_row() {
  const auto samples = [](uint64_t seed) {
    Draw draw(seed);
    const auto values = from_data(std::vector<double>{0, -0.4, 2.9, -2.9, 1e12, -1e12, inf, -inf, nan, 250}, {2, 5});
    const auto to = [](const Tensor& x, DType dtype, double (*convert)(double)) {
      return sample(
                 x, [dtype](const Tensor& in) { return cast(in, dtype); },
                 [convert](const Reference& in) { return map(in, convert); }, "to " + std::string(name_of(dtype)))
          .without_derivative()
          .of_fixed_dtype();
    };
    const auto same = [](double x) { return x; };
    const auto not_zero = [](double x) -> double { return x != 0; };
    // A step of a difference vanishes in the rounding to f32: the derivative of casts has a test of its own.
    return std::vector<Sample>{
        to(draw.floats({3, 5}), f32, [](double x) { return static_cast<double>(static_cast<float>(x)); }),
        to(draw.floats({0, 5}), f32, same),
        to(draw.floats({500'009}), f32, [](double x) { return static_cast<double>(static_cast<float>(x)); }),
        to(draw.integers({7}, -9, 9, i32), f64, same),
        to(draw.integers({7}, -9, 9, i64), f32, same),
        to(draw.integers({7}, 0, 255, u8), f64, same),
        to(draw.integers({7}, 0, 255, u8), i32, same),
        to(draw.bools({7}), f64, same),
        to(draw.bools({7}), i64, same),
        to(draw.integers({2, 3}, -2, 2, i32), boolean, not_zero),
        to(values, boolean, not_zero),
        to(values, i32, to_i32),
        to(values, u8, [](double x) { return std::isnan(x) ? 0 : std::trunc(std::min(std::max(x, 0.0), 255.0)); }),
    };
  };
  return {"cast", samples, {WrongInput([] { cast(Tensor(), f32); }, "undefined")}};
}

}  // namespace

void add_unary(std::vector<OpRow>& table) {
  for (const Unary& op : elementwise()) {
    table.push_back(row(op));
    auto& wrong = table.back().wrong;
    if (op.name == "neg") wrong.push_back({[] { neg(ones({2}, boolean)); }, "must be a signed number"});
    if (op.name == "clip") wrong.push_back({[] { clip(ones({2}), 3, 2); }, "bounds 3 and 2"});
    if (op.name == "hardtanh") wrong.push_back({[] { hardtanh(ones({2}), 3, 2); }, "bounds 3 and 2"});
    if (op.name == "softplus") wrong.push_back({[] { softplus(ones({2}), 0); }, "beta must be positive, got 0"});
  }
  table.push_back(cast_row());
}

}  // namespace telaio::samples
