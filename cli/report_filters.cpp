#include "report_filters.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <telaio/nn/insight/maximize.hpp>
#include <telaio/nn/insight/picture.hpp>

#include "command.hpp"
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

std::optional<FilterPictures> find_pictures(const nn::Model& model, const nn::Standardization& standardization,
                                            const std::vector<std::string>& class_names,
                                            const std::function<void(double)>& after_step) {
  const nn::ImageModel images(model, standardization);
  const std::vector<std::string> layers = images.convolutions();
  nn::MaximizeOptions options;
  const int64_t most = filters_of_each(model, layers.size() + 1, options);
  if (layers.empty() || most == 0) return std::nullopt;
  FilterPictures found;
  double stages = 0;
  options.after_step = [&](double share) { after_step((stages + share) / static_cast<double>(layers.size() + 1)); };
  for (const std::string& layer : layers) {
    std::vector<int64_t> channels;
    for (int64_t c = 0; c < std::min(most, model.layers()[images.layer(layer)].output.back()); ++c)
      channels.push_back(c);
    const nn::FilterImages filters = nn::maximize_filters(images, layer, options, channels);
    FilterLayer& one = found.layers.emplace_back(FilterLayer{layer, {}});
    for (size_t i = 0; i < channels.size(); ++i)
      one.filters.push_back({fmt::format("{} filter {}", layer, channels[i]),
                             nn::image_of(nn::cut(filters.best.images, static_cast<int64_t>(i), filters.field.window)),
                             filters.best.values[i], filters.dead[i]});
    ++stages;
  }
  std::vector<int64_t> classes;
  for (int64_t c = 0; c < std::min(most, static_cast<int64_t>(class_names.size())); ++c) classes.push_back(c);
  const nn::Maximized faces =
      nn::maximize(images, nn::chosen(nn::classes_of(images), classes), static_cast<int64_t>(classes.size()), options);
  const nn::Window whole{0, 0, images.shape().height, images.shape().width};
  for (size_t i = 0; i < classes.size(); ++i)
    found.classes.push_back(
        {class_names[i], nn::image_of(nn::cut(faces.images, static_cast<int64_t>(i), whole)), faces.values[i], false});
  return found;
}

json::object as_json(const FilterPictures& pictures) {
  json::array layers;
  for (const FilterLayer& layer : pictures.layers) {
    json::object one = pictures_json(layer.filters);
    one["name"] = layer.name;
    layers.push_back(std::move(one));
  }
  json::object root{{"layers", std::move(layers)}, {"classes", nullptr}};
  if (!pictures.classes.empty()) root["classes"] = pictures_json(pictures.classes);
  return root;
}

}  // namespace telaio::cli
