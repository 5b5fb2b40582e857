#include <cmath>

#include <telaio/ops/losses.hpp>
#include <telaio/ops/samples/draw.hpp>

namespace telaio::samples {

namespace {

using Values = std::vector<double>;

// --- softmax ---

double log_sum(const Values& x) {
  const double top = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (const double value : x) sum += std::exp(value - top);
  return top + std::log(sum);
}

// x minus the logarithm of the sum of exponentials along the axis.
Reference log_softmaxed(const Reference& x, int axis) {
  if (x.data.empty()) return x;
  const int at = axis < 0 ? axis + x.rank() : axis;
  const Reference sums = reduce(x, {at}, true, log_sum);
  return map(x, sums, [](double value, double sum) { return value - sum; });
}

std::vector<Sample> softmax_samples(uint64_t seed, Tensor (*f)(const Tensor&, int, const SourceLocation&), bool logs) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const Tensor& x, int axis, const std::string& label = "") {
    all.push_back(sample(
        x, [=](const Tensor& in) { return f(in, axis, TELAIO_HERE); },
        [=](const Reference& in) {
          const Reference y = log_softmaxed(in, axis);
          return logs ? y : map(y, [](double value) { return std::exp(value); });
        },
        "axis " + std::to_string(axis) + label));
  };
  add(draw.floats({2, 5}), -1);
  add(draw.floats({3, 2, 2}), 0);
  add(draw.floats({2, 3, 2}), 1);
  add(draw.floats({7}), 0);
  add(draw.floats({3, 1}), 1);
  add(draw.floats({0, 3}), 1);
  add(draw.floats({3001, 101}), -1);
  add(from_data(Values{1000, 1000, -1000, -2000, -2000.5, -2001}, {2, 3}), 1, " far out");
  all.back().differentiable = false;  // a step of a difference is relative to x, the function's scale is 1
  return all;
}

std::vector<WrongInput> wrong_softmax(Tensor (*f)(const Tensor&, int, const SourceLocation&)) {
  return {{[=] { f(ones({2, 3}), 2, TELAIO_HERE); }, "2"}, {[=] { f(Tensor(), 0, TELAIO_HERE); }, "undefined"}};
}

// --- reduction ---

// What a loss leaves for each sample, already weighted, and the weights.
struct PerSample {
  Reference losses, weights;
};

Reference finished(const PerSample& of, Reduction reduction, MeanBy mean_by) {
  if (reduction == Reduction::none) return of.losses;
  const double sum = total(of.losses.data);
  if (reduction == Reduction::sum) return {{}, {sum}};
  const double count = static_cast<double>(of.losses.data.size());
  return {{}, {sum / (mean_by == MeanBy::weights ? total(of.weights.data) : count)}};
}

std::string text(Reduction reduction, MeanBy mean_by) {
  return std::string(reduction == Reduction::none  ? "none"
                     : reduction == Reduction::sum ? "sum"
                                                   : "mean") +
         (mean_by == MeanBy::weights ? " by weights" : "");
}

// --- cross-entropy ---

struct Weighting {
  bool classes, samples;
  double smoothing;
  Reduction reduction;
  MeanBy mean_by;
};

// −Σ_c w_c·((1−s)·y_c + s/C)·log p_c times the sample's weight; labels count as one-hot rows.
Reference cross_entropies(const Reference& log_p, const Reference& targets, const Reference* class_weights,
                          const Reference* sample_weights, const Weighting& w) {
  const int64_t classes = log_p.shape.back();
  Shape samples = log_p.shape;
  samples.erase(samples.rank() - 1);
  const bool labels = targets.rank() < log_p.rank();
  PerSample of{{samples, {}}, {samples, {}}};
  each_index(samples, [&](const Dims& at) {
    double loss = 0, weight = 0;
    for (int64_t c = 0; c < classes; ++c) {
      Dims element = at;
      element.push_back(c);
      const double y = labels ? static_cast<int64_t>(targets.at(at)) == c : targets.at(element);
      const double class_weight = class_weights ? class_weights->at({c}) : 1;
      loss -= class_weight * ((1 - w.smoothing) * y + w.smoothing / static_cast<double>(classes)) * log_p.at(element);
      weight += class_weights ? class_weight * y : 0;
    }
    if (!class_weights) weight = 1;
    const double sample_weight = sample_weights ? sample_weights->at(at) : 1;
    of.losses.data.push_back(loss * sample_weight);
    of.weights.data.push_back(weight * sample_weight);
  });
  return finished(of, w.reduction, w.mean_by);
}

using CrossEntropy = Tensor (*)(const Tensor&, const Tensor&, const CrossEntropyOptions&, const SourceLocation&);

// Inputs: scores, targets, then the class and the sample weights that there are.
Sample cross_entropy_sample(Draw& draw, CrossEntropy f, Reference (*log_p)(const Reference&), const Domain& domain,
                            const Shape& shape, bool labels, const Weighting& w) {
  const int64_t classes = shape.back();
  Shape samples = shape;
  samples.erase(samples.rank() - 1);
  std::vector<Tensor> inputs{draw.floats(shape, domain),
                             labels ? draw.integers(samples, 0, classes - 1) : draw.floats(shape, {0, 1})};
  if (w.classes) inputs.push_back(draw.floats({classes}, {0.5, 1.5}));
  if (w.samples) inputs.push_back(draw.floats(samples, {0.5, 1.5}));
  const auto call = [=](const std::vector<Tensor>& x) {
    CrossEntropyOptions options;
    if (w.classes) options.class_weights = x[2];
    if (w.samples) options.sample_weights = x[w.classes ? 3 : 2];
    options.label_smoothing = w.smoothing;
    options.reduction = w.reduction;
    options.mean_by = w.mean_by;
    return std::vector<Tensor>{f(x[0], x[1], options, TELAIO_HERE)};
  };
  const auto reference = [=](const References& x) {
    return References{cross_entropies(log_p(x[0]), x[1], w.classes ? &x[2] : nullptr,
                                      w.samples ? &x[w.classes ? 3 : 2] : nullptr, w)};
  };
  return sample(inputs, call, reference,
                text(w.reduction, w.mean_by) + (w.smoothing > 0 ? " smoothed" : "") +
                    (w.classes ? " class weights" : "") + (w.samples ? " sample weights" : ""));
}

std::vector<Sample> cross_entropy_samples(uint64_t seed, CrossEntropy f, Reference (*log_p)(const Reference&),
                                          const Domain& domain) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const Shape& shape, bool labels, const Weighting& w) {
    all.push_back(cross_entropy_sample(draw, f, log_p, domain, shape, labels, w));
  };
  constexpr auto mean = Reduction::mean, sum = Reduction::sum, none = Reduction::none;
  constexpr auto count = MeanBy::count, weights = MeanBy::weights;
  add({3, 4}, true, {false, false, 0, mean, count});
  add({3, 4}, false, {false, false, 0, mean, count});
  for (const bool labels : {true, false}) {
    add({3, 4}, labels, {true, true, 0, mean, weights});
    add({3, 4}, labels, {true, false, 0.2, mean, weights});
    add({2, 5}, labels, {true, true, 0.1, mean, count});
    add({2, 3}, labels, {false, true, 0, sum, count});
    add({2, 2, 3}, labels, {true, false, 0.3, none, count});
    add({4}, labels, {false, false, 0.1, none, count});
    add({3, 1}, labels, {false, false, 0, sum, count});
    add({0, 3}, labels, {true, true, 0.1, none, count});
    add({5003, 31}, labels, {true, true, 0.1, mean, weights});
  }
  return all;
}

Reference log_of_logits(const Reference& x) { return log_softmaxed(x, -1); }

Reference log_of_probabilities(const Reference& x) {
  if (x.data.empty()) return x;
  const Reference sums = reduce(x, {x.rank() - 1}, true, total);
  return map(x, sums, [](double p, double sum) { return std::log(std::min(std::max(p / sum, 1e-7), 1 - 1e-7)); });
}

std::vector<WrongInput> wrong_cross_entropy(CrossEntropy f) {
  const auto call = [f](const Tensor& scores, const Tensor& targets, const CrossEntropyOptions& options = {}) {
    f(scores, targets, options, TELAIO_HERE).eval();
  };
  const auto labels = [](const Shape& shape, int value) { return full(shape, value, i64); };
  return {{[=] {
             call(ones({2, 3}), labels({2}, 3));
           },
           "3"},
          {[=] {
             call(ones({2, 3}), labels({2}, -1));
           },
           "-1"},
          {[=] {
             call(ones({2, 3}), labels({3}, 0));
           },
           "[2]"},
          {[=] {
             call(ones({2, 3}), labels({2, 1}, 0));
           },
           "[2]"},
          {[=] {
             call(ones({2, 3}), ones({2}));
           },
           "[2,3]"},
          {[=] {
             call(ones({2, 3}, i32), labels({2}, 0));
           },
           "f32 or f64"},
          {[=] {
             call(ones({2, 0}), labels({2}, 0));
           },
           ""},
          {[=] {
             call(ones({2, 3}), labels({2}, 0), {.class_weights = ones({2})});
           },
           "[3]"},
          {[=] {
             call(ones({2, 3}), labels({2}, 0), {.sample_weights = ones({3})});
           },
           "[2]"},
          {[=] {
             call(ones({2, 3}), labels({2}, 0), {.label_smoothing = 1.5});
           },
           "1.5"},
          {[=] { call(Tensor(), labels({2}, 0)); }, "undefined"}};
}

// --- elementwise losses ---

struct Elementwise {
  std::function<Tensor(const Tensor&, const Tensor&, const LossOptions&)> f;
  double (*loss)(double, double);
  Domain a = {}, b = {};
};

std::vector<Sample> loss_samples(uint64_t seed, const Elementwise& op) {
  Draw draw(seed);
  std::vector<Sample> all;
  const auto add = [&](const Shape& shape, const Shape* weights, Reduction reduction, MeanBy mean_by) {
    std::vector<Tensor> inputs{draw.floats(shape, op.a), draw.floats(shape, op.b)};
    if (weights) inputs.push_back(draw.floats(*weights, {0.5, 1.5}));
    all.push_back(sample(
        inputs,
        [=, f = op.f](const std::vector<Tensor>& x) {
          LossOptions options;
          if (weights) options.weights = x[2];
          options.reduction = reduction;
          options.mean_by = mean_by;
          return std::vector<Tensor>{f(x[0], x[1], options)};
        },
        [=, loss = op.loss](const References& x) {
          PerSample of{map(x[0], x[1], loss), x[0]};
          for (double& weight : of.weights.data) weight = 1;
          if (weights) {
            const auto times = [](double a, double b) { return a * b; };
            of = {map(of.losses, x[2], times), map(of.weights, x[2], times)};
          }
          return References{finished(of, reduction, mean_by)};
        },
        text(reduction, mean_by)));
  };
  static const Shape column{3, 1}, row{4}, both{2, 3};
  add({2, 3}, nullptr, Reduction::mean, MeanBy::count);
  add({3, 4}, &column, Reduction::mean, MeanBy::count);
  add({3, 4}, &row, Reduction::mean, MeanBy::weights);
  add({2, 3}, &both, Reduction::sum, MeanBy::count);
  add({2, 3}, &both, Reduction::none, MeanBy::count);
  add({2, 1, 3}, nullptr, Reduction::none, MeanBy::count);
  add({}, nullptr, Reduction::mean, MeanBy::count);
  add({0, 3}, nullptr, Reduction::sum, MeanBy::count);
  add({260'003}, nullptr, Reduction::mean, MeanBy::count);
  return all;
}

template <class F>
OpRow loss_row(const std::string& name, F f, double (*loss)(double, double), const Domain& a, const Domain& b) {
  const auto call = [f](const Tensor& x, const Tensor& y, const LossOptions& options = {}) { f(x, y, options); };
  return {name,
          [=](uint64_t seed) {
            return loss_samples(seed, {f, loss, a, b});
          },
          {{[=] {
              call(ones({2, 1}), ones({2}));
            },
            "same shape"},
           {[=] { call(ones({2}, i32), ones({2})); }, "f32 or f64"},
           {[=] { call(ones({2}), ones({2}), {.weights = ones({3})}); }, "weights"},
           {[=] {
              call(ones({2}), ones({2}), {.weights = ones({2, 2})});
            },
            "weights"},
           {[=] { call(ones({2}), Tensor()); }, "undefined"}}};
}

double huber_of(double a, double b, double delta) {
  const double d = std::abs(a - b);
  return d <= delta ? 0.5 * d * d : delta * (d - 0.5 * delta);
}

}  // namespace

void add_losses(std::vector<OpRow>& table) {
  table.push_back(
      {"softmax", [](uint64_t seed) { return softmax_samples(seed, softmax, false); }, wrong_softmax(softmax)});
  table.push_back({"log_softmax", [](uint64_t seed) { return softmax_samples(seed, log_softmax, true); },
                   wrong_softmax(log_softmax)});
  table.push_back({"cross_entropy",
                   [](uint64_t seed) { return cross_entropy_samples(seed, cross_entropy, log_of_logits, {}); },
                   wrong_cross_entropy(cross_entropy)});
  table.push_back(
      {"cross_entropy_from_probabilities",
       [](uint64_t seed) {
         return cross_entropy_samples(seed, cross_entropy_from_probabilities, log_of_probabilities, {0.3, 1.5});
       },
       wrong_cross_entropy(cross_entropy_from_probabilities)});
  table.push_back(loss_row(
      "binary_cross_entropy",
      [](const Tensor& x, const Tensor& y, const LossOptions& o) { return binary_cross_entropy(x, y, o); },
      [](double x, double y) { return std::max(x, 0.0) - x * y + std::log1p(std::exp(-std::abs(x))); }, {}, {0, 1}));
  table.push_back(loss_row(
      "mse", [](const Tensor& x, const Tensor& y, const LossOptions& o) { return mse(x, y, o); },
      [](double a, double b) { return (a - b) * (a - b); }, {}, {}));
  // Prediction and target are at least 0.2 apart; for huber also 0.2 away from delta apart.
  table.push_back(loss_row(
      "mae", [](const Tensor& x, const Tensor& y, const LossOptions& o) { return mae(x, y, o); },
      [](double a, double b) { return std::abs(a - b); }, {-2, 2, {0}, 0.7}, {-0.5, 0.5}));
  table.push_back(loss_row(
      "huber", [](const Tensor& x, const Tensor& y, const LossOptions& o) { return huber(x, y, 1, o); },
      [](double a, double b) { return huber_of(a, b, 1); }, {-2, 2, {-1, 1}, 0.3}, {-0.1, 0.1}));
  auto& wrong = table.back().wrong;
  wrong.push_back({[] { huber(ones({2}), ones({2}), 0); }, "delta must be positive, got 0"});
}

}  // namespace telaio::samples
