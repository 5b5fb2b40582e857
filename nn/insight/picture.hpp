// Pictures of many small images, with captions.
#pragma once

#include <string>
#include <vector>

#include <telaio/autograd/array.hpp>
#include <telaio/nn/data/png.hpp>

namespace telaio::nn {

/// One image of a grid.
struct Tile {
  Image image;
  std::string caption = {};  ///< printable ASCII, below the image; cut where it is longer than a tile is wide
};

/// Tiles of one size, `columns` in a row, below a title.
struct TileGrid {
  std::string title;
  std::vector<Tile> tiles;
  int64_t columns = 8;
  int64_t scale = 0;  ///< by how much tiles are enlarged; 0: so that they are about as high as draw() is told
};

/// The grids below one another, dark on white, in colour. Images are enlarged by a whole number, so that each is about
/// `side` pixels on its longer side; pixels stay squares. Error when there would be
/// more than 2^28 pixels.
Image draw(const std::vector<TileGrid>& grids, int64_t side = 64);

/// An image of an array [H,W,C] with C = 1 or 3, values in 0…1 (others are cut); of other numbers of channels, their
/// mean in grey.
Image image_of(const Array& values);
/// Numbers [H,W] in grey: black for `low` and less, white for `high` and more.
Image stretched(const Array& values, double low, double high);
/// Numbers [H,W] in colour: blue below 0, white, red above; `limit` is the strongest. 0: the largest magnitude.
Image signed_colours(const Array& values, double limit = 0);
/// An image [H,W,C] in faint grey under numbers [H,W] in colour: red above 0, blue below, the stronger the greater;
/// `limit` is the strongest. 0: what one in a hundred goes beyond, so that a few leave the others their colour.
Image overlay(const Array& image, const Array& values, double limit = 0);

}  // namespace telaio::nn
