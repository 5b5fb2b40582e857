#include <telaio/autograd/gradcheck.hpp>

#include <cmath>
#include <limits>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/autograd/builtin.hpp>
#include <telaio/autograd/op.hpp>

namespace telaio {
namespace {

using testing::HasSubstr;

// f64 elementwise functions whose derivative is written as another function of the same family: enough to build right,
// wrong and undefined derivatives without any op of the library.
struct Rule {
  std::string_view name;
  double (*f)(double);
  const Rule* derivative;
};

class Times final : public Op {
 public:
  std::string_view name() const override { return "times"; }
  std::vector<TensorSpec> infer(Specs x) const override { return {x[0]}; }
  void run(Views x, Views y, void*) const override {
    for (int64_t i = 0; i < y[0].numel(); ++i) y[0].data<double>()[i] = x[0].data<double>()[i] * x[1].data<double>()[i];
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs) const override;
};
Tensor times(const Tensor& a, const Tensor& b) { return apply(OpPtr(new Times), {a, b}, TELAIO_HERE); }
std::vector<Tensor> Times::vjp(Tensors x, Tensors, Tensors gy, Needs) const {
  return {times(gy[0], x[1]), times(gy[0], x[0])};
}

class Elementwise final : public Op {
 public:
  explicit Elementwise(const Rule& rule) : rule_(rule) {}
  std::string_view name() const override { return rule_.name; }
  std::vector<TensorSpec> infer(Specs x) const override { return {x[0]}; }
  void run(Views x, Views y, void*) const override {
    for (int64_t i = 0; i < y[0].numel(); ++i) y[0].data<double>()[i] = rule_.f(x[0].data<double>()[i]);
  }
  std::vector<Tensor> vjp(Tensors x, Tensors, Tensors gy, Needs) const override {
    return {times(gy[0], apply(OpPtr(new Elementwise(*rule_.derivative)), {x[0]}, TELAIO_HERE))};
  }

 private:
  const Rule& rule_;
};
Tensor elementwise(const Rule& rule, const Tensor& x) { return apply(OpPtr(new Elementwise(rule)), {x}, TELAIO_HERE); }

extern const Rule sine, cosine;
const Rule minus_sine{"minus_sine", [](double x) { return -std::sin(x); }, nullptr};
const Rule cosine{"cosine", [](double x) { return std::cos(x); }, &minus_sine};
const Rule sine{"sine", [](double x) { return std::sin(x); }, &cosine};
const Rule wrong{"wrong", [](double x) { return std::sin(x); }, &sine};
// Right to the first order, wrong to the second.
const Rule half_cosine{"half_cosine", [](double x) { return std::cos(x); }, &cosine};
const Rule half{"half", [](double x) { return std::sin(x); }, &half_cosine};
const Rule nothing{"nothing", [](double) { return std::numeric_limits<double>::quiet_NaN(); }, &sine};
// Off by a part in 10⁴ at one place only.
const Rule almost_cosine{"almost_cosine", [](double x) { return std::cos(x) * (x == 0.7 ? 1.0001 : 1); }, nullptr};
const Rule almost{"almost", [](double x) { return std::sin(x); }, &almost_cosine};

Tensor sample() { return from_data(std::vector<double>{0.1, -0.4, 2, 0.7, 1.1, -3}, {2, 3}); }

constexpr GradcheckOptions quiet{.raise = false};

TEST(Gradcheck, ARightDerivativePasses) {
  const auto report = gradcheck([](const Tensor& x) { return elementwise(sine, x); }, {sample()});
  EXPECT_TRUE(report);
  EXPECT_EQ(report.compared, 36);
  EXPECT_EQ(report.failed, 0);
  EXPECT_LT(report.ratio, 1);
  EXPECT_EQ(report.op, "sine");
  EXPECT_TRUE(gradcheck([](const Tensor& x) { return elementwise(sine, x); }, {sample()}, {.fast_mode = true}));
}

TEST(Gradcheck, AWrongDerivativeFailsWithAReadableReport) {
  const auto f = [](const Tensor& x) { return elementwise(wrong, x); };
  const auto report = gradcheck(f, {sample()}, quiet);
  EXPECT_FALSE(report);
  EXPECT_EQ(report.failed, 6);
  EXPECT_EQ(report.op, "wrong");
  EXPECT_EQ(report.input, 0);
  EXPECT_EQ(report.output, 0);
  const auto x = sample().to_vector<double>();
  const double at = x[static_cast<size_t>(report.input_index[0] * 3 + report.input_index[1])];
  EXPECT_EQ(report.input_index, report.output_index);
  EXPECT_NEAR(report.analytic, std::sin(at), 1e-12);
  EXPECT_NEAR(report.numeric, std::cos(at), 1e-6);
  EXPECT_THAT(report.message(),
              HasSubstr("wrong: output 0[0,2] by input 0[0,2]: analytic 0.9092974268, numeric -0.41614683"));
  try {
    gradcheck(f, {sample()});
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("wrong: output 0"));
    EXPECT_THAT(error.what(), HasSubstr("6 of 36 derivatives compared are wrong"));
    EXPECT_THAT(error.what(), HasSubstr("gradcheck_test.cpp"));
  }
}

TEST(Gradcheck, OneWrongElementIsFound) {
  GradcheckOptions options = quiet;
  options.rtol = 1e-6;
  options.atol = 1e-8;
  options.eps = 6e-6;
  options.relative_step = true;
  const auto report = gradcheck([](const Tensor& x) { return elementwise(almost, x); }, {sample()}, options);
  EXPECT_EQ(report.failed, 1);
  EXPECT_EQ(report.input_index, Dims({1, 0}));
  EXPECT_TRUE(gradcheck([](const Tensor& x) { return elementwise(sine, x); }, {sample()}, options));
}

TEST(Gradcheck, FastModeFailsAndNamesTheElement) {
  GradcheckOptions options = quiet;
  options.fast_mode = true;
  const auto report = gradcheck([](const Tensor& x) { return elementwise(wrong, x); }, {sample()}, options);
  EXPECT_FALSE(report);
  EXPECT_FALSE(report.projected);
  EXPECT_EQ(report.input_index.rank(), 2);
}

TEST(Gradcheck, SecondDerivatives) {
  const auto right = [](const Tensor& x) { return elementwise(sine, x); };
  const auto only_first = [](const Tensor& x) { return elementwise(half, x); };
  EXPECT_TRUE(gradgradcheck(right, {sample()}));
  EXPECT_TRUE(gradgradcheck(right, {sample()}, {.fast_mode = true}));
  EXPECT_TRUE(gradcheck(only_first, {sample()}));
  const auto report = gradgradcheck(only_first, {sample()}, quiet);
  EXPECT_FALSE(report);
  EXPECT_EQ(report.op, "derivative of half");
}

TEST(Gradcheck, SeveralInputsAndOutputs) {
  const Tensor a = sample(), b = from_data(std::vector<double>{1, 2, 3, 4, 5, 6}, {2, 3});
  const Tensor label = from_data(std::vector<int64_t>{7}, {1});
  const auto f = [](const std::vector<Tensor>& x) {
    return std::vector<Tensor>{times(x[0], x[2]), x[1], elementwise(wrong, x[2])};
  };
  const auto report = gradcheck(f, {a, label, b}, quiet);
  EXPECT_FALSE(report);
  EXPECT_EQ(report.compared, 2 * 2 * 36);
  EXPECT_EQ(report.input, 2);
  EXPECT_EQ(report.output, 1);
  EXPECT_EQ(report.op, "wrong");
  EXPECT_TRUE(gradcheck(times, {a, b}));
  EXPECT_TRUE(gradgradcheck(times, {a, b}));
}

TEST(Gradcheck, NaNFails) {
  EXPECT_FALSE(gradcheck([](const Tensor& x) { return elementwise(nothing, x); }, {sample()}, quiet));
}

TEST(Gradcheck, EmptyInputsCompareNothing) {
  const Tensor none = from_data(std::vector<double>{}, {0, 3});
  const auto report = gradcheck([](const Tensor& x) { return elementwise(sine, x); }, {none});
  EXPECT_TRUE(report);
  EXPECT_EQ(report.compared, 0);
  EXPECT_TRUE(gradcheck([](const Tensor& x) { return elementwise(sine, x); }, {none}, {.fast_mode = true}));
}

TEST(Gradcheck, WhatCannotBeCheckedIsSaid) {
  const auto message = [](auto f, const std::vector<Tensor>& x) {
    try {
      gradcheck(f, x);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("nothing was thrown");
  };
  const auto same = [](const Tensor& x) { return x; };
  EXPECT_THAT(message(same, {zeros({2})}), HasSubstr("float inputs must be f64, input 0 is f32[2]"));
  EXPECT_THAT(message(same, {zeros({2}, i64)}), HasSubstr("there is no f64 input"));
  EXPECT_THAT(message([](const Tensor&) { return zeros({2}); }, {sample()}), HasSubstr("float outputs must be f64"));
  EXPECT_THAT(message([](const Tensor&) { return zeros({2}, i64); }, {sample()}), HasSubstr("no float output"));
  static double calls = 0;
  static const Rule restless{"restless", [](double x) { return x + ++calls; }, &cosine};
  EXPECT_THAT(message([](const Tensor& x) { return elementwise(restless, x); }, {sample()}), HasSubstr("two calls"));
  EXPECT_THAT(message(same, {zeros({2})}), HasSubstr("gradcheck_test.cpp"));
}

}  // namespace
}  // namespace telaio
