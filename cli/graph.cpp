// `telaio graph`: a model's graph of ops as a picture.
#include <fmt/format.h>

#include <telaio/autograd/builtin.hpp>
#include <telaio/autograd/draw.hpp>
#include <telaio/autograd/node.hpp>
#include <telaio/nn/io/file.hpp>
#include <telaio/nn/io/json.hpp>
#include <telaio/nn/train/trainer.hpp>

#include "command.hpp"
#include "commands.hpp"
#include "graphviz.hpp"

namespace telaio::cli {

namespace {

constexpr const char* help_text = R"(Draws the graph of tensor ops that a model is.

Usage: telaio graph [--model NAME|FILE] [--input SHAPE] [--backward] [--json] --out FILE.dot|FILE.svg

The forward graph is blue, one box a layer. --backward draws a step of training: with the loss, and in orange the
gradients that Telaio derives from it. SVG is drawn by Graphviz (Debian: graphviz); the .dot file is its input.

)";

constexpr const char* examples_text = R"(
Examples:
  telaio graph --model cnn --out cnn.svg
  telaio graph --model model.telaio --backward --out step.dot

Exit code: 0, or 2 when something given is wrong.
)";

}  // namespace

int graph(const std::vector<std::string>& arguments) {
  po::options_description options;
  options.add_options()("model", po::value<std::string>()->value_name("NAME|FILE")->default_value("cnn"),
                        "cnn, dense, linear, lenet, a trained model, or a network in a JSON file")(
      "input", po::value<std::string>()->value_name("SHAPE"),
      "shape of a sample, where the model does not say itself; 28,28,1 unless given")(
      "backward", po::bool_switch(), "draw the loss and its gradients, too")(
      "json", po::bool_switch(), "print JSON on standard output, and nothing else")(
      "out", po::value<std::string>()->value_name("FILE")->required(), "the picture: a name that ends in .dot or .svg");
  const auto given = parse(arguments, options, {}, help_text, examples_text);
  if (!given) return ok;
  const auto& out = (*given)["out"].as<std::string>();
  check_output(out, {".dot", ".svg"});
  const Shape given_shape = given->count("input") ? parse_shape((*given)["input"].as<std::string>()) : Shape();
  const nn::Model model = model_to_look_at((*given)["model"].as<std::string>(), given_shape);

  Shape batch = model.sample_shape();
  batch.insert(0, 1);
  const Tensor x = input("x", {model.input_dtype(), batch});
  std::vector<Tensor> ends;
  if ((*given)["backward"].as<bool>()) {
    // As targets a class, or where the model ends otherwise, numbers.
    const bool classes = model.ending() == nn::Ending::softmax;
    Shape outputs = model.output_shape();
    outputs.insert(0, 1);
    const TensorSpec targets = classes ? TensorSpec{i64, {1}} : TensorSpec{model.dtype(), outputs};
    const auto [loss, gradients] = nn::Trainer(model).graph(x, input("targets", targets));
    ends = gradients;
    ends.push_back(loss);
  } else {
    ends = {model(x)};
  }
  const std::string dot = to_dot(ends);
  nn::write_file(out, out.ends_with(".svg") ? graphviz_svg(dot) : dot);
  if ((*given)["json"].as<bool>()) {
    fmt::print("{}", nn::pretty(json::object{{"file", out},
                                             {"model", model.name()},
                                             {"backward", (*given)["backward"].as<bool>()},
                                             {"nodes", topological_order(ends).size()}}));
    return ok;
  }
  fmt::print("{} shows the {} of {}\n", out, (*given)["backward"].as<bool>() ? "step" : "graph", model.name());
  return ok;
}

}  // namespace telaio::cli
