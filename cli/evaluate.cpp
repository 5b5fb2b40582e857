// `telaio evaluate`: how good a model is on a data set.
#include <algorithm>

#include <fmt/format.h>

#include <telaio/nn/data/dataset.hpp>
#include <telaio/nn/io/json.hpp>
#include <telaio/nn/train/evaluate.hpp>
#include <telaio/nn/train/preparation.hpp>

#include "command.hpp"
#include "commands.hpp"
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

/// The samples with the labels counted as the model counts its classes. Error when they are not the same classes.
nn::Samples with_classes_of(const nn::ModelFile& file, nn::Samples samples, const std::string& source) {
  const auto& names = file.class_names;
  if (names == samples.class_names) return samples;
  if (names.empty()) {  // the model does not say: as the data count them
    if (samples.classes() > nn::class_count(file.model))
      throw Error(fmt::format("{}: {} classes, the model tells {} apart", source, samples.classes(),
                              nn::class_count(file.model)));
    for (int64_t c = samples.classes(); c < nn::class_count(file.model); ++c)
      samples.class_names.push_back(fmt::format("{}", c));
    return samples;
  }
  std::vector<int64_t> order;
  for (const std::string& name : samples.class_names) {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end())
      throw Error(fmt::format("{}: class '{}' is none of the model's: {}", source, name, fmt::join(names, " ")));
    order.push_back(found - names.begin());
  }
  std::vector<int64_t> labels = nn::label_values(samples);
  for (int64_t& label : labels) label = order[static_cast<size_t>(label)];
  samples.labels = from_data(labels, {static_cast<int64_t>(labels.size())});
  samples.class_names = names;
  return samples;
}

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

  std::string part = given->count("part") ? (*given)["part"].as<std::string>() : "";
  if (given->count("part") && part != "test" && part != "train")
    throw Error(fmt::format("--part is '{}', expected test or train", part));
  const auto& model_path = (*given)["model"].as<std::string>();
  const nn::ModelFile file = nn::load_model(model_path);
  check_classifies(file.model, model_path);
  const nn::Dataset data = nn::load_dataset((*given)["data"].as<std::string>());
  if (part.empty()) part = data.test.empty() ? "train" : "test";
  if (part == "test" && data.test.empty()) throw Error(fmt::format("{}: there is no test part", data.source));
  const nn::Samples samples = with_classes_of(file, part == "test" ? data.test : data.train, data.source);

  if (!(samples.sample_shape() == file.model.sample_shape()))
    throw Error(fmt::format("{}: samples of shape {}, but {} takes {}", data.source, to_string(samples.sample_shape()),
                            model_path, to_string(file.model.sample_shape())));

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
