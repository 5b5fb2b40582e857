// A patch over the image, and what is drawn over it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include <telaio/nn/insight/attribution.hpp>
#include <telaio/nn/insight/picture.hpp>
#include <telaio/nn/layers.hpp>
#include <telaio/telaio.hpp>

#include "../../message_of.hpp"

namespace telaio::nn {
namespace {

constexpr int64_t height = 9, width = 11;

Array filled(const Shape& shape, float value) {
  const Array array({f32, shape});
  std::fill_n(array.data<float>(), array.spec().numel(), value);
  return array;
}

/// Looks at one pixel: its logit is four times that.
Model looks_at(int64_t row, int64_t column) {
  Model model(Sequential({Flatten{}, Dense{.units = 1, .use_bias = false}, Activation{"sigmoid"}}), {height, width, 1});
  const Array weights = filled({height * width, 1}, 0);
  weights.data<float>()[row * width + column] = 4;
  model.parameters()[0].assign(constant(weights));
  return model;
}

TEST(Occlusion, IsThereOnlyAroundWhatTheModelLooksAt) {
  const Array image = filled({1, height, width, 1}, 0.75F);
  for (const auto& [row, column] : {std::pair<int64_t, int64_t>{4, 6}, {0, 0}, {8, 10}}) {
    for (const int64_t side : {1, 3}) {
      const Attribution attribution(ImageModel(looks_at(row, column)), image, {1});
      const Array map = attribution.occlusion({.patch = side, .stride = 1}).maps[0];
      for (int64_t r = 0; r < height; ++r)
        for (int64_t c = 0; c < width; ++c) {
          const bool near = std::abs(r - row) < side && std::abs(c - column) < side;
          EXPECT_EQ(map.data<float>()[r * width + c] != 0, near) << row << " " << column << ": " << r << " " << c;
        }
      // All patches over the pixel itself take away its 4 · 0.75.
      EXPECT_FLOAT_EQ(map.data<float>()[row * width + column], 3);
    }
  }
  // For the other class, and with a brighter patch, it is the other way round.
  const Attribution other(ImageModel(looks_at(4, 6)), image, {0});
  EXPECT_FLOAT_EQ(other.occlusion({.patch = 1}).maps[0].data<float>()[4 * width + 6], -3);
  EXPECT_FLOAT_EQ(other.occlusion({.patch = 1, .value = 1}).maps[0].data<float>()[4 * width + 6], 1);
}

TEST(Occlusion, NamesTheStrongestPatch) {
  const Attribution attribution(ImageModel(looks_at(4, 6)), filled({1, height, width, 1}, 0.75F), {1});
  const Occlusion::Patch patch = attribution.occlusion({.patch = 3, .stride = 3}).strongest[0];
  EXPECT_EQ(patch.row, 3);
  EXPECT_EQ(patch.column, 6);
  EXPECT_EQ(patch.side, 3);
  EXPECT_DOUBLE_EQ(patch.probability, 0.5);
  EXPECT_NEAR(attribution.probability(0, 1), 1 / (1 + std::exp(-3.0)), 1e-12);
}

TEST(Occlusion, AgainstLoops) {
  const Model model(
      Sequential({Conv2D{.filters = 5, .kernel = 3, .activation = "relu"}, Flatten{}, Dense{4}, Softmax{}}),
      {height, width, 2}, {.dtype = f64});
  const Array images({f32, {2, height, width, 2}});
  for (int64_t i = 0; i < images.spec().numel(); ++i)
    images.data<float>()[i] = static_cast<float>((i * 37 + i * i % 19) % 64) / 64;
  const std::vector<int64_t> classes{2, 0};
  const Attribution attribution(ImageModel(model), images, classes);
  for (const int64_t stride : {1, 2, 4}) {
    const Occlusion result = attribution.occlusion({.patch = 4, .stride = stride, .value = 0.25F});
    // Every stride-th place, and the last one.
    std::vector<int64_t> rows, columns;
    for (int64_t r = 0; r <= height - 4; ++r)
      if (r % stride == 0 || r == height - 4) rows.push_back(r);
    for (int64_t c = 0; c <= width - 4; ++c)
      if (c % stride == 0 || c == width - 4) columns.push_back(c);
    for (int64_t i = 0; i < 2; ++i) {
      const auto odds = [&](int64_t top, int64_t left) {
        const Array changed = slice(constant(images), 0, i, i + 1).value().contiguous();
        const Array copy({f32, changed.shape()});
        std::copy_n(changed.data<float>(), height * width * 2, copy.data<float>());
        for (int64_t r = top; r < top + 4 && top >= 0; ++r)
          for (int64_t c = left; c < left + 4; ++c)
            for (int64_t k = 0; k < 2; ++k) copy.data<float>()[(r * width + c) * 2 + k] = 0.25F;
        const double p =
            model.predict(constant(copy)).to_vector<double>()[static_cast<size_t>(classes[static_cast<size_t>(i)])];
        return std::log(p / (1 - p));
      };
      std::vector<double> sums(height * width), counts(height * width);
      double most = -1e9;
      Occlusion::Patch strongest;
      for (const int64_t top : rows)
        for (const int64_t left : columns) {
          const double fall = odds(-1, 0) - odds(top, left);
          if (fall > most) {
            most = fall;
            strongest = {top, left, 4, 0};
          }
          for (int64_t p = 0; p < height * width; ++p)
            if (p / width >= top && p / width < top + 4 && p % width >= left && p % width < left + 4) {
              sums[static_cast<size_t>(p)] += fall;
              counts[static_cast<size_t>(p)] += 1;
            }
        }
      const float* map = result.maps[static_cast<size_t>(i)].data<float>();
      for (size_t p = 0; p < sums.size(); ++p) EXPECT_NEAR(map[p], sums[p] / counts[p], 1e-6) << p << " " << stride;
      EXPECT_EQ(result.strongest[static_cast<size_t>(i)].row, strongest.row);
      EXPECT_EQ(result.strongest[static_cast<size_t>(i)].column, strongest.column);
    }
  }
}

TEST(Occlusion, DefaultsFollowTheImage) {
  const auto side_for = [](int64_t h, int64_t w) {
    const Model model(Sequential({Flatten{}, Dense{2}, Softmax{}}), {h, w, 1});
    return Attribution(ImageModel(model), filled({1, h, w, 1}, 1)).occlusion().strongest[0].side;
  };
  EXPECT_EQ(side_for(28, 28), 4);
  EXPECT_EQ(side_for(32, 64), 5);
  EXPECT_EQ(side_for(2, 3), 1);
}

TEST(Occlusion, RefusesWrongInput) {
  const Attribution attribution(ImageModel(looks_at(0, 0)), filled({1, height, width, 1}, 1));
  const auto error = [&](const OcclusionOptions& options) {
    return message_of([&] { attribution.occlusion(options); });
  };
  EXPECT_EQ(error({.patch = 10}), "occlusion: a patch of 10 pixels, expected 1 … 9");
  EXPECT_EQ(error({.patch = -1}), "occlusion: a patch of -1 pixels, expected 1 … 9");
  EXPECT_EQ(error({.patch = 3, .stride = 4}), "occlusion: a stride of 4 pixels, expected 1 … 3 (the patch)");
  EXPECT_EQ(error({.stride = -1}), "occlusion: a stride of -1 pixels, expected 1 … 1 (the patch)");
  EXPECT_EQ(error({.value = 1.5F}), "occlusion: a value of 1.5, expected 0 … 1");
  EXPECT_EQ(error({.value = std::nanf("")}), "occlusion: a value of nan, expected 0 … 1");
}

TEST(Overlay, RedAboveZeroBlueBelowAndGreyWithout) {
  const Array image({f32, {1, 4, 1}}), values({f32, {1, 4}});
  const float light[] = {0, 1, 0.5F, 0.5F}, value[] = {2, -2, 0, 1};
  std::copy_n(light, 4, image.data<float>());
  std::copy_n(value, 4, values.data<float>());
  const Image drawn = overlay(image, values, 2);
  ASSERT_EQ(drawn.channels, 3);
  ASSERT_EQ(drawn.pixels.size(), 12U);
  const auto pixel = [&](size_t i) { return drawn.pixels.data() + 3 * i; };
  EXPECT_GT(pixel(0)[0], 4 * pixel(0)[1]);
  EXPECT_GT(pixel(0)[0], 4 * pixel(0)[2]);
  EXPECT_GT(pixel(1)[2], 4 * pixel(1)[0]);
  EXPECT_EQ(pixel(2)[0], pixel(2)[1]);
  EXPECT_EQ(pixel(2)[0], pixel(2)[2]);
  // Half as strong: half of the way from the grey beside it to the red.
  for (size_t c = 0; c < 3; ++c) EXPECT_NEAR(pixel(3)[c], (pixel(0)[c] + pixel(2)[c]) / 2, 1);
  // Beyond the limit nothing changes, and what is no number has no colour.
  values.data<float>()[0] = 7;
  values.data<float>()[2] = std::nanf("");
  EXPECT_EQ(overlay(image, values, 2).pixels, drawn.pixels);
}

TEST(Overlay, FindsItsOwnLimit) {
  const Array image = filled({20, 20, 1}, 0), values = filled({20, 20}, 1);
  for (int i = 0; i < 3; ++i) values.data<float>()[i] = 100;  // fewer than one in a hundred
  const Image drawn = overlay(image, values);
  EXPECT_EQ(drawn.pixels[0], drawn.pixels[3 * 399]);
  const Array few = filled({20, 20}, 0);
  few.data<float>()[5] = 1e-3F;
  const Image one = overlay(image, few);
  EXPECT_EQ(one.pixels[15], drawn.pixels[0]);
  EXPECT_LT(one.pixels[0], 100);
  EXPECT_EQ(overlay(image, filled({20, 20}, 0)).pixels[0], one.pixels[0]);
  EXPECT_EQ(message_of([&] {
              overlay(image, filled({20, 19}, 0));
            }),
            "picture: expected f32 [H,W] of the image f32[20,20,1], got f32[20,19]");
}

}  // namespace
}  // namespace telaio::nn
