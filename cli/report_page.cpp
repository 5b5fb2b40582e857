#include "report_page.hpp"

#include <filesystem>
#include <string_view>

#include <fmt/format.h>

#include <telaio/autograd/error.hpp>
#include <telaio/nn/io/file.hpp>
#include <telaio/nn/io/gzip.hpp>
#include <telaio/nn/io/json.hpp>

#include "svg.hpp"

namespace telaio::cli {

// Packed files, which the build makes sources of (cmake/embed.cmake).
std::string_view report_html();
std::string_view report_style();
std::string_view report_script();
std::string_view chart_script();

namespace {

/// JSON that does not end the element that it stands in, whatever names it has.
std::string json_in_html(const boost::json::object& report) {
  std::string out;
  for (const char c : nn::compact(report)) {
    if (c == '<') out += "\\u003c";
    else out += c;
  }
  return out;
}

/// With the last part of the data's path.
std::string title_of(const boost::json::object& report) {
  std::filesystem::path source(report.at("data").at("source").as_string().c_str());
  if (source.filename().empty()) source = source.parent_path();
  return fmt::format("{} on {}", report.at("model").at("name").as_string().c_str(), source.filename().string());
}

}  // namespace

std::string report_page(const boost::json::object& report) {
  const std::string page = nn::gunzip(report_html(), "page.html");
  std::string out;
  std::string_view rest = page;
  while (true) {
    const size_t begin = rest.find("{{"), end = rest.find("}}", begin);
    out += rest.substr(0, begin);
    if (end == std::string_view::npos) return out;
    const std::string_view name = rest.substr(begin + 2, end - begin - 2);
    if (name == "title") out += escaped(title_of(report));
    else if (name == "style") out += nn::gunzip(report_style(), "page.css");
    else if (name == "chart") out += nn::gunzip(chart_script(), "chart.min.js");
    else if (name == "data") out += json_in_html(report);
    else if (name == "script") out += nn::gunzip(report_script(), "page.js");
    else throw Error(fmt::format("page.html: there is no '{}'", name));
    rest.remove_prefix(end + 2);
  }
}

}  // namespace telaio::cli
