#include "model_data.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <telaio/nn/train/preparation.hpp>
#include <telaio/ops/create.hpp>

namespace telaio::cli {

namespace {

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

std::string part_of(const po::variables_map& given) {
  if (!given.count("part")) return "";
  const auto& part = given["part"].as<std::string>();
  if (part != "test" && part != "train") throw Error(fmt::format("--part is '{}', expected test or train", part));
  return part;
}

const nn::Samples& part_named(const nn::Dataset& data, std::string& part) {
  if (part.empty()) part = data.test.empty() ? "train" : "test";
  if (part == "test" && data.test.empty()) throw Error(fmt::format("{}: there is no test part", data.source));
  return part == "test" ? data.test : data.train;
}

nn::Samples samples_for(const nn::ModelFile& file, const std::string& model_path, nn::Samples samples,
                        const std::string& source) {
  nn::Samples fitting = with_classes_of(file, std::move(samples), source);
  if (!(fitting.sample_shape() == file.model.sample_shape()))
    throw Error(fmt::format("{}: samples of shape {}, but {} takes {}", source, to_string(fitting.sample_shape()),
                            model_path, to_string(file.model.sample_shape())));
  return fitting;
}

}  // namespace telaio::cli
