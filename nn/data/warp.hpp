// Affine warps of images: every geometric change to an image is one of these, so it is interpolated once.
#pragma once

#include <cstdint>
#include <vector>

namespace telaio::nn {

/// Of one image, channels-last.
struct ImageShape {
  int64_t height = 0;
  int64_t width = 0;
  int64_t channels = 1;

  int64_t numel() const { return height * width * channels; }
};

/// Where the pixel (x, y) of the result comes from: (xx·x + xy·y + x0, yx·x + yy·y + y0). Pixels have integer places, x
/// to the right and y downwards.
struct Affine {
  double xx = 1, xy = 0, x0 = 0;
  double yx = 0, yy = 1, y0 = 0;

  bool is_identity() const { return xx == 1 && xy == 0 && x0 == 0 && yx == 0 && yy == 1 && y0 == 0; }
};

/// What happens to an image, in this order, about its middle.
struct Geometry {
  bool flip = false;           ///< left becomes right
  double zoom = 1;             ///< above 1 the content grows
  double shear = 0;            ///< degrees that uprights lean to the right
  double rotate = 0;           ///< degrees, counter-clockwise as one sees it; exact for multiples of 90
  double right = 0, down = 0;  ///< pixels
};

/// The warp of a geometry, for images of that shape.
Affine affine(const Geometry& geometry, const ImageShape& shape);

/// y = the warped x, bilinear, with zeros outside the image; exact where all places are integers. y may be x; `scratch`
/// is resized as needed.
void warp(const Affine& map, const ImageShape& shape, const float* x, float* y, std::vector<float>& scratch);

}  // namespace telaio::nn
