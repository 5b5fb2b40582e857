// `telaio explain`: which pixels made a model say what it says.
#include <algorithm>

#include <fmt/format.h>

#include <telaio/nn/insight/attribution.hpp>
#include <telaio/nn/insight/picture.hpp>
#include <telaio/nn/insight/receptive_field.hpp>
#include <telaio/nn/io/file.hpp>
#include <telaio/nn/io/json.hpp>

#include "command.hpp"
#include "commands.hpp"
#include "image_input.hpp"

namespace telaio::cli {

namespace {

constexpr const char* help_text = R"(Shows which pixels of an image made a model say what it says.

Usage: telaio explain --model FILE [--class NAME] [--method METHOD] [--layer NAME] [--invert] [--out FILE.png]
                      [--json] IMAGE.png…

Draws each image, and over it a map for each method: red speaks for the class, blue against it, the stronger the more.
The class is the predicted one; --class asks for another: what speaks for a 3 in this 5, and what against it?

  gradient    the gradient of the class's logit by each pixel, times the pixel: how much the logit would lose if the
              pixel went black, were the model linear. The quickest and the noisiest.
  integrated  the same with the mean of the gradients on the way from a black image to this one. The map adds up to
              what the image brings the logit, so each pixel has its share of it.
  gradcam     where the last convolution (or --layer) is active in the maps that speak for the class. Coarse: regions
              and not pixels, and red alone.
  occlusion   a patch covers a part of the image, and the class's odds fall. Asks the model itself and no gradient;
              blue is where it is surer without.

A black pixel gets 0 from the first two, and covering black with black changes nothing: what the model makes of an empty
place shows in gradcam alone. Trust what several methods agree on.

The images must have the size that the model was trained with; --invert is for black on white. With --json, which has
the numbers of all maps, a picture is drawn only where --out is given.

)";

constexpr const char* examples_text = R"(
Examples:
  telaio data --out images --png --count 100 --test-count 20
  telaio explain --model model.telaio images/test/5/*.png
  telaio explain --model model.telaio five.png --class 3 --out why_no_three.png
  telaio explain --model model.telaio five.png --method gradcam --layer conv1
  telaio explain --model model.telaio five.png --method integrated --json | jq '.images[0].methods.integrated.sum'

Exit code: 0, or 2 when something given is wrong.
)";

/// A method, what it is called in pictures, and how to read it.
struct Method {
  const char* name;
  const char* caption;
  const char* reading;
};
constexpr Method methods[] = {
    {"gradient", "gradient x input", "what the pixels would bring the logit if the model were linear here"},
    {"integrated", "integrated gradients", "what each pixel brings the logit on the way from black to the image"},
    {"gradcam", "Grad-CAM", "where the layer's maps that speak for the class are active: regions, not pixels"},
    {"occlusion", "occlusion", "how far the class's odds fall when a patch covers the place"},
};

/// What was computed of all images by one method.
struct Maps {
  const Method* method;
  std::vector<Array> maps;
  std::vector<json::object> more;     ///< for JSON, of each image
  std::vector<std::string> findings;  ///< in words, of each image; may be empty
};

Maps maps_of(const Method& method, const nn::Attribution& attribution, const std::string& layer,
             const std::vector<std::string>& names) {
  const std::string_view which = method.name;
  const auto n = static_cast<size_t>(attribution.size());
  Maps result{&method, {}, std::vector<json::object>(n), std::vector<std::string>(n)};
  if (which == "gradient") result.maps = attribution.gradient_times_input();
  if (which == "gradcam") {
    result.maps = attribution.grad_cam(layer);
    for (json::object& more : result.more) more["layer"] = layer;
  }
  if (which == "integrated") {
    nn::IntegratedGradients all = attribution.integrated_gradients();
    for (size_t i = 0; i < n; ++i) {
      result.more[i] = {{"sum", number(all.sums[i])}, {"difference", number(all.differences[i])}};
      result.findings[i] = fmt::format(
          "integrated gradients add up to {:+.2f}; from a black image to this one the logit changes by {:+.2f}",
          all.sums[i], all.differences[i]);
    }
    result.maps = std::move(all.maps);
  }
  if (which == "occlusion") {
    nn::Occlusion all = attribution.occlusion();
    for (size_t i = 0; i < n; ++i) {
      const nn::Occlusion::Patch& patch = all.strongest[i];
      const auto image = static_cast<int64_t>(i);
      const int64_t c = attribution.classes()[i];
      result.more[i]["patch"] = json::object{{"row", patch.row},
                                             {"column", patch.column},
                                             {"side", patch.side},
                                             {"probability", number(patch.probability)}};
      result.findings[i] =
          fmt::format("a black patch of {0}×{0} pixels at row {1}, column {2} takes {3} from {4:.2f}% to {5:.2f}%",
                      patch.side, patch.row, patch.column, names[static_cast<size_t>(c)],
                      100 * attribution.probability(image, c), 100 * patch.probability);
    }
    result.maps = std::move(all.maps);
  }
  return result;
}

/// Without negative zeros.
json::array rows_of(const Array& map) {
  json::array rows;
  const float* x = map.data<float>();
  for (int64_t r = 0; r < map.shape()[0]; ++r) {
    json::array row;
    for (int64_t c = 0; c < map.shape()[1]; ++c) row.push_back(number(x[r * map.shape()[1] + c] + 0.0F));
    rows.push_back(std::move(row));
  }
  return rows;
}

/// The methods that are asked for. Grad-CAM is none of `all` where the model has no convolution.
std::vector<const Method*> choose_methods(const std::string& name, bool layer_given, bool convolutions) {
  std::vector<const Method*> chosen;
  std::vector<std::string> known;
  for (const Method& method : methods) {
    const bool grad_cam = method.name == std::string_view("gradcam");
    if (name == method.name || (name == "all" && (!grad_cam || convolutions || layer_given))) chosen.push_back(&method);
    known.emplace_back(method.name);
  }
  if (chosen.empty()) throw Error(fmt::format("--method is '{}', expected {} or all", name, fmt::join(known, ", ")));
  if (layer_given && name != "all" && name != "gradcam")
    throw Error(fmt::format("--layer is for gradcam, --method is {}", name));
  return chosen;
}

}  // namespace

int explain(const std::vector<std::string>& arguments) {
  po::options_description options;
  // clang-format off
  options.add_options()
      ("model", po::value<std::string>()->value_name("FILE")->required(), "the trained model")
      ("image", po::value<std::vector<std::string>>()->value_name("IMAGE")->required(), "a PNG image; --image may be left out")
      ("class", po::value<std::string>()->value_name("NAME"), "what speaks for this class, by name or number; the predicted one unless given")
      ("method", po::value<std::string>()->value_name("METHOD")->default_value("all"), "gradient, integrated, gradcam, occlusion or all")
      ("layer", po::value<std::string>()->value_name("NAME"), "for gradcam, as telaio summary calls it; the last convolution unless given")
      ("invert", po::bool_switch(), "black on white becomes white on black")
      ("out", po::value<std::string>()->value_name("FILE"), "the picture, explain.png unless given")
      ("json", po::bool_switch(), "print JSON on standard output, and nothing else");
  // clang-format on
  options.add(threads_option());
  po::positional_options_description positional;
  positional.add("image", -1);
  const auto parsed = parse(arguments, options, positional, help_text, examples_text);
  if (!parsed) return ok;
  const po::variables_map& given = *parsed;
  const Threads threads(threads_of(given));
  const bool as_json = given["json"].as<bool>();
  const std::string out = given.count("out") ? given["out"].as<std::string>() : as_json ? "" : "explain.png";
  const auto& paths = given["image"].as<std::vector<std::string>>();
  const auto& model_path = given["model"].as<std::string>();
  if (!out.empty()) {
    for (const std::string& path : paths) check_two_files("--out", out, "an image", path);
    check_two_files("--out", out, "--model", model_path);
    check_output(out, {".png"});
  }

  const nn::ModelFile file = nn::load_model(model_path);
  check_classifies(file.model, model_path);
  check_takes_images(file.model, model_path);
  const std::vector<std::string> names = class_names_of(file);
  std::vector<int64_t> asked;
  if (given.count("class"))
    asked.assign(paths.size(),
                 named("--class", [&] { return nn::class_index(names, given["class"].as<std::string>()); }));

  const nn::ImageModel model(file.model, file.standardization);
  const std::vector<std::string> convolutions = model.convolutions();
  std::string layer = given.count("layer") ? given["layer"].as<std::string>() : "";
  if (given["method"].as<std::string>() == "gradcam" && layer.empty() && convolutions.empty())
    throw Error(fmt::format("{}: the model has no convolutional layer, which gradcam needs", model_path));
  const auto chosen =
      choose_methods(given["method"].as<std::string>(), given.count("layer") > 0, !convolutions.empty());
  if (layer.empty() && !convolutions.empty()) layer = convolutions.back();

  const Array images = nn::images_of({read_images(paths, file.model, given["invert"].as<bool>()), {}, {}},
                                     file.standardization, "explain");
  const nn::Attribution attribution(model, images, asked);
  std::vector<Maps> all;
  for (const Method* method : chosen) all.push_back(maps_of(*method, attribution, layer, names));

  std::vector<nn::TileGrid> grids{{"red speaks for the class, blue against it", {}}};
  json::array results;
  std::string text;
  for (size_t i = 0; i < paths.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const int64_t predicted = attribution.predicted(at), c = attribution.classes()[i];
    const auto name = [&](int64_t k) { return names[static_cast<size_t>(k)]; };
    const auto percent = [&](int64_t k) { return 100 * attribution.probability(at, k); };
    std::string title = fmt::format("{}: taken for {} ({:.2f}%)", paths[i], name(predicted), percent(predicted));
    if (c != predicted) title += fmt::format("; shown is what speaks for {} ({:.2f}%)", name(c), percent(c));
    const Array image = nn::cut(images, at, {0, 0, images.shape()[1], images.shape()[2]});
    nn::TileGrid grid{title, {{nn::image_of(image), "image"}}, static_cast<int64_t>(all.size()) + 1};
    json::object numbers;
    text += title + "\n";
    for (Maps& one : all) {
      grid.tiles.push_back({nn::overlay(image, one.maps[i]), one.method->caption});
      if (!one.findings[i].empty()) text += fmt::format("  {}\n", one.findings[i]);
      if (as_json) one.more[i]["map"] = rows_of(one.maps[i]);
      numbers[one.method->name] = std::move(one.more[i]);
    }
    grids.push_back(std::move(grid));
    results.push_back(json::object{{"image", paths[i]},
                                   {"predicted", name(predicted)},
                                   {"probability", number(attribution.probability(at, predicted))},
                                   {"class", name(c)},
                                   {"class_probability", number(attribution.probability(at, c))},
                                   {"logit", number(attribution.logit(at, c))},
                                   {"methods", std::move(numbers)}});
  }
  if (!out.empty()) nn::write_file(out, nn::encode_png(nn::draw(grids, 168)));
  if (as_json) {
    fmt::print("{}", nn::pretty(json::object{{"model", model_path}, {"images", std::move(results)}}));
    return ok;
  }
  text += "\nRed speaks for the class, blue against it; each map has its own scale.\n";
  for (const Maps& one : all) text += fmt::format("  {:<20}  {}\n", one.method->caption, one.method->reading);
  if (given["method"].as<std::string>() == "all" && convolutions.empty() && layer.empty())
    text += "Grad-CAM is left out: the model has no convolutional layer.\n";
  fmt::print("{}\nIt is in {}.\n", text, out);
  return ok;
}

}  // namespace telaio::cli
