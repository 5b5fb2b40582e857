// `telaio report`: a page that shows a trained model.
#include <fmt/format.h>

#include <telaio/nn/io/file.hpp>
#include <telaio/nn/io/json.hpp>

#include "command.hpp"
#include "commands.hpp"
#include "model_data.hpp"
#include "report_data.hpp"
#include "report_images.hpp"
#include "report_page.hpp"
#include "results.hpp"

namespace telaio::cli {

namespace {

constexpr const char* help_text = R"(Writes a page that shows a trained model and its training, for a browser.

Usage: telaio report --model FILE [--data WHERE] [--part test|train] [--out FILE.html] [--json]

The page has the curves of the training and what they mean, each class, what was taken for what with the images, the
worst mistakes, what the filters look for, what shifts, turns and sizes cost, the graph and the settings. It is a single
file that needs no network. The curves are in the file of a training that has finished. The graph is drawn where
Graphviz is (Debian: graphviz).

`telaio train --report FILE.html` writes the same page at the end of a training, with --live also while it runs.

)";

constexpr const char* examples_text = R"(
Examples:
  telaio report --model model.telaio                       report.html, on the test part of the built-in digits
  telaio report --model model.telaio --data mnist/ --out mnist.html
  telaio report --model model.telaio --part train          on the images that it learnt from

Exit code: 0, or 2 when something given is wrong.
)";

}  // namespace

int report(const std::vector<std::string>& arguments) {
  po::options_description options;
  // clang-format off
  options.add_options()
      ("model", po::value<std::string>()->value_name("FILE")->required(), "the trained model")
      ("data", po::value<std::string>()->value_name("WHERE")->default_value("digits"), "what to measure it on: see telaio train --help")
      ("part", po::value<std::string>()->value_name("PART"), "test or train; the test part where there is one")
      ("out", po::value<std::string>()->value_name("FILE")->default_value("report.html"), "the page: a name that ends in .html")
      ("json", po::bool_switch(), "print the results as JSON on standard output, and nothing else");
  // clang-format on
  options.add(threads_option());
  const auto given = parse(arguments, options, {}, help_text, examples_text);
  if (!given) return ok;
  const Threads threads(threads_of(*given));
  std::string part = part_of(*given);
  const auto& out = (*given)["out"].as<std::string>();
  check_output(out, {".html"});
  const auto& path = (*given)["model"].as<std::string>();
  const nn::ModelFile file = nn::load_model(path);
  check_classifies(file.model, path);
  check_images(file.model.sample_shape(), path);
  const nn::Dataset data = nn::load_dataset((*given)["data"].as<std::string>());
  const nn::Samples samples = samples_for(file, path, part_named(data, part), data.source);

  const json::object all = whole_report(subject_of(file, path, data.source), part, samples);
  nn::write_file(out, report_page(all));
  if ((*given)["json"].as<bool>()) {
    json::object printed = all.at("evaluation").as_object();
    printed["file"] = out;
    fmt::print("{}", nn::pretty(printed));
    return ok;
  }
  fmt::print("{} shows {} on {} {} images of {}\n", out, file.model.name(), samples.size(), part, data.source);
  return ok;
}

}  // namespace telaio::cli
