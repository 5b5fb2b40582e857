// `telaio evaluate`: how good a model is on a data set.
#include <fmt/format.h>

#include <telaio/nn/data/dataset.hpp>
#include <telaio/nn/io/json.hpp>
#include <telaio/nn/train/evaluate.hpp>

#include "command.hpp"
#include "commands.hpp"
#include "model_data.hpp"
#include "results.hpp"

namespace telaio::cli {

namespace {

constexpr const char* help_text = R"(Measures a trained model on a data set.

Usage: telaio evaluate --model FILE [--data WHERE] [--part test|train] [--json]

Prints the loss, the accuracy, for each class precision (how many of those it called so are so), recall (how many of
those that are so it found) and F1 (their harmonic mean), and the confusion matrix: what was taken for what.

)";

constexpr const char* examples_text = R"(
Examples:
  telaio evaluate --model model.telaio                     on the test part of the built-in digits
  telaio evaluate --model model.telaio --data mnist/
  telaio evaluate --model model.telaio --json | jq .accuracy

Exit code: 0, or 2 when something given is wrong.
)";

}  // namespace

int evaluate(const std::vector<std::string>& arguments) {
  po::options_description options;
  options.add_options()("model", po::value<std::string>()->value_name("FILE")->required(), "the trained model")(
      "data", po::value<std::string>()->value_name("WHERE")->default_value("digits"),
      "what to measure it on: see telaio train --help")("part", po::value<std::string>()->value_name("PART"),
                                                        "test or train; the test part where there is one")(
      "json", po::bool_switch(), "print JSON on standard output, and nothing else");
  options.add(threads_option());
  const auto given = parse(arguments, options, {}, help_text, examples_text);
  if (!given) return ok;
  const Threads threads(threads_of(*given));

  std::string part = part_of(*given);
  const auto& model_path = (*given)["model"].as<std::string>();
  const nn::ModelFile file = nn::load_model(model_path);
  check_classifies(file.model, model_path);
  const nn::Dataset data = nn::load_dataset((*given)["data"].as<std::string>());
  const nn::Samples samples = samples_for(file, model_path, part_named(data, part), data.source);

  const nn::Evaluation result = nn::evaluate(file.model, samples, {.standardization = file.standardization});
  if ((*given)["json"].as<bool>()) {
    fmt::print("{}", nn::pretty(as_json(result, samples.class_names)));
    return ok;
  }
  fmt::print("{} {} images of {}: loss {:.4f}  accuracy {:.2f}%\n\n{}\n{}", result.samples, part, data.source,
             result.loss, 100 * result.accuracy().value_or(0), nn::class_table(*result.confusion, samples.class_names),
             nn::confusion_table(*result.confusion, samples.class_names));
  return ok;
}

}  // namespace telaio::cli
