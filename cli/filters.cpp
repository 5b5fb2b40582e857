// `telaio filters`: what the filters of a network respond to.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <telaio/nn/io/file.hpp>
#include <telaio/nn/io/json.hpp>
#include <telaio/ops/views.hpp>

#include "command.hpp"
#include "commands.hpp"
#include "filter_pictures.hpp"
#include "image_input.hpp"
#include "model_data.hpp"
#include "progress.hpp"

namespace telaio::cli {

namespace {

constexpr const char* help_text =
    R"(Draws what the filters of a network respond to: for each filter the image that moves it most.

Usage: telaio filters --model FILE [--layer NAME] [--class NAME] [--data WHERE] [--out FILE.png] [--json]
       telaio filters --model FILE --image FILE.png [--invert] [--out FILE.png]

A filter of a convolution sees a small part of the image. Starting from noise, that part is changed step by step in the
direction that makes the filter's value larger, for all filters of a layer at a time. The first layer finds edges and
strokes in some direction, the next one what is made of those: corners, ends, arcs. The weights of the first layer show
the same directly. For a class it is the whole image that the net is surest of, from before the softmax: seldom a digit
that a person would write, which says what the net looks at.

With --data also the pieces of real images that move each filter most. With --image instead what each layer makes of that
image: a map for each filter, bright where it responds. A filter that no image moves is dead: behind its relu it would
always be 0. Few steps may not find the image that moves it.

)";

constexpr const char* examples_text = R"(
Examples:
  telaio filters --model model.telaio
  telaio filters --model model.telaio --layer conv2 --data digits --out conv2.png
  telaio filters --model model.telaio --class 8 --out eight.png
  telaio filters --model model.telaio --image five.png --out maps.png
  telaio filters --model model.telaio --json | jq '.layers[].filters[] | select(.dead)'

Exit code: 0, or 2 when something given is wrong.
)";

constexpr int64_t pieces_shown = 7;

/// What was found of one layer.
struct LayerFound {
  nn::FilterImages filters;
  std::vector<std::vector<nn::Response>> strongest;  // where there are data
};

/// What there is to look for.
struct Plan {
  std::vector<std::string> layers;
  std::vector<int64_t> classes;
  std::vector<std::string> class_names;  // of those
};

Plan plan_of(const po::variables_map& given, const nn::ModelFile& file, const nn::ImageModel& model,
             const std::string& path) {
  Plan plan;
  const bool layer_given = given.count("layer") > 0, class_given = given.count("class") > 0;
  if (layer_given) plan.layers = {given["layer"].as<std::string>()};
  else if (!class_given) plan.layers = model.convolutions();
  for (const std::string& layer : plan.layers)
    nn::check_has_channels(layer, file.model.layers()[model.layer(layer)].output);
  if (class_given) check_classifies(file.model, path);
  const bool classifies = file.model.ending() != nn::Ending::linear && file.model.output_shape().rank() == 1;
  if (plan.layers.empty() && !class_given)
    throw Error(
        fmt::format("{}: the model has no convolutional layers; --layer and --class show what else it has", path));
  if (layer_given == class_given ? !classifies : !class_given) return plan;
  const std::vector<std::string> names = class_names_of(file);
  if (class_given) {
    plan.classes = {named("--class", [&] { return nn::class_index(names, given["class"].as<std::string>()); })};
  } else {
    for (int64_t c = 0; c < std::ssize(names); ++c) plan.classes.push_back(c);
  }
  for (const int64_t c : plan.classes) plan.class_names.push_back(names[static_cast<size_t>(c)]);
  return plan;
}

json::object as_json(const std::vector<LayerFound>& layers, const Plan& plan, const nn::Maximized& faces) {
  json::array all, classes;
  for (const LayerFound& found : layers) {
    json::array filters;
    for (size_t f = 0; f < found.filters.dead.size(); ++f) {
      json::object one{{"filter", found.filters.channels[f]},
                       {"value", number(found.filters.best.values[f])},
                       {"dead", bool(found.filters.dead[f])}};
      if (!found.strongest.empty()) {
        json::array pieces;
        for (const nn::Response& response : found.strongest[f])
          pieces.push_back(json::object{{"image", response.image},
                                        {"row", response.row},
                                        {"column", response.column},
                                        {"value", number(response.value)}});
        one["pieces"] = std::move(pieces);
      }
      filters.push_back(std::move(one));
    }
    const nn::Window& window = found.filters.field.window;
    all.push_back(json::object{{"layer", found.filters.layer},
                               {"sees", json::array{window.height, window.width}},
                               {"filters", std::move(filters)}});
  }
  for (size_t i = 0; i < plan.classes.size(); ++i)
    classes.push_back(json::object{{"class", plan.class_names[i]}, {"value", number(faces.values[i])}});
  return {{"layers", std::move(all)}, {"classes", std::move(classes)}};
}

std::string in_words(const nn::FilterImages& filters) {
  std::vector<int64_t> dead;
  for (size_t f = 0; f < filters.dead.size(); ++f)
    if (filters.dead[f]) dead.push_back(filters.channels[f]);
  const nn::Window& window = filters.field.window;
  std::string text =
      fmt::format("{}: {}, each sees {}x{} pixels", filters.layer,
                  plural(static_cast<int64_t>(filters.dead.size()), "filter"), window.height, window.width);
  if (!filters.activated) return text + "\n";
  return text + (dead.empty() ? "; none is dead\n"
                              : fmt::format("; {} dead, no image was found that moves {}: {}\n", dead.size(),
                                            dead.size() == 1 ? "it" : "them", fmt::join(dead, " ")));
}

/// What each layer makes of the image.
int draw_outputs(const po::variables_map& given, const nn::ModelFile& file, const nn::ImageModel& model,
                 const std::string& out) {
  for (const char* other : {"layer", "class", "data", "steps", "seed"})
    if (given.count(other) && !given[other].defaulted())
      throw Error(fmt::format("--image shows all layers as they are; leave out --{}", other));
  if (given["json"].as<bool>()) throw Error("--image draws a picture; there is no JSON of it");
  const auto& path = given["image"].as<std::string>();
  check_takes_images(file.model, given["model"].as<std::string>());
  nn::Samples sample;
  sample.inputs = read_images({path}, file.model, given["invert"].as<bool>());
  const Array images = nn::images_of(sample, file.standardization, path);
  const Array image = reshape(constant(images), file.model.sample_shape()).value().contiguous();
  nn::write_png(out, nn::draw(output_grids(image, nn::layer_outputs(model, image))));
  fmt::print("What each layer makes of {} is in {}.\n", path, out);
  return ok;
}

}  // namespace

int filters(const std::vector<std::string>& arguments) {
  po::options_description options;
  // clang-format off
  options.add_options()
      ("model", po::value<std::string>()->value_name("FILE")->required(), "the trained model")
      ("layer", po::value<std::string>()->value_name("NAME"), "only this layer, as telaio summary calls it; without it all convolutions, and the classes")
      ("class", po::value<std::string>()->value_name("NAME"), "only this class")
      ("data", po::value<std::string>()->value_name("WHERE"), "images to look for pieces in: see telaio train --help")
      ("part", po::value<std::string>()->value_name("PART"), "test or train; the test part where there is one")
      ("image", po::value<std::string>()->value_name("FILE.png"), "show what each layer makes of this image, and nothing else")
      ("invert", po::bool_switch(), "black on white becomes white on black, in --image")
      ("out", po::value<std::string>()->value_name("FILE.png")->default_value("filters.png"), "the picture")
      ("steps", po::value<int64_t>()->value_name("N")->default_value(192), "steps of gradient ascent")
      ("seed", po::value<int64_t>()->value_name("N")->default_value(1), "of the noise that it starts from")
      ("json", po::bool_switch(), "print JSON on standard output, and nothing else; the picture is written all the same");
  // clang-format on
  options.add(threads_option());
  const auto parsed = parse(arguments, options, {}, help_text, examples_text);
  if (!parsed) return ok;
  const po::variables_map& given = *parsed;
  const Threads threads(threads_of(given));
  std::string part = part_of(given);
  if (given["invert"].as<bool>() && !given.count("image")) throw Error("--invert is about --image, which is not given");
  if (!part.empty() && !given.count("data"))
    throw Error("--part says which part of the images, but there is no --data");
  const auto& path = given["model"].as<std::string>();
  const auto& out = given["out"].as<std::string>();
  if (given.count("image")) check_two_files("--out", out, "--image", given["image"].as<std::string>());
  check_output(out, {".png"});
  nn::MaximizeOptions ascent{.steps = given["steps"].as<int64_t>(), .seed = seed_of(given)};
  if (ascent.steps < 1) throw Error(fmt::format("--steps is {}, expected at least 1", ascent.steps));

  const nn::ModelFile file = nn::load_model(path);
  const nn::ImageModel model(file.model, file.standardization);
  if (given.count("image")) return draw_outputs(given, file, model, out);
  const Plan plan = plan_of(given, file, model, path);
  Array images;
  if (given.count("data")) {
    if (plan.layers.empty()) throw Error("--data: classes have no pieces of images; leave out --class or --data");
    const nn::Dataset data = nn::load_dataset(given["data"].as<std::string>());
    images = nn::images_of(samples_for(file, path, part_named(data, part), data.source), file.standardization, path);
  }

  std::vector<LayerFound> found;
  nn::Maximized faces;
  {
    constexpr double stage = 1000;  // of the bar
    const size_t stages = plan.layers.size() * (images.defined() ? 2 : 1) + (plan.classes.empty() ? 0 : 1);
    const Progress progress(static_cast<size_t>(stage) * stages);
    double before = 0;
    const auto show = [&](const std::string& what) {
      return [&, what](double share) { progress.show(static_cast<size_t>(before + stage * share), what); };
    };
    for (const std::string& layer : plan.layers) {
      ascent.after_step = show(layer);
      found.push_back({nn::maximize_filters(model, layer, ascent), {}});
      before += stage;
      if (!images.defined()) continue;
      found.back().strongest =
          nn::strongest_responses(model, layer, images, pieces_shown, show(fmt::format("{}, real images", layer)));
      before += stage;
    }
    if (!plan.classes.empty()) {
      ascent.after_step = show("classes");
      faces = nn::maximize(model, nn::classes_of(model), plan.classes, ascent);
    }
  }

  std::vector<nn::TileGrid> grids;
  for (size_t i = 0; i < found.size(); ++i) {
    const std::vector<std::string> convolutions = model.convolutions();
    if (!convolutions.empty() && found[i].filters.layer == convolutions[0]) grids = kernel_grid(model);
    grids.push_back(filter_grid(found[i].filters));
    if (images.defined()) grids.push_back(patch_grid(found[i].filters, found[i].strongest, images));
  }
  if (!plan.classes.empty()) grids.push_back(class_grid(faces, plan.class_names));
  nn::write_png(out, nn::draw(grids));
  if (given["json"].as<bool>()) {
    fmt::print("{}", nn::pretty(as_json(found, plan, faces)));
    return ok;
  }
  for (const LayerFound& one : found) fmt::print("{}", in_words(one.filters));
  if (!plan.classes.empty()) fmt::print("classes: {}\n", fmt::join(plan.class_names, " "));
  fmt::print("The picture is in {}.\n", out);
  return ok;
}

}  // namespace telaio::cli
