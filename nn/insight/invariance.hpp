// How much of its accuracy a model keeps when what is in the images moves, turns or changes its size.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <telaio/nn/data/dataset.hpp>
#include <telaio/nn/data/standardize.hpp>
#include <telaio/nn/data/warp.hpp>
#include <telaio/nn/model.hpp>

namespace telaio::nn {

/// Writes an image with values in 0…1, changed by `amount`, to `out`, which is other memory. Called for many images at
/// a time, on several threads.
using Transformation = std::function<void(double amount, const ImageShape& shape, const float* image, float* out)>;

/// By how much images are changed, and in which way.
struct InvarianceTest {
  std::string name;             ///< "rotation"
  std::string unit;             ///< of the amounts: "degrees"
  std::vector<double> amounts;  ///< one for each point of the curve
  Transformation transform;
};

/// Four tests, 40 points in all, each with the unchanged images among them: shifts to the right and down by up to about
/// two sevenths of the image (8 of 28 pixels, in steps of 2, both ways; steps are whole pixels), rotations by up to 75
/// degrees, and sizes from half to one and a half. What comes in from outside is 0.
std::vector<InvarianceTest> standard_invariance_tests(const ImageShape& shape);

struct InvariancePoint {
  double amount = 0;
  double accuracy = 0;
  std::vector<double> class_accuracy;  ///< of each class the share that is recognised; 0 where it does not occur
};
struct InvarianceCurve {
  std::string name, unit;
  std::vector<InvariancePoint> points;  ///< in the order of the amounts
};

struct InvarianceOptions {
  Standardization standardization = {};
  int64_t batch_size = 256;
  std::function<void()> after_point = {};  ///< for a progress bar
};

/// Measures a classifier on all samples, which are images, changed by each amount. The same on any number of threads.
/// Error when they are no images (u8 or f32 in 0…1, [N,H,W,C]), do not fit the model, or there are none; or when the
/// model does not classify, or the test has no amounts.
InvarianceCurve measure_invariance(const Model& model, const Samples& samples, const InvarianceTest& test,
                                   const InvarianceOptions& options = {});

}  // namespace telaio::nn
