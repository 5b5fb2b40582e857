// The page of a report: one file that needs no other, nor a network.
#pragma once

#include <string>

#include <boost/json.hpp>

namespace telaio::cli {

/// HTML with the report (report_data.hpp) inside as JSON, and with the style, the scripts (cli/report/) and Chart.js
/// that show it.
std::string report_page(const boost::json::object& report);

}  // namespace telaio::cli
