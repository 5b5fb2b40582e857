#include "report_data.hpp"

#include <algorithm>

#include <fmt/format.h>

#include <telaio/autograd/builtin.hpp>
#include <telaio/autograd/draw.hpp>
#include <telaio/autograd/node.hpp>
#include <telaio/nn/insight/invariance.hpp>
#include <telaio/nn/io/json.hpp>

#include "command.hpp"
#include "graphviz.hpp"
#include "progress.hpp"
#include "report_filters.hpp"
#include "report_results.hpp"
#include "results.hpp"

namespace telaio::cli {

namespace {

/// Of a larger image the dense net would have more than 50 million parameters: not worth the memory for two numbers.
constexpr int64_t most_inputs = 100'000;
constexpr int64_t most_for_invariance = 10'000;
constexpr size_t most_drawn = 400;  // nodes; Graphviz's time grows faster than their number

json::array comparison(const nn::Model& model) {
  json::array nets;
  for (const char* name : {"cnn", "dense"}) {
    if (numel(model.sample_shape()) > most_inputs) continue;
    try {
      const nn::Model net(nn::network_named(name, {.classes = nn::class_count(model)}), model.sample_shape());
      nets.push_back(
          json::object{{"name", name}, {"parameters", net.parameter_count()}, {"multiply_adds", net.multiply_adds()}});
    } catch (const Error&) {  // too small for two convolutions
    }
  }
  return nets;
}

/// So many of the samples, evenly from all of them: in a folder they lie class by class.
nn::Samples some(const nn::Samples& samples, int64_t most) {
  if (samples.size() <= most) return samples;
  std::vector<int64_t> rows;
  for (int64_t i = 0; i < most; ++i) rows.push_back(i * samples.size() / most);
  return nn::take(samples, rows);
}

json::object graph_json(const nn::Model& model) {
  Shape batch = model.sample_shape();
  batch.insert(0, 1);
  const std::vector<Tensor> ends{model(input("x", {model.input_dtype(), batch}))};
  try {
    if (topological_order(ends).size() > most_drawn) return {{"text", to_text(ends)}};
    const std::string svg = graphviz_svg(to_dot(ends));
    return {{"svg", svg.substr(std::min(svg.find("<svg"), svg.size()))}};
  } catch (const Error&) {
    return {{"text", to_text(ends)}};
  }
}

}  // namespace

ReportSubject subject_of(const nn::ModelFile& file, const std::string& path, const std::string& source) {
  ReportSubject subject{file.model, path, file.class_names, file.standardization, source};
  const auto note = [&](const char* name) {
    const auto found = file.notes.find(name);
    return found == file.notes.end() ? std::string() : found->second;
  };
  const auto parsed = [&](const char* name) -> json::value {
    const std::string text = note(name);
    return text.empty() ? json::value(nullptr) : nn::parse_json(text, fmt::format("{}: {}", path, name));
  };
  subject.history = parsed("history");
  subject.settings = parsed("settings");
  subject.command = note("command");
  std::string_view lines = file.notes.contains("diagnosis") ? std::string_view(file.notes.at("diagnosis")) : "";
  while (!lines.empty()) {
    const std::string_view line = lines.substr(0, lines.find('\n'));
    subject.diagnosis.emplace_back(line);
    lines.remove_prefix(std::min(lines.size(), line.size() + 1));
  }
  return subject;
}

json::object report_frame(const ReportSubject& subject) {
  const nn::Model& model = subject.model;
  return {{"state", "finished"},
          {"model",
           {{"name", model.name()},
            {"file", subject.path},
            {"input", shape_text(model.sample_shape())},
            {"output", std::string(name_of(model.ending()))},
            {"classes", json::array(subject.class_names.begin(), subject.class_names.end())},
            {"parameters", model.parameter_count()},
            {"multiply_adds", model.multiply_adds()},
            {"layers", layers_json(model)}}},
          {"comparison", comparison(model)},
          {"data", {{"source", subject.source}}},
          {"history", subject.history},
          {"diagnosis", json::array(subject.diagnosis.begin(), subject.diagnosis.end())},
          {"settings", subject.settings},
          {"command", subject.command}};
}

json::object unfinished_report(const ReportSubject& subject, std::string_view state, std::string_view message) {
  json::object report = report_frame(subject);
  report["state"] = state;
  report["message"] = message;
  return report;
}

json::object whole_report(const ReportSubject& subject, const std::string& part, const nn::Samples& samples,
                          std::optional<nn::Evaluation> evaluation) {
  const nn::Model& model = subject.model;
  const Shape& shape = model.sample_shape();
  const auto tests = nn::standard_invariance_tests({shape[0], shape[1], shape[2]});
  constexpr size_t filter_steps = 40;  // as long as the changed images take
  size_t steps = 3 + filter_steps, done = 0;
  for (const nn::InvarianceTest& test : tests) steps += test.amounts.size();
  const Progress progress(steps);

  progress.show(done, "report: accuracy");
  json::object report = report_frame(subject);
  report["model"].as_object()["classes"] = json::array(samples.class_names.begin(), samples.class_names.end());
  report["data"] = {{"source", subject.source}, {"part", part}, {"samples", samples.size()}};
  if (!evaluation) evaluation = nn::evaluate(model, samples, {.standardization = subject.standardization});
  progress.show(++done, "report: images");
  add_results(report, model, samples, *evaluation);
  ++done;
  const FilterPictures filters = find_pictures(model, subject.standardization, samples.class_names, [&](double share) {
    progress.show(done + static_cast<size_t>(share * filter_steps), "report: filters");
  });
  report["filters"] = as_json(filters);
  done += filter_steps;
  progress.show(done, "report: graph");
  report["graph"] = graph_json(model);
  ++done;

  const nn::Samples measured = some(samples, most_for_invariance);
  std::vector<nn::InvarianceCurve> curves;
  for (const nn::InvarianceTest& test : tests) {
    const std::string what = "report: " + test.name;
    progress.show(done, what);
    curves.push_back(nn::measure_invariance(
        model, measured, test,
        {.standardization = subject.standardization, .after_point = [&] { progress.show(++done, what); }}));
  }
  report["invariance"] = {{"samples", measured.size()}, {"curves", curves_json(curves, true)}};
  return report;
}

}  // namespace telaio::cli
