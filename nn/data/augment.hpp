// Augmentation: images changed at random as they could have been taken, so that a model sees each one only once.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <telaio/nn/data/sample_random.hpp>
#include <telaio/nn/data/warp.hpp>

namespace telaio::nn {

/// How far images change. Amounts are drawn evenly from −value … value for each image.
struct Augmentation {
  double shift = 0;       ///< pixels, in both directions
  double rotate = 0;      ///< degrees, up to 180
  double zoom = 0;        ///< fraction, below 1: sizes 1−zoom … 1+zoom
  double shear = 0;       ///< degrees, up to 80
  bool flip = false;      ///< every other image is mirrored, left to right
  double noise = 0;       ///< deviation of normal noise, 0…1, added to each value
  double erase = 0;       ///< probability that a rectangle of 2–20% of the image becomes 0 (Zhong et al. 2017,
                          ///< "Random Erasing", with DeVries and Taylor's zeros)
  double brightness = 0;  ///< fraction, up to 1: values times 1−brightness … 1+brightness

  bool any() const;
};

/// From "shift=2,rotate=10,zoom=0.1,flip" (option_list.hpp); "" and "none" are no augmentation. Error that names the
/// option that is unknown, given twice, without a number or out of range.
Augmentation parse_augmentation(std::string_view text);
/// What parse_augmentation reads back, exactly; "none" for none.
std::string to_string(const Augmentation& augmentation);

/// Changes one image with values in 0…1, which they keep; `key` is that of the sample. Geometric changes are one warp
/// (Geometry's order, zeros outside), then come brightness, noise and erasing. `strength` in 0…1 scales every amount
/// and probability; 0 changes nothing. What an image draws for one option does not depend on the others.
void augment_image(const Augmentation& augmentation, RandomKey key, float strength, const ImageShape& shape,
                   float* image, std::vector<float>& scratch);

/// Changes ids.size() images in parallel, out = the changed images (which may be the same memory). Image i draws by
/// (key, ids[i]) alone, whatever else is in the batch: give each copy of a sample, and each epoch, an id or a key of
/// its own. `strength`: one number an image, or empty for 1.
void augment(const Augmentation& augmentation, RandomKey key, std::span<const int64_t> ids, const ImageShape& shape,
             const float* images, float* out, std::span<const float> strength = {});

}  // namespace telaio::nn
