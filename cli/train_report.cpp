#include "train_report.hpp"

#include <fmt/format.h>

#include <telaio/nn/io/file.hpp>

#include "model_data.hpp"
#include "report_images.hpp"
#include "report_page.hpp"
#include "train_options.hpp"

namespace telaio::cli {

TrainReport::TrainReport(const po::variables_map& given)
    : given_(given),
      path_(given.count("report") ? given["report"].as<std::string>() : ""),
      live_(given["live"].as<bool>()) {
  if (live_ && !given.count("report"))
    throw Error("--live keeps a page up to date, but there is no --report FILE.html");
  if (!given.count("report")) return;
  for (const char* other : {"out", "history"})
    if (given.count(other))
      check_two_files("--report", path_, fmt::format("--{}", other), given[other].as<std::string>());
  check_output(path_, {".html"});
}

void TrainReport::check(const nn::Dataset& data) const {
  if (!path_.empty()) check_images(data.train.sample_shape(), data.source);
}

ReportSubject TrainReport::about(const nn::Model& model, const nn::Dataset& data,
                                 const nn::Standardization& standardization, json::value history) const {
  ReportSubject subject{model, given_["out"].as<std::string>(), data.train.class_names, standardization, data.source};
  subject.history = std::move(history);
  subject.settings = training_settings(given_);
  subject.command = repeating_command(given_);
  return subject;
}

void TrainReport::write_page(const json::object& report) {
  const std::string page = report_page(report);
  if (last_words_) last_words_->replace([&] { nn::write_file(path_, page); });
  else nn::write_file(path_, page);
  last_words_.reset();
}

void TrainReport::write_unfinished(const ReportSubject& subject, std::string_view state, std::string_view message) {
  if (live_) write_page(unfinished_report(subject, state, message));
}

void TrainReport::write_failure(const ReportSubject& subject, const Error& error) {
  try {
    write_unfinished(subject, "failed", one_line(error.what()));
  } catch (const Error&) {
  }
}

void TrainReport::begin_measuring(const ReportSubject& subject) {
  if (!live_) return;
  const auto page = [&](const char* state, const char* message) {
    return report_page(unfinished_report(subject, state, message));
  };
  last_words_ =
      std::make_unique<LastWords>([&] { nn::write_file(path_, page("measuring", "")); },
                                  [path = path_, last = page("unmeasured", "telaio train --resume measures them.")] {
                                    nn::write_file(path, last);
                                  });
}

bool TrainReport::write(const ReportSubject& subject, const nn::Dataset& data, std::optional<nn::Evaluation> test) {
  if (path_.empty()) return false;
  std::string part;
  const nn::Samples& samples = part_named(data, part);
  write_page(whole_report(subject, part, samples, std::move(test)));
  return true;
}

}  // namespace telaio::cli
