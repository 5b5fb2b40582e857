#include <telaio/nn/train/check_finite.hpp>

#include <limits>

#include "training_testing.hpp"

namespace telaio::nn {
namespace {

using testing::HasSubstr;

constexpr double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();

Tensor one(double value, DType dtype) { return cast(from_data(Values{value}, {}), dtype); }

TEST(CheckFinite, PassesTheLoss) {
  for (const DType dtype : {f32, f64}) {
    const Tensor large = one(dtype == f32 ? 3e38 : 1e308, dtype);
    EXPECT_TRUE(same_bits(check_finite(large, {zeros({3}, dtype), -large}, {"a", "b"}), large));
    EXPECT_TRUE(same_bits(check_finite(large, {zeros({0}, dtype)}, {"empty"}), large));
  }
}

TEST(CheckFinite, NamesWhatIsNot) {
  for (const DType dtype : {f32, f64}) {
    const auto error = [&](double loss, double gradient) {
      // Somewhere in a gradient that several threads look through.
      std::vector<float> many(300'000, 1.0f);
      many[271'828] = static_cast<float>(gradient);
      const Tensor g = cast(from_data(many, {300'000}), dtype);
      return message_of([&] { check_finite(one(loss, dtype), {zeros({3}, dtype), g}, {"a.bias", "b.weight"}).eval(); });
    };
    EXPECT_THAT(error(nan, 0), HasSubstr("the loss is nan"));
    EXPECT_THAT(error(-inf, 0), HasSubstr("the loss is an infinity"));
    EXPECT_THAT(error(1, inf), HasSubstr("the gradient of 'b.weight' has an infinity"));
    EXPECT_THAT(error(1, -nan), HasSubstr("the gradient of 'b.weight' has nan"));
    EXPECT_THAT(error(nan, nan), HasSubstr("the loss is nan"));
    EXPECT_EQ(error(1, 1), "no error");
  }
}

TEST(CheckFinite, NothingIsAssigned) {
  Variable w("w", ones({100'000}));  // large enough to be written in place
  const auto step = compile([&](const Tensor& g) {
    const Tensor loss = check_finite(sum(g), {g}, {"w"});
    w.assign(w.read() - g);
    return loss;
  });
  step(ones({100'000}));
  EXPECT_EQ(sum(w.read()).item<double>(), 0);
  Values bad(100'000, 1.0);
  bad[99'999] = inf;
  EXPECT_NE(message_of([&] { step(cast(from_data(bad, {100'000}), f32)); }), "no error");
  EXPECT_EQ(sum(w.read()).item<double>(), 0);
}

TEST(NotFinite, OfArrays) {
  const auto found = [](const Values& values) {
    return not_finite(from_data(values, {static_cast<int64_t>(values.size())}).value());
  };
  EXPECT_EQ(found({1, 2, -1e308, 5e-324}), "");
  EXPECT_EQ(found({}), "");
  EXPECT_EQ(found({1, inf, 2}), "an infinity");
  EXPECT_EQ(found({1, -inf, nan}), "nan");
  EXPECT_EQ(not_finite(slice(from_data(Values{1, nan, 2, nan}, {4}), 0, 0, 4, 2).value()), "");  // strided
}

TEST(FirstNotFinite, IsWhereItBegan) {
  const Tensor x = from_data(Values{1, -2}, {2});
  const Tensor y = log(x), z = exp(y) * 2;
  EXPECT_THAT(first_not_finite({z}), HasSubstr("log gives nan\n  at "));
  EXPECT_THAT(first_not_finite({z}), HasSubstr("check_finite_test.cpp:"));
  EXPECT_EQ(first_not_finite({exp(x)}), "");
  const Variable w("layer.weight", from_data(Values{1, inf}, {2}));
  EXPECT_THAT(first_not_finite({w.read() * 2}), HasSubstr("the parameter 'layer.weight' gives an infinity"));
}

}  // namespace
}  // namespace telaio::nn
