// What a network looks for, as pictures for a report.
#pragma once

#include <functional>
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

/// The first filters of a convolutional layer; their images are of one size.
struct FilterLayer {
  std::string name;
  int64_t total = 0;  ///< how many the layer has
  std::vector<FilterPicture> filters;
};

struct FilterPictures {
  std::vector<FilterLayer> layers;
  std::vector<FilterPicture> classes;  ///< of the first ones the image that is taken for it; images of one size
  int64_t all_classes = 0;
  std::string message = {};  ///< why there are no layers; "" where there are some
};

/// The filters of all convolutions and the classes, at most 64 of each, and as few as can be found in some ten seconds;
/// nothing where those would be less than four. `after_step` gets the share of the work that is done.
FilterPictures find_pictures(const nn::Model& model, const nn::Standardization& standardization,
                             const std::vector<std::string>& class_names,
                             const std::function<void(double share)>& after_step);

/// {"message", "layers": [{"name", "total", "images": a sheet (report_images.hpp), "filters": [{"name", "value",
/// "dead"}]}], "classes": the same without a name, or null}
boost::json::object as_json(const FilterPictures& pictures);

}  // namespace telaio::cli
