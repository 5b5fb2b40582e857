// What layers give for images, and for which images most.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <telaio/nn/insight/image_model.hpp>

namespace telaio::nn {

/// What a layer gave for one image: [H,W,C], [C] or whatever it gives.
struct LayerOutput {
  std::string path, type;
  Array values;
};
/// Of all layers that have no layers in them, for an image f32 [H,W,C] in 0…1. Error when it has another shape.
std::vector<LayerOutput> layer_outputs(const ImageModel& model, const Array& image);

/// How strongly a channel of a layer responds to an image, before its activation, and where.
struct Response {
  int64_t image = 0;
  int64_t row = 0, column = 0;  ///< of the layer's maps
  double value = 0;
};
/// For each channel the `count` images f32 [N,H,W,C] that it responds to most, each at its strongest place; the
/// strongest first, of equal ones the earlier. Error when there is no such layer, or it is none of features [C] or maps
/// [H,W,C].
std::vector<std::vector<Response>> strongest_responses(const ImageModel& model, const std::string& layer,
                                                       const Array& images, int64_t count,
                                                       const std::function<void(double share)>& after_batch = {});

}  // namespace telaio::nn
