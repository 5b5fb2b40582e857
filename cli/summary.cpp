// `telaio summary`: the table of a model's layers.
#include <fmt/format.h>

#include <telaio/nn/io/json.hpp>
#include <telaio/nn/summary.hpp>

#include "command.hpp"
#include "commands.hpp"
#include "results.hpp"

namespace telaio::cli {

namespace {

constexpr const char* help_text = R"(Shows the layers of a model: output shapes, parameters and arithmetic.

Usage: telaio summary [--model NAME|FILE] [--input SHAPE] [--json]

MACs are the multiply-adds that one image takes. The dense equivalent is how many parameters a dense layer between the
same two shapes would have: a convolution has far fewer, since it uses the same few weights everywhere.

)";

constexpr const char* examples_text = R"(
Examples:
  telaio summary --model cnn
  telaio summary --model cnn --input 32,32,3
  telaio summary --model model.telaio

Exit code: 0, or 2 when something given is wrong.
)";

}  // namespace

int summary(const std::vector<std::string>& arguments) {
  po::options_description options;
  options.add_options()("model", po::value<std::string>()->value_name("NAME|FILE")->default_value("cnn"),
                        "cnn, dense, linear, lenet, a trained model, or a network in a JSON file")(
      "input", po::value<std::string>()->value_name("SHAPE"),
      "shape of a sample, where the model does not say itself; 28,28,1 unless given")(
      "json", po::bool_switch(), "print JSON on standard output, and nothing else");
  const auto given = parse(arguments, options, {}, help_text, examples_text);
  if (!given) return ok;
  const Shape input = given->count("input") ? parse_shape((*given)["input"].as<std::string>()) : Shape();
  const nn::Model model = model_to_look_at((*given)["model"].as<std::string>(), input);
  if (!(*given)["json"].as<bool>()) {
    fmt::print("{}", nn::summary(model));
    return ok;
  }
  const nn::LayerInfo& all = model.layers().back();
  fmt::print("{}", nn::pretty(json::object{{"model", model.name()},
                                           {"input", shape_json(model.sample_shape())},
                                           {"layers", layers_json(model)},
                                           {"parameters", all.parameters},
                                           {"trainable_parameters", all.trainable},
                                           {"multiply_adds", all.multiply_adds}}));
  return ok;
}

}  // namespace telaio::cli
