#include "command.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include <telaio/nn/describe.hpp>
#include <telaio/nn/io/file.hpp>
#include <telaio/nn/layers.hpp>

namespace telaio::cli {

namespace {

// The number of letters to change, insert or drop to make b of a.
size_t distance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t changed = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({changed, row[j] + 1, row[j + 1] + 1});
    }
  }
  return row.back();
}

}  // namespace

std::string suggestion(const std::string& name, const std::vector<std::string>& known) {
  std::vector<std::pair<size_t, std::string>> near;
  for (const std::string& one : known) {
    const bool part = name.size() >= 3 && one.find(name) != std::string::npos;
    near.emplace_back(part ? 0 : distance(name, one), one);
  }
  std::stable_sort(near.begin(), near.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  std::string matches;
  for (size_t i = 0; i < near.size() && i < 4 && near[i].first <= std::max<size_t>(2, name.size() / 3); ++i)
    matches += fmt::format("{}{}", matches.empty() ? "" : ", ", near[i].second);
  if (matches.empty()) return "";
  return fmt::format("; is it {}{}?", matches.find(',') == std::string::npos ? "" : "one of ", matches);
}

std::optional<po::variables_map> parse(const std::vector<std::string>& arguments, const po::options_description& given,
                                       const po::positional_options_description& positional, std::string_view help_text,
                                       std::string_view examples) {
  po::options_description options("Options");
  options.add(given);
  options.add_options()("help,h", "show this text");
  po::variables_map values;
  try {
    // Options are written out: an abbreviation that works today could mean two things tomorrow.
    const int style = po::command_line_style::default_style & ~po::command_line_style::allow_guessing;
    const auto parsed = po::command_line_parser(arguments).options(options).positional(positional).style(style).run();
    po::store(parsed, values);
  } catch (const po::too_many_positional_options_error&) {
    throw po::error("something stands there without an option; options are written as --name value");
  } catch (const po::unknown_option& error) {
    std::vector<std::string> names;
    for (const auto& option : options.options()) names.push_back("--" + option->long_name());
    throw po::error(
        fmt::format("there is no option '{}'{}", error.get_option_name(), suggestion(error.get_option_name(), names)));
  }
  if (values.count("help")) {
    std::cout << help_text << options << examples;
    return std::nullopt;
  }
  po::notify(values);
  return values;
}

std::string one_line(std::string_view message) {
  std::string text;
  size_t lines = 0;
  while (!message.empty()) {
    std::string_view line = message.substr(0, message.find('\n'));
    message.remove_prefix(std::min(message.size(), line.size() + 1));
    line.remove_prefix(std::min(line.size(), line.find_first_not_of(' ')));
    if (line.empty()) continue;
    text += lines == 0 ? "" : lines == 1 ? " (" : ", ";
    text += line;
    ++lines;
  }
  return lines > 1 ? text + ")" : text;
}

void throw_of_option(std::string_view option, const Error& error) {
  if (!std::string_view(error.what()).starts_with("unknown class")) throw;
  throw Error(fmt::format("{}: {}", option, error.what()));
}

void check_output(const std::string& path, const std::vector<std::string>& endings) {
  if (std::none_of(endings.begin(), endings.end(), [&](const std::string& one) { return path.ends_with(one); })) {
    std::string known = fmt::format("{}", fmt::join(endings.begin(), endings.end() - 1, ", "));
    known += known.empty() ? endings.back() : " or " + endings.back();
    throw Error(fmt::format("{}: expected a name that ends in {}", path, known));
  }
  nn::check_writable(path);
}

std::string end_of(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path end = fs::absolute(path, error);
  // Also of a link to what is to be made: writing follows it.
  for (int links = 0; links < 40 && fs::is_symlink(end, error); ++links)
    end = end.parent_path() / fs::read_symlink(end, error);
  const fs::path whole = fs::weakly_canonical(end, error);
  return (error ? end.lexically_normal() : whole).string();
}

void check_two_files(std::string_view what, const std::string& path, std::string_view other,
                     const std::string& other_path) {
  if (end_of(path) == end_of(other_path)) throw Error(fmt::format("{} and {} are one file: {}", what, other, path));
}

Shape parse_shape(const std::string& text) {
  Shape shape;
  std::string_view rest = text;
  for (bool more = true; more;) {
    const std::string_view item = rest.substr(0, rest.find_first_of(",x"));
    more = item.size() < rest.size();
    rest.remove_prefix(std::min(rest.size(), item.size() + 1));
    int64_t size = 0;
    const auto [stop, error] = std::from_chars(item.data(), item.data() + item.size(), size);
    if (error != std::errc() || stop != item.data() + item.size() || size < 1 || shape.rank() == max_rank - 1)
      throw po::error(fmt::format("'{}' is no shape: expected sizes of 1 or more, as in 28,28,1", text));
    shape.push_back(size);
  }
  return shape;
}

Threads::Threads(int threads) {
  if (threads > 0) limit_ = std::make_unique<ThreadLimit>(threads);
}

po::options_description threads_option() {
  po::options_description options;
  options.add_options()(
      "threads", po::value<int>()->value_name("N"),
      "how many threads work; the results do not depend on it. As many as there are processors unless given");
  return options;
}

int threads_of(const po::variables_map& given) {
  if (!given.count("threads")) return 0;
  const int threads = given["threads"].as<int>();
  if (threads < 1 || threads > 1024) throw po::error(fmt::format("--threads is {}, expected 1 … 1024", threads));
  return threads;
}

uint64_t seed_of(const po::variables_map& given) {
  const auto seed = given["seed"].as<int64_t>();
  if (seed < 0) throw po::error(fmt::format("--seed is {}, expected a whole number of at least 0", seed));
  return static_cast<uint64_t>(seed);
}

NetworkChoice choose_network(const std::string& name, int64_t classes, std::optional<nn::Ending> ending,
                             double dropout) {
  const auto& known = nn::network_names();
  if (std::find(known.begin(), known.end(), name) != known.end()) {
    const nn::NetworkOptions options{classes, ending.value_or(nn::Ending::softmax), dropout};
    return {nn::network_named(name, options), name, {}, ""};
  }
  if (!nn::path_exists(name))
    throw Error(fmt::format("there is no model '{}': expected {}, or a file", name, fmt::join(known, ", ")));
  if (nn::is_model_file(name))
    throw Error(fmt::format("{}: is a trained model; expected a description of a network (JSON)", name));
  if (dropout != 0) throw Error("--dropout is for the built-in models: a model in a file has its own layers");
  nn::NetworkDescription description = nn::parse_network(nn::read_file(name), name);
  if (description.name.empty()) description.name = std::filesystem::path(name).stem().string();
  return {description.network, description.name, description.input, name};
}

nn::Model build(const NetworkChoice& choice, const Shape& sample, const nn::ModelOptions& options) {
  try {
    return nn::Model(choice.network, sample, options);
  } catch (const Error& error) {
    if (choice.file.empty()) throw;
    throw Error(fmt::format("{}: {}", choice.file, error.what()));
  }
}

nn::Layer with_ending(const nn::Layer& network, nn::Ending ending) {
  const auto* sequence = network.as<nn::Sequential>();
  std::vector<nn::Layer> layers = sequence ? sequence->layers : std::vector<nn::Layer>{network};
  if (ending == nn::Ending::softmax) layers.emplace_back(nn::Softmax{});
  if (ending == nn::Ending::sigmoid) layers.emplace_back(nn::Activation{"sigmoid"});
  return nn::Sequential(std::move(layers));
}

bool begins_with_rescaling(const nn::Layer& network) {
  const auto* sequence = network.as<nn::Sequential>();
  if (sequence != nullptr) return !sequence->layers.empty() && begins_with_rescaling(sequence->layers[0]);
  return network.as<nn::Rescaling>() != nullptr;
}

nn::Model model_to_look_at(const std::string& name, const Shape& input) {
  const auto check_input = [&](const Shape& own) {
    if (!input.empty() && !(input == own))
      throw Error(fmt::format("{}: the model takes samples of shape {}, --input is {}", name, to_string(own),
                              to_string(input)));
  };
  if (nn::path_exists(name) && nn::is_model_file(name)) {
    const nn::Model model = nn::load_model(name).model;
    check_input(model.sample_shape());
    return model;
  }
  const NetworkChoice choice = choose_network(name, 10, {}, 0);
  if (!choice.input.empty()) check_input(choice.input);
  const Shape sample = !input.empty() ? input : !choice.input.empty() ? choice.input : Shape{28, 28, 1};
  return build(choice, sample, {.name = choice.name});
}

std::vector<std::string> class_names_of(const nn::ModelFile& file) {
  return file.class_names.empty() ? nn::numbered_classes(nn::class_count(file.model)) : file.class_names;
}

void check_classifies(const nn::Model& model, const std::string& path) {
  if (model.ending() == nn::Ending::linear || model.output_shape().rank() != 1)
    throw Error(
        fmt::format("{}: the model is no classifier: expected a softmax or a sigmoid for each class at its end, "
                    "it gives {} with a {} ending",
                    path, to_string(model.output_shape()), name_of(model.ending())));
  if (model.ending() == nn::Ending::softmax && model.output_shape()[0] == 1)
    throw Error(
        fmt::format("{}: the model is no classifier: a softmax of a single output is always 1; expected a "
                    "sigmoid, or an output for each class",
                    path));
}

json::value number(double value) { return std::isfinite(value) ? json::value(value) : json::value(nullptr); }

}  // namespace telaio::cli
