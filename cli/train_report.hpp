// The page that a training writes: at its end, and with --live while it runs.
#pragma once

#include <optional>
#include <string>

#include "command.hpp"
#include "report_data.hpp"

namespace telaio::cli {

class TrainReport {
 public:
  /// Of the options --report and --live. Error when the page cannot be written, or they do not go together with each
  /// other, --out and --history.
  explicit TrainReport(const po::variables_map& given);

  bool live() const { return live_; }
  /// Error where a page is wanted of data that are no images.
  void check(const nn::Dataset& data) const;

  ReportSubject about(const nn::Model& model, const nn::Dataset& data, const nn::Standardization& standardization,
                      json::value history) const;
  /// With --live: a page of a training in that state (report_data.hpp).
  void write_unfinished(const ReportSubject& subject, std::string_view state, std::string_view message) const;
  /// Where a page is wanted: the whole one, on the test part where there is one. Whether it is.
  bool write(const ReportSubject& subject, const nn::Dataset& data, std::optional<nn::Evaluation> test) const;

 private:
  const po::variables_map& given_;
  std::string path_;  // "": no page
  bool live_;
};

}  // namespace telaio::cli
