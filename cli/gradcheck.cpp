// `telaio gradcheck`: the op table's checks, for users' eyes or for scripts.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <optional>

#include <fmt/format.h>

#include <telaio/nn/io/file.hpp>
#include <telaio/ops/samples/check.hpp>

#include "command.hpp"
#include "commands.hpp"

namespace telaio::cli {

namespace {

using samples::OpRow;
using samples::RowReport;

constexpr const char* help_text = R"(Checks every op and its derivatives on this machine.

Usage: telaio gradcheck [--op NAME]... [--seed N] [--json FILE]

For each op, on samples drawn from a seed, all in double precision:
  forward   the result against a plain reference; passes up to {:g} (of max(1, |expected|))
  gradient  the analytic gradient against central differences (f(x+h) - f(x-h)) / 2h with h = {:g}·max(1, |x|);
            passes up to {:g}, relative with an absolute part of {:g}
  second    the same for the gradient of the gradient
An op without a derivative (a comparison, a random draw) shows a dash.

)";

constexpr const char* examples_text = R"(
Examples:
  telaio gradcheck                              all ops
  telaio gradcheck --op conv2d --op max_pool2d  two of them
  telaio gradcheck --seed 7                     other samples
  telaio gradcheck --json - | jq .passed        for a script

Exit code: 0 when every op passed, 1 when one failed, 2 when the arguments are wrong.
)";

const OpRow& find(const std::string& name) {
  std::vector<std::string> names;
  for (const OpRow& row : samples::op_table()) {
    if (row.name == name) return row;
    names.push_back(row.name);
  }
  throw po::error(fmt::format("there is no op '{}'{}", name, suggestion(name, names)));
}

std::string number(const std::optional<double>& error) { return error ? fmt::format("{:.1e}", *error) : "-"; }

std::string line(const RowReport& report, size_t width) {
  return fmt::format("{:<{}}  {:>9}  {:>9}  {:>9}  {:>7}  {}", report.name, width, number(report.forward_error),
                     number(report.gradient_error), number(report.second_error), report.samples,
                     report.passed() ? "ok" : "FAILED");
}

// On standard error, and only where someone looks: results on standard output stay clean.
class ProgressBar {
 public:
  explicit ProgressBar(size_t total) : total_(total), shown_(isatty(STDERR_FILENO) != 0) {}
  ~ProgressBar() { clear(); }
  void show(size_t done, const std::string& name) const {
    if (!shown_) return;
    constexpr size_t cells = 30;
    const size_t full = total_ == 0 ? cells : cells * done / total_;
    fmt::print(stderr, "\r\033[K[{}{}] {}/{} {}", std::string(full, '#'), std::string(cells - full, '.'), done, total_,
               name);
    std::fflush(stderr);
  }
  void clear() const {
    if (shown_) fmt::print(stderr, "\r\033[K");
  }

 private:
  size_t total_;
  bool shown_;
};

// JSON has no infinity and no NaN: an error that is no number is null.
json::value as_json(const std::optional<double>& error) {
  return error && std::isfinite(*error) ? json::value(*error) : json::value(nullptr);
}

std::string as_json(const std::vector<RowReport>& reports) {
  json::array ops;
  bool passed = true;
  for (const RowReport& report : reports) {
    passed &= report.passed();
    ops.push_back(json::object{{"name", report.name},
                               {"samples", report.samples},
                               {"forward_error", as_json(report.forward_error)},
                               {"gradient_error", as_json(report.gradient_error)},
                               {"second_error", as_json(report.second_error)},
                               {"passed", report.passed()}});
  }
  return json::serialize(json::object{{"ops", std::move(ops)}, {"passed", passed}}) + "\n";
}

}  // namespace

int gradcheck(const std::vector<std::string>& arguments) {
  po::options_description options;
  options.add_options()("op", po::value<std::vector<std::string>>()->value_name("NAME"),
                        "check this op only; may be given several times")(
      "seed", po::value<int64_t>()->default_value(1)->value_name("N"), "draws other samples")(
      "json", po::value<std::string>()->value_name("FILE"),
      "write the results to FILE as JSON; - is standard output, "
      "and nothing else is written there then");
  const std::string help =
      fmt::format(fmt::runtime(help_text), samples::forward_limit_f64, samples::table_tolerance.eps,
                  samples::table_tolerance.rtol, samples::table_tolerance.atol);
  const auto parsed = parse(arguments, options, {}, help, examples_text);
  if (!parsed) return ok;
  const po::variables_map& given = *parsed;

  std::vector<const OpRow*> rows;
  if (given.count("op")) {
    for (const std::string& name : given["op"].as<std::vector<std::string>>()) rows.push_back(&find(name));
  } else {
    for (const OpRow& row : samples::op_table()) rows.push_back(&row);
  }
  const std::string file = given.count("json") ? given["json"].as<std::string>() : "";
  const bool only_json = file == "-";
  const auto seed = seed_of(given);

  size_t width = 2;
  for (const OpRow* row : rows) width = std::max(width, row->name.size());
  if (!only_json)
    fmt::print("{:<{}}  {:>9}  {:>9}  {:>9}  {:>7}\n", "op", width, "forward", "gradient", "second", "samples");

  const ProgressBar progress(rows.size());
  std::vector<RowReport> reports;
  for (const OpRow* row : rows) {
    progress.show(reports.size(), row->name);
    reports.push_back(check_row(*row, seed));
    progress.clear();
    if (!only_json) {
      fmt::print("{}\n", line(reports.back(), width));
      std::fflush(stdout);
    }
    for (const std::string& problem : reports.back().problems) fmt::print(stderr, "{}\n", problem);
  }
  const auto failures =
      std::count_if(reports.begin(), reports.end(), [](const RowReport& report) { return !report.passed(); });
  if (only_json) fmt::print("{}", as_json(reports));
  else if (!file.empty()) nn::write_file(file, as_json(reports));
  if (!only_json) {
    fmt::print("{} {} with seed {}: {}\n", reports.size(), reports.size() == 1 ? "op" : "ops", seed,
               failures == 0 ? "all passed" : fmt::format("{} failed", failures));
  }
  return failures == 0 ? ok : cli::failed;
}

}  // namespace telaio::cli
