// `telaio predict`: what a model takes images for.
#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include <telaio/nn/io/json.hpp>
#include <telaio/nn/train/evaluate.hpp>

#include "command.hpp"
#include "commands.hpp"
#include "image_input.hpp"
#include "results.hpp"

namespace telaio::cli {

namespace {

constexpr const char* help_text = R"(Says what a trained model takes images for.

Usage: telaio predict --model FILE [--top N] [--invert] [--json] IMAGE.png…

The images must have the size that the model was trained with. Colour becomes grey, or grey colour, where the model
wants it. MNIST and the built-in digits are white on black: --invert is for black on white. JSON has the probabilities of
all classes.

)";

constexpr const char* examples_text = R"(
Examples:
  telaio predict --model model.telaio five.png
  telaio predict --model model.telaio --top 3 scans/*.png
  telaio predict --model model.telaio --json scans/*.png | jq '.[].class'

Exit code: 0, or 2 when something given is wrong.
)";

}  // namespace

int predict(const std::vector<std::string>& arguments) {
  po::options_description options;
  options.add_options()("model", po::value<std::string>()->value_name("FILE")->required(), "the trained model")(
      "image", po::value<std::vector<std::string>>()->value_name("IMAGE")->required(),
      "a PNG image; --image may be left out")("top", po::value<int64_t>()->value_name("N"),
                                              "show the N likeliest classes; 3 unless given")(
      "invert", po::bool_switch(), "black on white becomes white on black")(
      "json", po::bool_switch(), "print JSON on standard output, and nothing else");
  po::positional_options_description positional;
  positional.add("image", -1);
  const auto given = parse(arguments, options, positional, help_text, examples_text);
  if (!given) return ok;

  const auto& model_path = (*given)["model"].as<std::string>();
  const nn::ModelFile file = nn::load_model(model_path);
  check_classifies(file.model, model_path);
  const auto& paths = (*given)["image"].as<std::vector<std::string>>();
  const int64_t classes = nn::class_count(file.model);
  const std::vector<std::string> names = class_names_of(file);
  check_takes_images(file.model, model_path);
  const int64_t top = given->count("top") ? (*given)["top"].as<int64_t>() : std::min<int64_t>(3, classes);
  if (top < 1 || top > classes) throw Error(fmt::format("--top is {}, expected 1 … {}", top, classes));

  const Tensor images = read_images(paths, file.model, (*given)["invert"].as<bool>());
  const std::vector<double> outputs =
      class_probabilities(file.model, nn::predict(file.model, images, file.standardization));

  json::array all;
  size_t width = 0;
  for (const std::string& path : paths) width = std::max(width, path.size());
  for (size_t i = 0; i < paths.size(); ++i) {
    const double* row = outputs.data() + i * static_cast<size_t>(classes);
    std::vector<int64_t> order(static_cast<size_t>(classes));
    std::iota(order.begin(), order.end(), int64_t{0});
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return row[a] > row[b]; });
    const auto name = [&](int64_t c) { return names[static_cast<size_t>(c)]; };
    json::object probabilities;
    for (int64_t c = 0; c < classes; ++c) probabilities[name(c)] = number(row[c]);
    all.push_back(
        json::object{{"image", paths[i]}, {"class", name(order[0])}, {"probabilities", std::move(probabilities)}});
    if ((*given)["json"].as<bool>()) continue;
    std::string line = fmt::format("{:<{}}", paths[i], width);
    for (int64_t k = 0; k < top; ++k) {
      const int64_t c = order[static_cast<size_t>(k)];
      line += fmt::format("  {} {:.2f}%", name(c), 100 * row[c]);
    }
    fmt::print("{}\n", line);
  }
  if ((*given)["json"].as<bool>()) fmt::print("{}", nn::pretty(all));
  return ok;
}

}  // namespace telaio::cli
