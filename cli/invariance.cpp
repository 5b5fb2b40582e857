// `telaio invariance`: what becomes of the accuracy when the images move, turn or change their size.
#include <algorithm>
#include <filesystem>

#include <fmt/format.h>

#include <telaio/nn/insight/invariance.hpp>
#include <telaio/nn/io/file.hpp>
#include <telaio/nn/io/json.hpp>

#include "command.hpp"
#include "commands.hpp"
#include "curve_plot.hpp"
#include "model_data.hpp"
#include "progress.hpp"
#include "results.hpp"
#include "svg.hpp"

namespace telaio::cli {

namespace {

constexpr const char* help_text =
    R"(Measures how much accuracy models keep when images are shifted, turned, shrunk or enlarged.

Usage: telaio invariance --model FILE [--model FILE …] [--data WHERE] [--per-class] [--out FILE.svg|.html|.json] [--json]

Each model sees all images of the test part as they are, and changed: shifted to the right (left where the number is
negative) and down (up) by up to about two sevenths of the image, turned by up to 75 degrees, at half to one and a half
times their size. What comes in from outside is black. Give several models to compare them: a dense and a convolutional
one, max- and average-pooling, trained with and without augmentation.

A dense net learns each pixel for itself, so a shift costs it most; a convolution finds the same strokes in other
places, and pooling forgets where exactly they were. Augmentation (telaio train --augment) flattens the curves: the
model has seen such images.

)";

constexpr const char* examples_text = R"(
Examples:
  telaio invariance --model model.telaio
  telaio invariance --model cnn.telaio --model dense.telaio --data mnist/ --out invariance.svg
  telaio invariance --model model.telaio --per-class --out invariance.html
  telaio invariance --model model.telaio --json | jq '.models[0].curves[2].points'

Exit code: 0, or 2 when something given is wrong.
)";

struct Measured {
  std::string name, path;
  std::vector<std::string> class_names;
  std::vector<nn::InvarianceCurve> curves;
};

// The files' names without what they have in common, if those differ.
std::vector<std::string> short_names(const std::vector<std::string>& paths) {
  std::vector<std::string> names;
  for (const std::string& path : paths) names.push_back(std::filesystem::path(path).stem().string());
  std::vector<std::string> sorted = names;
  std::sort(sorted.begin(), sorted.end());
  return std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end() ? names : paths;
}

std::string axis_title(const nn::InvarianceCurve& curve) { return fmt::format("{} ({})", curve.name, curve.unit); }

size_t widest(const std::vector<std::string>& names) {
  size_t most = 0;
  for (const std::string& name : names) most = std::max(most, name.size());
  return most;
}

// A line of percentages for each name, below the amounts.
std::string table(const nn::InvarianceCurve& amounts, const std::vector<std::string>& names,
                  const std::vector<std::vector<double>>& shares) {
  const size_t first = std::max<size_t>(6, widest(names));
  std::string out = fmt::format("{:<{}}", "", first);
  for (const nn::InvariancePoint& point : amounts.points) out += fmt::format(" {:>6g}", point.amount);
  out += "\n";
  for (size_t i = 0; i < names.size(); ++i) {
    out += fmt::format("{:<{}}", names[i], first);
    for (const double share : shares[i]) out += fmt::format(" {:>6.2f}", 100 * share);
    out += "\n";
  }
  return out;
}

std::vector<double> accuracies(const nn::InvarianceCurve& curve) {
  std::vector<double> shares;
  for (const nn::InvariancePoint& point : curve.points) shares.push_back(point.accuracy);
  return shares;
}
std::vector<double> accuracies(const nn::InvarianceCurve& curve, size_t c) {
  std::vector<double> shares;
  for (const nn::InvariancePoint& point : curve.points) shares.push_back(point.class_accuracy[c]);
  return shares;
}

std::vector<double> amounts_of(const nn::InvarianceCurve& curve) {
  std::vector<double> amounts;
  for (const nn::InvariancePoint& point : curve.points) amounts.push_back(point.amount);
  return amounts;
}

/// What is shown, as tables and as pictures: all models together, then each one's classes.
std::vector<CurveFigure> figures_of(const std::vector<Measured>& models, bool per_class) {
  std::vector<CurveFigure> figures{{"Accuracy on changed images", {}, {}}};
  for (const Measured& model : models) figures[0].lines.push_back(model.name);
  for (size_t t = 0; t < models[0].curves.size(); ++t) {
    const nn::InvarianceCurve& curve = models[0].curves[t];
    CurvePanel panel{curve.name, curve.unit, amounts_of(curve), {}};
    for (const Measured& model : models) panel.shares.push_back(accuracies(model.curves[t]));
    figures[0].panels.push_back(std::move(panel));
  }
  for (const Measured& model : models) {
    if (!per_class) break;
    CurveFigure figure{fmt::format("{}: share of each class that is recognised", model.name), model.class_names, {}};
    for (const nn::InvarianceCurve& curve : model.curves) {
      CurvePanel panel{curve.name, curve.unit, amounts_of(curve), {}};
      for (size_t c = 0; c < model.class_names.size(); ++c) panel.shares.push_back(accuracies(curve, c));
      figure.panels.push_back(std::move(panel));
    }
    figures.push_back(std::move(figure));
  }
  return figures;
}

std::string tables(const std::vector<Measured>& models, bool per_class) {
  std::vector<std::string> names;
  for (const Measured& model : models) names.push_back(model.name);
  std::string out;
  for (size_t t = 0; t < models[0].curves.size(); ++t) {
    std::vector<std::vector<double>> shares;
    for (const Measured& model : models) shares.push_back(accuracies(model.curves[t]));
    out += fmt::format("\n{}\n{}", axis_title(models[0].curves[t]), table(models[0].curves[t], names, shares));
    for (const Measured& model : models) {
      if (!per_class) break;
      shares.clear();
      for (size_t c = 0; c < model.class_names.size(); ++c) shares.push_back(accuracies(model.curves[t], c));
      out += fmt::format("  classes, {}\n{}", model.name, table(model.curves[t], model.class_names, shares));
    }
  }
  return out;
}

json::object as_json(const std::vector<Measured>& models, const std::string& source, const std::string& part,
                     int64_t samples, bool per_class) {
  json::array all;
  for (const Measured& model : models) {
    json::object one{{"name", model.name}, {"file", model.path}};
    if (per_class) one["class_names"] = json::array(model.class_names.begin(), model.class_names.end());
    one["curves"] = curves_json(model.curves, per_class);
    all.push_back(std::move(one));
  }
  return {{"data", source}, {"part", part}, {"samples", samples}, {"models", std::move(all)}};
}

std::string page(const std::vector<Measured>& models, const std::string& about, bool per_class) {
  std::string rows;
  for (size_t t = 0; t < models[0].curves.size(); ++t) {
    rows +=
        fmt::format("<h2>{}</h2>\n<div class='scroll'><table><tr><th></th>", escaped(axis_title(models[0].curves[t])));
    for (const double amount : amounts_of(models[0].curves[t])) rows += fmt::format("<th>{:g}</th>", amount);
    rows += "</tr>\n";
    for (const Measured& model : models) {
      rows += fmt::format("<tr><th>{}</th>", escaped(model.name));
      for (const double share : accuracies(model.curves[t])) rows += fmt::format("<td>{:.2f}</td>", 100 * share);
      rows += "</tr>\n";
    }
    rows += "</table></div>\n";
  }
  return fmt::format(
      "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'>\n"
      "<meta name='viewport' content='width=device-width,initial-scale=1'>\n<title>Invariance</title>\n"
      "<style>:root{{color-scheme:light dark}} body{{font-family:sans-serif;max-width:60rem;margin:1.5rem auto;"
      "padding:0 1rem;background:#fff;color:#222}} svg{{width:100%;height:auto}} h2{{font-size:1rem}} "
      ".scroll{{overflow-x:auto}} table{{border-collapse:collapse;font-size:.85rem}} th,td{{text-align:right;"
      "padding:.2rem .5rem;border-bottom:1px solid #8884}} tr>th:first-child{{text-align:left}} "
      "@media (prefers-color-scheme:dark){{body{{background:#16181c;color:#ddd}}}}</style></head>\n"
      "<body><h1>Invariance</h1>\n<p>{}</p>\n{}{}</body></html>\n",
      escaped(about), svg_curves(figures_of(models, per_class)), rows);
}

}  // namespace

int invariance(const std::vector<std::string>& arguments) {
  po::options_description options;
  // clang-format off
  options.add_options()
      ("model", po::value<std::vector<std::string>>()->value_name("FILE")->required(), "a trained model; may be given several times")
      ("data", po::value<std::string>()->value_name("WHERE")->default_value("digits"), "what to measure it on: see telaio train --help")
      ("part", po::value<std::string>()->value_name("PART"), "test or train; the test part where there is one")
      ("per-class", po::bool_switch(), "also the share of each class that is recognised")
      ("out", po::value<std::string>()->value_name("FILE"), "draw or write it: a name that ends in .svg, .html or .json")
      ("json", po::bool_switch(), "print JSON on standard output, and nothing else");
  // clang-format on
  options.add(threads_option());
  const auto parsed = parse(arguments, options, {}, help_text, examples_text);
  if (!parsed) return ok;
  const po::variables_map& given = *parsed;
  const Threads threads(threads_of(given));
  std::string part = part_of(given);
  const std::string out = given.count("out") ? given["out"].as<std::string>() : "";
  if (given.count("out")) check_output(out, {".svg", ".html", ".json"});
  const bool per_class = given["per-class"].as<bool>();
  const auto& paths = given["model"].as<std::vector<std::string>>();
  std::vector<nn::ModelFile> files;
  for (const std::string& path : paths) {
    files.push_back(nn::load_model(path));
    check_classifies(files.back().model, path);
    if (files.back().model.sample_shape().rank() != 3)
      throw Error(fmt::format("{}: the model takes samples of shape {}, expected images", path,
                              to_string(files.back().model.sample_shape())));
  }
  const nn::Dataset data = nn::load_dataset(given["data"].as<std::string>());
  const nn::Samples& samples = part_named(data, part);

  std::vector<Measured> models;
  std::vector<nn::Samples> fitting;
  const std::vector<std::string> names = short_names(paths);
  for (size_t i = 0; i < files.size(); ++i) fitting.push_back(samples_for(files[i], paths[i], samples, data.source));
  const Shape& shape = files[0].model.sample_shape();
  const auto tests = nn::standard_invariance_tests({shape[0], shape[1], shape[2]});
  {
    size_t points = 0, done = 0;
    for (const nn::InvarianceTest& test : tests) points += test.amounts.size();
    const Progress progress(points * files.size());
    for (size_t i = 0; i < files.size(); ++i) {
      Measured measured{names[i], paths[i], fitting[i].class_names, {}};
      for (const nn::InvarianceTest& test : tests) {
        const std::string what = fmt::format("{}, {}", names[i], test.name);
        progress.show(done, what);
        measured.curves.push_back(nn::measure_invariance(
            files[i].model, fitting[i], test,
            {.standardization = files[i].standardization, .after_point = [&] { progress.show(++done, what); }}));
      }
      models.push_back(std::move(measured));
    }
  }

  const std::string about = fmt::format("{} {} images of {}, accuracy in percent", samples.size(), part, data.source);
  const auto as_text = [&] { return nn::pretty(as_json(models, data.source, part, samples.size(), per_class)); };
  if (out.ends_with(".svg")) nn::write_file(out, svg_curves(figures_of(models, per_class)));
  if (out.ends_with(".html")) nn::write_file(out, page(models, about, per_class));
  if (out.ends_with(".json")) nn::write_file(out, as_text());
  if (given["json"].as<bool>()) {
    fmt::print("{}", as_text());
    return ok;
  }
  fmt::print("{}\n{}", about, tables(models, per_class));
  if (!out.empty()) fmt::print("\nIt is in {}.\n", out);
  return ok;
}

}  // namespace telaio::cli
