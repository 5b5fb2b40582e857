// Activation maximization: the image that a unit of a network responds to most, by gradient ascent on the image (Erhan
// et al. 2009), kept smooth by penalties, jitter and small turns and zooms (Mordvintsev et al. 2015; Olah et al. 2017).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <telaio/nn/insight/image_model.hpp>
#include <telaio/nn/insight/receptive_field.hpp>

namespace telaio::nn {

/// What is to become large: of N images a number each, [N], from the network's results for them. `unit` is i64 [N]:
/// which of the units each image is for.
using Objective = std::function<Tensor(const Forward& forward, const Tensor& unit)>;

/// The channels of a layer, in the middle where it gives maps, before its activation (or after it).
Objective channels_of(const ImageModel& model, const std::string& layer, bool activated = false);
/// The classes, before the softmax or sigmoid; a single output's two are it and its negative.
Objective classes_of(const ImageModel& model);
struct MaximizeOptions {
  int64_t steps = 192;
  double rate = 0.05;  ///< of Adam, on pixels in 0…1
  /// Penalties, in relation to the strongest gradient of an image: on differences between neighbours, and on the
  /// squares of the pixels (L2).
  double total_variation = 0.05;
  double brightness = 0.02;
  /// Each step sees the images moved by up to so many pixels, degrees and that fraction.
  double jitter = 1, rotate = 5, zoom = 0.05;
  /// In this share of the steps, the last ones, nothing moves, and the penalties fade.
  double settling = 0.4;
  int64_t starts = 4;  ///< from so many random images; the best is taken
  uint64_t seed = 1;
  std::function<void(double share)> after_step = {};  ///< of the work that is done: for a progress bar
};

/// Images f32 [units,H,W,C] in 0…1, and what each reaches: NaN where the network gives nothing else.
struct Maximized {
  Array images;
  std::vector<double> values;
};

/// An image for each of the units, all as one batch where they fit some hundred megabytes; what a unit gets does not
/// depend on the others. The same on any number of threads. Error when the objective does not give a number an image.
Maximized maximize(const ImageModel& model, const Objective& objective, const std::vector<int64_t>& units,
                   const MaximizeOptions& options = {});

/// Filters of a layer.
struct FilterImages {
  std::string layer;
  std::vector<int64_t> channels;  ///< which filters; what follows is in their order
  Maximized best;
  /// Whether even that image leaves the filter at 0 behind the layer's own activation: no image was found that moves
  /// it.
  std::vector<bool> dead;
  ReceptiveField field;
  bool activated = false;  ///< whether the layer has an activation of its own: else none is known to be dead
};

/// Of those channels, or of all where there are none. Error when there is no such layer, or it is none of features [C]
/// or maps [H,W,C].
FilterImages maximize_filters(const ImageModel& model, const std::string& layer, const MaximizeOptions& options = {},
                              std::vector<int64_t> channels = {});

/// What an objective is for given images f32 [N,H,W,C], image i for unit units[i].
std::vector<double> measure(const ImageModel& model, const Objective& objective, const Array& images,
                            const std::vector<int64_t>& units);

}  // namespace telaio::nn
