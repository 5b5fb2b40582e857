// The shapes of handwritten digits: the ways in which people write each one.
#pragma once

#include <span>
#include <vector>

namespace telaio::nn {

/// A place in a box of width and height 1, y downwards. Strokes run smoothly through their points, but turn sharply at
/// a corner.
struct GlyphPoint {
  double x, y;
  bool corner = false;
};
using GlyphStroke = std::vector<GlyphPoint>;

/// One way of writing a digit, and how common it is among the ways of that digit.
struct Glyph {
  double weight;
  std::vector<GlyphStroke> strokes;
};

/// The ways of writing 0 … 9; their weights add up to 1.
std::span<const Glyph> glyphs_of(int digit);

}  // namespace telaio::nn
