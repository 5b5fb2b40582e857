#include <telaio/nn/data/digits.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include <fmt/format.h>

#include <telaio/autograd/runtime/parallel.hpp>
#include <telaio/nn/data/digit_glyphs.hpp>
#include <telaio/nn/data/digit_pen.hpp>
#include <telaio/ops/kernels/random.hpp>

namespace telaio::nn {

namespace {

constexpr int64_t side = 28, pixels = side * side;
constexpr double pi = std::numbers::pi;

const Glyph& choose(std::span<const Glyph> glyphs, double at) {
  for (const Glyph& glyph : glyphs)
    if ((at -= glyph.weight) < 0) return glyph;
  return glyphs.back();
}

struct Point {
  double x, y;
};

/// How one digit differs from its glyph: first in the glyph's box, about its middle, then on the canvas.
class Hand {
 public:
  Hand(const DigitStyle& style, Draws& draws) {
    waist_x_ = style.waist * draws.bell();
    waist_y_ = style.waist * draws.bell();
    bend_x_ = style.bend * draws.bell();
    bend_y_ = style.bend * draws.bell();
    phase_x_ = draws.between(0, 2 * pi);
    phase_y_ = draws.between(0, 2 * pi);
    const double height = draws.between(style.smallest, style.largest);
    const double width = height * draws.between(style.narrowest, style.widest);
    // Most people's digits lean to the right.
    const double slant = style.slant * (draws.bell() + 0.5), turn = style.rotate * draws.bell() * pi / 180;
    // x to the right and y downwards, so that a slant to the right moves what lies low (y > 0) to the left.
    const double sin = std::sin(turn), cos = std::cos(turn);
    xx_ = cos * width;
    xy_ = (-slant * cos + sin) * height;
    yx_ = -sin * width;
    yy_ = (cos + slant * sin) * height;
  }

  /// From the unit box to pixels around 0.
  Point place(double x, double y) const {
    // Parabolas that keep the ends of the box and move its middle.
    x += waist_x_ * x * (1 - x);
    y += waist_y_ * y * (1 - y);
    const double u = x - 0.5 + bend_x_ * std::sin(pi * 1.5 * y + phase_x_);
    const double v = y - 0.5 + bend_y_ * std::sin(pi * 1.5 * x + phase_y_);
    return {xx_ * u + xy_ * v, yx_ * u + yy_ * v};
  }

 private:
  double waist_x_, waist_y_, bend_x_, bend_y_, phase_x_, phase_y_;
  double xx_, xy_, yx_, yy_;
};

using Strokes = std::vector<std::vector<PenPoint>>;

/// The smallest box around all points, and the largest radius.
struct Bounds {
  double left = std::numeric_limits<double>::max(), right = -left, top = left, bottom = -left, radius = 0;

  explicit Bounds(const Strokes& strokes) {
    for (const auto& stroke : strokes)
      for (const PenPoint& p : stroke) {
        left = std::min(left, p.x);
        right = std::max(right, p.x);
        top = std::min(top, p.y);
        bottom = std::max(bottom, p.y);
        radius = std::max(radius, p.radius);
      }
  }
};

/// The shift that brings [low, high] to the middle of the canvas plus `wish`, but keeps it `margin` inside.
double shift_inside(double low, double high, double wish, double margin) {
  const double middle = static_cast<double>(side - 1) / 2, room = middle - margin - (high - low) / 2;
  return middle - (low + high) / 2 + std::clamp(wish, std::min(-room, 0.0), std::max(room, 0.0));
}

Strokes write(const Glyph& glyph, const DigitStyle& style, Draws& draws) {
  const Hand hand(style, draws);
  const double radius = draws.between(style.thinnest, style.thickest);
  Strokes strokes;
  for (const GlyphStroke& stroke : glyph.strokes) {
    std::vector<PenPoint> points;
    for (const GlyphPoint& point : stroke) {
      const double x = point.x + style.wobble * draws.bell(), y = point.y + style.wobble * draws.bell();
      const Point place = hand.place(x, y);
      const double pressure = std::max(0.4, 1 + style.pressure * draws.bell());
      points.push_back({place.x, place.y, radius * pressure, point.corner});
    }
    strokes.push_back(smooth(points, 5));
  }

  Bounds bounds(strokes);
  const double wish_x = style.place * draws.bell(), wish_y = style.place * draws.bell();
  // What is too large for the canvas becomes as large as the canvas.
  const double room = static_cast<double>(side - 1) - 2 * bounds.radius;
  const double extent = std::max(bounds.right - bounds.left, bounds.bottom - bounds.top);
  const double scale = std::min(1.0, room / extent);
  const double x = shift_inside(scale * bounds.left, scale * bounds.right, wish_x, bounds.radius);
  const double y = shift_inside(scale * bounds.top, scale * bounds.bottom, wish_y, bounds.radius);
  for (auto& stroke : strokes)
    for (PenPoint& point : stroke) {
      point.x = scale * point.x + x;
      point.y = scale * point.y + y;
    }
  return strokes;
}

/// Draws one sample and returns its label.
int64_t draw_digit(RandomKey key, const DigitStyle& style, uint8_t* image) {
  Draws draws(key);
  const int64_t digit = draws.below(10);
  const Glyph& glyph = choose(glyphs_of(static_cast<int>(digit)), draws.unit());
  std::array<float, pixels> canvas{};
  const Strokes strokes = write(glyph, style, draws);
  const double edge = draws.between(0.9, 1.8);
  for (const auto& stroke : strokes) draw_stroke(stroke, edge, side, side, canvas.data());

  const auto ink = static_cast<float>(255 * draws.between(style.faintest, 1));
  const auto deviation = static_cast<float>(255 * style.noise * draws.unit());
  std::array<float, pixels> noise;
  kernels::normal(RandomKey{key.seed, key.stream + 1}, 0, pixels, noise.data());
  for (size_t p = 0; p < canvas.size(); ++p)
    image[p] = static_cast<uint8_t>(std::clamp(ink * canvas[p] + deviation * noise[p], 0.0f, 255.0f) + 0.5f);
  return digit;
}

}  // namespace

Samples draw_digits(RandomKey key, int64_t first, int64_t count, const DigitStyle& style) {
  const Array images({u8, {count, side, side, 1}}), labels({i64, {count}});
  parallel_for(count, 16, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      labels.data<int64_t>()[i] = draw_digit(sample_key(key, first + i), style, images.data<uint8_t>() + i * pixels);
  });
  return {constant(images), constant(labels), numbered_classes(10)};
}

Dataset make_digits(const DigitsOptions& options) {
  if (options.train < 1 || options.test < 0)
    throw Error(
        fmt::format("digits: expected at least one training image and no negative number of test images, got "
                    "{} and {}",
                    options.train, options.test));
  const auto part = [&](RandomPurpose purpose, int64_t count) {
    return draw_digits(data_key(options.seed, purpose), 0, count, options.style);
  };
  return {part(RandomPurpose::digits_train, options.train), part(RandomPurpose::digits_test, options.test), "digits"};
}

}  // namespace telaio::nn
