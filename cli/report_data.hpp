// What a report says, as the JSON that its page shows (report/page.js).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <boost/json.hpp>

#include <telaio/nn/data/dataset.hpp>
#include <telaio/nn/io/model_file.hpp>
#include <telaio/nn/train/evaluate.hpp>

namespace telaio::cli {

/// A model and how it was trained.
struct ReportSubject {
  nn::Model model;
  std::string path;  ///< of the model's file
  std::vector<std::string> class_names;
  nn::Standardization standardization = {};
  std::string source;                       ///< of the data
  boost::json::value history = nullptr;     ///< as `telaio train --json` prints it; null where it is not known
  std::vector<std::string> diagnosis = {};  ///< nn::diagnose
  boost::json::value settings = nullptr;    ///< {option: value}; null where they are not known
  std::string command = {};                 ///< that repeats the training; "" where it is not known
};

/// What a model file says of itself.
ReportSubject subject_of(const nn::ModelFile& file, const std::string& path, const std::string& source);

/// What costs nothing:
///   "state"       "finished"
///   "model"       {"name", "file", "input", "output", "classes", "parameters", "multiply_adds", "layers"}
///   "comparison"  [{"name", "parameters", "multiply_adds"}]: the nets cnn and dense for such images, where they can be
///   "data"        {"source"}
///   "history", "diagnosis", "settings", "command"
boost::json::object report_frame(const ReportSubject& subject);

/// While a training runs and its results are measured, or where either has ended early: the frame with "state"
/// "training", "measuring", "stopped", "unmeasured" or "failed" and a "message".
boost::json::object unfinished_report(const ReportSubject& subject, std::string_view state, std::string_view message);

/// The frame and all that is measured; with a bar on standard error:
///   "data"        {"source", "part", "samples"}
///   what add_results gives (report_results.hpp)
///   "filters"     as_json(FilterPictures)
///   "invariance"  {"samples", "curves"} on at most 10,000 images
///   "graph"       {"svg"}, or {"text"} where Graphviz is missing or there are more than 400 nodes
/// The samples are images (check_images), with the model's classes; `evaluation` of them is measured unless given.
boost::json::object whole_report(const ReportSubject& subject, const std::string& part, const nn::Samples& samples,
                                 std::optional<nn::Evaluation> evaluation = {});

}  // namespace telaio::cli
