// What a network looks for, as pictures for a report.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include <telaio/nn/data/png.hpp>
#include <telaio/nn/data/standardize.hpp>
#include <telaio/nn/model.hpp>

namespace telaio::cli {

/// An image that something in the network answers to most.
struct FilterPicture {
  std::string name;  ///< "conv2d filter 3", or of a class its name
  nn::Image image;
  double value = 0;   ///< the answer to the image
  bool dead = false;  ///< never answers
};

/// The filters of a convolutional layer; their images are of one size.
struct FilterLayer {
  std::string name;
  std::vector<FilterPicture> filters;
};

struct FilterPictures {
  std::vector<FilterLayer> layers;
  std::vector<FilterPicture> classes;  ///< of each the image that is taken for it; images of one size
};

/// The filters of all convolutions, at most 64 of each, and the classes. Nothing where there is no convolution, or
/// where finding four of each would take long. `after_step` gets the share of the work that is done.
std::optional<FilterPictures> find_pictures(const nn::Model& model, const nn::Standardization& standardization,
                                            const std::vector<std::string>& class_names,
                                            const std::function<void(double share)>& after_step);

/// {"layers": [{"name", "images": a sheet (report_images.hpp), "filters": [{"name", "value", "dead"}]}], "classes": the
/// same without the layer's name, or null}
boost::json::object as_json(const FilterPictures& pictures);

}  // namespace telaio::cli
