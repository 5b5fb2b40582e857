#include "report_filters.hpp"

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

}  // namespace

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
