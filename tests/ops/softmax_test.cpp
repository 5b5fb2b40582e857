#include "kernels/for_each_simd_target.hpp"
#include "op_testing.hpp"

namespace telaio {
namespace {

using namespace testing_ops;
using testing::HasSubstr;

constexpr double inf = INFINITY;

Tensor rows() { return from_data(std::vector<double>{1, 2, 0.5, -1, 0, 3}, {2, 3}); }

// Computed by the definition in Python, with math.fsum.
TEST(Softmax, OfRows) {
  EXPECT_LE(
      distance(softmax(rows()).to_vector<double>(), {0.23122389762214904, 0.6285317192117624, 0.14024438316608848,
                                                     0.017147825545520388, 0.04661262257797389, 0.9362395518765058}),
      1e-15);
  EXPECT_LE(distance(log_softmax(rows()).to_vector<double>(),
                     {-1.464368784107945, -0.4643687841079449, -1.964368784107945, -4.065883903757429,
                      -3.0658839037574293, -0.06588390375742911}),
            1e-15);
}

TEST(Softmax, AlongOtherAxes) {
  const auto columns = softmax(transpose(rows()), 0);
  EXPECT_EQ(transpose(columns).to_vector<double>(), softmax(rows()).to_vector<double>());
  EXPECT_EQ(transpose(log_softmax(transpose(rows()), 0)).to_vector<double>(), log_softmax(rows()).to_vector<double>());
}

TEST(Softmax, LargeInputsOverflowNothingAndLoseNothing) {
  const Tensor x = from_data(std::vector<float>{1e8f, 1e8f, -1e8f}, {3});
  EXPECT_EQ(softmax(x).to_vector<float>(), (std::vector<float>{0.5f, 0.5f, 0}));
  const auto logarithm = log_softmax(x).to_vector<float>();
  EXPECT_FLOAT_EQ(logarithm[0], -0.69314718f);
  EXPECT_FLOAT_EQ(logarithm[2], -2e8f);
}

TEST(Softmax, Infinities) {
  const Tensor masked = from_data(std::vector<double>{0, -inf, 0}, {3});
  EXPECT_EQ(softmax(masked).to_vector<double>(), (std::vector<double>{0.5, 0, 0.5}));
  EXPECT_EQ(log_softmax(masked).to_vector<double>()[1], -inf);
  EXPECT_EQ(grad(sum(square(softmax(masked))), masked).to_vector<double>(), (std::vector<double>{0, 0, 0}));
  // As in PyTorch: nothing is likely, or more than one thing is certain.
  for (const double value : {-inf, inf, double(NAN)}) {
    for (const double y : softmax(full({3}, value, f64)).to_vector<double>()) EXPECT_TRUE(std::isnan(y));
    for (const double y : log_softmax(full({3}, value, f64)).to_vector<double>()) EXPECT_TRUE(std::isnan(y));
  }
}

TEST(Softmax, OfNothing) {
  EXPECT_EQ(softmax(zeros({0, 5})).shape(), (Shape{0, 5}));
  EXPECT_EQ(softmax(zeros({5, 0})).shape(), (Shape{5, 0}));
  EXPECT_TRUE(log_softmax(zeros({5, 0})).to_vector<float>().empty());
}

TEST(Softmax, IntegersBecomeFloats) {
  EXPECT_EQ(softmax(zeros({4}, i64)).to_vector<float>(), (std::vector<float>{0.25f, 0.25f, 0.25f, 0.25f}));
  EXPECT_EQ(softmax(zeros({4}, i64)).dtype(), f32);
}

// The ops that softmax is made of.
struct Composition {
  Tensor d, e, total;
  explicit Composition(const Tensor& x) : d(x - max(x, -1, true)), e(exp(d)), total(sum(e, -1, true)) {}
  Tensor softmax() const { return e / total; }
  Tensor log_softmax() const { return d - log(total); }
};

double worst(const Tensor& a, const Tensor& b) { return max(abs(cast(a, f64) - cast(b, f64))).item<double>(); }

TEST(Softmax, AgreesWithItsComposition) {
  kernels::for_each_simd_target([] {
    for (const DType dtype : {f32, f64}) {
      const double tolerance = dtype == f32 ? 1e-6 : 2e-15;
      for (const int64_t n : {1, 2, 7, 8, 9, 10, 15, 16, 17, 31, 33, 100, 1024, 1025, 5000}) {
        SCOPED_TRACE(n);
        const Tensor x = uniform({13, n}, random_key(n), -5, 5, dtype).eval();
        const Tensor labels = cast(floor(uniform({13}, random_key(n, 1)) * static_cast<double>(n)), i64).eval();
        const Tensor gy = uniform({13}, random_key(n, 2), -1, 1, dtype).eval();
        const Composition by_parts(x);
        EXPECT_LE(worst(softmax(x), by_parts.softmax()), tolerance);
        EXPECT_LE(worst(log_softmax(x), by_parts.log_softmax()), 10 * tolerance);
        const Tensor at_label = squeeze(gather(by_parts.log_softmax(), unsqueeze(labels, 1), 1), {1});
        const Tensor losses = cross_entropy(x, labels, {.reduction = Reduction::none});
        EXPECT_LE(worst(losses, -at_label), 10 * tolerance);
        // The derivative, and the same by hand.
        const Tensor gx = grad(sum(losses * gy), x);
        EXPECT_LE(worst(gx, (by_parts.softmax() - one_hot(labels, n, dtype)) * unsqueeze(gy, 1)), 10 * tolerance);
      }
    }
  });
}

TEST(Softmax, ManySmallTermsAddUp) {
  const Tensor y = softmax(zeros({1, 3'000'000}));
  EXPECT_FLOAT_EQ(y.to_vector<float>()[17], static_cast<float>(1.0 / 3'000'000));
  EXPECT_NEAR(cross_entropy(zeros({1, 3'000'000}), full({1}, 5, i32)).item<float>(), std::log(3e6), 1e-6);
}

TEST(Softmax, OfOneRowIsTheSameWhateverStandsBesideIt) {
  const Tensor x = uniform({300, 10}, random_key(9), -3, 3).eval();
  const auto whole = softmax(x).to_vector<float>();
  for (const int64_t row : {0, 1, 77, 299}) {
    const auto alone = softmax(slice(x, 0, row, row + 1)).to_vector<float>();
    for (size_t i = 0; i < 10; ++i) EXPECT_EQ(alone[i], whole[static_cast<size_t>(row) * 10 + i]);
  }
}

TEST(Softmax, AnUncertainRowSpoilsNoOther) {
  const Tensor x = from_data(std::vector<double>{0, 1, NAN, 2, -inf, -inf, -inf, -inf, 3, 0, 1, 2}, {3, 4});
  const Tensor labels = tensor({0, 1, 2});
  const auto losses = cross_entropy(x, labels, {.reduction = Reduction::none});
  const auto y = losses.to_vector<double>(), gx = grad(sum(losses), x).to_vector<double>();
  EXPECT_TRUE(std::isnan(y[0]) && std::isnan(y[1]) && std::isfinite(y[2]));
  for (size_t i = 0; i < 12; ++i) EXPECT_EQ(std::isnan(gx[i]), i < 8) << i;
}

// What has no weight has no gradient, and what cannot be has none either.
TEST(Softmax, CrossEntropyOfTheImpossible) {
  const Tensor x = from_data(std::vector<double>{0, -inf, 0}, {1, 3});
  EXPECT_EQ(cross_entropy(x, tensor({1})).item<double>(), inf);
  EXPECT_NEAR(cross_entropy(x, tensor({0})).item<double>(), std::log(2), 1e-15);
  const auto gx = grad(cross_entropy(x, tensor({0})), x).to_vector<double>();
  EXPECT_LE(distance(gx, {-0.5, 0, 0.5}), 1e-15);
}

TEST(Softmax, Derivatives) {
  std::mt19937_64 random(50);
  const Tensor x = random_tensor({3, 4}, random, -2, 2);
  for (const int axis : {0, -1}) {
    expect_derivatives([&](const std::vector<Tensor>& t) { return softmax(t[0], axis); }, {x});
    expect_derivatives([&](const std::vector<Tensor>& t) { return log_softmax(t[0], axis); }, {x});
  }
}

TEST(Softmax, Errors) {
  const std::string axis = message_of([] { softmax(zeros({2, 3}), 2); });
  EXPECT_THAT(axis, HasSubstr("softmax: there is no axis 2 in 2 axes\n  input f32[2,3]"));
  EXPECT_THAT(axis, HasSubstr("softmax_test.cpp:"));
  EXPECT_THAT(message_of([] { log_softmax(zeros({})); }), HasSubstr("log_softmax: there is no axis -1 in 0 axes"));
  EXPECT_THAT(message_of([] { softmax(Tensor()); }), HasSubstr("softmax: the input tensor is undefined"));
}

}  // namespace
}  // namespace telaio
