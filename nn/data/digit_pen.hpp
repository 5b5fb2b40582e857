// A pen: smooth strokes, drawn with soft edges.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace telaio::nn {

/// A place on a canvas in pixels (pixel centres are whole numbers), and half the stroke's width there. Sharp strokes
/// run straight to and from a corner.
struct PenPoint {
  double x, y, radius;
  bool corner = false;
};

/// The Catmull-Rom curve through the points, cut into `pieces` straight pieces between two points; it is interrupted at
/// corners. Radii follow linearly.
std::vector<PenPoint> smooth(std::span<const PenPoint> points, int pieces);

/// Draws straight pieces between the points: a pixel whose centre has distance d to a piece of radius r gets the ink
/// 1/2 + (r − d)/edge, within 0…1, or keeps what it has where that is more. `edge` is the width of the soft edge.
void draw_stroke(std::span<const PenPoint> points, double edge, int64_t height, int64_t width, float* canvas);

}  // namespace telaio::nn
