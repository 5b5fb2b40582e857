#include <telaio/nn/data/digit_pen.hpp>

#include <algorithm>
#include <cmath>

namespace telaio::nn {

namespace {

/// A coordinate of the Catmull-Rom curve between b and c, 0 ≤ t ≤ 1.
double curve(double a, double b, double c, double d, double t) {
  return b + 0.5 * t * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)));
}

/// The neighbour of `end` beyond a stroke's end or a corner: as if the stroke went on as it came.
PenPoint beyond(const PenPoint& end, const PenPoint& before) {
  return {2 * end.x - before.x, 2 * end.y - before.y, end.radius};
}

void draw_piece(const PenPoint& from, const PenPoint& to, double edge, int64_t height, int64_t width, float* canvas) {
  const double reach = std::max(from.radius, to.radius) + edge / 2;
  const auto first = [&](double a, double b) {
    return std::max<int64_t>(0, static_cast<int64_t>(std::ceil(std::min(a, b) - reach)));
  };
  const auto last = [&](double a, double b, int64_t size) {
    return std::min(size - 1, static_cast<int64_t>(std::floor(std::max(a, b) + reach)));
  };
  const double dx = to.x - from.x, dy = to.y - from.y, squared = dx * dx + dy * dy;
  const double along = squared > 0 ? 1 / squared : 0;
  const int64_t right = last(from.x, to.x, width), bottom = last(from.y, to.y, height);
  for (int64_t row = first(from.y, to.y); row <= bottom; ++row)
    for (int64_t column = first(from.x, to.x); column <= right; ++column) {
      const double px = static_cast<double>(column) - from.x, py = static_cast<double>(row) - from.y;
      const double t = std::clamp((px * dx + py * dy) * along, 0.0, 1.0);
      const double ex = px - t * dx, ey = py - t * dy;
      const double radius = from.radius + t * (to.radius - from.radius);
      const double ink = 0.5 + (radius - std::sqrt(ex * ex + ey * ey)) / edge;
      float& pixel = canvas[row * width + column];
      pixel = std::max(pixel, static_cast<float>(std::min(ink, 1.0)));
    }
}

}  // namespace

std::vector<PenPoint> smooth(std::span<const PenPoint> points, int pieces) {
  std::vector<PenPoint> out;
  if (points.empty()) return out;
  out.push_back(points[0]);
  for (size_t i = 0; i + 1 < points.size(); ++i) {
    const PenPoint &b = points[i], &c = points[i + 1];
    const PenPoint a = i == 0 || b.corner ? beyond(b, c) : points[i - 1];
    const PenPoint d = i + 2 == points.size() || c.corner ? beyond(c, b) : points[i + 2];
    for (int k = 1; k <= pieces; ++k) {
      const double t = static_cast<double>(k) / pieces;
      out.push_back({curve(a.x, b.x, c.x, d.x, t), curve(a.y, b.y, c.y, d.y, t), b.radius + t * (c.radius - b.radius)});
    }
  }
  return out;
}

void draw_stroke(std::span<const PenPoint> points, double edge, int64_t height, int64_t width, float* canvas) {
  if (points.size() == 1) draw_piece(points[0], points[0], edge, height, width, canvas);
  for (size_t i = 0; i + 1 < points.size(); ++i) draw_piece(points[i], points[i + 1], edge, height, width, canvas);
}

}  // namespace telaio::nn
