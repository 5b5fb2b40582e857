// The images of a report: many in one PNG, which the page cuts apart.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include <telaio/nn/data/dataset.hpp>
#include <telaio/nn/data/png.hpp>

namespace telaio::cli {

/// Images of one size, in rows.
class SpriteSheet {
 public:
  /// The place that it gets: 0, 1, … Error when its size differs from that of the first.
  int64_t add(const nn::Image& image);
  int64_t size() const { return static_cast<int64_t>(images_.size()); }
  /// {"png": base64, "width", "height" (of one image), "columns", "count"}; null when there are none.
  boost::json::value as_json() const;

 private:
  std::vector<nn::Image> images_;
};

/// Samples as images to look at: those larger than 64 pixels on a side are reduced by a whole number.
class SampleImages {
 public:
  /// The samples are images (check_images).
  explicit SampleImages(const nn::Samples& samples);
  nn::Image operator[](int64_t row) const;
  /// Of an image as it is shown.
  int64_t bytes() const;

 private:
  Array values_;
  int64_t height_, width_, channels_, factor_;
};

/// Error, in the name of `name`, unless samples of this shape are images of one or three channels.
void check_images(const Shape& sample, const std::string& name);

/// RFC 4648, with padding.
std::string base64(std::string_view bytes);

}  // namespace telaio::cli
