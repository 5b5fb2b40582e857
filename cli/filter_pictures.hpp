// What filters respond to, as grids of small images.
#pragma once

#include <string>
#include <vector>

#include <telaio/nn/insight/maximize.hpp>
#include <telaio/nn/insight/picture.hpp>
#include <telaio/nn/insight/responses.hpp>

namespace telaio::cli {

/// "1 filter", "32 filters".
std::string plural(int64_t count, const std::string& noun);

/// The weights of the first convolution: a tile for each filter, red above and blue below 0, the strongest of all of
/// them at full strength. Of three input channels in colour around grey; of other numbers added up. Nothing where the
/// model has none.
std::vector<nn::TileGrid> kernel_grid(const nn::ImageModel& model);

/// The part of each filter's image that it sees; below it the filter's number and what it reaches, or that it is dead.
nn::TileGrid filter_grid(const nn::FilterImages& filters);

/// A line for each filter: its image, then the parts of the given images that it responds to most.
nn::TileGrid patch_grid(const nn::FilterImages& filters, const std::vector<std::vector<nn::Response>>& strongest,
                        const Array& images);

/// Whole images of classes, with their names.
nn::TileGrid class_grid(const nn::Maximized& found, const std::vector<std::string>& names);

/// An image, and what each layer makes of it: maps, from black for the least of a layer's numbers to white for the
/// greatest, and features as a line. Of what is neither the title says so.
std::vector<nn::TileGrid> output_grids(const Array& image, const std::vector<nn::LayerOutput>& outputs);

}  // namespace telaio::cli
