// Standardising: samples brought into a common form before a model sees them, in training and afterwards alike.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <telaio/nn/data/dataset.hpp>
#include <telaio/nn/data/warp.hpp>

namespace telaio::nn {

/// Which steps to take, and what `pixels` has learnt from the training data. A model keeps it.
struct Standardization {
  bool center = false;  ///< the centre of mass comes to the middle of the image
  bool deskew = false;  ///< a shear takes out the slant that the second moments show
  bool pixels = false;  ///< (x − mean) / deviation, for each place in a sample
  Tensor mean = {};     ///< f32, the shape of a sample; undefined before fit()
  Tensor deviation = {};

  bool any() const { return center || deskew || pixels; }
};

/// From "center,deskew,pixels"; "" and "none" are nothing. Error that names the step that is unknown.
Standardization parse_standardization(std::string_view text);
/// What parse_standardization reads back; "none" for nothing.
std::string to_string(const Standardization& standardization);

/// For `pixels`: mean and deviation (divided by N) over the samples, as floats (u8 divided by 255) after the other
/// steps. Where a place never changes the deviation is 1; for images, none is taken as less than a tenth of their root
/// mean square: a border pixel that one image in thousands has touched must not become the largest input of all.
/// Without `pixels` does nothing. The same bits on any number of threads.
void fit(Standardization& standardization, const Samples& samples);

/// The warp that centres and deskews this image (as far as asked): one interpolation. An image without mass stays, and
/// slants beyond 45 degrees are taken as 45. Negative values do not count as mass.
Affine upright(const Standardization& standardization, const ImageShape& shape, const float* image);

/// The geometric steps on one image in 0…1, in place.
void make_upright(const Standardization& standardization, const ImageShape& shape, float* image,
                  std::vector<float>& scratch);

/// All steps for `count` samples in a row, in place and in parallel. Error when centring or deskewing of what is no
/// image [H,W,C] is asked, or `pixels` has not been fitted or has another shape.
void standardize(const Standardization& standardization, const Shape& sample, int64_t count, float* samples);

/// The Error of standardize(), if there is one, before any work.
void check(const Standardization& standardization, const Shape& sample);

}  // namespace telaio::nn
