#include "train_choices.hpp"

#include <fmt/format.h>

namespace telaio::cli {

namespace {

/// What is written at the end of the first epoch must not be where event files have a directory by then.
void check_no_event_directory(const po::variables_map& given, const char* name) {
  if (!given.count("tensorboard") || !given.count(name)) return;
  const auto& directory = given["tensorboard"].as<std::string>();
  const auto& file = given[name].as<std::string>();
  for (const char* run : {"train", "validation"})
    if (fmt::format("{}/", end_of(fmt::format("{}/{}", directory, run))).starts_with(end_of(file) + "/"))
      throw Error(fmt::format("--{} is a directory of --tensorboard {}: {}", name, directory, file));
}

}  // namespace

TrainChoices choose_training(const po::variables_map& given) {
  const auto text = [&](const char* name) -> const std::string& { return given[name].as<std::string>(); };
  TrainChoices choices;
  auto& [options, optimizer] = choices;
  const auto least = [&](const char* name, int64_t lowest) {
    if (!given.count(name) || given[name].as<int64_t>() >= lowest) return;
    throw Error(fmt::format("--{} is {}, expected at least {}", name, given[name].as<int64_t>(), lowest));
  };
  least("epochs", 1);
  least("batch-size", 1);
  least("limit", 1);
  least("early-stopping", 0);
  for (const char* name : {"validation-split", "dropout"})
    if (const double share = given[name].as<double>(); !(share >= 0 && share < 1))
      throw Error(fmt::format("--{} is {}, expected 0 or more and less than 1", name, share));
  ending_of(given);
  options.epochs = given["epochs"].as<int64_t>();
  options.batch_size = given["batch-size"].as<int64_t>();
  options.validation_split = given["validation-split"].as<double>();
  options.schedule = nn::parse_schedule(text("schedule"));
  options.augmentation = nn::parse_augmentation(text("augment"));
  if (!options.augmentation.any() && text("augment-where") != "all")
    throw Error("--augment-where says where to augment, but there is no --augment that says how");
  options.standardization = nn::parse_standardization(text("standardize"));
  options.seed = seed_of(given);
  if (text("optimizer").find("learning_rate") != std::string::npos)
    throw Error("--optimizer: the learning rate is given by --lr");
  optimizer = nn::parse_optimizer(text("optimizer"));
  optimizer.learning_rate = given["lr"].as<double>();
  if (!(optimizer.learning_rate > 0) || !(optimizer.learning_rate < 1e9))
    throw Error(fmt::format("--lr is {}, expected a number above 0 and below 1e9", optimizer.learning_rate));
  if (given.count("history")) check_two_files("--history", text("history"), "--out", text("out"));
  for (const char* name : {"out", "history", "report"}) check_no_event_directory(given, name);
  return choices;
}

std::optional<nn::Ending> ending_of(const po::variables_map& given) {
  if (!given.count("output")) return std::nullopt;
  const auto& name = given["output"].as<std::string>();
  if (name == "softmax") return nn::Ending::softmax;
  if (name == "sigmoid") return nn::Ending::sigmoid;
  throw Error(fmt::format("--output is '{}', expected softmax or sigmoid", name));
}

nn::Samples thinned(const nn::Samples& samples, const std::string& text) {
  if (text == "balanced") throw Error("--thin is 'balanced', expected CLASS=FRACTION,…");
  nn::ClassWeights fractions;
  try {
    fractions = nn::parse_class_weights(text, samples.class_names);
  } catch (const Error& error) {
    const std::string_view message = error.what();
    if (!message.starts_with("class weights")) throw Error(fmt::format("--thin: {}", message));
    throw Error(fmt::format("--thin: '{}': expected CLASS=FRACTION,… with fractions from 0 to 1", text));
  }
  if (!fractions.any()) return samples;
  const std::vector<int64_t> counts = nn::count_per_class(samples), labels = nn::label_values(samples);
  std::vector<int64_t> left = counts;
  for (const auto& [index, fraction] : fractions.weights) {
    if (fraction > 1) throw Error(fmt::format("--thin: {} is more than all: expected a fraction up to 1", fraction));
    const auto c = static_cast<size_t>(index);
    left[c] = static_cast<int64_t>(static_cast<double>(counts[c]) * fraction);
  }
  std::vector<int64_t> rows;
  for (size_t i = 0; i < labels.size(); ++i)
    if (left[static_cast<size_t>(labels[i])]-- > 0) rows.push_back(static_cast<int64_t>(i));
  if (rows.empty()) throw Error("--thin leaves no training images");
  return nn::take(samples, rows);
}

}  // namespace telaio::cli
