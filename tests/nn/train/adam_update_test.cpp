#include <telaio/nn/train/adam_update.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include <telaio/autograd/compile.hpp>
#include <telaio/autograd/gradcheck.hpp>
#include <telaio/ops/ops.hpp>

#include "../../ops/kernels/for_each_simd_target.hpp"

using namespace telaio;
using namespace telaio::nn;

namespace {

constexpr AdamConstants constants{0.9, 0.999, 1e-7};

AdamInputs inputs(const Shape& shape, DType dtype, uint64_t seed) {
  const auto values = [&](uint64_t key, double low, double high) {
    return uniform(shape, random_key(static_cast<int64_t>(seed), static_cast<int64_t>(key)), low, high, dtype).eval();
  };
  return {values(1, -1, 1), values(2, -1, 1), values(3, -1, 1), values(4, 0, 0.1), Tensor(0.003), Tensor(7.5)};
}

std::string bytes_of(const std::vector<Tensor>& tensors) {
  std::string bytes;
  for (const Tensor& tensor : tensors) {
    const Array value = tensor.value().contiguous();
    bytes.append(reinterpret_cast<const char*>(value.bytes()), static_cast<size_t>(value.spec().bytes()));
  }
  return bytes;
}

}  // namespace

TEST(AdamUpdate, AgreesWithItsCompositionToTheBit) {
  kernels::for_each_simd_target([] {
    for (const DType dtype : {f32, f64}) {
      for (const int64_t n : {0, 1, 7, 8, 15, 16, 17, 33, 1000, 150'001}) {
        const AdamInputs in = inputs({n}, dtype, 1);
        EXPECT_EQ(bytes_of(adam_update(in, constants)), bytes_of(adam_composition(in, constants)))
            << name_of(dtype) << " " << n;
      }
    }
  });
}

// Square roots are estimated and improved where that is exact; v has every size, and g is 0 so that it stays so.
TEST(AdamUpdate, HasTheBitsOfItsCompositionForEverySizeOfV) {
  constexpr int64_t n = 1 << 16;
  AdamInputs in = inputs({n}, f32, 6);
  in.g = zeros({n}).eval();
  const auto with_v = [&](double low, double high, bool zeros_between) {
    const Tensor exponent = floor(uniform({n}, random_key(7, 1), low, high, f64));
    Tensor v = uniform({n}, random_key(7, 2), 1, 2, f64) * pow(2.0, exponent);
    if (zeros_between) v = where(uniform({n}, random_key(7, 3)) < 0.3, 0, v);
    in.v = cast(v, f32).eval();
    // Beside an ε the last bit of a small root does not count.
    constexpr AdamConstants without{0.9, 0.999, 0};
    return bytes_of(adam_update(in, constants)) == bytes_of(adam_composition(in, constants)) &&
           bytes_of(adam_update(in, without)) == bytes_of(adam_composition(in, without));
  };
  kernels::for_each_simd_target([&] {
    EXPECT_TRUE(with_v(-70, 120, false));
    EXPECT_TRUE(with_v(-70, 120, true));
    EXPECT_TRUE(with_v(-82, -74, true));
    EXPECT_TRUE(with_v(-126, 128, true));
    EXPECT_TRUE(with_v(-149, -120, false));
    EXPECT_TRUE(with_v(-1, 1, false));
  });
}

TEST(AdamUpdate, SpecialValuesGoWhereTheFormulaSendsThem) {
  const double inf = std::numeric_limits<double>::infinity(), nan = std::numeric_limits<double>::quiet_NaN();
  const double largest = std::numeric_limits<double>::max();
  kernels::for_each_simd_target([&] {
    AdamInputs in = inputs({20}, f64, 2);
    const Tensor special = tensor({0.0, -0.0, inf, -inf, nan, largest, -largest, 1e-300, 1.0, -1.0,
                                   0.0, 0.0,  0.0, 0.0,  0.0, 0.0,     0.0,      0.0,    0.0, 0.0});
    for (Tensor* each : {&in.w, &in.g, &in.m, &in.v}) {
      AdamInputs changed = in;
      (each == &in.w ? changed.w : each == &in.g ? changed.g : each == &in.m ? changed.m : changed.v) = special;
      const auto fused = adam_update(changed, constants), composed = adam_composition(changed, constants);
      for (size_t k = 0; k < 3; ++k) {
        for (int64_t i = 0; i < 20; ++i) {
          const double a = fused[k].value().data<double>()[i], b = composed[k].value().data<double>()[i];
          EXPECT_TRUE(a == b || (std::isnan(a) && std::isnan(b))) << k << " " << i << ": " << a << " and " << b;
        }
      }
    }
  });
}

TEST(AdamUpdate, FollowsTheFormulaInDoublePrecision) {
  const AdamInputs in = inputs({5}, f64, 3);
  const auto y = adam_update(in, constants);
  for (int64_t i = 0; i < 5; ++i) {
    const auto at = [&](const Tensor& x) { return x.value().data<double>()[i]; };
    const double m = 0.9 * at(in.m) + 0.1 * at(in.g), v = 0.999 * at(in.v) + 0.001 * at(in.g) * at(in.g);
    EXPECT_NEAR(at(y[1]), m, 1e-15);
    EXPECT_NEAR(at(y[2]), v, 1e-15);
    EXPECT_NEAR(at(y[0]), at(in.w) - 0.003 * m / (7.5 * std::sqrt(v) + 1e-7), 1e-14);
  }
}

TEST(AdamUpdate, HasTheDerivativesOfItsComposition) {
  const AdamInputs in = inputs({6}, f64, 4);
  const auto f = [](const std::vector<Tensor>& x) {
    return adam_update({x[0], x[1], x[2], x[3], x[4], x[5]}, constants);
  };
  const std::vector<Tensor> x{in.w, in.g, in.m, in.v, in.size, in.spread};
  EXPECT_TRUE(gradcheck(f, x));
  EXPECT_TRUE(gradgradcheck(f, x));
}

TEST(AdamUpdate, WhatDoesNotFitIsNamed) {
  AdamInputs in = inputs({4}, f32, 5);
  in.g = zeros({5});
  try {
    adam_update(in, constants);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("adam: the gradient and the moments must have the parameter's shape"));
    EXPECT_THAT(error.what(), testing::HasSubstr("g f32[5]"));
  }
}
