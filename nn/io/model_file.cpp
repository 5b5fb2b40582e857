#include <telaio/nn/io/model_file.hpp>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <set>

#include <fmt/format.h>

#include <boost/json.hpp>

#include <telaio/nn/describe.hpp>
#include <telaio/nn/io/file.hpp>
#include <telaio/nn/io/json.hpp>
#include <telaio/nn/io/safetensors.hpp>

namespace telaio::nn {

namespace json = boost::json;

namespace {

constexpr std::string_view format = "telaio-model-1";
constexpr std::string_view reserved[] = {"format",  "network",         "dtype",   "input_dtype",
                                         "classes", "standardization", "training"};

DType dtype_named(const std::string& name, const std::string& path) {
  for (const DType dtype : {boolean, u8, i32, i64, f32, f64})
    if (name_of(dtype) == name) return dtype;
  throw Error(fmt::format("{}: there is no type '{}'", path, name));
}

const std::string& metadata(const SafeTensors& file, const std::string& key, const std::string& path) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end())
    throw Error(fmt::format("{}: no model of Telaio: the metadata have no \"{}\"", path, key));
  return found->second;
}

std::string text_of(const std::vector<std::pair<std::string, std::string>>& settings) {
  json::array list;
  for (const auto& [name, value] : settings) list.push_back(json::array{name, value});
  return compact(list);
}

std::vector<std::pair<std::string, std::string>> settings_of(const std::string& text, const std::string& path) {
  std::vector<std::pair<std::string, std::string>> settings;
  const json::value list = parse_json(text, path);
  try {
    for (const json::value& pair : list.as_array())
      settings.emplace_back(pair.as_array().at(0).as_string(), pair.as_array().at(1).as_string());
  } catch (const std::exception&) {
    throw Error(fmt::format("{}: the settings of the training are no list of pairs", path));
  }
  return settings;
}

std::vector<std::string> names_of(const std::string& text, const std::string& path) {
  std::vector<std::string> names;
  const json::value list = parse_json(text, path);
  try {
    for (const json::value& name : list.as_array()) names.emplace_back(name.as_string());
  } catch (const std::exception&) {
    throw Error(fmt::format("{}: the classes are no list of names", path));
  }
  return names;
}

Model build(const SafeTensors& content, const std::string& path, const LayerTypes& types) {
  if (metadata(content, "format", path) != format)
    throw Error(fmt::format("{}: expected the format {}, got '{}'", path, format, metadata(content, "format", path)));
  const NetworkDescription description = parse_network(metadata(content, "network", path), path, types);
  const DType dtype = dtype_named(metadata(content, "dtype", path), path);
  const DType input = dtype_named(metadata(content, "input_dtype", path), path);
  try {
    return Model(description.network, description.input, {.name = description.name, .dtype = dtype, .input = input});
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", path, error.what()));
  }
}

void fill(const Model& model, const SafeTensors& content, const std::string& path) {
  std::vector<Tensor> values;
  std::set<std::string_view> known;
  for (const Variable& variable : model.variables()) {
    const Tensor* value = content.find(variable.name());
    if (value == nullptr) throw Error(fmt::format("{}: the parameter '{}' is missing", path, variable.name()));
    if (!(value->spec() == variable.spec()))
      throw Error(fmt::format("{}: '{}' is {}, the network needs {}", path, variable.name(), to_string(value->spec()),
                              to_string(variable.spec())));
    values.push_back(*value);
    known.insert(variable.name());
  }
  for (const auto& [name, value] : content.tensors)
    if (name.find('/') == std::string::npos && !known.contains(name))
      throw Error(fmt::format("{}: '{}' is no parameter of the network", path, name));
  model.set_values(values);
}

}  // namespace

void save_model(const std::string& path, const ModelFile& file, const std::vector<Tensor>* values) {
  SafeTensors content;
  for (const auto& [name, value] : file.notes) {
    if (std::find(std::begin(reserved), std::end(reserved), name) != std::end(reserved))
      throw Error(fmt::format("{}: a note cannot be called '{}'", path, name));
    content.metadata[name] = value;
  }
  const Model& model = file.model;
  content.metadata["format"] = format;
  content.metadata["network"] = to_json(NetworkDescription{model.network(), model.name(), model.sample_shape()});
  content.metadata["dtype"] = name_of(model.dtype());
  content.metadata["input_dtype"] = name_of(model.input_dtype());
  content.metadata["classes"] = compact(json::array(file.class_names.begin(), file.class_names.end()));
  content.metadata["standardization"] = to_string(file.standardization);

  const std::vector<Variable> variables = model.variables();
  const std::vector<Tensor> present = values ? *values : model.values();
  for (size_t i = 0; i < variables.size(); ++i) content.tensors.emplace_back(variables[i].name(), present[i]);
  if (file.standardization.pixels) {
    content.tensors.emplace_back("preparation/mean", file.standardization.mean);
    content.tensors.emplace_back("preparation/deviation", file.standardization.deviation);
  }
  if (file.training) {
    content.metadata["training"] = text_of(file.training->settings);
    for (const auto& [name, value] : file.training->tensors) content.tensors.emplace_back("training/" + name, value);
  }
  write_safetensors(path, content);
}

ModelFile load_model(const std::string& path, const LayerTypes& types) {
  SafeTensors content = read_safetensors(path);
  ModelFile file{build(content, path, types)};
  fill(file.model, content, path);
  file.class_names = names_of(metadata(content, "classes", path), path);
  const auto names = static_cast<int64_t>(file.class_names.size());
  if (names != 0 && names != class_count(file.model))
    throw Error(fmt::format("{}: {} classes, but the network tells {} apart: its outputs are {}", path, names,
                            class_count(file.model), to_string(file.model.output_shape())));
  const std::string& standardization = metadata(content, "standardization", path);
  try {
    file.standardization = parse_standardization(standardization);
    if (file.standardization.pixels) {
      for (const auto& [name, member] : {std::pair{"preparation/mean", &Standardization::mean},
                                         {"preparation/deviation", &Standardization::deviation}})
        if (const Tensor* tensor = content.find(name)) file.standardization.*member = *tensor;
    }
    check(file.standardization, file.model.sample_shape());
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", path, error.what()));
  }
  if (content.metadata.contains("training")) {
    file.training.emplace();
    file.training->settings = settings_of(content.metadata["training"], path);
    for (auto& [name, value] : content.tensors)
      if (name.starts_with("training/")) file.training->tensors[name.substr(9)] = value;
  }
  for (const auto& [name, value] : content.metadata)
    if (std::find(std::begin(reserved), std::end(reserved), name) == std::end(reserved)) file.notes[name] = value;
  return file;
}

bool is_model_file(const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "rb");
  if (file == nullptr) return false;
  char begin[9] = {};
  const bool is = std::fread(begin, 1, 9, file) == 9 && begin[8] == '{' && begin[7] == 0;
  std::fclose(file);
  return is;
}

}  // namespace telaio::nn
