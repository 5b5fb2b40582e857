#include <cmath>
#include <limits>

#include <fmt/format.h>

#include <telaio/ops/reduce.hpp>
#include <telaio/ops/samples/draw.hpp>

namespace telaio::samples {

namespace {

using Values = std::vector<double>;
using Fold = double (*)(const Values&);

struct Reduction {
  std::string name;
  std::function<Tensor(const Tensor&, const Axes&, bool)> f;
  Fold fold;
  bool of_nothing = false;  // an empty axis has a result
  bool differentiable = true;
  bool distinct = false;  // equal elements are kinks
  bool integers = true;
};

OpRow row(const Reduction& op) {
  const auto samples = [op](uint64_t seed) {
    Draw draw(seed);
    std::vector<Sample> all;
    const auto of = [&](const Tensor& x, const std::vector<int>& axes, bool keepdims) {
      const std::string label = fmt::format("{}axes [{}]", keepdims ? "keepdims " : "", fmt::join(axes, ","));
      all.push_back(sample(
          x, [f = op.f, axes, keepdims](const Tensor& in) { return f(in, Axes(axes), keepdims); },
          [fold = op.fold, axes, keepdims](const Reference& in) { return reduce(in, axes, keepdims, fold); }, label));
      all.back().differentiable = op.differentiable;
    };
    const auto add = [&](const Shape& shape, const std::vector<int>& axes, bool keepdims = false) {
      of(op.distinct && numel(shape) < 5000 ? draw.distinct(shape) : draw.floats(shape, {0.5, 1.5}), axes, keepdims);
    };
    add({2, 5}, {1});
    add({3, 4}, {0});
    add({7}, {});
    add({2, 3, 4}, {0, 2});
    add({2, 3, 4}, {-2}, true);
    add({2, 1, 3, 1, 2}, {1, 4});
    add({3, 1, 2}, {1});
    add({2, 3}, {}, true);
    add({1}, {0});
    add({0, 3}, {1});
    if (op.of_nothing) add({2, 0}, {1});
    add({301, 1009}, {1});
    add({1009, 301}, {0});
    add({400'009}, {});
    if (op.integers) {
      of(draw.integers({2, 5}, 1, 3, i32), {1}, false);
      all.back().differentiable = false;
    }
    return all;
  };
  const auto f = op.f;
  OpRow made{op.name,
             samples,
             {WrongInput(
                  [f] {
                    f(ones({2, 3}), Axes(2), false);
                  },
                  "out of range"),
              WrongInput(
                  [f] {
                    f(ones({2, 3}), Axes({1, -1}), false);
                  },
                  "twice"),
              WrongInput([f] { f(Tensor(), Axes(), false); }, "undefined")}};
  if (!op.of_nothing) made.wrong.push_back({[f] { f(ones({2, 0}), Axes(1), false); }, ""});
  return made;
}

double largest(const Values& x) { return *std::max_element(x.begin(), x.end()); }
double smallest(const Values& x) { return *std::min_element(x.begin(), x.end()); }
double average(const Values& x) { return total(x) / static_cast<double>(x.size()); }

template <int correction>
double variance(const Values& x) {
  const double center = average(x);
  Values squares = x;
  for (double& value : squares) value = (value - center) * (value - center);
  return total(squares) / static_cast<double>(static_cast<int>(x.size()) - correction);
}

double product(const Values& x) {
  double result = 1;
  for (const double value : x) result *= value;
  return result;
}

double log_sum_exp(const Values& x) {
  const double top = largest(x);
  Values terms = x;
  for (double& value : terms) value = std::exp(value - top);
  return top + std::log(total(terms));
}

double any_of(const Values& x) {
  return std::any_of(x.begin(), x.end(), [](double v) { return v != 0; });
}
double all_of(const Values& x) {
  return std::all_of(x.begin(), x.end(), [](double v) { return v != 0; });
}
double first_largest(const Values& x) { return static_cast<double>(std::max_element(x.begin(), x.end()) - x.begin()); }
double first_smallest(const Values& x) { return static_cast<double>(std::min_element(x.begin(), x.end()) - x.begin()); }

OpRow arg(const std::string& name, Tensor (*f)(const Tensor&, int, bool, const SourceLocation&), Fold fold) {
  const auto samples = [=](uint64_t seed) {
    Draw draw(seed);
    std::vector<Sample> all;
    const auto add = [&](const Tensor& x, int axis, bool keepdims) {
      all.push_back(sample(
                        x, [=](const Tensor& in) { return f(in, axis, keepdims, TELAIO_HERE); },
                        [=](const Reference& in) { return reduce(in, {axis}, keepdims, fold); },
                        "axis " + std::to_string(axis))
                        .without_derivative());
    };
    add(draw.distinct({3, 4}), 1, false);
    add(draw.distinct({2, 5, 3}), -2, true);
    add(draw.integers({4, 9}, 0, 3, i32), 0, false);  // ties: the first
    add(draw.distinct({1, 7}), 0, false);
    add(draw.distinct({0, 7}), 1, false);
    add(draw.floats({401, 1009}), 1, false);
    add(draw.floats({1009, 401}), 0, false);
    return all;
  };
  return {name,
          samples,
          {WrongInput(
               [f] {
                 f(ones({2, 3}), 2, false, TELAIO_HERE);
               },
               "out of range"),
           WrongInput(
               [f] {
                 f(ones({2, 0}), 1, false, TELAIO_HERE);
               },
               ""),
           WrongInput([f] { f(Tensor(), 0, false, TELAIO_HERE); }, "undefined")}};
}

Reference running_sum(const Reference& x, int axis, CumsumOptions options) {
  Reference y = x;
  const int64_t size = x.size(axis);
  each_index(x.shape, [&](const Dims& index) {
    Values terms;
    for (int64_t i = 0; i < size; ++i) {
      const bool before = options.reverse ? i > index[axis] : i < index[axis];
      if (!before && (options.exclusive || i != index[axis])) continue;
      Dims other = index;
      other[axis] = i;
      terms.push_back(x.at(other));
    }
    y.at(index) = total(terms);
  });
  return y;
}

OpRow cumsum_row() {
  const auto samples = [](uint64_t seed) {
    Draw draw(seed);
    std::vector<Sample> all;
    const auto add = [&](const Shape& shape, int axis, CumsumOptions options = {}) {
      const int counted = axis < 0 ? axis + shape.rank() : axis;
      all.push_back(sample(
          draw.floats(shape), [=](const Tensor& x) { return cumsum(x, axis, options); },
          [=](const Reference& x) { return running_sum(x, counted, options); },
          std::string(options.reverse ? "reverse " : "") + (options.exclusive ? "exclusive " : "") + "axis " +
              std::to_string(axis)));
    };
    add({2, 5}, 1);
    add({3, 2, 2}, 0, {.reverse = true});
    add({7}, 0, {.exclusive = true});
    add({2, 3}, -1, {.reverse = true, .exclusive = true});
    add({4, 1}, 1);
    add({3, 0}, 1);
    add({20'011, 3, 2}, 1);
    add({23, 7, 1009}, 1);
    return all;
  };
  return {"cumsum",
          samples,
          {WrongInput(
               [] {
                 cumsum(ones({2, 3}), 2);
               },
               "out of range"),
           WrongInput([] { cumsum(Tensor(), 0); }, "undefined")}};
}

#define OP(name) [](const Tensor& x, const Axes& axes, bool keepdims) { return name(x, axes, keepdims); }

Tensor sample_variance(const Tensor& x, const Axes& axes, bool keepdims) { return var(x, axes, keepdims, 1); }

// The rows of one op with several folds are joined.
OpRow joined(OpRow a, const OpRow& b) {
  a.samples = [first = a.samples, second = b.samples](uint64_t seed) {
    std::vector<Sample> all = first(seed);
    for (Sample& made : second(seed)) all.push_back(std::move(made));
    return all;
  };
  return a;
}

// Zeros and signs, where a derivative by division would fail.
OpRow prod_row() {
  const OpRow with_zeros{
      "prod",
      [](uint64_t seed) {
        Draw draw(seed);
        const auto f = [](const Tensor& x) { return prod(x, 1); };
        const auto reference = [](const Reference& x) { return reduce(x, {1}, false, product); };
        const Tensor none = draw.floats({1, 4}, {-2, 2, {0}, 0.5});
        const Tensor zeros = from_data(Values{0, 1.5, -0.5, 2, 0, 1.25, 0, 3}, {2, 4});
        return std::vector<Sample>{sample(none, f, reference, "signs"), sample(zeros, f, reference, "zeros")};
      },
      {}};
  return joined(row({"prod", OP(prod), product, true}), with_zeros);
}

// Infinities where they have a meaning.
OpRow logsumexp_row() {
  const OpRow extreme{"logsumexp",
                      [](uint64_t) {
                        const double inf = std::numeric_limits<double>::infinity();
                        const Tensor x = from_data(Values{-inf, 0.5, -inf, -inf, 800, 800, -900, -900}, {4, 2});
                        return std::vector<Sample>{sample(
                                                       x, [](const Tensor& in) { return logsumexp(in, 1); },
                                                       [](const Reference& in) {
                                                         return reduce(in, {1}, false, [](const Values& v) {
                                                           return std::isinf(largest(v)) ? largest(v) : log_sum_exp(v);
                                                         });
                                                       },
                                                       "extremes")
                                                       .without_derivative()};
                      },
                      {}};
  return joined(row({"logsumexp", OP(logsumexp), log_sum_exp, false, true, false, false}), extreme);
}

}  // namespace

void add_reduce(std::vector<OpRow>& table) {
  table.push_back(row({"sum", OP(sum), total, true}));
  table.push_back(row({"mean", OP(mean), average, false, true, false, false}));
  table.push_back(joined(row({"var", OP(var), variance<0>, false, true, false, false}),
                         {"var",
                          [](uint64_t seed) {
                            Draw draw(seed);
                            return std::vector<Sample>{sample(
                                draw.floats({3, 4}), [](const Tensor& x) { return sample_variance(x, 1, false); },
                                [](const Reference& x) { return reduce(x, {1}, false, variance<1>); }, "correction 1")};
                          },
                          {}}));
  table.push_back(row({"max", OP(max), largest, false, true, true}));
  table.push_back(row({"min", OP(min), smallest, false, true, true}));
  table.push_back(prod_row());
  table.push_back(logsumexp_row());
  table.push_back(row({"any", OP(any), any_of, true, false}));
  table.push_back(row({"all", OP(all), all_of, true, false}));
  table.push_back(arg("argmax", argmax, first_largest));
  table.push_back(arg("argmin", argmin, first_smallest));
  table.push_back(cumsum_row());
}

}  // namespace telaio::samples
