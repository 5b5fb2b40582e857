#include <telaio/autograd/gradcheck.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>

#include <fmt/format.h>

#include <telaio/autograd/compile.hpp>
#include <telaio/autograd/grad.hpp>
#include <telaio/autograd/node.hpp>

namespace telaio {

namespace {

using Vector = std::vector<double>;

bool is_float_tensor(const Tensor& tensor) { return is_float(tensor.dtype()); }

std::vector<Tensor> floats_of(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> floats;
  std::copy_if(tensors.begin(), tensors.end(), std::back_inserter(floats), is_float_tensor);
  return floats;
}

// Uniform in [low, high), the same on every platform.
Vector random_vector(int64_t count, double low, double high, std::mt19937_64& random) {
  Vector result(static_cast<size_t>(count));
  for (double& value : result) value = low + (high - low) * std::ldexp(static_cast<double>(random() >> 11), -53);
  return result;
}

Dims index_of(int64_t flat, const Shape& shape) {
  Dims index = Dims::filled(shape.rank(), 0);
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    index[axis] = flat % shape[axis];
    flat /= shape[axis];
  }
  return index;
}

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

double total(const Vector& a) {
  double sum = 0;
  for (const double value : a) sum += std::abs(value);
  return sum;
}

std::vector<Vector> values_of(const std::vector<Tensor>& tensors) {
  std::vector<Vector> values;
  for (const Tensor& tensor : tensors) values.push_back(tensor.to_vector<double>());
  return values;
}

class Check {
 public:
  Check(const CheckedFunction& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options,
        const std::string& op_prefix, const SourceLocation& where)
      : options_(options),
        inputs_(inputs),
        random_(options.seed),
        forward_(compile(Forward{f, traced_, op_prefix})),
        backward_(compile(Backward{f})) {
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i].defined()) fail("gradcheck", fmt::format("input {} is undefined", i), {}, where);
      if (inputs[i].dtype() == f32) {
        fail("gradcheck", fmt::format("float inputs must be f64, input {} is {}", i, to_string(inputs[i].spec())), {},
             where);
      }
      if (inputs[i].dtype() != f64) continue;
      places_.push_back(i);
      x_.push_back(inputs[i].to_vector<double>());
    }
    if (places_.empty()) fail("gradcheck", "there is no f64 input to differentiate by", {}, where);
    const std::vector<Vector> y = values_of(forward_(inputs_));
    for (const TensorSpec& spec : traced_->outputs) {
      if (spec.dtype != f64)
        fail("gradcheck", fmt::format("float outputs must be f64, got {}", to_string(spec)), {}, where);
    }
    if (y.empty()) fail("gradcheck", "the function has no float output", {}, where);
    const std::vector<Vector> again = values_of(forward_(inputs_));
    const auto same = [](double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); };
    for (size_t i = 0; i < y.size(); ++i) {
      if (!std::equal(y[i].begin(), y[i].end(), again[i].begin(), same))
        fail("gradcheck", fmt::format("two calls of the function with the same inputs differ in output {}", i), {},
             where);
    }
  }

  GradcheckReport run() {
    if (!options_.fast_mode) return elements();
    const GradcheckReport fast = projections();
    if (fast.passed) return fast;
    const GradcheckReport found = elements();
    return found.passed ? fast : found;
  }

 private:
  // What tracing learns of the float outputs.
  struct Traced {
    std::vector<TensorSpec> outputs;
    std::vector<std::string> ops;
  };
  struct Forward {
    CheckedFunction f;
    std::shared_ptr<Traced> traced;
    std::string prefix;
    std::vector<Tensor> operator()(const std::vector<Tensor>& x) const {
      const std::vector<Tensor> y = floats_of(f(x));
      *traced = {};
      for (const Tensor& output : y) {
        traced->outputs.push_back(output.spec());
        traced->ops.push_back(prefix.empty() ? std::string(output.node()->op().name()) : prefix);
      }
      return y;
    }
  };
  struct Backward {
    CheckedFunction f;
    std::vector<Tensor> operator()(const std::vector<Tensor>& x, const std::vector<Tensor>& gy) const {
      return vjp(floats_of(f(x)), gy, floats_of(x));
    }
  };

  const TensorSpec& output(size_t o) const { return traced_->outputs[o]; }
  size_t outputs() const { return traced_->outputs.size(); }
  const Shape& input_shape(size_t i) const { return inputs_[places_[i]].shape(); }

  std::vector<Vector> forward(size_t i, const Vector& x) {
    std::vector<Tensor> moved = inputs_;
    moved[places_[i]] = from_data(x, input_shape(i));
    return values_of(forward_(moved));
  }

  // The gradients of vᵀ·output o.
  std::vector<Vector> backward(size_t o, const Vector& v) {
    std::vector<Tensor> cotangents;
    for (size_t other = 0; other < outputs(); ++other) {
      const Shape& shape = output(other).shape;
      cotangents.push_back(other == o ? from_data(v, shape)
                                      : from_data(Vector(static_cast<size_t>(numel(shape))), shape));
    }
    return values_of(backward_(inputs_, cotangents));
  }

  double step(double size) const { return options_.relative_step ? options_.eps * std::max(1.0, size) : options_.eps; }

  void compare(GradcheckReport& report, size_t i, size_t o, int64_t at_x, int64_t at_y, double analytic, double numeric,
               double atol) {
    const double tolerance = atol + options_.rtol * std::abs(numeric);
    double ratio = std::abs(analytic - numeric) / tolerance;
    if (analytic == numeric || (std::isnan(analytic) && std::isnan(numeric))) ratio = 0;
    if (std::isnan(ratio)) ratio = std::numeric_limits<double>::infinity();
    ++report.compared;
    const bool failed = !(ratio <= 1);
    report.failed += failed;
    report.passed &= !failed;
    if (report.input >= 0 && ratio <= report.ratio) return;
    report.op = traced_->ops[o];
    report.input = static_cast<int>(places_[i]);
    report.output = static_cast<int>(o);
    report.projected = at_x < 0;
    report.input_index = report.projected ? Dims() : index_of(at_x, input_shape(i));
    report.output_index = report.projected ? Dims() : index_of(at_y, output(o).shape);
    report.analytic = analytic;
    report.numeric = numeric;
    report.tolerance = tolerance;
    report.ratio = ratio;
  }

  // The whole Jacobian: a column for each element of an input, a row for each element of an output.
  GradcheckReport elements() {
    std::vector<std::vector<std::vector<Vector>>> numeric(x_.size());  // [input][element of it][output]
    for (size_t i = 0; i < x_.size(); ++i) {
      for (size_t j = 0; j < x_[i].size(); ++j) {
        Vector x = x_[i];
        const double h = step(std::abs(x[j]));
        const double above = x[j] + h, below = x[j] - h;
        x[j] = above;
        std::vector<Vector> column = forward(i, x);
        x[j] = below;
        const std::vector<Vector> lower = forward(i, x);
        for (size_t o = 0; o < outputs(); ++o)
          for (size_t k = 0; k < column[o].size(); ++k)
            column[o][k] = (column[o][k] - lower[o][k]) / (above - below);  // the step as it was rounded
        numeric[i].push_back(std::move(column));
      }
    }
    GradcheckReport report;
    for (size_t o = 0; o < outputs(); ++o) {
      Vector v(static_cast<size_t>(output(o).numel()));
      for (size_t k = 0; k < v.size(); ++k) {
        v[k] = 1;
        const std::vector<Vector> row = backward(o, v);
        v[k] = 0;
        for (size_t i = 0; i < x_.size(); ++i)
          for (size_t j = 0; j < x_[i].size(); ++j)
            compare(report, i, o, static_cast<int64_t>(j), static_cast<int64_t>(k), row[i][j], numeric[i][j][o][k],
                    options_.atol);
      }
    }
    return report;
  }

  GradcheckReport projections() {
    // As PyTorch: positive weights of length one; what is absolutely allowed is what the elements together would be.
    const auto unit = [&](int64_t count) {
      Vector w = random_vector(count, 0, 1, random_);
      const double length = std::sqrt(dot(w, w));
      for (double& value : w) value /= length;
      return w;
    };
    std::vector<Vector> v;
    std::vector<std::vector<Vector>> rows;
    for (size_t o = 0; o < outputs(); ++o) {
      v.push_back(unit(output(o).numel()));
      rows.push_back(backward(o, v[o]));
    }
    GradcheckReport report;
    for (size_t i = 0; i < x_.size(); ++i) {
      const Vector u = unit(static_cast<int64_t>(x_[i].size()));
      double largest = 0;
      for (const double value : x_[i]) largest = std::max(largest, std::abs(value));
      const double h = step(largest);
      Vector above = x_[i], below = x_[i];
      for (size_t j = 0; j < u.size(); ++j) {
        above[j] += h * u[j];
        below[j] -= h * u[j];
      }
      const std::vector<Vector> upper = forward(i, above), lower = forward(i, below);
      for (size_t o = 0; o < outputs(); ++o) {
        if (u.empty() || v[o].empty()) continue;
        const double numeric = (dot(v[o], upper[o]) - dot(v[o], lower[o])) / (2 * h);
        compare(report, i, o, -1, -1, dot(rows[o][i], u), numeric, options_.atol * total(u) * total(v[o]));
      }
    }
    return report;
  }

  GradcheckOptions options_;
  std::vector<Tensor> inputs_;
  std::mt19937_64 random_;
  std::vector<size_t> places_;  // of the f64 inputs among all
  std::vector<Vector> x_;       // their values
  std::shared_ptr<Traced> traced_ = std::make_shared<Traced>();
  Compiled<Forward> forward_;
  Compiled<Backward> backward_;
};

GradcheckReport run_check(const CheckedFunction& f, const std::vector<Tensor>& inputs, const GradcheckOptions& options,
                          const std::string& op, const SourceLocation& where) {
  const GradcheckReport report = Check(f, inputs, options, op, where).run();
  if (!report.passed && options.raise) throw Error("gradcheck: " + report.message() + at_line(where));
  return report;
}

}  // namespace

std::string GradcheckReport::message() const {
  if (compared == 0) return "nothing was compared";
  const auto place = [this](const Dims& index) { return projected ? " (weighted sum)" : to_string(index); };
  return fmt::format(
      "{}: output {}{} by input {}{}: analytic {:.10g}, numeric {:.10g}, difference {:.3g}, allowed {:.3g}\n"
      "  {} of {} derivatives compared {} wrong",
      op, output, place(output_index), input, place(input_index), analytic, numeric, std::abs(analytic - numeric),
      tolerance, failed, compared, failed == 1 ? "is" : "are");
}

GradcheckReport gradcheck(const CheckedFunction& f, const std::vector<Tensor>& inputs, GradcheckOptions options,
                          const SourceLocation& where) {
  return run_check(f, inputs, options, "", where);
}

GradcheckReport gradgradcheck(const CheckedFunction& f, const std::vector<Tensor>& inputs, GradcheckOptions options,
                              const SourceLocation& where) {
  // Shapes and names of the outputs are known without computing anything.
  const std::vector<Tensor> outputs = floats_of(f(inputs));
  if (outputs.empty()) fail("gradgradcheck", "the function has no float output", {}, where);
  std::string op = "derivative of";
  std::vector<Tensor> all = inputs;
  std::mt19937_64 random(options.seed + 1);
  for (size_t i = 0; i < outputs.size(); ++i) {
    op += fmt::format("{} {}", i == 0 ? "" : ",", outputs[i].node()->op().name());
    // Away from zero, so that every element of the first derivative counts.
    Vector cotangent = random_vector(outputs[i].numel(), 0.5, 1.5, random);
    for (double& value : cotangent) value = random() % 2 == 0 ? value : -value;
    all.push_back(from_data(cotangent, outputs[i].shape()));
  }
  const size_t count = inputs.size();
  const auto gradients = [f, count](const std::vector<Tensor>& both) {
    const std::vector<Tensor> x(both.begin(), both.begin() + static_cast<std::ptrdiff_t>(count));
    const std::vector<Tensor> gy(both.begin() + static_cast<std::ptrdiff_t>(count), both.end());
    return vjp(floats_of(f(x)), gy, floats_of(x));
  };
  return run_check(gradients, all, options, op, where);
}

}  // namespace telaio
