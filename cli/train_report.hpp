// The page that a training writes: at its end, and with --live while it runs.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "command.hpp"
#include "report_data.hpp"
#include "stop_signals.hpp"

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
  /// With --live: a page of a training in that state, "training" or "stopped" (report_data.hpp).
  void write_unfinished(const ReportSubject& subject, std::string_view state, std::string_view message);
  /// With --live: the state is "failed". Without an Error of its own: the one that it is about is to be told.
  void write_failure(const ReportSubject& subject, const Error& error);
  /// With --live: the state is "measuring". Where a signal ends the program before another page is written, it becomes
  /// "unmeasured".
  void begin_measuring(const ReportSubject& subject);
  /// Where a page is wanted: the whole one, on the test part where there is one. Whether it is.
  bool write(const ReportSubject& subject, const nn::Dataset& data, std::optional<nn::Evaluation> test);

 private:
  void write_page(const json::object& report);

  const po::variables_map& given_;
  std::string path_;  // "": no page
  bool live_;
  std::unique_ptr<LastWords> last_words_;  // while measuring
};

}  // namespace telaio::cli
