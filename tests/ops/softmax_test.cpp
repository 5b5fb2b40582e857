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
