// What part of an image a unit of a network sees.
#pragma once

#include <string>

#include <telaio/nn/insight/image_model.hpp>

namespace telaio::nn {

/// A part of an image; it may reach beyond its borders.
struct Window {
  int64_t top = 0, left = 0, height = 0, width = 0;
};

/// The part of image i of f32 [N,H,W,C], as [height,width,C]; 0 outside the image.
Array cut(const Array& images, int64_t i, const Window& window);

/// The receptive field of the unit in the middle of a layer's maps, and how it moves with the unit's place.
struct ReceptiveField {
  int64_t row = 0, column = 0;            ///< of the middle: ⌊H/2⌋, ⌊W/2⌋; 0 of a layer without maps
  Window window;                          ///< of the middle
  int64_t row_step = 0, column_step = 0;  ///< pixels from one unit to the next
  /// Of the unit at another place.
  Window at(int64_t unit_row, int64_t unit_column) const;
};

/// Found from the gradients of the units by random images, so it holds for any network: the pixels that change the unit
/// in any of them. Of a layer without maps the whole image, unless its units see less.
ReceptiveField receptive_field(const ImageModel& model, const std::string& layer);

}  // namespace telaio::nn
