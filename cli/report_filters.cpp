#include "report_filters.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>

#include <fmt/format.h>

#include <telaio/nn/insight/maximize.hpp>

#include "command.hpp"
#include "filter_pictures.hpp"
#include "report_images.hpp"

namespace telaio::cli {

namespace {

json::object pictures_json(const std::vector<FilterPicture>& pictures) {
  SpriteSheet sheet;
  json::array filters;
  for (const FilterPicture& one : pictures) {
    sheet.add(one.image);
    filters.push_back(json::object{{"name", one.name}, {"value", number(one.value)}, {"dead", one.dead}});
  }
  return {{"images", sheet.as_json()}, {"filters", std::move(filters)}};
}

constexpr double most_flops = 3e12;  // some ten seconds on two cores
constexpr int64_t most_filters = 64, fewest_filters = 4;

/// Of each layer so many that the gradients of their images do not take longer than that; 0 where even a few do.
int64_t filters_of_each(const nn::Model& model, size_t layers, const nn::MaximizeOptions& options) {
  const double gradient = 6 * static_cast<double>(std::max<int64_t>(1, model.multiply_adds()));
  const double images = most_flops / (gradient * static_cast<double>(options.steps) * static_cast<double>(layers));
  const auto filters = static_cast<int64_t>(images / static_cast<double>(options.starts));
  return filters < fewest_filters ? 0 : std::min(filters, most_filters);
}

}  // namespace

FilterPictures find_pictures(const nn::Model& model, const nn::Standardization& standardization,
                             const std::vector<std::string>& class_names,
                             const std::function<void(double)>& after_step) {
  const nn::ImageModel images(model, standardization);
  const std::vector<std::string> layers = images.convolutions();
  nn::MaximizeOptions options;
  FilterPictures found;
  const int64_t most = filters_of_each(model, layers.size() + 1, options);
  if (most == 0) {
    found.message = "There are no pictures of filters: for so large a model they would take long.";
    return found;
  }
  double stages = 0;
  options.after_step = [&](double share) { after_step((stages + share) / static_cast<double>(layers.size() + 1)); };
  for (const std::string& layer : layers) {
    const int64_t total = model.layers()[images.layer(layer)].output.back();
    std::vector<int64_t> channels(static_cast<size_t>(std::min(most, total)));
    std::iota(channels.begin(), channels.end(), int64_t{0});
    const nn::FilterImages filters = nn::maximize_filters(images, layer, options, channels);
    const nn::TileGrid grid = filter_grid(filters);
    FilterLayer& one = found.layers.emplace_back(FilterLayer{layer, total, {}});
    for (size_t i = 0; i < channels.size(); ++i)
      one.filters.push_back({fmt::format("{} filter {}", layer, channels[i]), grid.tiles[i].image,
                             filters.best.values[i], filters.dead[i]});
    ++stages;
  }
  if (layers.empty()) found.message = "The model has no convolutional layers, and so no filters.";
  found.all_classes = static_cast<int64_t>(class_names.size());
  std::vector<int64_t> classes(static_cast<size_t>(std::min(most, found.all_classes)));
  std::iota(classes.begin(), classes.end(), int64_t{0});
  const nn::Maximized faces = nn::maximize(images, nn::classes_of(images), classes, options);
  const nn::TileGrid grid = class_grid(faces, {class_names.begin(), class_names.begin() + std::ssize(classes)});
  for (size_t i = 0; i < classes.size(); ++i)
    found.classes.push_back({class_names[i], grid.tiles[i].image, faces.values[i], false});
  return found;
}

json::object as_json(const FilterPictures& pictures) {
  json::array layers;
  for (const FilterLayer& layer : pictures.layers) {
    json::object one = pictures_json(layer.filters);
    one["name"] = layer.name;
    one["total"] = layer.total;
    layers.push_back(std::move(one));
  }
  json::object root{{"message", pictures.message}, {"layers", std::move(layers)}, {"classes", nullptr}};
  if (pictures.classes.empty()) return root;
  root["classes"] = pictures_json(pictures.classes);
  root["classes"].as_object()["total"] = pictures.all_classes;
  return root;
}

}  // namespace telaio::cli
