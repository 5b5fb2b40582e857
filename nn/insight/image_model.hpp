// A model as a function of images, to be differentiated by them.
#pragma once

#include <string>

#include <telaio/nn/data/dataset.hpp>
#include <telaio/nn/data/standardize.hpp>
#include <telaio/nn/data/warp.hpp>
#include <telaio/nn/model.hpp>

namespace telaio::nn {

/// Images with values in 0…1, of any number of channels.
class ImageModel {
 public:
  /// Has copies of the parameters where the model takes bytes, and otherwise shares them. Error when its samples are no
  /// images [H,W,C] of floats or bytes.
  explicit ImageModel(const Model& model, Standardization standardization = {});

  const Model& model() const { return model_; }
  const ImageShape& shape() const { return shape_; }

  /// The network's results for images f32 [N,H,W,C], in inference. Of the standardization, `pixels` is part of the
  /// graph; images have been centred and deskewed before.
  Forward forward(const Tensor& images) const;

  /// How many images to take at a time so that what the layers give for them, and its gradients, stay within some
  /// hundred megabytes; 1 at least.
  int64_t images_at_once(int64_t most) const;

  /// The position of a layer in Forward::layers and Model::layers(). Error that lists the layers when it has no such.
  size_t layer(const std::string& path) const;
  /// Of its convolutional layers, in the order of the network.
  std::vector<std::string> convolutions() const;

 private:
  Model model_;
  Standardization standardization_;
  ImageShape shape_;
  bool bytes_;
};

/// Error unless a layer's output has channels: it gives features [C] or maps [H,W,C].
void check_has_channels(const std::string& layer, const Shape& output);

/// Samples as images f32 [N,H,W,C] with values in 0…1, centred and deskewed where the standardization says so. Error,
/// in the name of `who`, when they are no images (u8 or f32), or there are none.
Array images_of(const Samples& samples, const Standardization& standardization, const std::string& who);

}  // namespace telaio::nn
