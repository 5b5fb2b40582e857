// The built-in data set: 28×28 grey digits, written by a pen with a shaky hand. It needs no files and no network, and
// is the same on every machine (but for rounding in the last bit).
#pragma once

#include <cstdint>

#include <telaio/nn/data/dataset.hpp>
#include <telaio/nn/data/sample_random.hpp>

namespace telaio::nn {

/// How much hands differ. Raising any of the deviations makes the set harder. With the defaults a linear classifier
/// gets about 77% of the test images right, two dense layers of 512 98.3%, and a net of two convolutions 99%: like
/// MNIST, but the digits do not stand in the middle, which the linear one (92% there) cannot make up for.
struct DigitStyle {
  double slant = 0.22;                     ///< deviation of the tangent of the slant
  double rotate = 7.5;                     ///< deviation in degrees
  double smallest = 15.5, largest = 20.5;  ///< heights in pixels
  double narrowest = 0.6, widest = 1.05;   ///< width of the box over its height
  double place = 1.4;     ///< deviation of the middle in pixels; all of the digit stays inside the image
  double wobble = 0.034;  ///< deviation of the points of a stroke, over the height
  double bend = 0.065;    ///< deviation of the waves that bend the whole digit, over the height
  double waist = 0.2;     ///< deviation of the sizes of upper and lower, left and right half
  double thinnest = 0.7, thickest = 1.9;  ///< half the stroke's width in pixels
  double pressure = 0.15;                 ///< deviation of the width along a stroke, over the width
  double faintest = 0.65;                 ///< ink of the faintest digit; the darkest has 1
  double noise = 0.07;                    ///< largest deviation of the noise of an image
};

struct DigitsOptions {
  int64_t train = 60'000;
  int64_t test = 10'000;
  uint64_t seed = 1;
  DigitStyle style = {};
};

/// Training and test part, made in parallel. Digit i of a part is a function of the seed, the part and i, however many
/// are made: a smaller set is the beginning of a larger one. Error when `train` is not positive or `test` is negative.
Dataset make_digits(const DigitsOptions& options = {});

/// Samples first … first+count−1 of the key's sequence: images u8 [count,28,28,1], white on black, and their labels.
Samples draw_digits(RandomKey key, int64_t first, int64_t count, const DigitStyle& style = {});

}  // namespace telaio::nn
