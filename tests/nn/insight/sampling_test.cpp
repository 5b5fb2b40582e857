// Warps as ops against warp(), and their derivative.
#include <telaio/nn/insight/sampling.hpp>

#include <gtest/gtest.h>

#include <telaio/autograd/gradcheck.hpp>
#include <telaio/telaio.hpp>

namespace telaio::nn {
namespace {

constexpr Geometry geometries[] = {
    {},
    {.right = 2, .down = -1},
    {.right = 0.25, .down = 1.5},
    {.rotate = 90},
    {.zoom = 1.3, .rotate = -17},
    {.flip = true, .zoom = 0.6, .shear = 20, .rotate = 40, .right = -1.2, .down = 0.4},
    {.right = 30},
};

TEST(Sampling, IsWhatWarpDoes) {
  for (const ImageShape shape : {ImageShape{7, 9, 1}, ImageShape{6, 6, 3}, ImageShape{1, 5, 2}}) {
    const Tensor images = uniform({2, shape.height, shape.width, shape.channels}, random_key(1, 2)).eval();
    const Array from = images.value().contiguous();
    for (const Geometry& geometry : geometries) {
      const Affine map = affine(geometry, shape);
      const std::vector<float> got = sampled(images, sampling(map, shape)).to_vector<float>();
      std::vector<float> expected(got.size()), scratch;
      for (int64_t i = 0; i < 2; ++i)
        warp(map, shape, from.data<float>() + i * shape.numel(), expected.data() + i * shape.numel(), scratch);
      for (size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 1e-5) << i;
    }
  }
}

TEST(Sampling, HasADerivative) {
  const ImageShape shape{4, 5, 2};
  const Sampling turned = sampling(affine({.zoom = 0.9, .rotate = 25, .right = 0.3}, shape), shape);
  const Tensor x = uniform({2, 4, 5, 2}, random_key(3, 4), 0, 1, f64).eval();
  const GradcheckReport report = gradcheck([&](const Tensor& in) { return sum(square(sampled(in, turned))); }, {x});
  EXPECT_TRUE(report.passed);
  EXPECT_EQ(report.compared, 80);
}

}  // namespace
}  // namespace telaio::nn
