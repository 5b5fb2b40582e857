#include <telaio/nn/data/digits.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <telaio/nn/data/batches.hpp>
#include <telaio/nn/data/digit_glyphs.hpp>
#include <telaio/nn/data/digit_pen.hpp>
#include <telaio/nn/data/idx.hpp>
#include <telaio/telaio.hpp>

#include "../../ops/kernels/kernel_test.hpp"
#include "../temp_dir.hpp"

namespace telaio::nn {
namespace {

using testing::FloatNear;
using testing::HasSubstr;

TEST(DigitPen, CurvesGoThroughTheirPoints) {
  const std::vector<PenPoint> points{{0, 0, 1}, {4, 2, 2}, {8, 2, 1}, {9, 9, 1}};
  const std::vector<PenPoint> curve = smooth(points, 4);
  ASSERT_EQ(curve.size(), 13u);
  for (size_t i = 0; i < points.size(); ++i) {
    EXPECT_NEAR(curve[4 * i].x, points[i].x, 1e-12);
    EXPECT_NEAR(curve[4 * i].y, points[i].y, 1e-12);
    EXPECT_EQ(curve[4 * i].radius, points[i].radius);
  }
  EXPECT_EQ(curve[2].radius, 1.5);
  EXPECT_EQ(smooth(std::span(points).first(1), 4).size(), 1u);
  EXPECT_TRUE(smooth({}, 4).empty());
}

TEST(DigitPen, CornersAreSharp) {
  // To and from a corner between straight parts the curve is straight.
  const std::vector<PenPoint> points{{0, 0, 1}, {4, 0, 1, true}, {4, 4, 1}};
  for (const PenPoint& point : smooth(points, 8))
    EXPECT_TRUE(point.y == 0 || point.x == 4) << point.x << " " << point.y;
  std::vector<PenPoint> round = points;
  round[1].corner = false;
  bool bent = false;
  for (const PenPoint& point : smooth(round, 8)) bent = bent || (point.y != 0 && point.x != 4);
  EXPECT_TRUE(bent);
}

TEST(DigitPen, InkFallsOffAtTheEdge) {
  std::vector<float> canvas(5 * 7, 0.0f);
  const std::vector<PenPoint> line{{1, 2, 0.75}, {5, 2, 0.75}};
  draw_stroke(line, 1, 5, 7, canvas.data());
  const auto at = [&](int row, int column) { return canvas[static_cast<size_t>(row * 7 + column)]; };
  for (int column = 1; column <= 5; ++column) {
    EXPECT_EQ(at(2, column), 1);
    EXPECT_FLOAT_EQ(at(1, column), 0.25f);
    EXPECT_FLOAT_EQ(at(3, column), 0.25f);
    EXPECT_EQ(at(0, column), 0);
  }
  EXPECT_FLOAT_EQ(at(2, 0), 0.25f);
  EXPECT_FLOAT_EQ(at(2, 6), 0.25f);
  EXPECT_EQ(at(1, 0), 0);  // √2 away
  // A fainter stroke over it changes nothing, and what is outside is not drawn.
  const std::vector<float> before = canvas;
  draw_stroke(std::vector<PenPoint>{{1, 2, 0.2}, {5, 2, 0.2}}, 1, 5, 7, canvas.data());
  draw_stroke(std::vector<PenPoint>{{-50, -50, 3}, {50, -50, 3}}, 1, 5, 7, canvas.data());
  EXPECT_EQ(canvas, before);
  // A dot.
  std::vector<float> dot(9, 0.0f);
  draw_stroke(std::vector<PenPoint>{{1, 1, 0.5}}, 1, 3, 3, dot.data());
  EXPECT_EQ(dot, (std::vector<float>{0, 0, 0, 0, 1, 0, 0, 0, 0}));
}

TEST(DigitGlyphs, AreInTheirBoxes) {
  for (int digit = 0; digit < 10; ++digit) {
    double weight = 0;
    for (const Glyph& glyph : glyphs_of(digit)) {
      weight += glyph.weight;
      ASSERT_FALSE(glyph.strokes.empty());
      for (const GlyphStroke& stroke : glyph.strokes) {
        EXPECT_GE(stroke.size(), 2u);
        for (const GlyphPoint& point : stroke) {
          EXPECT_GE(point.x, 0);
          EXPECT_LE(point.x, 1);
          EXPECT_GE(point.y, 0);
          EXPECT_LE(point.y, 1);
        }
      }
    }
    EXPECT_NEAR(weight, 1, 1e-12) << digit;
  }
}

const RandomKey key = data_key(1, RandomPurpose::digits_train);

bool same(const Samples& a, const Samples& b) {
  return a.inputs.to_vector<uint8_t>() == b.inputs.to_vector<uint8_t>() && label_values(a) == label_values(b);
}

TEST(Digits, ShapesAndClasses) {
  const Dataset data = make_digits({.train = 500, .test = 100});
  check(data);
  EXPECT_EQ(to_string(data.train.inputs.spec()), "u8[500,28,28,1]");
  EXPECT_EQ(to_string(data.test.inputs.spec()), "u8[100,28,28,1]");
  EXPECT_EQ(data.train.class_names, numbered_classes(10));
  EXPECT_TRUE(make_digits({.train = 1, .test = 0}).test.empty());
  EXPECT_THAT(message_of([] { make_digits({.train = 0}); }), HasSubstr("digits: expected at least one training image"));
  EXPECT_THAT(message_of([] { make_digits({.train = 1, .test = -1}); }), HasSubstr("got 1 and -1"));
}

TEST(Digits, ADigitIsAFunctionOfSeedAndNumber) {
  const Samples all = draw_digits(key, 0, 300);
  EXPECT_TRUE(same(draw_digits(key, 0, 300), all));
  EXPECT_TRUE(same(draw_digits(key, 117, 60), take(all, 117, 60)));
  for (const int threads : {1, 2, 8})
    kernels::with_threads(threads, [&] { EXPECT_TRUE(same(draw_digits(key, 0, 300), all)); });
  const Dataset data = make_digits({.train = 300, .test = 300, .seed = 1});
  EXPECT_TRUE(same(data.train, all));
  EXPECT_FALSE(same(data.test, all)) << "the parts are different images";
  EXPECT_FALSE(same(make_digits({.train = 300, .test = 0, .seed = 2}).train, all));
}

TEST(Digits, NoTwoAreTheSameAndAllOfADigitIsInside) {
  const int64_t count = 2000;
  const Samples samples = draw_digits(key, 0, count, {.noise = 0});
  std::vector<std::string> images;
  const std::vector<uint8_t> pixels = samples.inputs.to_vector<uint8_t>();
  for (int64_t i = 0; i < count; ++i) images.emplace_back(pixels.begin() + i * 784, pixels.begin() + (i + 1) * 784);
  for (const auto& image : images) {
    int ink = 0;
    for (const char pixel : image) ink += static_cast<unsigned char>(pixel);
    EXPECT_GT(ink, 10 * 255) << "something is drawn";
    EXPECT_LT(ink, 350 * 255);
    const auto at = [&image = image](size_t p) { return static_cast<int>(static_cast<unsigned char>(image[p])); };
    // Ink at the border is no more than a stroke's soft edge touching it.
    for (size_t p = 0; p < 28; ++p) {
      EXPECT_LE(at(p), 200);
      EXPECT_LE(at(27 * 28 + p), 200);
      EXPECT_LE(at(p * 28), 200);
      EXPECT_LE(at(p * 28 + 27), 200);
    }
  }
  std::sort(images.begin(), images.end());
  EXPECT_EQ(std::adjacent_find(images.begin(), images.end()), images.end());
}

TEST(Digits, ClassesAreEven) {
  for (const int64_t count : count_per_class(draw_digits(key, 0, 10'000)))
    EXPECT_NEAR(static_cast<double>(count), 1000, 150);  // five deviations
}

TEST(Digits, StyleIsAdjustable) {
  const auto ink = [](const DigitStyle& style) {
    double sum = 0;
    for (const double pixel : draw_digits(key, 0, 200, style).inputs.to_vector<double>()) sum += pixel;
    return sum;
  };
  const DigitStyle plain{.noise = 0};
  EXPECT_LT(ink({.thinnest = 0.7, .thickest = 0.8, .noise = 0}), 0.8 * ink(plain));
  EXPECT_GT(ink({.faintest = 1, .noise = 0}), 1.05 * ink(plain));
  EXPECT_GT(ink({.noise = 0.3}), 1.2 * ink(plain));
  EXPECT_LT(ink({.smallest = 8, .largest = 9, .noise = 0}), 0.7 * ink(plain));
  // Without variation there are only the ways of writing: far fewer pictures than samples.
  const DigitStyle uniform{.slant = 0,
                           .rotate = 0,
                           .smallest = 20,
                           .largest = 20,
                           .narrowest = 0.8,
                           .widest = 0.8,
                           .place = 0,
                           .wobble = 0,
                           .bend = 0,
                           .waist = 0,
                           .thinnest = 1.3,
                           .thickest = 1.3,
                           .pressure = 0,
                           .faintest = 1,
                           .noise = 0};
  const Samples samples = draw_digits(key, 0, 400, uniform);
  // Only the softness of the edge is left: the middle of the strokes is the same.
  const std::vector<uint8_t> pixels = samples.inputs.to_vector<uint8_t>();
  std::vector<std::vector<bool>> pictures;
  for (int64_t i = 0; i < 400; ++i) {
    std::vector<bool> dark;
    for (int64_t p = 0; p < 784; ++p) dark.push_back(pixels[static_cast<size_t>(i * 784 + p)] >= 128);
    pictures.push_back(dark);
  }
  std::sort(pictures.begin(), pictures.end());
  pictures.erase(std::unique(pictures.begin(), pictures.end()), pictures.end());
  size_t ways = 0;
  for (int digit = 0; digit < 10; ++digit) ways += glyphs_of(digit).size();
  EXPECT_LE(pictures.size(), ways);
  EXPECT_GE(pictures.size(), ways - 3);
}

TEST(Digits, WriteAndReadAsIdx) {
  const TempDir dir;
  const Dataset data = make_digits({.train = 50, .test = 20});
  write_idx_dataset(dir.path(), data);
  const Dataset read = load_dataset(dir.path());
  EXPECT_TRUE(same(read.train, data.train));
  EXPECT_TRUE(same(read.test, data.test));
}

/// Softmax regression by gradient descent with momentum; gives the accuracy on the test part.
double linear_accuracy(const Dataset& data, int epochs) {
  Variable w("w", zeros({784, 10})), b("b", zeros({10})), speed_w("speed_w", zeros({784, 10})),
      speed_b("speed_b", zeros({10}));
  const auto step = compile([&](const Tensor& x, const Tensor& labels) {
    const Tensor weight = w, bias = b;
    const Tensor loss = cross_entropy(matmul(reshape(x, {-1, 784}), weight) + bias, labels);
    const auto gradients = grad(loss, {weight, bias});
    const Tensor next_w = speed_w * 0.9 - gradients[0] * 0.05, next_b = speed_b * 0.9 - gradients[1] * 0.05;
    assign({{speed_w, next_w}, {speed_b, next_b}, {w, weight + next_w}, {b, bias + next_b}});
    return loss;
  });
  const BatchMaker train(data.train), test(data.test);
  for (int epoch = 0; epoch < epochs; ++epoch) {
    const std::vector<int64_t> order = shuffled_order(data.train.size(), 1, epoch);
    for (const auto rows : cut_batches(order, 100)) {
      const auto [x, labels] = train.assemble({.rows = rows});
      step(x, labels).eval();
    }
  }
  const auto [x, labels] = test.assemble({.rows = plain_order(data.test.size())});
  const std::vector<int64_t> best = argmax(matmul(reshape(x, {-1, 784}), w) + b, 1).to_vector<int64_t>();
  const std::vector<int64_t> expected = label_values(data.test);
  double right = 0;
  for (size_t i = 0; i < best.size(); ++i) right += best[i] == expected[i];
  return right / static_cast<double>(best.size());
}

TEST(Digits, ALinearModelIsNotEnough) {
  const double accuracy = linear_accuracy(make_digits({.train = 20'000, .test = 4000}), 5);
  EXPECT_LT(accuracy, 0.9) << "well below 95%, the promise";
  EXPECT_GT(accuracy, 0.6) << "but much is to be learnt";
}

}  // namespace
}  // namespace telaio::nn
